# SPDX-License-Identifier: Apache-2.0
"""The plan of a ``prepare`` run, made before any pixel is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from zoo.data.layout.exact_splits import assign_exact_splits
from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.prepared import IGNORE_INDEX
from zoo.data.layout.splits import Shares, assign_splits
from zoo.data.source.synthetic import Synthetic
from zoo.errors import DataError

__all__ = ["Item", "Plan", "is_stem", "make_plan"]

_MOST_STEM_BYTES = 200
_BARRED = frozenset('/\\:*?"<>|')


class Item(Protocol):
    """An item of a plan: a pair of image and masks, or a scene with its instances."""

    @property
    def stem(self) -> str:
        """Its name in the prepared folder."""

    @property
    def group(self) -> str:
        """Items of one group are in the same split."""

    @property
    def image(self) -> str:
        """Path of the image in the source."""


AnyItem = TypeVar("AnyItem", bound=Item, covariant=True)


@dataclass(frozen=True, slots=True)
class Plan(Generic[AnyItem]):
    """The items of a run with their splits, and everything that they share.

    Args:
        dataset: Identity of the data set.
        classes: Class names, in the order of their ids.
        palette: RGB colour of each class.
        labels: ``"true"`` or ``"derived"``.
        options: Options of the run, as JSON values.
        shares: Shares of the splits.
        items: Items sorted by stem.
        splits: Stem -> split.
        synthetic: Who generated the data; None for real data.
    """

    dataset: DatasetIdentity
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    labels: str
    options: Mapping[str, Any]
    shares: Shares
    items: tuple[AnyItem, ...]
    splits: Mapping[str, str]
    synthetic: Synthetic | None = None


def make_plan(
    dataset: DatasetIdentity,
    items: Iterable[AnyItem],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    *,
    labels: str,
    options: Mapping[str, Any],
    shares: Shares,
    salt: str,
    is_exact: bool = False,
    most_classes: int = IGNORE_INDEX,
    synthetic: Synthetic | None = None,
) -> Plan[AnyItem]:
    """Return the plan of a run, or raise an error if it is not possible.

    Args:
        dataset: Identity of the data set.
        items: The pairs or scenes to prepare.
        classes: Class names, in the order of their ids.
        palette: One RGB colour per class, each value in 0..255.
        labels: ``true`` or ``derived``.
        options: Options of the run, as ``dataset.json`` stores them.
        shares: Shares of train, val and test for items without a given split.
        salt: Text that seeds the assignment to splits.
        is_exact: Whether shares are counts rounded, see :func:`zoo.data.assign_exact_splits`.
        most_classes: Largest allowed number of classes.
        synthetic: Who generated the data; None for real data.

    Raises:
        DataError: There are no items, a stem is repeated or invalid, there are too many classes,
            the colours do not match the classes, or a split would be empty.
    """
    if not 1 <= len(classes) <= most_classes or len(palette) != len(classes):
        message = (
            f"cannot prepare {len(classes)} classes with {len(palette)} colours: expected "
            f"1..{most_classes} classes and a colour for each."
        )
        raise DataError(message, hint="fix the list of classes.")
    by_stem: dict[str, AnyItem] = {}
    for item in items:
        _check_stem(item)
        if item.stem in by_stem:
            raise _twice(by_stem[item.stem], item)
        by_stem[item.stem] = item
    if not by_stem:
        message = "cannot prepare an empty data set: found no image with a mask."
        raise DataError(message, hint="give a source with images and their masks.")
    assign = assign_exact_splits if is_exact else assign_splits
    groups = assign((item.group for item in by_stem.values()), shares, salt=salt)
    options = {**options, **({"exact_shares": True} if is_exact else {})}
    ordered = tuple(by_stem[stem] for stem in sorted(by_stem))
    return Plan(
        dataset=dataset,
        classes=tuple(classes),
        palette=tuple((int(r), int(g), int(b)) for r, g, b in palette),
        labels=labels,
        options=json.loads(json.dumps(dict(options), default=str)),
        shares=shares,
        items=ordered,
        splits={item.stem: groups[item.group] for item in ordered},
        synthetic=synthetic,
    )


def is_stem(text: str) -> bool:
    """Return whether a text can be the stem of a prepared file.

    Args:
        text: A file name without its suffix.
    """
    return _find_fault(text) is None


def _check_stem(item: Item) -> None:
    fault = _find_fault(item.stem)
    if fault is not None:
        message = f"cannot use {item.stem!r} as a file's name: found {fault}."
        hint = "rename the image, and the mask or the row that names it."
        raise DataError(message, path=item.image, hint=hint)


def _find_fault(stem: str) -> str | None:
    """Return why a stem is not a valid file name on every system, or None."""
    if not stem:
        return "no letter"
    barred = next((letter for letter in stem if letter in _BARRED), None)
    if barred is not None:
        return f"{barred!r} in it, which some systems do not allow"
    strange = next((letter for letter in stem if not letter.isprintable()), None)
    if strange is not None:
        return f"{strange!r} in it, which cannot be printed"
    # Split lists hold one stripped stem per line, and a stem is also a file name.
    if stem != stem.strip():
        return f"a space at its {'start' if stem[0].isspace() else 'end'}"
    if stem.startswith("."):
        return "a leading '.', which hides it"
    size_bytes = len(stem.encode("utf-8", "surrogateescape"))
    if size_bytes > _MOST_STEM_BYTES:
        return f"{size_bytes} bytes, expected at most {_MOST_STEM_BYTES}"
    return None


def _twice(first: Item, second: Item) -> DataError:
    message = (
        f"cannot prepare {first.stem!r} twice: found it as {first.image!r} and {second.image!r}."
    )
    return DataError(message, path=second.image, hint="rename one of the two.")
