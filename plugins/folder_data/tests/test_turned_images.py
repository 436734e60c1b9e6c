# SPDX-License-Identifier: Apache-2.0
"""Images that are stored turned: their labels fit what is seen, or it is said that they may not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
pil = pytest.importorskip("PIL.Image")
pytest.importorskip("cv2")

from zoo_folder_data.prepare import prepare  # noqa: E402 (after the skip)
from zoo_folder_data.prepare_coco import prepare as prepare_coco  # noqa: E402

from zoo.data import Shares  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
CLASSES = '[[class]]\nname = "a"\nvalue = 0\n[[class]]\nname = "b"\nvalue = 255\n'
NOTE = "stored rotated or mirrored (EXIF): check with zoo data show that its labels fit"


def save(pixels: Any, orientation: int = 1) -> bytes:
    exif = pil.Exif()
    exif[0x112] = orientation
    stream = io.BytesIO()
    pil.fromarray(pixels).save(stream, "PNG", **({"exif": exif} if orientation > 1 else {}))
    return stream.getvalue()


def write(root: Path, image: bytes, mask: bytes) -> Path:
    for name, data in (("images/a.png", image), ("masks/a.png", mask)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "classes.toml").write_text(CLASSES)
    return root


def shape(kind: str) -> tuple[int, int]:
    return (32, 32) if kind == "square" else (32, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["square", "wide"])
def test_prepare_when_image_is_turned_and_mask_is_not_then_refused_or_noted(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    """Where the size does not tell, the report does."""
    pixels = np.zeros(shape(kind), np.uint8)
    raw = write(tmp_path / "raw", save(pixels, orientation), save(pixels))

    if kind == "wide" and orientation >= 5:
        with pytest.raises(DataError, match="the mask has 48x32 px") as caught:
            prepare(raw, tmp_path / "out", shares=ALL)
        assert "stored rotated (EXIF)" in str(caught.value.hint)
    else:
        report = prepare(raw, tmp_path / "out", shares=ALL)
        texts = [line.text for line in report.notes if line.file == "images/a.png"]
        assert texts == ([NOTE] if orientation > 1 else [])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_prepare_when_both_are_turned_alike_then_nothing_is_noted(
    tmp_path: Path, orientation: int
) -> None:
    """Both are turned as they say, and stay one on the other."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 2, (4, 4), np.uint8), np.ones((8, 8), np.uint8)) * 255
    raw = write(tmp_path / "raw", save(pixels, orientation), save(pixels, orientation))

    report = prepare(raw, tmp_path / "out", shares=ALL)

    image, mask = (
        np.asarray(pil.open(tmp_path / f"out/{folder}/a.png")) for folder in ("images", "masks")
    )
    assert np.array_equal(image // 255, mask)
    assert NOTE not in [line.text for line in report.notes]


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("kind", ["square", "wide"])
def test_prepare_when_outlines_may_be_of_what_is_stored_then_noted(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    """Of a COCO JSON; the size that it states decides where it can."""
    height, width = shape(kind)
    raw = write(tmp_path / "raw", save(np.zeros((height, width), np.uint8), orientation), b"")
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [3, 4, 9, 9]}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "tank"}],
        "annotations": [row],
    }
    (raw / "coco.json").write_text(json.dumps(content))

    if kind == "wide" and orientation >= 5:
        with pytest.raises(DataError, match="the image has 32x48 px, expected 48x32"):
            prepare_coco(raw, tmp_path / "out", shares=ALL)
    else:
        report = prepare_coco(raw, tmp_path / "out", shares=ALL)
        assert [line.text for line in report.notes] == ([NOTE] if orientation > 1 else [])
