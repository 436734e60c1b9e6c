# SPDX-License-Identifier: Apache-2.0
"""Label maps of scenes, window by window, beside one pass of the same network."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytestmark = pytest.mark.mm

from zoo.data import Tiling, encode_png, parse_tiling  # noqa: E402 (after the mark)
from zoo.engine.prediction.model import LoadedModel  # noqa: E402
from zoo.engine.prediction.predictor import Predictor  # noqa: E402
from zoo.errors import ConfigError, DataError  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("background", "field", "house")
PALETTE = ((0, 0, 0), (200, 40, 10), (10, 40, 200))
REACH_PX = 4
CONFIG = """
default_scope = 'mmseg'
model = dict(type='Made')
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(type='BaseSegDataset', pipeline=test_pipeline))
"""


def _network(channels: int, *, scores: bool = True) -> Any:
    """Return a segmentor of two convolutions whose pixels see 4 px around them."""
    import torch
    from mmseg.models import BaseSegmentor, SegDataPreProcessor

    class Made(BaseSegmentor):  # type: ignore[misc]
        align_corners = False

        def __init__(self) -> None:
            super().__init__(data_preprocessor=SegDataPreProcessor())
            self.body = torch.nn.Sequential(
                torch.nn.Conv2d(3, 6, 5, padding=2),
                torch.nn.Tanh(),
                torch.nn.Conv2d(6, channels, 5, padding=2),
            )
            self.decode_head = SimpleNamespace(out_channels=channels, threshold=0.45)
            self.sizes: list[tuple[int, ...]] = []

        def predict(self, inputs: Any, data_samples: Any = None) -> Any:
            self.sizes.append(tuple(inputs.shape[-2:]))
            found = self.postprocess_result(self.body(inputs / 32 - 4), data_samples)
            for sample in found if not scores else ():
                del sample.seg_logits
            return found

        def extract_feat(self, inputs: Any) -> Any:
            raise NotImplementedError

        encode_decode = loss = _forward = extract_feat

    torch.manual_seed(channels)
    return Made().eval()


def _model(tmp_path: Path, channels: int = 3, *, config: str = "", **how: Any) -> LoadedModel:
    from mmengine.config import Config

    return LoadedModel(
        name="made",
        module=_network(channels, **how),
        config=Config.fromstring(CONFIG + config, ".py"),
        task="semantic",
        classes=CLASSES if channels == 3 else CLASSES[:2],
        palette=PALETTE if channels == 3 else PALETTE[:2],
        checkpoint=tmp_path / "made.pth",
    )


def _scene(height_px: int, width_px: int) -> NDArray[np.uint8]:
    return np.random.default_rng([height_px, width_px]).integers(
        0, 256, (height_px, width_px, 3), np.uint8
    )


def _cut(tile_px: int, overlap_px: int) -> Tiling:
    return parse_tiling("tiles", tile_px, overlap_px)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (20, 33), (64, 64), (101, 67), (97, 211)])
@pytest.mark.parametrize("tile", [(32, 16), (48, 17), (64, 40)])
def test_windows_give_the_labels_of_one_pass(
    tmp_path: Path, channels: int, size: tuple[int, int], tile: tuple[int, int]
) -> None:
    """Of a network that sees a quarter of the overlap; counts and areas are those of the map."""
    model, image = _model(tmp_path, channels), _scene(*size)
    whole = Predictor(model)(image)

    cut = Predictor(model, tiling=_cut(*tile))(image)

    assert whole.task == cut.task == "semantic"
    assert whole.windows is None
    assert np.array_equal(whole.labels, cut.labels)
    assert whole.areas_px == cut.areas_px
    assert size == cut.shown.shape[:2]
    sizes = model.module.sizes[1:]
    assert cut.windows == len(sizes)
    assert {tuple(min(side, tile[0]) for side in size)} == set(sizes)


def test_windows_that_the_config_states(tmp_path: Path) -> None:
    """Are cut unless whole images are asked for."""
    model = _model(tmp_path, config="tiling = dict(tile_px=32, overlap_px=16)")
    image = _scene(40, 70)

    cut, whole = Predictor(model)(image), Predictor(model, tiling=None)(image)

    assert cut.task == whole.task == "semantic"
    assert (cut.windows, whole.windows) == (8, None)
    assert np.array_equal(whole.labels, cut.labels)


def test_missing_data_has_no_label(tmp_path: Path) -> None:
    """Windows of nothing else are left out, and no class counts its pixels."""
    rasterio = pytest.importorskip("rasterio")
    image = _scene(96, 128)
    image[:, :64] = 0
    image[5:9, 100:120] = 0
    image[image.max(axis=2) == 0] = 0
    missing = (image == 0).all(axis=2)
    place = {"crs": "EPSG:32631", "transform": rasterio.Affine(2, 0, 5e5, 0, -2, 5e6)}
    path = tmp_path / "scene.tif"
    shape = {"width": 128, "height": 96, "count": 3, "dtype": "uint8", "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as dataset:
        dataset.write(np.moveaxis(image, 2, 0))
    model = _model(tmp_path)

    cut = Predictor(model, tiling=_cut(32, 0))(path)

    assert cut.task == "semantic"
    assert np.array_equal(missing, cut.labels == 255)
    assert sum(cut.areas_px.values()) == (~missing).sum()
    assert cut.windows == len(model.module.sizes) == 6
    assert cut.georeference is not None
    assert cut.georeference.crs == "urn:ogc:def:crs:EPSG::32631"


def test_large_label_map_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is held in memory; it is gone with the result."""
    from zoo.engine.scenes import label_rows

    model, image = _model(tmp_path), _scene(97, 211)
    held = Predictor(model, tiling=_cut(64, 16))(image)
    monkeypatch.setattr(label_rows, "MOST_HELD_PX", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    mapped = Predictor(model, tiling=_cut(64, 16))(image)

    assert held.task == mapped.task == "semantic"
    assert isinstance(mapped.labels, np.memmap)
    assert np.array_equal(held.labels, mapped.labels)
    assert np.array_equal(held.overlay(), mapped.overlay())
    if sys.platform != "win32":
        assert list(tmp_path.iterdir()) == []


def test_labels_are_cleaned_as_a_whole(tmp_path: Path) -> None:
    """The largest part of a scene, not of each window."""
    model, image = _model(tmp_path), _scene(70, 90)
    stated = {"keep_largest": {"field": 1}, "fill_holes": ["house"]}
    whole = Predictor(model, postprocess=stated)(image)

    cut = Predictor(model, tiling=_cut(32, 16), postprocess=stated)(image)

    assert whole.task == cut.task == "semantic"
    assert np.array_equal(whole.labels, cut.labels)
    assert whole.areas_px == cut.areas_px


def test_scene_too_large_to_clean_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything of it is predicted."""
    monkeypatch.setattr("zoo.engine.prediction.semantic._MOST_CLEANED_PX", 6000)
    model = _model(tmp_path)
    predictor = Predictor(model, tiling=_cut(32, 16), postprocess={"fill_holes": ["house"]})

    with pytest.raises(DataError, match="cannot clean the labels") as caught:
        predictor(_scene(70, 90))

    assert "--no-postprocess" in str(caught.value.hint)
    assert not model.module.sizes


def test_model_without_scores_is_told_to_run_whole(tmp_path: Path) -> None:
    model = _model(tmp_path, scores=False)

    with pytest.raises(ConfigError, match="holds no scores") as caught:
        Predictor(model, tiling=_cut(32, 16))(_scene(70, 90))

    assert caught.value.hint == "use --tile-size 0."


def test_window_that_fails_names_the_scene(tmp_path: Path) -> None:
    """With what helps: smaller windows."""
    model = _model(tmp_path)
    path = tmp_path / "scene.png"
    path.write_bytes(encode_png(_scene(70, 90)))

    def fail(*_: Any, **__: Any) -> Any:
        raise MemoryError

    model.module.predict = fail
    with pytest.raises(DataError, match=r"cannot predict on 'scene\.png'") as caught:
        Predictor(model, tiling=_cut(32, 16))(path)

    assert "--tile-size" in str(caught.value.hint)


def test_overlay_of_a_large_scene_is_scaled_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the size and the picture of an image that was processed as a whole."""
    monkeypatch.setattr("zoo.engine.scenes.scene._MOST_SHOWN_AREA_PX", 5000)
    monkeypatch.setattr("zoo.engine.scenes.scene._REDUCED_AREA_PX", 2000)
    model, image = _model(tmp_path), _scene(80, 120)
    whole, cut = Predictor(model)(image), Predictor(model, tiling=_cut(32, 16))(image)

    assert whole.shown.shape[:2] == (80, 120)
    assert cut.shown.shape[:2] == (37, 55)
    assert np.array_equal(whole.overlay(), cut.overlay())
