# SPDX-License-Identifier: Apache-2.0
"""Check that checkpoint, data set and config name the same classes in the same order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import CheckpointError

__all__ = ["check_classes"]

_SHOWN = 10  # names in a message; those after them are counted


def check_classes(
    checkpoint: Sequence[str] | None,
    config: Sequence[str] | None,
    dataset: Sequence[str] | None,
    *,
    where: str | Path | None = None,
) -> None:
    """Raise if two of the class lists of checkpoint, config and data set differ.

    An unknown list (None) agrees with every other. Order counts, because it defines the ids.

    Args:
        checkpoint: Class names in the weights' file, see `Checkpoint.classes`.
        config: Class names that the config states.
        dataset: Class names of the data set in use.
        where: The file or key to blame.

    Raises:
        CheckpointError: Names both lists and the first difference.
    """
    lists = {"checkpoint": checkpoint, "config": config, "data set": dataset}
    known = [(name, tuple(names)) for name, names in lists.items() if names is not None]
    for (first, left), (second, right) in itertools.pairwise(known):
        if left == right:
            continue
        msg = (
            f"classes differ: the {first} has {len(left)} ({_names(left)}), "
            f"the {second} has {len(right)} ({_names(right)}); {_first_difference(left, right)}."
        )
        hint = f"use a {first} and a {second} made for the same classes, in the same order."
        raise CheckpointError(msg, path=where, hint=hint)


def _names(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:_SHOWN])
    return f"{shown}, ..." if len(classes) > _SHOWN else shown


def _first_difference(left: tuple[str, ...], right: tuple[str, ...]) -> str:
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return f"class {number} is {one!r} and {other!r}"
    longer = left if len(left) > len(right) else right
    return f"class {min(len(left), len(right))} is {longer[min(len(left), len(right))]!r} in one"
