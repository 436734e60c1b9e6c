# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.header, by tools/runtime_copies.py.
"""The facts in the header of an image file."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Header"]


@dataclass(frozen=True, slots=True)
class Header:
    """The size and orientation of an image.

    Args:
        kind: ``PNG``, ``JPEG``, ``TIFF``, ``BMP`` or ``JPEG 2000``.
        width_px: Width as stored.
        height_px: Height as stored.
        channels: Samples per pixel, including transparency; 1 for a palette.
        orientation: 1 to 8, as in TIFF 6.0, page 36, and EXIF; 1 is upright.
        has_exif: Whether the file has an EXIF block.
    """

    kind: str
    width_px: int
    height_px: int
    channels: int
    orientation: int = 1
    has_exif: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright image."""
        is_turned = self.orientation >= 5
        size = (self.width_px, self.height_px)
        return size[::-1] if is_turned else size

    @property
    def hides_turns(self) -> bool:
        """Whether it has an orientation that its size does not reveal.

        Labels in another file may then match the stored image and still have the right size.
        """
        return self.orientation in (2, 3, 4) or (
            self.orientation >= 5 and self.width_px == self.height_px
        )
