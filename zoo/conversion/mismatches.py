# SPDX-License-Identifier: Apache-2.0
"""What to say of a state dict of another architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import ConversionError

__all__ = ["Misshaped", "mismatch"]

_MOST_LISTED = 5
_HINT = "check that the file is of the architecture that the weights row names."


@dataclass(frozen=True, slots=True)
class Misshaped:
    """A tensor of another shape than expected.

    Attributes:
        key: Its name.
        found: Its shape.
        wanted: The expected sizes; None is any.
    """

    key: str
    found: tuple[int, ...]
    wanted: tuple[int | None, ...]

    def __str__(self) -> str:
        """Return the name with both shapes."""
        wanted = "x".join("any" if size is None else str(size) for size in self.wanted)
        found = "x".join(map(str, self.found))
        return f"{self.key} is {found or 'a scalar'}, expected {wanted or 'a scalar'}"


def mismatch(
    what: str,
    missing: Sequence[str] = (),
    unexpected: Sequence[str] = (),
    misshaped: Sequence[Misshaped] = (),
) -> ConversionError:
    """Return the error for a state dict that is not of an architecture.

    Args:
        what: Name of the architecture.
        missing: Keys that it needs.
        unexpected: Keys that it does not have.
        misshaped: Tensors of another shape.
    """
    parts = []
    if missing:
        parts.append(f"tensors are missing ({_listed(missing)})")
    if unexpected:
        parts.append(f"unknown tensors are in the file ({_listed(unexpected)})")
    if misshaped:
        parts.append(f"tensors have other shapes ({_listed([str(one) for one in misshaped])})")
    return ConversionError(
        f"cannot convert the weights to {what}: {' and '.join(parts)}.",
        missing=missing,
        unexpected=unexpected,
        misshaped=[one.key for one in misshaped],
        shapes={one.key: one.wanted for one in misshaped},
        hint=_HINT,
    )


def _listed(texts: Sequence[str]) -> str:
    more = f", and {len(texts) - _MOST_LISTED} more" if len(texts) > _MOST_LISTED else ""
    return ", ".join(texts[:_MOST_LISTED]) + more
