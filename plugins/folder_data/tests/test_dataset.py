# SPDX-License-Identifier: Apache-2.0
"""The data set takes its classes from the folder, and its reader sees what prepare wrote."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
mmseg = pytest.importorskip("mmseg")

import cv2  # noqa: E402 (after the skip)
import numpy as np  # noqa: E402
from mmcv.transforms import LoadImageFromFile  # noqa: E402
from zoo_folder_data.dataset import FolderDataset  # noqa: E402
from zoo_folder_data.loading import LoadImage  # noqa: E402
from zoo_folder_data.prepare import prepare  # noqa: E402

from zoo.data import Shares, decode_image, to_uint8  # noqa: E402
from zoo.errors import DataError  # noqa: E402


@pytest.fixture
def prepared(make_raw: Callable[..., Path], tmp_path: Path) -> Path:
    prepare(make_raw(), tmp_path / "out", shares=Shares(0.6, 0.2, 0.2))
    return tmp_path / "out"


def _load(path: Path) -> dict[str, Any]:
    results = LoadImage()({"img_path": str(path)})
    assert results is not None
    return results


def test_dataset_when_only_root_given_then_classes_of_the_folder(prepared: Path) -> None:
    """Names, colours, files; and it pickles, for spawned workers."""
    for split in ("train", "val", "test"):
        dataset = FolderDataset(data_root=str(prepared), ann_file=f"splits/{split}.txt")

        stems = (prepared / "splits" / f"{split}.txt").read_text().split()
        again = pickle.loads(pickle.dumps(dataset))
        assert list(dataset.metainfo["classes"]) == ["ground", "road", "roof"]
        assert dataset.metainfo["palette"][2] == [16, 32, 48]
        assert stems == [Path(again.get_data_info(i)["img_path"]).stem for i in range(len(stems))]
        assert Path(dataset.get_data_info(0)["seg_map_path"]).is_file()


def test_dataset_when_metainfo_given_then_it_counts(prepared: Path) -> None:
    """As the engine's --data sets it."""
    metainfo = {"classes": ["a", "b", "c"], "palette": [[1, 1, 1]] * 3}

    dataset = FolderDataset(data_root=str(prepared), metainfo=metainfo)

    assert list(dataset.metainfo["classes"]) == ["a", "b", "c"]


def test_dataset_when_item_is_read_then_image_and_ids(prepared: Path) -> None:
    """Through a pipeline, as a loader's worker does."""
    pipeline = [
        {"type": "mmseg.LoadAnnotations"},
        {"type": "mmseg.PackSegInputs"},
    ]
    dataset = FolderDataset(data_root=str(prepared), pipeline=[LoadImage(), *pipeline])

    item = dataset[0]

    assert tuple(item["inputs"].shape) == (3, 10, 14)
    assert set(item["data_samples"].gt_sem_seg.data.unique().tolist()) <= {0, 1, 2, 255}


def test_dataset_when_folder_is_not_prepared_then_refused(tmp_path: Path, prepared: Path) -> None:
    """The message says how to prepare it."""
    with pytest.raises(DataError, match="it does not exist"):
        FolderDataset(data_root=str(tmp_path / "nothing"))
    with pytest.raises(DataError, match=r"there is no 'other\.txt'"):
        FolderDataset(data_root=str(prepared), ann_file="splits/other.txt")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_load_image_when_8_bit_then_as_mmcv(tmp_path: Path, suffix: str, channels: int) -> None:
    """Both loaders give the same BGR pixels."""
    rng = np.random.default_rng(0)
    path = tmp_path / f"x{suffix}"
    cv2.imwrite(str(path), rng.integers(0, 256, (8, 9, channels), dtype=np.uint8))

    results = _load(path)

    expected = LoadImageFromFile()({"img_path": str(path)})
    assert expected is not None
    assert np.array_equal(expected["img"], results["img"])
    assert (results["img_shape"], results["ori_shape"]) == ((8, 9), (8, 9))
    assert (8, channels) == (results["bits_per_sample"], results["channels"])


def test_load_image_when_16_bit_then_as_prepare(tmp_path: Path) -> None:
    """Stretched, not cut off."""
    path = tmp_path / "x.png"
    image = np.random.default_rng(0).integers(1000, 5000, (8, 9), dtype=np.uint16)
    cv2.imwrite(str(path), image)

    results = _load(path)

    expected = to_uint8(decode_image(path.read_bytes(), "x"))
    assert np.array_equal(np.repeat(expected[..., None], 3, axis=2), results["img"])
    assert results["bits_per_sample"] == 16


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_load_image_when_unreadable_then_file_named(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, or no picture."""
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=r"'x\.png'") as caught:
        _load(path)

    assert str(path) == caught.value.where


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(24, 20), (24, 20, 3)])
def test_load_image_of_pixels_equals_that_of_their_file(
    tmp_path: Path, dtype: type, shape: tuple[int, ...]
) -> None:
    rgb = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), rgb if rgb.ndim == 2 else rgb[..., ::-1])

    from_pixels = LoadImage().load_pixels({"img_path": str(path)}, rgb)

    from_file = LoadImage()({"img_path": str(path)})
    np.testing.assert_array_equal(from_pixels.pop("img"), from_file.pop("img"))
    assert from_pixels == from_file
