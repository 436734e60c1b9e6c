# SPDX-License-Identifier: Apache-2.0
"""TIFF: which page is the picture, what kind it is, and which decoder reads that kind rightly.

Source: TIFF 6.0; the tags of GDAL's GeoTIFF driver.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.data.pictures.faults import CONVERT, undecodable
from zoo.data.pictures.header import Header
from zoo.data.pictures.tiff_tags import ORIENTATION, Buffer, TiffDirectory, read_directories

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TiffPage", "read_tiff"]

_NEW_SUBFILE, _OLD_SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = (
    *(254, 255, 256, 257, 258, 259),
    262,
)
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR, _PALETTE = 273, 277, 278, 279, 284, 320
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES, _EXTRA, _FORMAT = 322, 323, 324, 325, 338, 339
_GDAL_METADATA, _NODATA = 42112, 42113
_GEO_TAGS = frozenset({33550, 33922, 34264, 34735})  # scale, tie points, matrix, keys
# NewSubfileType: a smaller copy and a mask of transparency are no pages of their own.
_COPY, _MASK = 1, 4
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _BY_PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_JPEG = 7
_COMPRESSIONS = {
    1: "no",
    2: "CCITT",
    3: "CCITT group 3",
    4: "CCITT group 4",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    34661: "JBIG",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}
_LOSSLESS = frozenset({1, 5, 8, 32773, 32946})  # by OpenCV
_BILEVEL = frozenset({*_LOSSLESS, 2, 3, 4})
_FORMATS = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex int", 6: "complex float"}


@dataclass(frozen=True, slots=True)
class TiffPage:
    """The one picture of a TIFF.

    Args:
        directory: Its tags.
        where: The file's name for messages.
        header: Size and orientation.
        bits: Of a sample, all alike; 1 to 16, unsigned.
        has_mask: Another directory holds which pixels are data.
    """

    directory: TiffDirectory
    where: str
    header: Header
    bits: int
    has_mask: bool

    @property
    def compression(self) -> int:
        """As TIFF numbers it, 1 for none."""
        return self.directory.integer(_COMPRESSION, 1)

    @property
    def photometric(self) -> int:
        """As TIFF numbers what the samples mean: 1 for grey, 2 for RGB."""
        return self.directory.integer(_PHOTOMETRIC, _BLACK_IS_ZERO)

    @property
    def names_bands(self) -> bool:
        """Whether GDAL's own tag may call the bands by other colours than TIFF does."""
        return self.header.channels > 1 and _GDAL_METADATA in self.directory

    @property
    def has_coordinates(self) -> bool:
        """Whether GeoTIFF's tags are there."""
        return any(tag in self.directory for tag in _GEO_TAGS)

    @property
    def nodata(self) -> float | None:
        """The value of missing samples, as GDAL states it, if it does."""
        try:
            return float(self.directory.text(_NODATA))
        except ValueError:
            return None

    @property
    def drops_fourth(self) -> bool:
        """Whether a fourth band is there besides red, green and blue."""
        return (self.photometric, self.header.channels) == (_RGB, 4)

    @property
    def is_white_zero(self) -> bool:
        """Whether grey is stored inverted."""
        return self.photometric == _WHITE_IS_ZERO

    @property
    def is_plain(self) -> bool:
        """Whether OpenCV reads it as rasterio does: which one does not hang on what is installed.

        Grey, RGB, palettes and CMYK, one sample after the other, of the common compressions.
        ``tests/data/pictures`` proves it for each kind. Where more samples are than colours, where
        planes are separate, and where tiles are small, OpenCV errs or fails.
        """
        samples, kind = self.header.channels, self.photometric
        is_apart = samples > 1 and self.directory.integer(_PLANAR, 1) != 1
        if is_apart or self.names_bands or not self._has_plain_tiles():
            return False
        if self.bits > 8 and self.has_mask:  # missing samples count for nothing in the stretch
            return False
        if self.bits == 1:
            is_grey = samples == 1 and kind in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
            return is_grey and self.compression in _BILEVEL
        if self.compression == _JPEG:
            return self.bits == 8 and (kind, samples) in {(1, 1), (_RGB, 3), (_YCBCR, 3)}
        kinds = {(_WHITE_IS_ZERO, 1), (_BLACK_IS_ZERO, 1), (_RGB, 3)}
        if self.bits == 8:
            kinds |= {(_BY_PALETTE, 1), (_CMYK, 4)}
            if self.directory.is_short(_EXTRA):
                kinds.add((_RGB, 4))
        fits = self.bits in (8, 16) and (kind, samples) in kinds
        return fits and self.compression in _LOSSLESS

    def _has_plain_tiles(self) -> bool:
        if _TILES not in self.directory:
            return True
        sides = [self.directory.integer(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
        return all(side >= 64 and side & (side - 1) == 0 for side in sides)

    def describe(self) -> str:
        """Return what is unusual about it, for a message: ``a TIFF with LERC compression``."""
        compression = self.compression
        if compression not in _BILEVEL | {_JPEG}:
            name = _COMPRESSIONS.get(compression, f"unknown ({compression})")
            return f"a TIFF with {name} compression"
        samples, planes = self.header.channels, self.directory.integer(_PLANAR, 1)
        if samples > 1 and planes == 2:
            return f"a TIFF of {samples} bands of {self.bits} bits, stored one after the other"
        if not self._has_plain_tiles():
            sides = [self.directory.integer(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
            return f"a TIFF with tiles of {sides[0]}x{sides[1]} px"
        return f"a TIFF of {samples} bands of {self.bits} bits, photometric {self.photometric}"

    def for_opencv(self, *, by_index: bool) -> bytes:
        """Return the file without what OpenCV would do to the samples by itself.

        It turns them as the orientation says, multiplies colours by a fourth band that is called
        alpha, and looks numbers up in a palette.

        Args:
            by_index: Whether the numbers of a palette are wanted.
        """
        changes = {}
        if self.directory.integer(ORIENTATION, 1) != 1:
            changes[ORIENTATION] = 1
        if _EXTRA in self.directory:
            changes[_EXTRA] = 0
        if by_index and self.photometric == _BY_PALETTE:
            changes[_PHOTOMETRIC] = _BLACK_IS_ZERO
        data = bytes(self.directory.data)
        if not changes:
            return data
        changed = bytearray(data)
        for tag, value in changes.items():
            start = self.directory.entries[tag].start
            struct.pack_into(f"{self.directory.order}H", changed, start, value)
        return bytes(changed)

    def check_whole(self) -> None:
        """Refuse a file that does not hold all that its page points at.

        Raises:
            DataError: A strip or tile lies outside the file, or there are too few of them.
        """
        is_tiled = _TILES in self.directory
        tags = (_TILES, _TILE_BYTES) if is_tiled else (_STRIPS, _STRIP_BYTES)
        try:
            starts, lengths = (self.directory.array(tag) for tag in tags)
        except ValueError as error:
            raise _damaged(self.where, error) from error
        if len(starts) < self._count_parts(is_tiled):
            raise undecodable(
                self.where, "found a damaged TIFF (parts of its pixels are not listed)"
            )
        size_bytes = len(self.directory.data)
        if _ends(starts, lengths) > size_bytes:
            fault = f"found a truncated TIFF of {size_bytes} bytes, expected a whole one"
            raise undecodable(self.where, fault)

    def _count_parts(self, is_tiled: bool) -> int:
        header, directory = self.header, self.directory
        height = directory.integer(_TILE_LENGTH if is_tiled else _ROWS, header.height_px)
        width = directory.integer(_TILE_WIDTH, 0) if is_tiled else header.width_px
        if width < 1 or height < 1:
            raise undecodable(self.where, "found a damaged TIFF (strips or tiles without pixels)")
        planes = header.channels if directory.integer(_PLANAR, 1) == 2 else 1
        return -(-header.height_px // height) * -(-header.width_px // width) * planes


def _ends(starts: NDArray[np.uint64], lengths: NDArray[np.uint64]) -> int:
    """Return where the last of the parts ends; in Python's integers, which do not overflow."""
    number = min(len(starts), len(lengths))
    if not number:
        return int(starts.max(initial=0))
    places = (starts[:number], lengths[:number])
    if int(places[0].max()) + int(places[1].max()) < 2**63:
        return int((places[0] + places[1]).max())
    return max(int(start) + int(length) for start, length in zip(*places, strict=True))


def read_tiff(data: Buffer, where: str, *, any_pixels: bool = False) -> TiffPage:
    """Return the page of a TIFF; smaller copies and masks of transparency are no pages.

    Its pixels need not fit into memory: that is for :func:`zoo.data.pictures.faults.check_size`.

    Args:
        data: The file, or a map of it.
        where: Its name for messages.
        any_pixels: Whether others than unsigned ones of 1 to 16 bits are let pass, as 0 bits.

    Raises:
        DataError: It is damaged, has several pages, or pixels other than unsigned ones of 1 to 16
            bits.
    """
    try:
        pages, has_mask = [], False
        for directory in read_directories(data):
            kind = _subfile(directory)
            has_mask = has_mask or bool(kind & _MASK)
            if not kind & (_COPY | _MASK):
                pages.append(directory)
        if not pages:
            message = "it has no page"
            raise ValueError(message)
        page = pages[0]
        bits = 0 if any_pixels else _read_bits(page, where)
        header = _read_header(page)
    except ValueError as error:
        raise _damaged(where, error) from error
    if len(pages) > 1:
        fault = f"found a TIFF of {len(pages)} pages, expected one page"
        hint = "gdal_translate GTIFF_DIR:1:FILE OUT.tif takes the first."
        raise undecodable(where, fault, hint)
    return TiffPage(page, where, header, bits, has_mask)


def _damaged(where: str, error: ValueError) -> Exception:
    return undecodable(where, f"found a truncated or damaged TIFF ({error})")


def _subfile(directory: TiffDirectory) -> int:
    old = directory.integer(_OLD_SUBFILE, 1)  # 2 is a smaller copy
    return directory.integer(_NEW_SUBFILE, _COPY if old == 2 else 0)


def _read_header(page: TiffDirectory) -> Header:
    width_px, height_px = page.integer(_WIDTH, 0), page.integer(_LENGTH, 0)
    if not 0 < width_px < 2**31 or not 0 < height_px < 2**31:
        message = f"its size is {width_px}x{height_px} px"
        raise ValueError(message)
    stated = page.integer(ORIENTATION, 1)
    samples = page.integer(_SAMPLES, 1)
    if samples < 1:
        message = "it has no samples"
        raise ValueError(message)
    # Coordinates take a picture as it is stored, and so does GDAL.
    is_placed = any(tag in page for tag in _GEO_TAGS)
    orientation = stated if 1 <= stated <= 8 and not is_placed else 1
    return Header("TIFF", width_px, height_px, samples, orientation)


def _read_bits(page: TiffDirectory, where: str) -> int:
    """Return the bits of a sample, or refuse those that are no whole numbers from 0 on."""
    bits = set(page.integers(_BITS, (1,)))
    formats = {_FORMATS.get(kind, "unknown") for kind in page.integers(_FORMAT, (1,))}
    if len(bits) == 1 and formats == {"uint"} and 1 <= min(bits) <= 16:
        return min(bits)
    found = "/".join(f"{name}{count}" for name in sorted(formats) for count in sorted(bits))
    fault = f"found {found} pixels, expected uint8 or uint16"
    raise undecodable(where, fault, CONVERT)
