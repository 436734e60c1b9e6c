# SPDX-License-Identifier: Apache-2.0
"""Rules where they matter: drawn data, its fingerprint, and what is planned for it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from zoo_auto_fit import fingerprint as module
from zoo_auto_fit.fingerprint import take_fingerprint
from zoo_auto_fit.instance import plan_instance
from zoo_auto_fit.semantic import plan_for

import zoo
from zoo.data import Prepared, read_prepared
from zoo.interfaces import Allowance, Fingerprint, Plan

from .conftest import CPU, Mask, squares, write_raw

pytestmark = pytest.mark.mm

Prepare = Callable[..., Prepared]


def _plan(data: Fingerprint) -> Plan:
    return plan_for(data, CPU, Allowance(seconds=1800.0), imagenet=True)


def _value(plan: Plan, rule: str) -> str:
    return next(each.value for each in plan.reasons if each.rule == rule)


def _masks(count: int, draw: Callable[[np.random.Generator, Mask], None], side: int) -> list[Mask]:
    rng = np.random.default_rng(3)
    masks = [np.zeros((side, side), np.uint8) for _ in range(count)]
    for mask in masks:
        draw(rng, mask)
    return masks


def test_thin_structures_are_seen_at_full_resolution(prepare: Prepare) -> None:
    """Lines of 3 px in images of 800 px, which would have 1.2 px if the image fitted a crop."""

    def draw(rng: np.random.Generator, mask: Mask) -> None:
        for _ in range(4):
            ends = [tuple(map(int, rng.integers(20, 780, 2))) for _ in range(2)]
            cv2.line(mask, ends[0], ends[1], 1, 3)

    found = take_fingerprint(prepare(_masks(12, draw, 800), exact_shares=True))
    plan = _plan(found)

    assert found.thickness_px is not None
    assert float(_value(plan, "scale")) * found.thickness_px.low >= 2.99
    assert _value(plan, "network") == "unet_small at full resolution"
    assert "strides=(1, 1, 1, 1, 1)" in plan.config
    assert 'mode="slide"' in plan.config


def test_thick_structures_are_seen_whole(prepare: Prepare) -> None:
    def draw(rng: np.random.Generator, mask: Mask) -> None:
        x, y = map(int, rng.integers(250, 550, 2))
        cv2.circle(mask, (x, y), 200, 1, -1)

    plan = _plan(take_fingerprint(prepare(_masks(12, draw, 800), exact_shares=True)))

    assert _value(plan, "scale") == "0.4"
    assert _value(plan, "crop") == "320x320"
    assert 'mode="whole"' in plan.config


def test_tiny_objects_keep_eight_px_of_the_network(prepare: Prepare) -> None:
    """Discs of 12 px in images of 1,000 px: shrunk to 0.32, they would have 4 px."""

    def draw(rng: np.random.Generator, mask: Mask) -> None:
        for x, y in rng.integers(20, 980, (6, 2)).tolist():
            cv2.circle(mask, (x, y), 6, 1, -1)

    found = take_fingerprint(prepare(_masks(12, draw, 1000), exact_shares=True))
    plan = _plan(found)

    assert found.object_px is not None
    assert float(_value(plan, "scale")) * found.object_px.low >= 7.99
    assert float(_value(plan, "scale")) >= 0.6


def test_class_of_half_a_percent_weighs_more(prepare: Prepare) -> None:
    """Squares of 20 px in images of 282 px; twice that side is 2 %, and weighs nothing."""
    rare = _plan(take_fingerprint(prepare(squares(20, size=282, side=20), "rare")))
    common = _plan(take_fingerprint(prepare(squares(20, size=282, side=40), "common")))

    (weights,) = re.findall(r"class_weight=\[([\d., ]+)\]", rare.config)
    ground, thing = (float(weight) for weight in weights.split(","))
    assert thing == 10.0
    assert ground < 1
    assert "class_weight" not in common.config


def test_four_bands_of_16_bits_are_three_of_8_in_colour(tmp_path: Path) -> None:
    """The network's bands are those that were chosen, and their colours vary in training."""
    import rasterio

    raw, rng = tmp_path / "raw", np.random.default_rng(4)
    masks = squares(12, size=96, side=30)
    write_raw(raw, masks)
    for number, mask in enumerate(masks):
        (raw / "images" / f"{number:03}.png").unlink()
        bands = rng.integers(200, 3000, (4, 96, 96)).astype(np.uint16)
        bands[3] += np.uint16(9000) * mask
        profile = {"driver": "GTiff", "width": 96, "height": 96, "count": 4, "dtype": "uint16"}
        with rasterio.open(raw / "images" / f"{number:03}.tif", "w", **profile) as out:
            out.write(bands)
    zoo.prepare(
        "folder_data", raw, tmp_path / "out", task="semantic", bands="4,2,1", exact_shares=True
    )

    found = take_fingerprint(read_prepared(tmp_path / "out"))
    plan = _plan(found)

    assert (found.channels, found.bits_per_sample) == (3, 8)
    assert (found.width_px.least, found.width_px.most) == (96, 96)
    assert _value(plan, "augmentation") == "flip, turn, zoom, colours"
    assert _value(plan, "crop") == "96x96"


def test_thirty_images_are_split_and_seen_in_full_batches(prepare: Prepare) -> None:
    found = take_fingerprint(prepare(squares(30), shares="0.7,0.15,0.15", exact_shares=True))
    plan = _plan(found)

    assert (found.images["train"], sum(found.images.values())) == (21, 30)
    assert min(found.images.values()) >= 4
    assert plan.batch_size == 4
    assert 'save_best="mean_dice"' in plan.config


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_images_than_a_batch_make_a_smaller_one(prepare: Prepare, count: int) -> None:
    """One image to train on, beside some to judge by, is planned for."""
    total = count + 4
    shares = f"{count / total},{2 / total},{2 / total}"
    found = take_fingerprint(prepare(squares(total), shares=shares, exact_shares=True))

    assert found.images["train"] == count
    assert _plan(found).batch_size == count


def test_class_that_the_sample_lacks_is_looked_for_in_all_images(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two images are read for objects; the class that only one of the others has is there."""
    masks = squares(20)
    for mask in masks[:7] + masks[8:]:
        mask[:] = 0
    prepared = prepare(masks, shares="0.8,0.1,0.1", exact_shares=True)
    train = sorted(row.stem for row in prepared.files if row.split == "train")
    assert "007" in train[1:-1]
    monkeypatch.setattr(module, "MOST_IMAGES", 2)

    found = take_fingerprint(prepared)

    assert (found.sampled, found.counted) == (2, len(train))
    assert found.classes[1].images == 1
    assert found.classes[1].pixel_share == pytest.approx(400 / 4096 / len(train))


def test_one_colour_image_among_many_is_seen(prepare: Prepare) -> None:
    prepared = prepare(squares(40))
    last = sorted(row.stem for row in prepared.files if row.split == "train")[-2]
    path = prepared.root / "images" / f"{last}.png"
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None
    image[..., 2] = 255
    before = take_fingerprint(prepared).channels
    cv2.imwrite(str(path), image)

    assert (before, take_fingerprint(prepared).channels) == (1, 3)


def test_bounds_of_sizes_are_those_of_all_images(prepare: Prepare) -> None:
    """One image of 40 is larger; no percentile tells it."""
    masks = [*squares(39, size=64), *squares(1, size=128)]
    prepared = prepare(masks, shares="0.8,0.1,0.1")
    rows = [row for row in prepared.files if row.split == "train"]

    found = take_fingerprint(prepared)

    assert found.width_px.most == max(row.width_px for row in rows)
    assert found.width_px.least == 64
    assert found.area_px is not None
    assert found.area_px.most == max(row.width_px * row.height_px for row in rows)


def _discs(raw: Path, count: int, radius: int) -> None:
    """Write images of round objects and their COCO JSON; each disc is two halves that overlap."""
    raw.mkdir()
    images, annotations = [], []
    rng = np.random.default_rng(5)
    turn = np.linspace(0, np.pi, 24)
    for number in range(count):
        image = rng.integers(0, 60, (256, 256, 3)).astype(np.uint8)
        x, y = map(int, rng.integers(60, 196, 2))
        cv2.circle(image, (x, y), radius, (200, 180, 90), -1)
        cv2.imwrite(str(raw / f"{number:03}.png"), image)
        images.append({"id": number, "file_name": f"{number:03}.png", "width": 256, "height": 256})
        halves = [
            np.stack([x + radius * np.cos(turn + begin), y + radius * np.sin(turn + begin)], 1)
            for begin in (0.0, np.pi - 0.5, np.pi)
        ]
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": [half.round(2).ravel().tolist() for half in halves],
                "bbox": [x - radius, y - radius, 2 * radius, 2 * radius],
                "area": float(np.pi * radius**2),
            }
        )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "disc"}],
    }
    (raw / "annotations.json").write_text(json.dumps(content))


def test_small_round_objects_are_enlarged_and_turned(tmp_path: Path) -> None:
    """An object of parts that overlap is their union, as COCO has it: a disc of 24 px."""
    _discs(tmp_path / "raw", 20, 12)
    zoo.prepare("folder_data", tmp_path / "raw", tmp_path / "out", task="instance")

    found = take_fingerprint(read_prepared(tmp_path / "out"))
    plan = plan_instance(found, CPU, Allowance(seconds=1800.0))

    side = np.sqrt(np.pi) * 12
    assert found.object_px is not None
    assert found.object_px.median == pytest.approx(side, abs=1)
    assert found.thickness_px is not None
    assert found.thickness_px.median == pytest.approx(24, abs=3)
    assert found.classes[0].images == found.counted == found.images["train"]
    assert _value(plan, "zoom") == "1.75"
    assert _value(plan, "rotation") == "180 degrees"
    assert _value(plan, "windows") == "none"
