# SPDX-License-Identifier: Apache-2.0
"""What a picture's file says of it before a pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Header"]


@dataclass(frozen=True, slots=True)
class Header:
    """The size of a picture, and how it is to be turned.

    Args:
        kind: ``PNG``, ``JPEG``, ``TIFF``, ``BMP`` or ``JPEG 2000``.
        width_px: As it is stored.
        height_px: As it is stored.
        channels: Samples of a pixel, transparency included; 1 of a palette.
        orientation: 1 to 8, as TIFF 6.0, page 36, and EXIF number them; 1 is upright.
        has_exif: Whether a block of EXIF is in the file.
    """

    kind: str
    width_px: int
    height_px: int
    channels: int
    orientation: int = 1
    has_exif: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as the picture is seen."""
        is_turned = self.orientation >= 5
        size = (self.width_px, self.height_px)
        return size[::-1] if is_turned else size

    @property
    def hides_turns(self) -> bool:
        """Whether it is seen turned or mirrored, and its size does not tell.

        Labels of another file may then be of the picture as it is stored, and fit all the same.
        """
        return self.orientation in (2, 3, 4) or (
            self.orientation >= 5 and self.width_px == self.height_px
        )
