# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.cleaning.postprocess, by tools/runtime_copies.py.
"""Postprocessing of a label map: parse what a config or a record states, and apply it.

A config says ``postprocess = dict(keep_largest=dict(lung=2), fill_holes=["lung"])``; a single
number and True apply to all classes but the background. A record always names the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_runtime.copied.cleaning.parts import find_holes, find_small_parts
from zoo_runtime.copied.overlays.palette import is_background
from zoo_runtime.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EXPECTED", "Postprocess", "is_postprocess", "parse_postprocess"]

_MOST_PARTS = 1000
_MOST_CLASSES = 16  # of a record: each takes a walk through the image
EXPECTED = (
    f"keep_largest with 1 to {_MOST_PARTS} parts for each class, fill_holes with the names of "
    f"classes, and {_MOST_CLASSES} classes at most"
)


@dataclass(frozen=True, slots=True)
class Postprocess:
    """The postprocessing of a label map; by default none.

    Attributes:
        keep_largest: Number of connected parts to keep, by class name; the pixels of the
            others become background.
        fill_holes: Names of the classes whose holes are filled afterwards. Only background in a
            hole is filled, no other class.
    """

    keep_largest: Mapping[str, int] = field(default_factory=dict)
    fill_holes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything is done."""
        return bool(self.keep_largest or self.fill_holes)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, in the form of a record."""
        return {"keep_largest": dict(self.keep_largest), "fill_holes": self.fill_holes}

    def __str__(self) -> str:
        """Return it as text: ``the 2 largest parts of lung, holes of lung filled``."""
        kept = [
            f"the {count} largest parts of {name}" if count > 1 else f"the largest part of {name}"
            for name, count in self.keep_largest.items()
        ]
        filled = [f"holes of {', '.join(self.fill_holes)} filled"] if self.fill_holes else []
        return ", ".join([*kept, *filled]) or "nothing"

    def apply(self, labels: NDArray[np.uint8], classes: Sequence[str]) -> NDArray[np.uint8]:
        """Return the postprocessed label map; the input is not changed.

        Args:
            labels: ``(H, W)`` class ids.
            classes: The name of each id.
        """
        if not self:
            return labels
        cleaned = labels.copy()
        ground = next(index for index, name in enumerate(classes) if is_background(name))
        for name, count in self.keep_largest.items():
            cleaned[find_small_parts(cleaned == classes.index(name), count)] = ground
        for name in self.fill_holes:
            index = classes.index(name)
            cleaned[find_holes(cleaned == index) & (cleaned == ground)] = index
        return cleaned


def is_postprocess(value: Any) -> bool:
    """Return whether a value of a record has the form of `Postprocess.to_json`.

    Args:
        value: Any value of a record.
    """
    if not isinstance(value, Mapping) or set(value) != {"keep_largest", "fill_holes"}:
        return False
    kept, filled = value["keep_largest"], value["fill_holes"]
    if not isinstance(kept, Mapping) or not isinstance(filled, tuple):
        return False
    names = [*kept, *filled]
    return (
        all(isinstance(name, str) for name in names)
        and len(set(filled)) == len(filled)
        and len(set(names)) <= _MOST_CLASSES
        and all(type(count) is int and 1 <= count <= _MOST_PARTS for count in kept.values())
    )


def parse_postprocess(
    stated: Any,
    classes: Sequence[str],
    *,
    task: str = "semantic",
    where: str = "postprocess",
) -> Postprocess:
    """Parse the postprocessing that a config, a record or a command line states for a model.

    Args:
        stated: ``keep_largest`` (a number, or one by class) and ``fill_holes`` (True, or names);
            None for nothing.
        classes: The model's classes, by id.
        task: The model's task.
        where: The key or the option, for messages.

    Raises:
        ConfigError: The model does not have a class, a number is out of bounds, no class is called
            background, or it is an instance model.
    """
    if not stated:
        return Postprocess()
    reason, hint = _fault(stated, classes, task), "drop it."
    if reason is None:
        objects = tuple(name for name in classes if not is_background(name))
        kept, filled = stated.get("keep_largest"), stated.get("fill_holes")
        kept = {} if kept is None else kept
        named: dict[str, Any] = {
            "keep_largest": dict.fromkeys(objects, kept) if type(kept) is int else kept,
            "fill_holes": objects if filled is True else tuple(filled or ()),
        }
        if is_postprocess(named):
            unknown = [name for part in named.values() for name in part if name not in objects]
            if not unknown:
                return Postprocess(**named)
            reason = f"found the class {unknown[0]!r:.60}, expected {' or '.join(objects[:5])}"
        else:
            reason = f"found {dict(stated)!r:.80}, expected {EXPECTED}"
        hint = "write for example postprocess = dict(keep_largest=dict(lung=2))."
    message = f"cannot postprocess labels: {reason}."
    raise ConfigError(message, where=where, hint=hint)


def _fault(stated: Any, classes: Sequence[str], task: str) -> str | None:
    """Return why nothing can be stated for a model, or so, or None."""
    if task != "semantic":
        return "the model finds instances and has no label map"
    if not any(map(is_background, classes)):
        names = ", ".join(classes[:5])
        return f"of the classes {names} none is called background, which removed pixels become"
    if not isinstance(stated, Mapping):
        return f"found {stated!r:.60}, expected keep_largest and fill_holes"
    unknown = [key for key in stated if key not in ("keep_largest", "fill_holes")]
    if unknown:
        return f"found {unknown[0]!r:.60}, expected keep_largest and fill_holes"
    filled = stated.get("fill_holes")
    if filled is not None and not isinstance(filled, (bool, list, tuple)):
        return f"fill_holes is {filled!r:.60}, expected True or the names of classes"
    return None
