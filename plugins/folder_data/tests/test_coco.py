# SPDX-License-Identifier: Apache-2.0
"""COCO JSON of one's own becomes a prepared folder: boxes, polygons, run lengths, own classes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("mmdet")

from pycocotools import mask as tools  # noqa: E402 (after the skip)
from zoo_folder_data.coco_images import FoundImage, find_images  # noqa: E402
from zoo_folder_data.dataset_coco import CocoFolderDataset  # noqa: E402
from zoo_folder_data.prepare_coco import prepare  # noqa: E402

from zoo.data import (  # noqa: E402
    CocoImage,
    Shares,
    assign_splits,
    check_prepared,
    open_source,
    read_prepared,
)
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
MakeCoco = Callable[..., Path]


def read(out: Path, split: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"annotations/{split}.json").read_text())
    return found


def edit(raw: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = raw / "annotations.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return raw


def test_prepare_when_polygons_then_kept_to_the_hundredth(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """Boxes, masks and names as the user's; ids of categories count from 1 in their order."""
    out = tmp_path / "out"

    report = prepare(make_coco(), out, shares=Shares(0.6, 0.2, 0.2))

    prepared = read_prepared(out)
    assert (prepared.task, prepared.labels, prepared.classes) == (
        "instance",
        "true",
        ("house", "tree"),
    )
    assert prepared.type == "zoo.folder_data.CocoFolderDataset"
    assert report.instances == {"house": 20, "tree": 20}
    rows = [row for split in ("train", "val", "test") for row in read(out, split)["annotations"]]
    assert len(rows) == 40
    shown = {(row["category_id"], str(row["bbox"]), str(row["segmentation"])) for row in rows}
    assert shown == {
        (1, "[10, 12, 20, 16]", "[[10, 12, 30, 12, 30, 28, 10, 28]]"),
        (2, "[40, 5, 18.5, 20]", "[[40, 5, 58.5, 5, 50, 25]]"),
    }
    assert check_prepared(out) == []


def test_prepare_when_run_lengths_then_the_same_pixels(make_coco: MakeCoco, tmp_path: Path) -> None:
    """Compact and plain ones; a crowd stays one."""
    pixels = np.random.default_rng(0).integers(0, 2, (48, 64), np.uint8)
    compact = tools.encode(np.asfortranarray(pixels))
    compact = {"size": [48, 64], "counts": compact["counts"].decode()}
    flat = pixels.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    plain = {"size": [48, 64], "counts": [0, *runs] if flat[0] else runs}

    def change(content: dict[str, Any]) -> None:
        first, second = content["annotations"][:2]
        first |= {"segmentation": compact, "bbox": [0, 0, 64, 48]}
        second |= {"segmentation": plain, "bbox": [0, 0, 64, 48], "iscrowd": 1}

    prepare(edit(make_coco(), change), tmp_path / "out", shares=ALL)

    rows = [row for row in read(tmp_path / "out")["annotations"] if row["area"] == pixels.sum()]
    assert [row["iscrowd"] for row in rows] == [0, 1]
    for row in rows:
        assert np.array_equal(tools.decode(row["segmentation"]), pixels)


@pytest.mark.parametrize(("masks", "corners"), [("ellipse", 16), ("box", 4)])
def test_prepare_when_boxes_alone_then_derived_and_said_so(
    make_coco: MakeCoco, tmp_path: Path, masks: str, corners: int
) -> None:
    """In dataset.json, in the COCO JSON, in the report and in its summary."""

    def change(content: dict[str, Any]) -> None:
        for row in content["annotations"]:
            row.pop("segmentation")

    report = prepare(edit(make_coco(), change), tmp_path / "out", shares=ALL, masks=masks)

    content = read(tmp_path / "out")
    assert read_prepared(tmp_path / "out").labels == content["info"]["labels"] == "derived"
    assert report.counts["masks made from boxes"] == 40
    assert "40 masks made from boxes" in report.summary()
    assert len(content["annotations"][0]["segmentation"][0]) == 2 * corners


def test_prepare_when_box_does_not_fit_its_mask_then_made_from_it(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """Corners in place of a size, as some tools write; and a missing box."""

    def change(content: dict[str, Any]) -> None:
        content["annotations"][0]["bbox"] = [10, 12, 300, 280]
        content["annotations"][2].pop("bbox")

    report = prepare(edit(make_coco(), change), tmp_path / "out", shares=ALL)

    told = [(line.file, line.text) for line in report.repaired]
    assert told == [
        ("annotations.json:annotation 1", "box did not fit its mask: recomputed from the mask")
    ]
    boxes = [
        row["bbox"] for row in read(tmp_path / "out")["annotations"] if row["category_id"] == 1
    ]
    assert boxes == [[10, 12, 20, 16]] * 20


def test_prepare_when_mask_reaches_beyond_the_image_then_box_of_what_is_seen_fits(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """As one tool writes whole outlines and boxes of the part in sight: nothing to repair."""

    def change(content: dict[str, Any]) -> None:
        row = {"segmentation": [[-30, 10, 6, 10, 6, 20, -30, 20]], "bbox": [0, 10, 6, 10]}
        content["annotations"][0].update(row)

    report = prepare(edit(make_coco(), change), tmp_path / "out", shares=ALL)

    assert report.repaired == []
    assert [0, 10, 6, 10] in [row["bbox"] for row in read(tmp_path / "out")["annotations"]]


FLAT = [[10, 10, 40, 10, 20, 10]]
EMPTY = {"size": [48, 64], "counts": [48 * 64]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"bbox": [10, 10, 30, 20], "segmentation": FLAT}, "mask has no area"),
        ({"bbox": None, "segmentation": FLAT}, "mask has no area"),
        ({"bbox": [10, 10, 30, 20], "segmentation": EMPTY}, "mask has no area"),
        ({"bbox": None, "segmentation": EMPTY}, "mask has no area"),
        (
            {"bbox": [10, 10, 9, 30], "segmentation": [[10, 10, 40, 40, 20, 20]]},
            "mask covers no pixel",
        ),
        (
            {"bbox": [10, 10, 30, 20], "segmentation": [[90, 9, 99, 9, 99, 19]]},
            "mask covers no pixel",
        ),
        (
            {"bbox": [90, 9, 9, 10], "segmentation": [[90, 9, 99, 9, 99, 19]]},
            "box is outside the image",
        ),
        ({"bbox": [90, 9, 9, 10], "segmentation": None}, "box is outside the image"),
    ],
)
def test_prepare_when_annotation_is_dropped_then_once_and_for_what_is_true(
    make_coco: MakeCoco, tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    """No repair of what is not kept."""
    raw = edit(make_coco(), lambda content: content["annotations"][0].update(row))

    report = prepare(raw, tmp_path / "out", shares=ALL)

    assert [(line.file, line.text) for line in report.dropped] == [
        ("annotations.json:annotation 1", reason)
    ]
    assert report.repaired == []


@pytest.mark.parametrize("masks", ["ellipse", "box"])
@pytest.mark.parametrize("side", [1e6, 9e8])
def test_prepare_when_numbers_are_wild_then_at_once(
    make_coco: MakeCoco, tmp_path: Path, masks: str, side: float
) -> None:
    """Of a box alone, and of a mask."""

    def change(content: dict[str, Any]) -> None:
        first, second = content["annotations"][:2]
        first |= {"bbox": [-side / 2, -side / 2, side, side], "segmentation": None}
        band = [-side, 10, side, 10, side, 20, -side, 20]
        second |= {"bbox": [0, 10, 64, 10], "segmentation": [band]}

    prepare(edit(make_coco(), change), tmp_path / "out", shares=ALL, masks=masks)

    rows = [row for row in read(tmp_path / "out")["annotations"] if row["image_id"] == 1]
    assert [row["area"] for row in rows] == [64 * 48, 64 * 10]
    assert check_prepared(tmp_path / "out") == []


def test_prepare_when_crowd_fills_the_image_then_tiles_without_complaint(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """No object: it may be cut, and each tile shows its part as run lengths."""

    def change(content: dict[str, Any]) -> None:
        whole = {"bbox": [0, 0, 64, 48], "segmentation": [[0, 0, 64, 0, 64, 48, 0, 48]]}
        content["annotations"][1] |= whole | {"iscrowd": 1}

    raw = edit(make_coco(), change)
    report = prepare(raw, tmp_path / "out", shares=ALL, layout="tiles", tile_size=40, overlap=20)

    crowds = [row for row in read(tmp_path / "out")["annotations"] if row["iscrowd"]]
    assert len(crowds) == 6
    assert [row["area"] for row in crowds] == [40 * 40] * 6
    assert report.dropped == []


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("images\\{}", "images__"),
        ("..\\images\\{}", "images__"),
        ("../images/{}", "images__"),
        ("C:\\data\\images\\{}", ""),
        ("C:/data/{}", ""),
        ("\\\\server\\share\\data\\{}", ""),
        ("/home/someone/data/images/{}", ""),
        ("/{}", ""),
    ],
)
def test_prepare_when_another_system_wrote_the_names_then_found(
    make_coco: MakeCoco, tmp_path: Path, name: str, prefix: str
) -> None:
    r"""``\\`` separates parts; of an absolute name no folder of that machine is kept."""

    def change(content: dict[str, Any]) -> None:
        for row in content["images"]:
            row["file_name"] = name.format(row["file_name"])

    report = prepare(edit(make_coco(), change), tmp_path / "out", shares=ALL)

    assert report.counts["scenes"] == 20
    assert report.dropped == []
    stems = [row.stem for row in read_prepared(tmp_path / "out").files]
    assert stems == [f"{prefix}g{n // 2}_{n % 2}" for n in range(20)]


def test_prepare_when_names_agree_but_for_folders_then_each_is_found(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    r"""``a\\x.png`` and ``b\\x.png``: by their folders, not by the name."""
    raw = make_coco()
    for folder, name in (("a", "g0_0.png"), ("b", "g0_1.png")):
        (raw / "images" / folder).mkdir()
        os.rename(raw / "images" / name, raw / "images" / folder / "x.png")

    def change(content: dict[str, Any]) -> None:
        content["images"][0]["file_name"] = "a\\x.png"
        content["images"][1]["file_name"] = "b\\x.png"

    prepare(edit(raw, change), tmp_path / "out", shares=ALL)

    rows = read_prepared(tmp_path / "out").files
    found = {row.stem: row.source_image for row in rows if row.stem.endswith("x")}
    assert found == {"a__x": "images/a/x.png", "b__x": "images/b/x.png"}


def test_find_images_when_a_file_has_the_very_name_then_that_one(tmp_path: Path) -> None:
    r"""Elsewhere than on Windows, ``\\`` may be part of a name."""
    (tmp_path / "images").mkdir()
    for name in ("a\\b.png", "images/b.png"):
        (tmp_path / name).write_bytes(b"")
    image = CocoImage(1, "a\\b.png", 4, 4)

    with open_source(tmp_path) as source:
        found = find_images(source, "x.json", [image], "images")

    assert found == {1: FoundImage("a\\b.png", "a\\b")}


def test_prepare_when_tiles_then_by_the_code_of_tiles(make_coco: MakeCoco, tmp_path: Path) -> None:
    """Each instance is whole in one; the overlap is minded."""
    options: dict[str, Any] = {"layout": "tiles", "tile_size": 40, "overlap": 20}
    report = prepare(make_coco(), tmp_path / "out", shares=ALL, **options)

    whole = [
        row
        for row in read(tmp_path / "out")["annotations"]
        if isinstance(row["segmentation"], list)
    ]
    assert report.counts["tiles"] == 20 * 6
    assert {row["object"] for row in whole} == {1, 2}
    with pytest.raises(DataError, match="overlap by 19 px: the largest box has 20 px"):
        prepare(make_coco("other"), tmp_path / "no", shares=ALL, **options | {"overlap": 19})


def test_prepare_when_grouped_then_split_by_group(make_coco: MakeCoco, tmp_path: Path) -> None:
    """By the stable hash of zoo.data, and by nothing else."""
    shares = Shares(0.5, 0.3, 0.2)

    prepare(make_coco(), tmp_path / "out", shares=shares, group_by="^g[0-9]+")

    rows = read_prepared(tmp_path / "out").files
    expected = assign_splits({f"g{number}" for number in range(10)}, shares)
    assert {row.group: row.split for row in rows} == expected


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("annotations.json", {}),
        ("labels/coco.json", {}),
        ("labels/coco.json", {"annotations": "coco.json"}),
        ("a/b/coco.json", {"annotations": "a/b/coco.json"}),
    ],
)
def test_prepare_when_json_lies_elsewhere_then_images_are_found(
    make_coco: MakeCoco, tmp_path: Path, place: str, options: dict[str, str]
) -> None:
    """Beside it or above it; several JSONs need a name."""
    raw = make_coco()
    (raw / place).parent.mkdir(parents=True, exist_ok=True)
    os.rename(raw / "annotations.json", raw / place)
    if options:
        (raw / "other.json").write_text("{}")

    report = prepare(raw, tmp_path / "out", shares=ALL, **options)

    assert report.counts["scenes"] == 20


def test_dataset_when_prepared_then_rows_of_mmdet(make_coco: MakeCoco, tmp_path: Path) -> None:
    """Classes come from the folder, or from metainfo where it is given."""
    prepare(make_coco(), tmp_path / "out", shares=ALL)

    dataset = CocoFolderDataset(data_root=str(tmp_path / "out"))
    named = CocoFolderDataset(
        data_root=str(tmp_path / "out"),
        metainfo={"classes": ("tree",), "palette": [(1, 2, 3)]},
    )

    assert tuple(dataset.metainfo["classes"]) == ("house", "tree")
    assert len(dataset) == 20
    labels = [row["bbox_label"] for row in dataset.get_data_info(0)["instances"]]
    assert sorted(labels) == [0, 1]
    assert [row["bbox_label"] for row in named.get_data_info(0)["instances"]] == [0]


def test_dataset_when_not_built_then_names_no_classes() -> None:
    """A checkpoint's own classes count then, not the 80 of COCO."""
    assert "classes" not in CocoFolderDataset.METAINFO


def test_dataset_when_folder_lacks_files_then_refused(make_coco: MakeCoco, tmp_path: Path) -> None:
    prepare(make_coco(), tmp_path / "out", shares=ALL)

    with pytest.raises(DataError, match=r"there is no 'x\.json'"):
        CocoFolderDataset(data_root=str(tmp_path / "out"), ann_file="annotations/x.json")


@pytest.mark.real_data
def test_prepare_when_real_tanks_then_449_with_true_masks(tmp_path: Path) -> None:
    """40 images, 20 of them without a tank (see the SOURCES.md that lies beside them)."""
    root = os.environ.get("ZOO_REAL_DATA")
    if not root or not Path(root, "nwpu_storage_tanks").is_dir():
        pytest.skip("ZOO_REAL_DATA is not set, or has no nwpu_storage_tanks")

    report = prepare(
        Path(root, "nwpu_storage_tanks"), tmp_path / "out", shares=Shares(0.6, 0.2, 0.2)
    )

    assert report.instances == {"storage_tank": 449}
    assert len(report.notes) == 20
    assert (report.dropped, report.repaired) == ([], [])
    assert read_prepared(tmp_path / "out").labels == "true"
    assert check_prepared(tmp_path / "out") == []
