# SPDX-License-Identifier: Apache-2.0
"""Rows become boxes by the stated rules, each reported; the folder opens in mmdetection."""

from __future__ import annotations

import json
import pickle
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("mmdet")

from zoo_oil_storage.dataset import OilStorageDataset  # noqa: E402 (after the skip)
from zoo_oil_storage.prepare import prepare  # noqa: E402

from zoo.data import Shares, check_prepared, read_prepared  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
SHARES = Shares(0.6, 0.4, 0)
WriteRaw = Callable[..., Path]


def tank(bounds: str, image_id: str = "s0", name: str = "oil-storage-tank") -> str:
    return f'{image_id},{name},"{bounds}"'


def boxes(out: Path) -> list[list[float]]:
    content = json.loads((out / "annotations/train.json").read_text())
    return sorted(row["bbox"] for row in content["annotations"])


def test_prepare_when_rows_are_wrong_then_each_is_mended_or_dropped_and_listed(
    write_raw: WriteRaw, tmp_path: Path
) -> None:
    """One row for each rule; the line of the file names it."""
    rows = [
        tank("(10, 10, 30, 30)"),
        tank("(30, 70, 10, 50)"),  # both corners swapped
        tank("(40, 30, 60, 10)"),  # y alone, as in the real file
        tank("(10, 10, 30, 30)"),
        tank("(30, 30, 10, 10)"),  # the same box, swapped
        tank("(50, 50, 50, 60)"),
        tank("(1, 2, 3)"),
        tank("(10, 10, 30, 30)", image_id="s99"),
        tank("(70, 10, 90, 30)", name="ship"),
        tank("(300, 10, 320, 30)"),
        tank("(150, 100, 170, 120)"),
        tank("(10, 10, 30, 30)", image_id="s1.jpg"),  # the ending does no harm
    ]
    out = tmp_path / "out"

    report = prepare(write_raw(rows, count=2), out, shares=ALL, layout="whole")

    assert {line.file: line.text for line in report.dropped} == {
        "annotations.csv:5": "box of an earlier row of the same image",
        "annotations.csv:6": "box of an earlier row of the same image",
        "annotations.csv:7": "box has no area",
        "annotations.csv:8": "bounds are not four numbers",
        "annotations.csv:9": "there is no image of this id",
        "annotations.csv:10": "class is not 'oil-storage-tank'",
        "annotations.csv:11": "box is outside the image",
    }
    assert {line.file: line.text for line in report.repaired} == {
        "annotations.csv:3": "corners were swapped: put in order",
        "annotations.csv:4": "corners were swapped: put in order",
        "annotations.csv:12": "reached beyond the image: clipped at its edge",
    }
    assert report.counts["rows"] == 12
    assert report.instances == {"oil-storage-tank": 5}
    assert json.loads((out / "report.json").read_text())["dropped"][0]["reason"]
    expected = [
        [10, 10, 20, 20],
        [10, 10, 20, 20],
        [10, 50, 20, 20],
        [40, 10, 20, 20],
        [150, 100, 10, 20],
    ]
    assert boxes(out) == expected


@pytest.mark.parametrize("how", ["folder", "nested", "zip"])
def test_prepare_when_layout_is_packed_then_the_same_folder(
    write_raw: WriteRaw, tmp_path: Path, how: str
) -> None:
    """In a folder of the source, or in an archive; extras are left out and listed."""
    raw = write_raw()
    (raw / "extras").mkdir()
    shutil.copy(raw / "images/s0.jpg", raw / "extras/more.jpg")
    source = raw
    if how == "nested":
        source = tmp_path / "around"
        shutil.copytree(raw, source / "oil-storage")
    elif how == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "z"), "zip", raw))

    report = prepare(source, tmp_path / "out", shares=SHARES, layout="whole")

    assert report.counts == {"rows": 30, "scenes": 10, "instances": 30}
    assert [line.text for line in report.dropped] == ["image of 'extras': it has no annotations"]
    prepared = read_prepared(tmp_path / "out")
    assert (prepared.task, prepared.labels) == ("instance", "derived")
    assert {row.stem for row in prepared.files} == {f"s{number}" for number in range(10)}
    assert check_prepared(tmp_path / "out") == []


def test_prepare_when_masks_are_boxes_then_polygons_of_four(
    write_raw: WriteRaw, tmp_path: Path
) -> None:
    """An option, and one that a second run minds."""
    raw = write_raw()
    for masks, corners in (("box", 4), ("ellipse", 16)):
        out = tmp_path / masks
        prepare(raw, out, shares=ALL, layout="whole", masks=masks)
        content = json.loads((out / "annotations/train.json").read_text())
        assert len(content["annotations"][0]["segmentation"][0]) == 2 * corners

    with pytest.raises(DataError, match="option masks was 'box', is 'ellipse'"):
        prepare(raw, tmp_path / "box", shares=ALL, layout="whole")


def test_dataset_when_prepared_then_rows_of_mmdet(write_raw: WriteRaw, tmp_path: Path) -> None:
    """Boxes xyxy, masks, one class; and it pickles, for spawned workers."""
    out = tmp_path / "out"
    prepare(write_raw(), out, shares=SHARES, layout="tiles", tile_size=96, overlap=32)

    dataset = OilStorageDataset(data_root=str(out), ann_file="annotations/train.json")

    again = pickle.loads(pickle.dumps(dataset))
    prepared = read_prepared(out)
    assert dataset.metainfo["classes"] == ("oil-storage-tank",)
    assert len(again) == prepared.splits["train"].count
    shown = [
        instance
        for index in range(len(again))
        for instance in again.get_data_info(index)["instances"]
    ]
    assert len(shown) == sum(row.instances for row in prepared.files if row.split == "train")
    assert {instance["bbox_label"] for instance in shown} == {0}
    assert all(instance["mask"] for instance in shown)
    assert Path(again.get_data_info(0)["img_path"]).is_file()


def test_dataset_when_folder_is_not_prepared_then_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no 'train\.json'") as caught:
        OilStorageDataset(data_root=str(tmp_path))

    assert "zoo data prepare oil_storage" in str(caught.value.hint)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_prepare_when_ids_are_in_the_other_form_of_unicode_then_found(
    write_raw: WriteRaw, tmp_path: Path, forms: tuple[str, str], ending: str
) -> None:
    """An image that was copied from macOS, and a list that was not; or the other way round."""
    on_disk, in_list = (unicodedata.normalize(form, "Köln_ä") for form in forms)
    raw = write_raw([tank("(10, 10, 30, 30)", image_id=f"{in_list}{ending}")], count=1)
    image = next(raw.rglob("s0.jpg"))
    image.rename(image.with_name(f"{on_disk}.jpg"))

    report = prepare(raw, tmp_path / "out", shares=ALL, layout="whole")

    assert report.instances == {"oil-storage-tank": 1}
    assert report.dropped == []


def test_prepare_when_swapped_and_outside_then_one_line(
    write_raw: WriteRaw, tmp_path: Path
) -> None:
    """What is dropped was not repaired."""
    rows = [tank("(10, 10, 30, 30)"), tank("(320, 10, 300, 30)")]

    report = prepare(write_raw(rows, count=2), tmp_path / "out", shares=ALL)

    assert [(line.file, line.text) for line in report.dropped] == [
        ("annotations.csv:3", "box is outside the image")
    ]
    assert report.repaired == []


@pytest.mark.parametrize("masks", ["ellipse", "box"])
def test_prepare_when_numbers_are_wild_then_rows_by_the_same_rules(
    write_raw: WriteRaw, tmp_path: Path, masks: str
) -> None:
    """At once and in little memory; of so wide an ellipse the image shows no pixel."""
    wide = ["1e6", "1e9", "1e300", "1.7e308"]
    rows = [
        tank("(10, 10, 30, 30)"),
        *(tank(f"(100, 100, {number}, 110)") for number in wide),
        *(tank(f"(-{number}, {number}, 20, 1.79e308)") for number in wide),
        tank("(-1.7e308, -1.7e308, 1.7e308, 1.7e308)"),
        tank("(1e999, 1, 2, 3)"),
        tank("(nan, 1, 2, 3)"),
        tank("(inf, 1, 2, 3)"),
    ]
    out = tmp_path / "out"
    options = {"tile_size": 512, "overlap": 160, "masks": masks}

    report = prepare(write_raw(rows, count=2), out, shares=ALL, **options)

    dropped = {int(line.file.split(":")[1]): line.text for line in report.dropped}
    assert {dropped.pop(line) for line in (12, 13, 14)} == {"bounds are not four numbers"}
    assert {dropped.pop(line) for line in range(7, 11)} == {"box is outside the image"}
    expected = [] if masks == "box" else [(n, "mask covers no pixel") for n in range(3, 7)]
    assert sorted(dropped.items()) == expected
    assert check_prepared(out) == []
