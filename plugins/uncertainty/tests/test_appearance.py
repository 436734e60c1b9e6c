# SPDX-License-Identifier: Apache-2.0
"""Images like the training images are rarely flagged, and other ones always."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from zoo_uncertainty.appearance import Appearances, describe, distances

from zoo.data import Picture

Array = np.ndarray[Any, Any]


def draw_picture(generator: np.random.Generator, *, kind: str = "usual") -> Picture:
    """Return a bright ellipse on a darker ground, at a place and a brightness of its own."""
    rows, columns = np.mgrid[0:80, 0:100]
    x, y = generator.normal(50, 4), generator.normal(40, 4)
    inside = ((columns - x) / 30) ** 2 + ((rows - y) / 24) ** 2 < 1
    values = np.where(inside, 160, 70) + generator.normal(0, 8) + generator.normal(0, 6, (80, 100))
    if kind == "dark":
        values = values * 0.4
    if kind == "negative":
        values = 255 - values
    pixels = np.clip(values, 0, 255).astype(np.uint8)
    if kind == "tinted":
        pixels = np.stack([pixels, pixels // 2, pixels // 2], axis=2)
    return Picture(pixels)


@pytest.fixture(scope="module")
def training() -> Appearances:
    generator = np.random.default_rng(0)
    described = np.stack([describe(draw_picture(generator)) for _ in range(120)])
    found = Appearances.of(described, [str(index) for index in range(120)])
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["dark", "negative", "tinted"])
def test_unlike_pictures_have_the_least_p_value(training: Appearances, kind: str) -> None:
    generator = np.random.default_rng(1)

    for _ in range(10):
        _, p_like = training.unlikeness(describe(draw_picture(generator, kind=kind)))
        assert p_like == pytest.approx(1 / 121)


def test_like_pictures_have_any_p_value(training: Appearances) -> None:
    """At or below 5 % in about 5 % of 300 pictures, which the nearest of 120 makes approximate."""
    generator = np.random.default_rng(2)

    found = [training.unlikeness(describe(draw_picture(generator)))[1] for _ in range(300)]

    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.10
    assert 0.4 <= np.mean(found) <= 0.6


def test_distance_and_p_value_are_those_of_a_twin() -> None:
    """Training images of one group are not compared with each other."""
    generator = np.random.default_rng(3)
    table, groups, new = (
        generator.normal(size=(12, 5)),
        ["a", "b", "c"] * 4,
        generator.normal(size=5),
    )
    found = Appearances.of(table, groups)
    assert found is not None
    columns = list(zip(*table.tolist(), strict=True))
    means = [sum(each) / 12 for each in columns]
    spreads = [
        math.sqrt(sum((v - m) ** 2 for v in each) / 12)
        for each, m in zip(columns, means, strict=True)
    ]

    def apart(one: Any, other: Any) -> float:
        parts = zip(one, other, spreads, strict=True)
        return math.sqrt(sum(((a - b) / s) ** 2 for a, b, s in parts) / 5)

    nearest = [
        min(apart(table[i], table[j]) for j in range(12) if groups[i] != groups[j])
        for i in range(12)
    ]
    distance = min(apart(new, row) for row in table)

    measured, p_like = found.unlikeness(new)

    assert measured == pytest.approx(distance)
    assert p_like == pytest.approx((1 + sum(each >= distance for each in nearest)) / 13)


def test_images_of_a_single_group_say_nothing() -> None:
    assert Appearances.of(np.zeros((3, 5)), ["a", "a", "a"]) is None


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1), np.uint8),
        np.full((5, 300, 3), 255, np.uint8),
        np.full((40, 40), 60_000, np.uint16),
        np.random.default_rng(0).integers(0, 65_536, (33, 21, 3)).astype(np.uint16),
    ],
)
def test_any_picture_has_an_appearance(pixels: Any) -> None:
    found = describe(Picture(pixels))

    assert found.shape == describe(draw_picture(np.random.default_rng(0))).shape
    assert np.isfinite(found).all()
    assert float(distances(found[None], found[None])[0, 0]) == 0
