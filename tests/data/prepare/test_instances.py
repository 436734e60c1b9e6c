# SPDX-License-Identifier: Apache-2.0
"""Scenes with instances become a folder of COCO JSON: nothing lost, split before it is cut."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("pycocotools")

from pycocotools import mask as tools  # noqa: E402 (after the skip)
from pycocotools.coco import COCO  # noqa: E402

from zoo.data import (  # noqa: E402
    Instance,
    Report,
    Scene,
    Shares,
    check_prepared,
    ellipse_polygon,
    parse_tiling,
    read_prepared,
)
from zoo.errors import DataError  # noqa: E402

Make = Callable[..., list[Scene]]
Run = Callable[..., Report]


def disc(x: float, y: float, side: float, line: int = 1) -> Instance:
    box = (x, y, x + side, y + side)
    return Instance(box, 0, [ellipse_polygon(box)], f"list.csv:{line}")


def load(out: Path) -> dict[str, Any]:
    parts = [
        json.loads((out / f"annotations/{name}.json").read_text())
        for name in ("train", "val", "test")
    ]
    return {key: [row for part in parts for row in part[key]] for key in ("images", "annotations")}


def test_prepare_instances_when_tiles_then_every_box_is_whole_in_one(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """With its own box; boxes of all tiles of it agree on where it is."""
    scenes, out = make_scenes(), tmp_path / "out"

    prepare_discs(tmp_path / "raw", out, scenes)

    data = load(out)
    images = {row["id"]: row for row in data["images"]}
    found: dict[tuple[str, int], list[list[float]]] = {}
    for row in data["annotations"]:
        image = images[row["image_id"]]
        x, y, width, height = row["bbox"]
        assert 0 <= x < x + width <= image["width"]
        assert 0 <= y < y + height <= image["height"]
        box = [x + image["left_px"], y + image["top_px"], width, height]
        found.setdefault((image["scene"], row["object"]), []).append(box)
    for scene in scenes:
        for number, instance in enumerate(scene.instances, start=1):
            x1, y1, x2, y2 = instance.box
            assert [x1, y1, x2 - x1, y2 - y1] in found[(scene.stem, number)]
    assert check_prepared(out) == []


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_prepare_instances_when_any_boxes_then_the_union_over_tiles_covers_each(
    prepare_discs: Run,
    data: st.DataObject,
) -> None:
    """Any place and side up to the overlap, fractions and boxes beyond the edge as well."""
    width, height = data.draw(st.integers(30, 120)), data.draw(st.integers(30, 120))
    overlap = data.draw(st.integers(3, 24))
    boxes = []
    for _ in range(data.draw(st.integers(1, 6))):
        side = data.draw(st.floats(2, overlap))
        x, y = data.draw(st.floats(-1, width - 2)), data.draw(st.floats(-1, height - 2))
        boxes.append(disc(x, y, side))
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder, "raw"), Path(folder, "out")
        raw.mkdir()
        assert cv2.imwrite(str(raw / "s.png"), np.zeros((height, width), np.uint8))

        tiling = ("tiles", overlap + data.draw(st.integers(1, 40)), overlap, 1.0)
        report = prepare_discs(
            raw, out, [Scene("s", "s", "s.png", tuple(boxes))], *tiling, shares=Shares(1, 0, 0)
        )

        rows = json.loads((out / "annotations/train.json").read_text())
        kept = report.counts["instances"]
    assert kept + len(report.dropped) == len(boxes)
    assert {row["object"] for row in rows["annotations"]} == set(range(1, kept + 1))


def test_prepare_instances_when_read_by_pycocotools_then_valid(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """Five blocks, unique ids over splits, areas of the masks; what is cut is run lengths."""
    out = tmp_path / "out"
    prepare_discs(tmp_path / "raw", out, make_scenes())

    seen: set[int] = set()
    kinds = set()
    for split in ("train", "val", "test"):
        content = json.loads((out / f"annotations/{split}.json").read_text())
        assert list(content) == ["info", "licenses", "images", "categories", "annotations"]
        assert content["info"]["labels"] == "derived"
        coco = COCO(out / f"annotations/{split}.json")
        assert seen.isdisjoint(coco.anns)
        seen |= set(coco.anns)
        for row in coco.anns.values():
            mask = coco.annToMask(row)
            assert row["area"] == mask.sum() > 0
            kinds.add(type(row["segmentation"]))
            if isinstance(row["segmentation"], dict):
                assert [*tools.toBbox(coco.annToRLE(row))] == row["bbox"]
    assert kinds == {list, dict}


def test_prepare_instances_when_split_then_scenes_stay_whole(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """By the same hash whatever the layout, and before anything is cut."""
    scenes = make_scenes()
    splits = []
    for layout in (("tiles", 40, 16), ("chips", 32), ("whole",)):
        out = tmp_path / layout[0]
        prepare_discs(tmp_path / "raw", out, scenes, *layout)
        rows = read_prepared(out).files
        splits.append({row.scene: row.split for row in rows})
        assert len({(row.scene, row.split) for row in rows}) == 12
    assert splits[0] == splits[1] == splits[2]


def test_prepare_instances_when_a_part_is_small_then_left_out_of_that_tile(
    prepare_discs: Run, tmp_path: Path
) -> None:
    """By its share of the mask; the report counts what was left out."""
    (tmp_path / "raw").mkdir()
    assert cv2.imwrite(str(tmp_path / "raw/s.png"), np.zeros((40, 70), np.uint8))
    scene = Scene("s", "s", "s.png", (disc(28, 10, 10),))  # tiles: 0..40 and 30..70
    counts = {}
    for share in (0.5, 0.95):
        out = tmp_path / f"out{share}"
        report = prepare_discs(
            tmp_path / "raw", out, [scene], "tiles", 40, 10, share, shares=Shares(1, 0, 0)
        )
        rows = load(out)["annotations"]
        counts[share] = (len(rows), report.counts["remainders of cut instances left out"])
        if share == 0.5:
            part = next(row for row in rows if row["bbox"][0] == 0)
            assert part["bbox"] == [0, 10, 8, 10]
            ratio = part["area"] / next(row["area"] for row in rows if row is not part)
            assert ratio == pytest.approx(0.858, abs=0.03)  # of a disc, beyond 0.3 of its radius

    assert counts == {0.5: (2, 0), 0.95: (1, 1)}


def test_prepare_instances_when_chips_then_one_instance_each(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """As many chips as instances; a scene without any is left out, and said so, twice alike."""
    scenes = make_scenes()
    scenes[3] = Scene(scenes[3].stem, scenes[3].group, scenes[3].image, ())

    report = prepare_discs(tmp_path / "raw", tmp_path / "out", scenes, "chips", 32)
    again = prepare_discs(tmp_path / "raw", tmp_path / "out", scenes, "chips", 32)

    data = load(tmp_path / "out")
    assert len(data["images"]) == len(data["annotations"]) == 55
    assert {row["image_id"] for row in data["annotations"]} == {row["id"] for row in data["images"]}
    assert {(row["width"], row["height"]) for row in data["images"]} == {(32, 32)}
    assert [line.text for line in report.dropped] == ["no instance in the scene, so no chip"]
    assert again.unchanged


def test_prepare_instances_when_whole_jpeg_then_copied_to_the_byte(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """Neither decoded nor encoded; PNGs are written anew."""
    prepare_discs(tmp_path / "raw", tmp_path / "jpg", make_scenes(suffix=".jpg"), "whole")
    prepare_discs(tmp_path / "raw", tmp_path / "png", make_scenes(), "whole")

    copied = (tmp_path / "jpg/images/scene03.jpg").read_bytes()
    assert copied == (tmp_path / "raw/scene03.jpg").read_bytes()
    png = cv2.imread(str(tmp_path / "png/images/scene03.png"))
    assert np.array_equal(png, cv2.imread(str(tmp_path / "raw/scene03.png")))
    assert check_prepared(tmp_path / "jpg") == check_prepared(tmp_path / "png") == []


def test_prepare_instances_when_tiles_are_put_together_then_the_scene(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """Every tile is the pixels of its place."""
    scenes, out = make_scenes(count=3), tmp_path / "out"

    prepare_discs(tmp_path / "raw", out, scenes, shares=Shares(1, 0, 0))

    for row in read_prepared(out).files:
        scene = cv2.imread(str(tmp_path / "raw" / row.source_image))
        part = scene[
            row.top_px : row.top_px + row.height_px, row.left_px : row.left_px + row.width_px
        ]
        assert np.array_equal(cv2.imread(str(out / "images" / row.image_name)), part)


def test_prepare_instances_when_run_elsewhere_or_again_then_equal(
    make_scenes: Make,
    prepare_discs: Run,
    tmp_path: Path,
    snapshot: Callable[[Path], dict[str, tuple[int, str]]],
) -> None:
    """To the byte, with more workers and in another order; the second run writes nothing."""
    scenes = make_scenes()
    prepare_discs(tmp_path / "raw", tmp_path / "one", scenes)
    before = snapshot(tmp_path / "one")

    prepare_discs(tmp_path / "raw", tmp_path / "two", scenes[::-1], workers=5)
    again = prepare_discs(tmp_path / "raw", tmp_path / "one", scenes)

    two = {name: digest for name, (_, digest) in snapshot(tmp_path / "two").items()}
    assert two == {name: digest for name, (_, digest) in before.items()}
    assert again.unchanged
    assert snapshot(tmp_path / "one") == before


def test_prepare_instances_when_anything_differs_then_refused(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """Options, and one box that moved by a pixel."""
    scenes, out = make_scenes(), tmp_path / "out"
    prepare_discs(tmp_path / "raw", out, scenes)
    moved = [*scenes[1:], Scene("scene00", "scene00", scenes[0].image, (disc(3, 3, 9),))]

    with pytest.raises(DataError, match="option tile_px was 40, is 48"):
        prepare_discs(tmp_path / "raw", out, scenes, "tiles", 48, 16)
    with pytest.raises(DataError, match="1 changed in the source: 'scene00'"):
        prepare_discs(tmp_path / "raw", out, moved)
    (out / "annotations/val.json").unlink()
    with pytest.raises(DataError, match="1 of its 3 annotations are missing, such as 'val'"):
        prepare_discs(tmp_path / "raw", out, scenes)


def test_prepare_instances_when_at_the_edge_then_dropped_or_cut_and_reported(
    prepare_discs: Run, tmp_path: Path
) -> None:
    """Outside; by half; less than a pixel. The mask keeps the outline of the whole disc."""
    (tmp_path / "raw").mkdir()
    assert cv2.imwrite(str(tmp_path / "raw/s.png"), np.zeros((40, 50), np.uint16))
    discs = (disc(60, 3, 9, 2), disc(45, 10, 10, 3), disc(-8.5, 3, 9, 4), disc(10, 10, 8, 5))

    report = prepare_discs(
        tmp_path / "raw",
        tmp_path / "out",
        [Scene("s", "s", "s.png", discs)],
        "whole",
        shares=Shares(1, 0, 0),
    )

    assert {line.file: line.text for line in report.dropped} == {
        "list.csv:2": "box is outside the image",
        "list.csv:4": "box covers less than a pixel of the image",
    }
    assert {line.file: line.text for line in report.repaired} == {
        "list.csv:3": "reached beyond the image: clipped at its edge",
        "s.png": "16-bit samples stretched to 8 bits",
    }
    half, whole = load(tmp_path / "out")["annotations"]
    assert half["bbox"] == [45, 10, 5, 10]
    assert half["area"] == pytest.approx(np.pi * 25 / 2, abs=4)
    assert whole["bbox"] == [10, 10, 8, 8]


def test_prepare_instances_when_repaired_before_then_told_only_of_what_is_kept(
    prepare_discs: Run, tmp_path: Path
) -> None:
    """One entry for each row that is dropped; a box without area is not outside."""
    (tmp_path / "raw").mkdir()
    assert cv2.imwrite(str(tmp_path / "raw/s.png"), np.zeros((40, 50), np.uint8))
    kept, outside = disc(10, 10, 8, 1), disc(60, 3, 9, 2)
    flat = replace(disc(5, 5, 8, 3), box=(5, 5, 5, 9))
    rows = tuple(replace(each, repair="turned") for each in (kept, outside, flat))

    report = prepare_discs(
        tmp_path / "raw",
        tmp_path / "out",
        [Scene("s", "s", "s.png", rows)],
        "whole",
        shares=Shares(1, 0, 0),
    )

    assert [(line.file, line.text) for line in report.repaired] == [("list.csv:1", "turned")]
    assert [(line.file, line.text) for line in report.dropped] == [
        ("list.csv:2", "box is outside the image"),
        ("list.csv:3", "box has no area"),
    ]


def test_prepare_instances_when_scene_is_empty_or_small_then_noted(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """Kept: it shows what is no instance."""
    scenes = make_scenes()
    scenes[3] = Scene(scenes[3].stem, scenes[3].group, scenes[3].image, ())

    report = prepare_discs(tmp_path / "raw", tmp_path / "out", scenes, "tiles", 512, 128)

    notes = [(line.file, line.text) for line in report.notes]
    assert ("scene03.png", "no instance in the scene") in notes
    assert sum(text == "smaller than 512 px: not cut" for _, text in notes) == 12
    assert len(load(tmp_path / "out")["images"]) == 12


REFUSED: dict[str, tuple[Callable[[list[Scene], Path], dict[str, Any]], str]] = {
    "overlap": (
        lambda scenes, raw: {"tiling": parse_tiling("tiles", 40, 5)},
        "overlap by 5 px: the largest box",
    ),
    "truncated": (
        lambda scenes, raw: (raw / "scene04.png").write_bytes(b"\x89PNG\r\n\x1a\n") and {},
        "truncated PNG",
    ),
    "size": (
        lambda scenes, raw: {"scenes": [Scene("a", "a", "scene00.png", (), (91, 70))]},
        "the image has 90x70 px, expected 91x70",
    ),
    "twice": (
        lambda scenes, raw: {"scenes": [*scenes, scenes[0]]},
        "cannot prepare 'scene00' twice",
    ),
    "no chip": (
        lambda scenes, raw: {
            "scenes": [Scene("a", "a", "scene00.png", ())],
            "tiling": parse_tiling("chips"),
        },
        "cannot cut chips: no scene shows an instance",
    ),
    "no class": (
        lambda scenes, raw: {
            "scenes": [
                *scenes[:-1],
                replace(scenes[-1], instances=(replace(disc(40, 40, 10, 77), category=1),)),
            ]
        },
        "found an instance of category 1, expected 0..0",
    ),
    "crowd of no class": (
        lambda scenes, raw: {
            "scenes": [
                *scenes[:-1],
                replace(
                    scenes[-1],
                    instances=(replace(disc(40, 40, 10), category=-1, is_crowd=True),),
                ),
            ]
        },
        "found an instance of category -1, expected 0..0",
    ),
    "no scene": (lambda scenes, raw: {"scenes": []}, "cannot prepare an empty data set"),
    "empty split": (lambda scenes, raw: {"scenes": scenes[:1]}, "cannot split 1 groups"),
}


@pytest.mark.parametrize(("spoil", "says"), REFUSED.values(), ids=REFUSED)
def test_prepare_instances_when_it_cannot_be_done_then_nothing_is_left(
    make_scenes: Make,
    prepare_discs: Run,
    tmp_path: Path,
    spoil: Callable[..., dict[str, Any]],
    says: str,
) -> None:
    scenes = make_scenes()
    changed = spoil(scenes, tmp_path / "raw")

    with pytest.raises(DataError) as caught:
        prepare_discs(tmp_path / "raw", tmp_path / "out", **{"scenes": scenes} | changed)

    assert says in caught.value.message
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
