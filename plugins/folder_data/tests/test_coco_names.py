# SPDX-License-Identifier: Apache-2.0
"""A name in a COCO JSON leads to its file, or the nearest file is named; nothing is guessed."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("cv2")

from zoo_folder_data.prepare_coco import prepare  # noqa: E402 (after the skip)

from zoo.data import Shares, read_prepared  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
OLD = "g3_1.png"
MakeCoco = Callable[..., Path]


def rename(raw: Path, on_disk: str, in_json: str) -> Path:
    """Give one of twenty images a name on the disk and another one in the JSON."""
    (raw / "images" / on_disk).parent.mkdir(exist_ok=True)
    os.rename(raw / "images" / OLD, raw / "images" / on_disk)
    content = json.loads((raw / "annotations.json").read_text())
    row = next(row for row in content["images"] if row["file_name"] == OLD)
    row["file_name"] = in_json
    (raw / "annotations.json").write_text(json.dumps(content))
    return raw


@pytest.mark.parametrize("name", ["Köln_ä.png", "Gefäß/ä.png", "유조탱크.png", "Å_é.png"])
@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
@pytest.mark.parametrize("folder", ["{}", "/data/images/{}", "images\\{}"])
def test_prepare_when_forms_of_unicode_differ_then_one_name(
    make_coco: MakeCoco, tmp_path: Path, name: str, forms: tuple[str, str], folder: str
) -> None:
    """macOS splits accents from their letters, other systems do not."""
    disk, said = (unicodedata.normalize(form, name) for form in forms)
    raw = rename(make_coco(), disk, folder.format(said))

    report = prepare(raw, tmp_path / "out", shares=ALL)

    assert (report.counts["scenes"], report.dropped) == (20, [])
    sources = {row.source_image for row in read_prepared(tmp_path / "out").files}
    assert f"images/{disk}" in sources


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        ("a.PNG", "a.png"),
        ("A.png", "a.png"),
        ("a b.png", "a%20b.png"),
        ("a.png", "a"),
        ("a.tif", "a.jpg"),
        ("tank_0017.png", "tank-0017.png"),
        ("sub/a.png", "other/A.png"),
        ("ＡＢ１.png", "AB1.png"),
    ],
)
def test_prepare_when_name_is_nearly_that_of_a_file_then_it_is_named(
    make_coco: MakeCoco, tmp_path: Path, disk: str, said: str
) -> None:
    """Another name may be another image: it is not taken, and not kept back either."""
    raw = rename(make_coco(), disk, said)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    expected = f"cannot find 1 of 20 images: {said!r} (the nearest file is {f'images/{disk}'!r})."
    assert caught.value.message == expected
    assert caught.value.hint == "write each file_name exactly as the file's name."


def test_prepare_when_image_is_missing_then_no_file_of_another_row_is_near(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """The files of other rows are theirs."""
    raw = make_coco()
    (raw / "images" / OLD).unlink()

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert caught.value.message == "cannot find 1 of 20 images: 'g3_1.png'."


@pytest.mark.parametrize(
    "name", ["/data/local-files/?d=images/g3_1.png", "/api/get?file=g3_1.png", "C:/x?y/g3_1.png"]
)
def test_prepare_when_name_is_a_query_then_its_letter_is_named(
    make_coco: MakeCoco, tmp_path: Path, name: str
) -> None:
    """The address under which a tool serves an image is no path."""
    raw = rename(make_coco(), OLD, name)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert f"1 of 20 images: found '?' in {name!r}, expected the path" in caught.value.message


def test_prepare_when_two_names_lead_to_one_file_then_both_are_named(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """One image twice could lie in train and in test."""
    raw = make_coco()
    content = json.loads((raw / "annotations.json").read_text())
    content["images"].append(content["images"][0] | {"id": 99, "file_name": "images/g0_0.png"})
    (raw / "annotations.json").write_text(json.dumps(content))

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert "found 'g0_0.png' and 'images/g0_0.png' as file_name" in caught.value.message


def test_prepare_when_absolute_names_differ_by_folders_then_told_apart_and_grouped(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """Their last parts lead to the files; the group is looked for in the whole name."""
    raw = make_coco()
    content = json.loads((raw / "annotations.json").read_text())
    for number, row in enumerate(content["images"]):
        folder = f"site{number % 4}"
        (raw / "images" / folder).mkdir(exist_ok=True)
        os.rename(raw / "images" / row["file_name"], raw / f"images/{folder}/{number // 4}.png")
        row["file_name"] = f"/mnt/flight{number // 10}/{folder}/{number // 4}.png"
    (raw / "annotations.json").write_text(json.dumps(content))

    prepare(raw, tmp_path / "out", shares=ALL, group_by="flight[0-9]")

    rows = read_prepared(tmp_path / "out").files
    assert {row.stem for row in rows} == {f"site{n % 4}__{n // 4}" for n in range(20)}
    assert {row.group for row in rows} == {"flight0", "flight1"}
