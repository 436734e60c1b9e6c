# SPDX-License-Identifier: Apache-2.0
"""Convert a state dict by a table that lists every tensor: nothing is missing, nothing is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.conversion.mismatches import Misshaped, mismatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Entry", "convert_by_table"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the other library, and what becomes of it.

    Attributes:
        source: Its key.
        target: Its key in the result.
        shape: Its shape in the source.
        change: Function that rearranges it, or None to take it as it is.
    """

    source: str
    target: str
    shape: tuple[int, ...]
    change: Callable[[Tensor], Tensor] | None = None


def convert_by_table(
    state_dict: Mapping[str, Tensor],
    entries: Iterable[Entry],
    *,
    what: str,
    dropped: Sequence[str] = (),
) -> dict[str, Tensor]:
    r"""Return the tensors that a table lists, under their new keys.

    A batch norm's statistics bring the counter ``num_batches_tracked``, which the model has and
    many libraries do not save: it is 0.

    Args:
        state_dict: Name -> tensor of the other library.
        entries: All tensors of the expected architecture; a source may be in several entries.
        what: Name of that architecture, for messages.
        dropped: Regular expressions of whole keys that the source may have and the model has not.

    Raises:
        ConversionError: Tensors are missing, unknown, or have other shapes.
    """
    import torch

    table = tuple(entries)
    shapes = {entry.source: entry.shape for entry in table}
    extra = re.compile("|".join((*dropped, r".*\.num_batches_tracked")))
    missing = [key for key in shapes if key not in state_dict]
    unexpected = [key for key in state_dict if key not in shapes and not extra.fullmatch(key)]
    found = {key: tuple(state_dict[key].shape) for key in shapes if key in state_dict}
    misshaped = [
        Misshaped(key, found[key], shapes[key]) for key in found if found[key] != shapes[key]
    ]
    if missing or unexpected or misshaped:
        raise mismatch(what, missing, unexpected, misshaped)
    result: dict[str, Tensor] = {}
    for entry in table:
        tensor = state_dict[entry.source]
        result[entry.target] = tensor if entry.change is None else entry.change(tensor)
        if entry.target.endswith(".running_var"):
            counter = entry.target.removesuffix("running_var") + "num_batches_tracked"
            result[counter] = torch.zeros((), dtype=torch.int64)
    return result
