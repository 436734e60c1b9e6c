# SPDX-License-Identifier: Apache-2.0
"""Files for Deepness: read and run as its source does it, written out again here.

Source: qgis-plugin-deepness 0.6.5, processing/models/model_base.py, segmentor.py,
preprocessing_utils.py and map_processor_segmentation.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from zoo_onnx_export.entry import export, export_qgis
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.images import smooth_noise

import zoo
from zoo.data.layout.prepared import digest_of_content
from zoo.interfaces import ExportOptions

pytestmark = [pytest.mark.mm, pytest.mark.slow]

Toy = Callable[..., zoo.Predictor]
RESIZE = {"type": "Resize", "scale": (80, 56), "keep_ratio": False}
SIDE = 96
PREPROCESSOR = {
    "type": "SegDataPreProcessor",
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "bgr_to_rgb": True,
    "size": (SIDE, SIDE),
}


class Deepness:
    """What Deepness makes of a file, without QGIS."""

    def __init__(self, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        assert (len(inputs), len(outputs)) == (1, 1)
        self.input, self.output = inputs[0], outputs[0]
        texts = self.session.get_modelmeta().custom_metadata_map
        self.model_type = str(json.loads(texts["model_type"])).capitalize()
        self.tile_px = int(json.loads(texts["tile_size"]))
        self.overlap = int(json.loads(texts["tiles_overlap"]))
        self.threshold = float(json.loads(texts["seg_thresh"]))
        self.resolution = float(json.loads(texts["resolution"])) if "resolution" in texts else None
        self.mean, self.std = (
            np.array([float(x) for x in json.loads(texts[f"standardization_{name}"])], np.float32)
            for name in ("mean", "std")
        )
        pairs = sorted(json.loads(texts["class_names"]).items(), key=lambda pair: int(pair[0]))
        assert [int(key) for key, _ in pairs] == list(range(len(pairs)))
        self.names = [name for _, name in pairs]

    def segment(self, tiles: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the classes of tiles ``(N, S, S, 3)``."""
        scaled = np.float32(tiles * 1.0 / 255.0)
        batch = np.transpose((scaled - self.mean) / self.std, (0, 3, 1, 2))
        (result,) = self.session.run(None, {self.input.name: batch})
        result[result < self.threshold] = 0.0
        if result.shape[1] == 1:
            return (result != 0).astype(np.int64)[:, 0]
        return np.argmax(result, axis=1)


def _tiles(side: int) -> NDArray[np.uint8]:
    return np.stack([smooth_noise(side, side, seed=seed) for seed in (4, 5)])


@pytest.mark.parametrize("threshold", [None, 0.3], ids=["classes", "threshold"])
def test_deepness_finds_the_labels_of_the_model(
    threshold: float | None, write_toy: Toy, tmp_path: Path
) -> None:
    """By its defaults, with the size of the training crops; of two classes also by a threshold."""
    classes = 3 if threshold is None else 2
    model = write_toy(RESIZE, classes=classes, threshold=threshold, data_preprocessor=PREPROCESSOR)
    out, data = tmp_path / "toy.qgis.onnx", _written(tmp_path, smooth_noise(60, 70, seed=8))

    certificate = export_qgis(model, out, ExportOptions(name="toy", data=data))
    deepness = Deepness(out)

    assert certificate["passed"] is True
    assert (deepness.model_type, deepness.tile_px) == ("Segmentor", SIDE)
    assert deepness.input.shape == ["batch", 3, SIDE, SIDE]
    assert deepness.input.type == "tensor(float)"
    assert deepness.output.shape == ["batch", 3 if threshold is None else 1, SIDE, SIDE]
    assert deepness.names == list(model.model.classes)
    assert 0 <= deepness.overlap < 100
    assert deepness.resolution is None
    tiles = _tiles(SIDE)
    found, wanted = deepness.segment(tiles), [model(tile).labels for tile in tiles]
    assert (found != np.stack(wanted)).mean() <= 1e-4
    assert len(np.unique(found)) == classes


def _written(folder: Path, pixels: NDArray[np.uint8]) -> Path:
    from PIL import Image

    Image.fromarray(pixels).save(folder / "image.png")
    return folder / "image.png"


def test_an_exported_file_gives_the_same_and_a_prepared_folder_the_resolution(
    write_toy: Toy, tmp_path: Path
) -> None:
    """Without the weights; pixels of 0.3 mm are 0.03 cm."""
    image = _written(tmp_path, smooth_noise(60, 70, seed=8))
    path, out = tmp_path / "toy.onnx", tmp_path / "toy.qgis.onnx"
    export(write_toy(RESIZE), path, ExportOptions(name="toy", data=image))
    opened = zoo.load(str(path), device="cpu")
    prepared = _prepared(tmp_path / "prepared")

    export_qgis(opened, out, ExportOptions(name="toy", data=prepared))
    deepness = Deepness(out)

    assert deepness.tile_px == 512
    assert deepness.resolution == pytest.approx(0.03)
    (tile,) = tiles = _tiles(512)[:1]
    assert (deepness.segment(tiles)[0] != opened(tile).labels).mean() <= 1e-4
    record = _record(path)
    assert _record(out) == record


def test_an_instance_model_is_refused(write_toy: Toy, tmp_path: Path) -> None:
    """Deepness takes other files for these."""
    path, out = tmp_path / "toy.onnx", tmp_path / "toy.qgis.onnx"
    image = _written(tmp_path, smooth_noise(60, 70, seed=8))
    export(write_toy(RESIZE), path, ExportOptions(name="toy", data=image))
    opened = zoo.load(str(path), device="cpu")
    instance = zoo.Predictor(replace(opened.model, task="instance"))

    with pytest.raises(ExportError, match="its task is 'instance', expected 'semantic'"):
        export_qgis(instance, out, ExportOptions(name="toy"))

    assert not out.exists()


def _record(path: Path) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    texts = session.get_modelmeta().custom_metadata_map
    found: dict[str, Any] = json.loads(texts["zoo.model"])
    return found


def _prepared(folder: Path) -> Path:
    """Return a prepared sample whose pixels are 0.3 mm wide and high."""
    dataset = "lung_xray.LungXrayDataset"
    raw, out = folder / "raw", folder / "out"
    zoo.sample(dataset, raw, task="semantic", seed=0, count=2)
    zoo.prepare(dataset, raw, out, task="semantic", shares=(1.0, 0.0, 0.0))
    document = json.loads((out / "dataset.json").read_text())
    for row in document["files"]:
        shares = (
            row["source_height_px"] / row["height_px"],
            row["source_width_px"] / row["width_px"],
        )
        row["meta"] = {"spacing_mm": [0.3 / share for share in shares]}
    document["digest"] = digest_of_content(document)
    (out / "dataset.json").write_text(json.dumps(document))
    return out
