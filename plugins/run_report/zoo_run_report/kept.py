# SPDX-License-Identifier: Apache-2.0
"""What a test kept of its images, and why something is not among it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo import TestValues

__all__ = [
    "MOST_CLASSES",
    "Counts",
    "background",
    "counts_of",
    "why_no_calibration",
    "why_no_counts",
]

MOST_CLASSES = 50
"""Of a model of label maps, whose confusions ``zoo test`` keeps."""

_BACKGROUND = ("background", "bg", "ground", "_background_")


class Counts(Enum):
    """What was counted in the images of a test."""

    NONE = 0
    PIXELS = 1
    OBJECTS = 2


def counts_of(test: TestValues) -> Counts:
    """Return what a test counted in its images.

    Args:
        test: As `zoo.read_test` returns it.
    """
    if any(tally.confusion for tally in test.tallies.values()):
        return Counts.PIXELS
    if any(tally.true or tally.predicted for tally in test.tallies.values()):
        return Counts.OBJECTS
    return Counts.NONE


def background(classes: Sequence[str]) -> frozenset[int]:
    """Return the ids of classes that are named as a background is.

    Args:
        classes: Names, by id.
    """
    return frozenset(i for i, name in enumerate(classes) if name.lower() in _BACKGROUND)


def why_no_counts(test: TestValues) -> str:
    """Return why there are no scores of classes, no confusion and no sizes; empty if there are.

    Args:
        test: As `zoo.read_test` returns it.
    """
    if counts_of(test) is not Counts.NONE:
        return ""
    count = len(test.classes)
    if not count:
        return "this test was written by an earlier version of zoo, which kept no counts of images."
    if count > MOST_CLASSES:
        return f"it has {count} classes, and pixels are counted of at most {MOST_CLASSES}."
    if test.tallies:
        return "there is no true object, and none was predicted."
    return "this test kept no counts of its images."


def why_no_calibration(test: TestValues) -> str:
    """Return why there is no calibration, for a test that has none.

    Args:
        test: As `zoo.read_test` returns it.
    """
    kind = counts_of(test)
    if kind is Counts.OBJECTS:
        return "no object was predicted."
    if test.facts_of_test.get("tta") is True:
        return "--tta merges predictions, and no scores of the merged ones are kept."
    if test.facts_of_test.get("scores") == "of masks":
        return "its model adds up the scores of masks, which are no logits of classes."
    if not test.classes:
        return why_no_counts(test)
    return "this test kept no scores: its model or its pipeline gives labels alone."
