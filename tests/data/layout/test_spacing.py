# SPDX-License-Identifier: Apache-2.0
"""The spacing of prepared pictures: the source's, scaled as the picture was, and no other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import PreparedFile, Report, find_spacing_mm
from zoo.data.layout.prepared import digest_of_content

pytestmark = pytest.mark.mm
pytest.importorskip("numpy")


def file(meta: dict[str, object], *, height_px: int = 50, width_px: int = 100) -> PreparedFile:
    return PreparedFile(
        stem="a",
        group="a",
        split="train",
        height_px=height_px,
        width_px=width_px,
        image_sha256="0",
        source_image="a.dcm",
        source_sha256="0",
        source_height_px=200,
        source_width_px=300,
        meta=meta,
    )


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ([0.1, 0.2], (0.4, 0.6)),
        ((1, 1), (4.0, 3.0)),
        (None, None),
        ([0.1], None),
        ("0.1", None),
        (["0.1", "0.1"], None),
    ],
)
def test_spacing_of_a_resized_picture_covers_what_the_source_covered(
    spacing: object, expected: tuple[float, float] | None
) -> None:
    """Each direction by its own factor."""
    found = file({"spacing_mm": spacing}).spacing_mm

    assert found == (None if expected is None else pytest.approx(expected))


def test_spacing_is_found_beside_the_picture_alone(
    make_raw: Callable[..., Path], prepare: Callable[..., Report], tmp_path: Path
) -> None:
    """In images/ of a folder whose dataset.json says it, also after it has changed."""
    root = tmp_path / "out"
    prepare(make_raw(), root)
    image = sorted((root / "images").iterdir())[0]
    index = root / "dataset.json"
    assert find_spacing_mm(image) is None

    document = json.loads(index.read_text())
    row = next(each for each in document["files"] if each["stem"] == image.stem)
    row["meta"] = {"spacing_mm": [0.5, 0.25]}
    document["digest"] = digest_of_content(document)
    index.write_text(json.dumps(document))
    os.utime(index, ns=(1, 1))

    rows, columns = row["source_height_px"], row["source_width_px"]
    expected = (0.5 * rows / row["height_px"], 0.25 * columns / row["width_px"])
    assert find_spacing_mm(image) == pytest.approx(expected)
    assert find_spacing_mm(root / "masks" / image.name) is None
    assert find_spacing_mm(tmp_path / "images" / image.name) is None
    assert find_spacing_mm("an array") is None
    index.write_text("{")
    assert find_spacing_mm(image) is None
