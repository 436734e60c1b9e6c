# SPDX-License-Identifier: Apache-2.0
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from zoo_lung_xray.prepare import prepare

from zoo.data import Shares, to_uint8
from zoo.errors import DataError

pytestmark = pytest.mark.mm

DEEP = np.linspace(1000, 5000, 24 * 20).astype(np.uint16).reshape(24, 20)


def load(path: Path) -> dict:
    from zoo_lung_xray.loading import LoadXray

    return LoadXray()({"img_path": str(path)})


def test_load_xray_when_16_bits_gives_what_prepare_writes(tmp_path: Path) -> None:
    """Prediction on a raw file and training on the prepared one see the same pixels."""
    for name, image in (("CXR_png", DEEP), ("masks", (DEEP > 3000).astype(np.uint8))):
        (tmp_path / "raw" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "raw" / name / "MCUCXR_0001_0.png"), image)
    prepare(tmp_path / "raw", tmp_path / "out", shares=Shares(1.0, 0.0, 0.0))

    raw = load(tmp_path / "raw/CXR_png/MCUCXR_0001_0.png")
    prepared = load(tmp_path / "out/images/MCUCXR_0001_0.png")

    np.testing.assert_array_equal(raw["img"], prepared["img"])
    np.testing.assert_array_equal(raw["img"][..., 0], to_uint8(DEEP))
    assert (raw["bits_per_sample"], prepared["bits_per_sample"]) == (16, 8)
    assert raw["ori_shape"] == raw["img_shape"] == (24, 20)
    assert (raw["channels"], raw["source_set"]) == (1, "montgomery")


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3)])
def test_load_xray_when_8_bits_equals_mmcv(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Grey or colour, the loader is interchangeable with mmcv's on what prepare writes."""
    from mmcv.transforms import LoadImageFromFile

    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), image)
    results = load(tmp_path / "x.png")

    expected = LoadImageFromFile()({"img_path": str(tmp_path / "x.png")})["img"]
    np.testing.assert_array_equal(results["img"], expected)
    assert results["channels"] == (3 if len(shape) == 3 else 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read 'x.png': No such file"), (b"", "found an empty file")],
)
def test_load_xray_when_file_is_bad_names_it(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """A DataError with the path, whatever is wrong."""
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path / "x.png")

    assert caught.value.where == str(tmp_path / "x.png")


def test_load_xray_when_pickled_survives() -> None:
    """Spawned workers get their pipeline pickled."""
    from zoo_lung_xray.loading import LoadXray

    assert repr(pickle.loads(pickle.dumps(LoadXray()))) == "LoadXray()"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(24, 20), (24, 20, 3)])
def test_load_xray_of_pixels_equals_that_of_their_file(
    tmp_path: Path, dtype: type, shape: tuple[int, ...]
) -> None:
    from zoo_lung_xray.loading import LoadXray

    rgb = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), rgb if rgb.ndim == 2 else rgb[..., ::-1])

    from_pixels = LoadXray().load_pixels({"img_path": str(path)}, rgb)

    from_file = load(path)
    np.testing.assert_array_equal(from_pixels.pop("img"), from_file.pop("img"))
    assert from_pixels == from_file
