# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.pictures.picture, by tools/runtime_copies.py.
"""A decoded image with notes on how it was read."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_runtime.copied.pictures.depth import find_limits, to_uint8
from zoo_runtime.copied.pictures.turning import turn_upright

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Picture", "tell_once"]

_LOG = logging.getLogger("zoo")
_TOLD: set[str] = set()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Args:
        pixels: ``(H, W)`` grey or ``(H, W, 3)`` RGB; uint8 or uint16.
        notes: Notes for the report, such as ``band 4 dropped``.
        is_there: ``(H, W)``, false for missing data; None if all data is valid.
    """

    pixels: NDArray[np.uint8 | np.uint16]
    notes: tuple[str, ...] = ()
    is_there: NDArray[np.bool_] | None = None

    @property
    def is_deep(self) -> bool:
        """Whether its samples have 16 bits."""
        return self.pixels.dtype != "uint8"

    def to_uint8(self) -> NDArray[np.uint8]:
        """Return 8-bit pixels; 16-bit pixels are stretched by the valid ones."""
        limits = None
        if self.is_deep and self.is_there is not None:
            limits = find_limits(self.pixels[self.is_there])
        return to_uint8(self.pixels, limits)

    def turned(self, orientation: int) -> Picture:
        """Return it upright; see :func:`zoo.data.pictures.turning.turn_upright`.

        Args:
            orientation: EXIF orientation, 1..8.
        """
        if orientation == 1:
            return self
        there = None if self.is_there is None else turn_upright(self.is_there, orientation)
        return Picture(turn_upright(self.pixels, orientation), self.notes, there)


def tell_once(name: str, notes: Iterable[str]) -> None:
    """Log each note with its file, unless this process has already logged it.

    Args:
        name: Name of the file.
        notes: What to log about it.
    """
    for note in notes:
        if note not in _TOLD:
            _TOLD.add(note)
            _LOG.warning("%s and files like it: %s", name, note)
