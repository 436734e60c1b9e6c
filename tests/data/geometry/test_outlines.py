# SPDX-License-Identifier: Apache-2.0
"""Outlines drawn over pictures: holes stay open, crowds look like none of the objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.data import (
    DatasetIdentity,
    Instance,
    Report,
    Scene,
    box_polygon,
    decode_image,
    open_source,
    parse_shares,
    parse_tiling,
    prepare_instances,
    show_prepared,
)
from zoo.data.pictures.drawing import Outline, draw_outlines

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
tools = pytest.importorskip("pycocotools.mask")

COLOR = (200, 0, 40)
GREY = 100


def square(low: float, high: float) -> Any:
    return np.array([[low, low], [high, low], [high, high], [low, high]], np.float64)


def test_draw_outlines_when_a_hole_is_inside_then_it_stays_open() -> None:
    """Filled between outer ring and hole, and again on an island in it."""
    image = np.full((60, 60), GREY, np.uint8)
    rings = [square(5, 55), square(15, 45), square(25, 35)]

    drawn = draw_outlines(image, [Outline(rings, COLOR)], opacity=0.5)

    filled = np.rint((np.array([GREY] * 3) + COLOR) / 2)
    assert np.abs(drawn[10, 30] - filled).max() <= 1
    assert drawn[20, 30].tolist() == [GREY] * 3
    assert np.abs(drawn[30, 30] - filled).max() <= 1
    assert drawn[2, 2].tolist() == [GREY] * 3


def test_draw_outlines_when_a_crowd_then_hatched_rather_than_filled() -> None:
    """Most of what is inside is as it was; lines of its colour run through it."""
    image = np.full((80, 80), GREY, np.uint8)

    of_object = draw_outlines(image, [Outline([square(10, 70)], COLOR)])
    of_crowd = draw_outlines(image, [Outline([square(10, 70)], COLOR, is_crowd=True)])

    inside = np.s_[15:65, 15:65]
    assert (of_object[inside] != GREY).any(axis=2).all()
    touched = (of_crowd[inside] != GREY).any(axis=2).mean()
    assert 0.1 < touched < 0.3
    assert (of_crowd[inside] == COLOR).all(axis=2).mean() == pytest.approx(touched)


def test_show_prepared_when_masks_have_holes_and_crowds_then_both_can_be_seen(
    tmp_path: Path,
) -> None:
    """The hole of a ring shows the picture; the crowd beside it is hatched."""
    raw = tmp_path / "raw"
    raw.mkdir()
    cv2.imwrite(str(raw / "a.png"), np.full((200, 200), GREY, np.uint8))
    rows, columns = np.mgrid[:200, :200]
    away = np.hypot(rows - 50, columns - 50)
    ring = tools.encode(np.asfortranarray(((away < 40) & (away > 20)).astype(np.uint8)))
    box, far = (10.0, 10.0, 90.0, 90.0), (110.0, 110.0, 190.0, 190.0)
    instances = (
        Instance(box, 0, {**ring, "counts": ring["counts"].decode()}),
        Instance(far, 0, [box_polygon(far)], is_crowd=True),
    )
    with open_source(raw) as source:
        prepare_instances(
            source,
            tmp_path / "out",
            dataset=DatasetIdentity("p", "D", "1"),
            scenes=[Scene("a", "a", "a.png", instances)],
            classes=["ring"],
            palette=[COLOR],
            shares=parse_shares("1,0,0"),
            report=Report(),
            tiling=parse_tiling("whole"),
            labels="true",
            licence="none",
        )
    assert json.loads((tmp_path / "out/annotations/train.json").read_text())["annotations"]

    path = show_prepared(tmp_path / "out", tmp_path / "sheet", tile_px=200)

    sheet = decode_image(path.read_bytes(), "sheet")[8:208, 8:208].astype(int)
    assert sheet[50, 50].tolist() == [GREY] * 3
    assert sheet[50, 20].tolist() != [GREY] * 3
    crowd = sheet[115:140, 115:185]
    assert (crowd == GREY).all(axis=2).mean() > 0.6
    assert (crowd == COLOR).all(axis=2).any()
    words = sheet[140:160, 130:175]
    assert (words.min(axis=2) > 200).any()
