# SPDX-License-Identifier: Apache-2.0
"""Whether weights, config and data belong together, asked before any work begins."""

from __future__ import annotations

import copy
import itertools
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = [
    "OPTIONAL_SUFFIX",
    "check_classes",
    "check_fits",
    "format_names",
    "no_larger_than",
]

_SHOWN = 10
# Counts batches for BatchNorm's cumulative average only; old checkpoints lack it.
OPTIONAL_SUFFIX = "num_batches_tracked"
"""End of the names that weights may lack."""
# Constructors make some parameters twice, and leave some out of what they save.
_SPARE_SHARE, _SPARE_VALUES, _SPARE_TENSORS = 4, 10_000_000, 1000


def check_fits(model: Module, state_dict: Mapping[str, Tensor], where: str | Path) -> None:
    """Raise unless ``state_dict`` holds every weight of ``model``, in its shape, and no other.

    BatchNorm's ``num_batches_tracked`` may be missing. A model in a data parallel wrapper is
    compared by what it wraps. Where a module renames old names while it loads, as some of mmdet's
    and mmcv's do, what counts is the names after that.

    Args:
        model: The built model.
        state_dict: Weights by name.
        where: The file that they come from, for the message.

    Raises:
        CheckpointError: Lists the first ten missing, unexpected and mis-shaped names of each kind.
    """
    from mmengine.model import is_model_wrapper

    inner: Any = model.module if is_model_wrapper(model) else model
    own = inner.state_dict()
    missing = [k for k in own if k not in state_dict and not k.endswith(OPTIONAL_SUFFIX)]
    unexpected = [key for key in state_dict if key not in own]
    shaped = [
        f"{key} {_shape(state_dict[key])}, expected {_shape(own[key])}"
        for key in own
        if key in state_dict and _shape(own[key]) != _shape(state_dict[key])
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "mis-shaped": shaped}
    wrong = {kind: names for kind, names in kinds.items() if names}
    if not wrong or (not shaped and _fits_renamed(inner, state_dict)):
        return
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in wrong.items())
    msg = f"weights do not fit the model: {counts} of {len(own)} entries."
    for kind, names in wrong.items():
        msg += f"\n{kind}: {format_names(names)}"
    hint = "use the config that the weights were trained with, or weights made for this config."
    raise CheckpointError(msg, path=where, hint=hint)


def format_names(names: Sequence[str], most: int = _SHOWN) -> str:
    """Return the first names in one line, and how many more there are.

    Example:
        >>> format_names(["a", "b", "c"], 2)
        'a; b; and 1 more'
    """
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


@contextmanager
def no_larger_than(state_dict: Mapping[str, Tensor] | None, where: str | Path) -> Iterator[None]:
    """Refuse to build a model far larger than its weights, before its memory is filled.

    A few bytes of a config can ask for more values than a machine holds; weights that come
    with them cannot. What other threads build meanwhile is not counted.

    Args:
        state_dict: The weights; None for no limit.
        where: The file that they come from, for the message.

    Raises:
        CheckpointError: A parameter or buffer was made beyond the limit.
    """
    if state_dict is None:
        yield
        return
    from torch.nn.modules.module import (
        register_module_buffer_registration_hook,
        register_module_parameter_registration_hook,
    )

    held = sum(value.numel() for value in state_dict.values())
    limit = _SPARE_SHARE * held + _SPARE_VALUES
    # Layers without end are small ones, and would take hours before they fill the memory.
    limit_tensors = _SPARE_SHARE * len(state_dict) + _SPARE_TENSORS
    thread, made, tensors = threading.get_ident(), 0, 0

    def count(_: Module, __: str, value: Any) -> None:
        nonlocal made, tensors
        if value is None or threading.get_ident() != thread:
            return
        made, tensors = made + value.numel(), tensors + 1
        if made > limit or tensors > limit_tensors:
            msg = f"cannot build the model: it asks for {made:,} values in {tensors:,} tensors "
            msg += f"and more, its file holds {held:,} values in {len(state_dict):,}."
            raise CheckpointError(msg, path=where, hint="do not use this file, or get it anew.")

    handles = (
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fits_renamed(model: Module, state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether loading into a copy finds every name, once modules have renamed theirs."""
    # Without data: a copy of the names and shapes is enough.
    skeleton = copy.deepcopy(model).to("meta")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*to a meta parameter", category=UserWarning)
            found = skeleton.load_state_dict(dict(state_dict), strict=False)
    except RuntimeError:
        return False
    missing = [key for key in found.missing_keys if not key.endswith(OPTIONAL_SUFFIX)]
    return not missing and not found.unexpected_keys


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))


def check_classes(
    checkpoint: Sequence[str] | None,
    config: Sequence[str] | None,
    dataset: Sequence[str] | None,
    *,
    where: str | Path | None = None,
) -> None:
    """Raise where two of the class lists of checkpoint, config and data set differ.

    A list that is not known (None) agrees with every other. Order counts: it gives the ids.

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
