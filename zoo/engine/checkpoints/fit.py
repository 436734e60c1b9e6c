# SPDX-License-Identifier: Apache-2.0
"""Check that weights, config and data belong together, before any work begins."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = [
    "OPTIONAL_SUFFIX",
    "Misfits",
    "check_fits",
    "find_misfits",
    "fits_renamed",
    "format_names",
]

_SHOWN = 10
# Counts batches for BatchNorm's cumulative average only; old checkpoints lack it.
OPTIONAL_SUFFIX = "num_batches_tracked"
"""End of the names that weights may lack."""


def check_fits(model: Module, state_dict: Mapping[str, Tensor], where: str | Path) -> None:
    """Raise unless ``state_dict`` has every weight of ``model``, in its shape, and no other.

    BatchNorm's ``num_batches_tracked`` may be missing. A data parallel wrapper is compared by the
    model inside. If a module renames old names while loading, as some of mmdet's and mmcv's do,
    the names after that count.

    Args:
        model: The built model.
        state_dict: Weights by name.
        where: The file of the weights, for the message.

    Raises:
        CheckpointError: Lists the first ten missing, unexpected and mis-shaped names of each kind.
    """
    from mmengine.model import is_model_wrapper

    inner: Any = model.module if is_model_wrapper(model) else model
    found = find_misfits(inner, state_dict)
    if found is None or (not found.shaped and fits_renamed(inner, state_dict)):
        return
    hint = "use the config that the weights were trained with, or weights made for this config."
    msg = f"weights do not fit the model: {found}"
    raise CheckpointError(msg, path=where, hint=hint)


@dataclass(frozen=True, slots=True)
class Misfits:
    """How weights differ from a model.

    Attributes:
        missing: Names that the model has and the weights lack.
        unexpected: Names that the model lacks.
        shaped: Names of both with another shape, and both shapes.
        count: Number of the model's entries.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shaped: tuple[str, ...]
    count: int

    def __str__(self) -> str:
        """Return the counts, and the first ten names of each kind on a line of its own."""
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "mis-shaped": self.shaped,
        }
        wrong = {kind: names for kind, names in kinds.items() if names}
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in wrong.items())
        lines = [f"{kind}: {format_names(names)}" for kind, names in wrong.items()]
        return "\n".join([f"{counts} of {self.count} entries.", *lines])


def find_misfits(model: Module, state_dict: Mapping[str, Tensor]) -> Misfits | None:
    """Return how weights differ from a model by name and shape, or None if they fit.

    Args:
        model: The built model, not in a wrapper.
        state_dict: Weights by name.
    """
    own = model.state_dict()
    missing = [k for k in own if k not in state_dict and not k.endswith(OPTIONAL_SUFFIX)]
    unexpected = [key for key in state_dict if key not in own]
    shaped = [
        f"{key} {_shape(state_dict[key])}, expected {_shape(own[key])}"
        for key in own
        if key in state_dict and _shape(own[key]) != _shape(state_dict[key])
    ]
    if not (missing or unexpected or shaped):
        return None
    return Misfits(tuple(missing), tuple(unexpected), tuple(shaped), len(own))


def format_names(names: Sequence[str], most: int = _SHOWN) -> str:
    """Return the first names in one line, and how many more there are.

    Args:
        names: All of them.
        most: How many are shown.

    Example:
        >>> format_names(["a", "b", "c"], 2)
        'a; b; and 1 more'
    """
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def fits_renamed(model: Module, state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether loading into a copy finds every name, once modules have renamed theirs.

    Args:
        model: The built model, not in a wrapper; it is not changed.
        state_dict: Weights by name, perhaps by names of older versions.
    """
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
