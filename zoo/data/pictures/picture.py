# SPDX-License-Identifier: Apache-2.0
"""A decoded picture, and what is to be said of how it was read."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.data.pictures.depth import find_limits, to_uint8
from zoo.data.pictures.turning import turn_upright

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
        notes: What a report should say, as ``band 4 dropped``.
        is_there: ``(H, W)``, false where the file says that data is missing; None where all is.
    """

    pixels: NDArray[np.uint8 | np.uint16]
    notes: tuple[str, ...] = ()
    is_there: NDArray[np.bool_] | None = None

    @property
    def is_deep(self) -> bool:
        """Whether its samples have 16 bits."""
        return self.pixels.dtype != "uint8"

    def to_uint8(self) -> NDArray[np.uint8]:
        """Return its pixels in 8 bits, those of 16 bits stretched by what is not missing."""
        limits = None
        if self.is_deep and self.is_there is not None:
            limits = find_limits(self.pixels[self.is_there])
        return to_uint8(self.pixels, limits)

    def turned(self, orientation: int) -> Picture:
        """Return it as it is seen; see :func:`zoo.data.pictures.turning.turn_upright`.

        Args:
            orientation: EXIF orientation, 1..8.
        """
        if orientation == 1:
            return self
        there = None if self.is_there is None else turn_upright(self.is_there, orientation)
        return Picture(turn_upright(self.pixels, orientation), self.notes, there)


def tell_once(name: str, notes: Iterable[str]) -> None:
    """Log each note that no earlier call of this process has logged, with the file it is of.

    Args:
        name: Name of the file.
        notes: What to log about it.
    """
    for note in notes:
        if note not in _TOLD:
            _TOLD.add(note)
            _LOG.warning("%s and files like it: %s", name, note)
