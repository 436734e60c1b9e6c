# SPDX-License-Identifier: Apache-2.0
"""``CachedLoading`` returns what its steps return; the steps themselves are the oracle."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import zoo  # noqa: F401  (offers mmcv its kernels, before it is imported)

pytest.importorskip("mmseg.datasets")

from mmcv.transforms import Compose
from zoo_segmentation_transforms.cached_loading import CachedLoading

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

_LABELS = {"type": "mmseg.LoadAnnotations"}
_LOADERS: dict[str, dict[str, Any]] = {
    "color": {"type": "LoadImageFromFile"},
    "float": {"type": "LoadImageFromFile", "to_float32": True},
    "unchanged": {"type": "LoadImageFromFile", "color_type": "unchanged"},
    "pillow": {"type": "LoadImageFromFile", "imdecode_backend": "pillow"},
}


def draw(folder: Path, name: str = "a.png", seed: int = 0, kind: str = "color") -> dict[str, Any]:
    """Write an image with labels; gives what a data set of mmseg passes to the first step."""
    rng = np.random.default_rng(seed)
    shape = (40, 57) if kind == "grey" else (40, 57, 3)
    dtype, top = (np.uint16, 65536) if kind == "deep" else (np.uint8, 256)
    cv2.imwrite(str(folder / name), rng.integers(0, top, shape, dtype=dtype))
    cv2.imwrite(str(folder / f"{name}_mask.png"), rng.integers(0, 3, (40, 57), dtype=np.uint8))
    return {
        "img_path": str(folder / name),
        "seg_map_path": str(folder / f"{name}_mask.png"),
        "label_map": None,
        "reduce_zero_label": False,
        "seg_fields": [],
        "sample_idx": seed,
    }


def equal(one: Any, other: Any) -> bool:
    """Return whether values and types are equal, bit by bit, in any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def cached(folder: Path, *steps: dict[str, Any], most_gb: float = 1) -> CachedLoading:
    """Return the transform with its files in a folder."""
    return CachedLoading(steps or (_LOADERS["color"], _LABELS), str(folder / "cache"), most_gb)


@pytest.mark.parametrize("loader", _LOADERS)
@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "color"), ("a.png", "grey"), ("a.png", "deep"), ("a.jpg", "color")]
)
def test_first_and_later_results_equal_those_of_the_steps(
    tmp_path: Path, loader: str, name: str, kind: str
) -> None:
    """Every key, type and bit; and what later steps write into an array stays out of the file."""
    steps = (_LOADERS[loader], _LABELS)
    asked = draw(tmp_path, name, kind=kind)
    expected = Compose(list(steps))(copy.deepcopy(asked))
    transform = cached(tmp_path, *steps)

    for _ in range(3):
        found = transform(copy.deepcopy(asked))
        assert found is not None
        assert equal(found, expected)
        found["img"][:] = 7
        found["gt_seg_map"][::2] = 9
        found["seg_fields"].append("more")


def _rewrite_unseen(path: str, seed: int) -> None:
    """Change the bytes of a file, and neither its size nor its times."""
    before = os.stat(path)
    content = Path(path).read_bytes()
    Path(path).write_bytes(np.random.default_rng(seed).bytes(len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_image_that_is_cached_is_not_decoded_again(tmp_path: Path) -> None:
    """Neither by this transform nor by another one of the same steps: the files are no images."""
    asked = draw(tmp_path)
    expected = cached(tmp_path)(copy.deepcopy(asked))
    for key in ("img_path", "seg_map_path"):
        _rewrite_unseen(asked[key], 3)

    for transform in (cached(tmp_path), pickle.loads(pickle.dumps(cached(tmp_path)))):
        assert equal(transform({**asked, "sample_idx": 0}), expected)


@pytest.mark.parametrize("which", ["img_path", "seg_map_path"])
def test_file_that_changes_is_read_again(tmp_path: Path, which: str) -> None:
    """By its time, with the same size; and the old pixels leave the folder."""
    asked = draw(tmp_path)
    transform = cached(tmp_path)
    transform(copy.deepcopy(asked))
    draw(tmp_path, seed=5)
    status = os.stat(asked[which])
    os.utime(asked[which], ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))

    found = transform(copy.deepcopy(asked))

    assert equal(found, Compose([_LOADERS["color"], _LABELS])(copy.deepcopy(asked)))
    assert len(os.listdir(tmp_path / "cache")) == 1


def test_other_steps_and_other_inputs_have_files_of_their_own(tmp_path: Path) -> None:
    """A setting of a step, and what the data set tells it."""
    asked = draw(tmp_path)
    for steps in ((_LOADERS["color"], _LABELS), (_LOADERS["float"], _LABELS)):
        for more in ({}, {"reduce_zero_label": True}):
            expected = Compose(list(steps))({**copy.deepcopy(asked), **more})
            for _ in range(2):
                found = cached(tmp_path, *steps)({**copy.deepcopy(asked), **more})
                assert equal(found, expected)

    assert len(os.listdir(tmp_path / "cache")) == 4


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.99])
@pytest.mark.parametrize("filling", [b"", b"\0", b"[1, 2]\n", b'["", {"dict": 3}, 0]\n'])
def test_damaged_file_is_written_anew(tmp_path: Path, share: float, filling: bytes) -> None:
    """Cut anywhere, or with other content: the image is decoded."""
    asked = draw(tmp_path)
    transform = cached(tmp_path)
    expected = transform(copy.deepcopy(asked))
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    file.write_bytes(filling + whole[: int(share * len(whole))])

    assert equal(transform(copy.deepcopy(asked)), expected)
    assert file.read_bytes() == whole


def test_full_folder_takes_no_more_and_changes_no_result(tmp_path: Path) -> None:
    """Two of six images fit: an image takes 40 * 57 * 4 bytes and a line."""
    transform = cached(tmp_path, most_gb=22_000 / 1e9)
    asked = [draw(tmp_path, f"{number}.png", number) for number in range(6)]
    expected = [Compose([_LOADERS["color"], _LABELS])(copy.deepcopy(one)) for one in asked]

    for _ in range(2):
        assert equal([transform(copy.deepcopy(one)) for one in asked], expected)

    files = list((tmp_path / "cache").iterdir())
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) <= 22_000


def test_half_written_files_fill_no_folder(tmp_path: Path) -> None:
    """Of a killed worker: an old one goes, and a new one, perhaps of a live worker, stays."""
    (tmp_path / "cache").mkdir()
    old, new = (tmp_path / "cache" / name for name in (".a.part", ".b.part"))
    for path in (old, new):
        path.write_bytes(bytes(30_000))
    os.utime(old, (0, 0))
    transform = cached(tmp_path, most_gb=22_000 / 1e9)

    for number in range(6):
        transform(draw(tmp_path, f"{number}.png", number))

    assert (old.exists(), new.exists()) == (False, True)
    assert len(os.listdir(tmp_path / "cache")) == 3


def test_file_that_another_worker_renames_ends_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the folder is measured, files that were just listed go: they were half written."""
    (tmp_path / "cache").mkdir()
    scan = os.scandir
    listed = 0

    @contextmanager
    def scan_late(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        nonlocal listed
        half = Path(folder) / ".x.part"
        half.write_bytes(b"half")
        with scan(folder) as entries:
            found = list(entries)
        half.unlink()
        listed += 1
        yield found

    monkeypatch.setattr(os, "scandir", scan_late)
    transform = cached(tmp_path, most_gb=100_000 / 1e9)

    for number in range(6):
        transform(draw(tmp_path, f"{number}.png", number))

    assert len(os.listdir(tmp_path / "cache")) == 6
    assert listed == 6
    assert [record.message for record in caplog.records if record.name == "zoo"] == []


def test_folder_with_much_room_is_not_measured_for_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the work grows with the square of the number of images."""
    scan = os.scandir
    scanned: list[Path] = []
    monkeypatch.setattr(os, "scandir", lambda folder: scanned.append(folder) or scan(folder))
    transform = cached(tmp_path)

    for number in range(20):
        transform(draw(tmp_path, f"{number}.png", number))

    assert len(os.listdir(tmp_path / "cache")) == 20
    assert scanned == [tmp_path / "cache"]


def test_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Training goes on without a cache."""
    (tmp_path / "cache").write_text("a file")
    asked = draw(tmp_path)
    transform = cached(tmp_path)

    for _ in range(2):
        assert transform(copy.deepcopy(asked)) is not None

    told = [record.message for record in caplog.records if record.name == "zoo"]
    assert told == [f"no further images are cached in {tmp_path / 'cache'}: File exists"]


def test_crop_of_a_cached_image_equals_that_of_a_decoded_one(tmp_path: Path) -> None:
    """With the same random numbers, in a pipeline as configs have it."""
    crop = {"type": "mmseg.RandomCrop", "crop_size": (16, 16)}
    asked = draw(tmp_path)
    loading = {
        "type": "zoo.segmentation_transforms.CachedLoading",
        "steps": [_LOADERS["color"], _LABELS],
        "folder": str(tmp_path / "cache"),
    }
    with_cache = Compose([loading, crop])
    plain = Compose([_LOADERS["color"], _LABELS, crop])

    for seed in range(4):
        found = []
        for pipeline in (with_cache, plain):
            np.random.seed(seed)
            found.append(pipeline(copy.deepcopy(asked)))
        assert equal(*found)


@pytest.mark.slow
def test_workers_share_the_files(tmp_path: Path) -> None:
    """Four processes that meet at the same images; all are kept, and nothing half written is."""
    from torch.utils.data import DataLoader

    asked = [draw(tmp_path, f"{number}.png", number) for number in range(24)]
    transform = cached(tmp_path, most_gb=300_000 / 1e9)  # so that the folder is measured often
    data = [asked[number // 2 % 24] for number in range(96)]
    expected = [Compose([_LOADERS["color"], _LABELS])(copy.deepcopy(one)) for one in asked]

    loader = DataLoader(
        data, 1, num_workers=4, collate_fn=_Read(transform), multiprocessing_context="fork"
    )
    found = list(loader)

    assert all(equal(one, expected[number // 2 % 24]) for number, one in enumerate(found))
    assert len(os.listdir(tmp_path / "cache")) == 24


class _Read:
    def __init__(self, transform: CachedLoading) -> None:
        self.transform = transform

    def __call__(self, batch: list[dict[str, Any]]) -> dict[str, Any] | None:
        return self.transform(copy.deepcopy(batch[0]))


@pytest.mark.parametrize(
    ("steps", "most_gb", "told"),
    [((), 1, "steps is (), expected one transform or more"), ((_LABELS,), 0, "most_gb is 0, ")],
)
def test_wrong_argument_is_refused(
    tmp_path: Path, steps: tuple[dict[str, Any], ...], most_gb: float, told: str
) -> None:
    """It is named with its value."""
    with pytest.raises(ConfigError, match="cannot build CachedLoading: ") as caught:
        CachedLoading(steps, str(tmp_path), most_gb)

    assert told in str(caught.value)
