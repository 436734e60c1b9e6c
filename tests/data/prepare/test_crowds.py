# SPDX-License-Identifier: Apache-2.0
"""A crowd is a region of objects that nobody told apart: cut wherever a tile ends, never a chip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
tools = pytest.importorskip("pycocotools.mask")

from zoo.data import (  # noqa: E402 (after the skip)
    Instance,
    Report,
    Scene,
    Shares,
    box_polygon,
    check_prepared,
    ellipse_polygon,
)

Run = Callable[..., Report]


def load(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "annotations/train.json").read_text())
    return found


def disc(x: float, y: float, side: float) -> Instance:
    box = (x, y, x + side, y + side)
    return Instance(box, 0, [ellipse_polygon(box)], "list.csv:1")


def crowd(x: float, y: float, width: float, height: float) -> Instance:
    box = (x, y, x + width, y + height)
    return Instance(box, 0, [box_polygon(box)], "list.csv:9", is_crowd=True)


def make_crowded(raw: Path) -> list[Scene]:
    """One object of 9 px in a crowd that fills the scene, and a crowd alone."""
    raw.mkdir()
    for name in ("a", "b"):
        assert cv2.imwrite(str(raw / f"{name}.png"), np.zeros((60, 80), np.uint8))
    return [
        Scene("a", "a", "a.png", (crowd(0, 0, 80, 60), disc(20, 20, 9))),
        Scene("b", "b", "b.png", (crowd(0, 10, 50, 20),)),
    ]


def test_prepare_instances_when_crowd_then_each_tile_shows_its_part(
    prepare_discs: Run, tmp_path: Path
) -> None:
    """Larger than the overlap, below the least visible share, as run lengths; none is a remain."""
    scenes, out = make_crowded(tmp_path / "raw"), tmp_path / "out"

    report = prepare_discs(
        tmp_path / "raw", out, scenes, "tiles", 32, 16, 1.0, shares=Shares(1, 0, 0)
    )

    data = load(out)
    crowds = [row for row in data["annotations"] if row["iscrowd"]]
    found: dict[str, Any] = {name: np.zeros((60, 80), bool) for name in "ab"}
    images = {row["id"]: row for row in data["images"]}
    for row in crowds:
        image = images[row["image_id"]]
        mask = tools.decode(row["segmentation"]).astype(bool)
        place = found[image["scene"]][image["top_px"] :, image["left_px"] :]
        place[: image["height"], : image["width"]] |= mask
        assert row["area"] == mask.sum() > 0
    expected = np.zeros((60, 80), bool)
    expected[10:30, :50] = True
    assert found["a"].all()
    assert np.array_equal(found["b"], expected)
    assert sum(images[row["image_id"]]["scene"] == "a" for row in crowds) == 12
    discs = [row["segmentation"] for row in data["annotations"] if not row["iscrowd"]]
    assert any(isinstance(each, list) for each in discs)
    assert report.dropped == []
    assert check_prepared(out) == []


def test_prepare_instances_when_crowd_is_whole_then_run_lengths_and_its_box(
    prepare_discs: Run, tmp_path: Path
) -> None:
    """COCO's readers take a crowd for RLE."""
    prepare_discs(
        tmp_path / "raw",
        tmp_path / "out",
        make_crowded(tmp_path / "raw"),
        "whole",
        shares=Shares(1, 0, 0),
    )

    crowds = [row for row in load(tmp_path / "out")["annotations"] if row["iscrowd"]]
    assert [row["bbox"] for row in crowds] == [[0, 0, 80, 60], [0, 10, 50, 20]]
    assert [set(row["segmentation"]) for row in crowds] == [{"size", "counts"}] * 2


def test_prepare_instances_when_crowd_then_no_chip_and_reported(
    prepare_discs: Run, tmp_path: Path
) -> None:
    """A scene of crowds alone has none; whatever the chips' size."""
    scenes, out = make_crowded(tmp_path / "raw"), tmp_path / "out"

    report = prepare_discs(tmp_path / "raw", out, scenes, "chips", 32, shares=Shares(1, 0, 0))

    data = load(out)
    assert [row["scene"] for row in data["images"]] == ["a"]
    assert [(row["iscrowd"], row["object"]) for row in data["annotations"]] == [(0, 1)]
    assert report.counts["instances"] == 1
    assert sorted((line.file, line.text) for line in report.dropped) == [
        ("b.png", "no instance in the scene, so no chip"),
        ("list.csv:9", "crowd region: gets no chip"),
        ("list.csv:9", "crowd region: gets no chip"),
    ]


def test_count_objects_of_a_crowded_folder_counts_both_apart(
    tmp_path: Path, prepare_discs: Run
) -> None:
    """What `zoo data check` prints: objects by the kind of their mask, and crowds."""
    from zoo.data import count_objects

    scenes = make_crowded(tmp_path / "raw")
    prepare_discs(tmp_path / "raw", tmp_path / "out", scenes, "whole", shares=Shares(1, 0, 0))

    assert count_objects(tmp_path / "out") == [
        "train: 1 objects in 1 of 2 images (1 polygons), 2 crowds",
        "val: 0 objects in 0 of 0 images",
        "test: 0 objects in 0 of 0 images",
    ]
