# SPDX-License-Identifier: Apache-2.0
"""Read the counts of a tested image: confusions, calibration, and objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Never

from zoo.documents import DocumentError

__all__ = ["Tally", "read_tally"]

_MOST_CLASSES = 1_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one tested image; each is empty if the test did not keep it.

    Attributes:
        confusion: ``(C, C)`` pixels, of true classes as predicted classes.
        calibration: For each of ten equal bins of the confidence: pixels, sum of their confidences,
            and how many of them are correct.
        true: Each true object: class, area in px, and the place of its prediction in ``predicted``,
            or -1.
        predicted: Each predicted object, best score first: class, score, place of its true object
            in ``true`` or -1, and their IoU.
    """

    confusion: Sequence[Sequence[int]] = ()
    calibration: Sequence[Sequence[float]] = ()
    true: Sequence[tuple[int, int, int]] = ()
    predicted: Sequence[tuple[int, float, int, float]] = ()


def read_tally(row: Mapping[str, Any], classes: int) -> Tally:
    """Return the counts in a row of ``per_image``.

    Args:
        row: The row.
        classes: Number of classes.

    Raises:
        DocumentError: They are not as `Tally` states.
    """
    if classes > _MOST_CLASSES:
        message = f"it names {classes:,} classes, expected at most {_MOST_CLASSES:,}"
        raise DocumentError(message)
    confusion = _numbers(row, "confusion", classes)
    if confusion and len(confusion) != classes:
        _fail("confusion")
    true, predicted = _numbers(row, "true", 3), _numbers(row, "predicted", 4)
    are_objects = all(_is_index(one[0], classes) for one in (*true, *predicted))
    are_pairs = all(one[2] == -1 or _is_index(one[2], len(predicted)) for one in true)
    are_pairs &= all(one[2] == -1 or _is_index(one[2], len(true)) for one in predicted)
    if not (are_objects and are_pairs):
        _fail("true")
    return Tally(
        confusion=[[int(count) for count in line] for line in confusion],
        calibration=_numbers(row, "calibration", 3),
        true=[(int(one[0]), int(one[1]), int(one[2])) for one in true],
        predicted=[(int(one[0]), float(one[1]), int(one[2]), float(one[3])) for one in predicted],
    )


def _numbers(row: Mapping[str, Any], key: str, width: int) -> list[list[float]]:
    """Return a list of lists of ``width`` numbers of -1 or more."""
    found = row.get(key)
    lines: list[Any] = [] if found is None else found if isinstance(found, list) else [found]
    for line in lines:
        if not isinstance(line, list) or len(line) != width or not all(map(_is_number, line)):
            _fail(key)
    return lines


def _is_number(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and -1 <= value < 2**53  # type: ignore[operator]


def _is_index(value: float, count: int) -> bool:
    return value == int(value) and 0 <= value < count


def _fail(key: str) -> Never:
    message = f"its per-image {key!r} is not a list of counts as `zoo test` writes them"
    raise DocumentError(message)
