# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.tiff, by tools/runtime_copies.py.
"""TIFF: find the image page and its type, and choose a decoder that reads it correctly.

Source: TIFF 6.0; the tags of GDAL's GeoTIFF driver.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_runtime.copied.decoders.faults import CONVERT, truncated, undecodable
from zoo_runtime.copied.decoders.header import Header
from zoo_runtime.copied.decoders.tiff_tags import (
    ORIENTATION,
    Buffer,
    TiffDirectory,
    read_directories,
)

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
# NewSubfileType: a reduced copy and a transparency mask do not count as pages.
_COPY, _MASK = 1, 4
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _BY_PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_JPEG = 7
_MOST_PILLOW_PX = 2**30 // 12  # above this it warns, then refuses
_UNKNOWN_EXTRA, _ALPHA = 0, 2  # 1 is premultiplied alpha
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
_LOSSLESS = frozenset({1, 5, 8, 32773, 32946})  # and common
_BILEVEL = frozenset({*_LOSSLESS, 2, 3, 4})
_FORMATS = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex int", 6: "complex float"}


@dataclass(frozen=True, slots=True)
class TiffPage:
    """The single image of a TIFF.

    Args:
        directory: Tags of the page.
        where: How error messages name the file.
        header: Size and orientation.
        bits: Bits per sample, equal for all; 1 to 16, unsigned.
        compression: TIFF number of the compression; 1 for none.
        photometric: TIFF number of the colour model: 1 for grey, 2 for RGB.
        is_apart: Whether each band is stored separately (planar).
        extra: TIFF types of extra samples: 0 unknown, 1 and 2 transparency.
        part: Width and height of a tile or a strip.
        nodata: Value of missing samples in GDAL's tag, or ``""``.
        has_mask: Whether another directory contains a mask of valid pixels.
    """

    directory: TiffDirectory
    where: str
    header: Header
    bits: int
    compression: int
    photometric: int
    is_apart: bool
    extra: tuple[int, ...]
    part: tuple[int, int]
    nodata: str
    has_mask: bool

    @property
    def is_tiled(self) -> bool:
        """Whether it is stored in tiles rather than strips."""
        return _TILES in self.directory

    @property
    def names_bands(self) -> bool:
        """Whether GDAL's tag may assign other colours to the bands than TIFF does."""
        return self.header.channels > 1 and _GDAL_METADATA in self.directory

    @property
    def has_coordinates(self) -> bool:
        """Whether it has GeoTIFF tags."""
        return any(tag in self.directory for tag in _GEO_TAGS)

    @property
    def missing(self) -> float | None:
        """The value of missing samples, if one is stated."""
        try:
            return float(self.nodata)
        except ValueError:
            return None

    @property
    def drops_fourth(self) -> bool:
        """Whether there is a fourth band besides red, green and blue."""
        return (self.photometric, self.header.channels) == (_RGB, 4)

    @property
    def is_white_zero(self) -> bool:
        """Whether grey is stored inverted."""
        return self.photometric == _WHITE_IS_ZERO

    @property
    def is_cmyk(self) -> bool:
        """Whether its colour model is CMYK."""
        return self.photometric == _CMYK

    @property
    def is_plain(self) -> bool:
        """Whether it can be read without rasterio with the same result.

        These are interleaved grey, RGB, palette and CMYK with common compressions, read by Pillow
        up to 8 bits, else by OpenCV. ``tests/data/pictures`` verifies each type.
        """
        if self.is_apart or self.names_bands or not self._has_plain_tiles():
            return False
        if not self._is_explicit():
            return False
        if self.bits > 8 and self.has_mask:  # missing samples must not affect the stretch
            return False
        if self.bits <= 8 and self._is_beyond_pillow():
            return False
        kind = (self.photometric, self.header.channels)
        grey = {(_WHITE_IS_ZERO, 1), (_BLACK_IS_ZERO, 1)}
        if self.bits == 1:
            return kind in grey and self.compression in _BILEVEL
        if self.compression == _JPEG:
            return self.bits == 8 and kind in {(_BLACK_IS_ZERO, 1), (_RGB, 3), (_YCBCR, 3)}
        kinds = grey | {(_RGB, 3)}
        if self.bits == 8:
            kinds.add((_CMYK, 4))
            if self.directory.has_shorts(_PALETTE, 3 * 2**8):
                kinds.add((_BY_PALETTE, 1))
            if self.extra in ((_UNKNOWN_EXTRA,), (_ALPHA,)):
                kinds.add((_RGB, 4))
        return self.bits in (8, 16) and kind in kinds and self.compression in _LOSSLESS

    def _is_beyond_pillow(self) -> bool:
        """Whether Pillow would refuse it: too many pixels, or a big-endian BigTIFF."""
        is_odd = self.directory.order == ">" and self.directory.is_big
        return is_odd or self.header.width_px * self.header.height_px > _MOST_PILLOW_PX

    def _is_explicit(self) -> bool:
        """Whether its main tags are explicit, because decoders guess defaults differently."""
        directory = self.directory
        single = (_COMPRESSION, _PHOTOMETRIC, *(tag for tag in (_PLANAR,) if tag in directory))
        channels = self.header.channels
        # Black and white images (TIFF 6.0, page 17) state no bits; the default is 1.
        is_bilevel = channels == 1 and _BITS not in directory
        has_bits = is_bilevel or directory.has_shorts(_BITS, channels)
        return has_bits and all(directory.has_shorts(tag, 1) for tag in single)

    def _has_plain_tiles(self) -> bool:
        return not self.is_tiled or all(side >= 64 and not side & (side - 1) for side in self.part)

    def describe(self) -> str:
        """Return a description for messages, such as ``a TIFF with LERC compression``."""
        if self.compression not in _BILEVEL | {_JPEG}:
            name = _COMPRESSIONS.get(self.compression, f"unknown ({self.compression})")
            return f"a TIFF with {name} compression"
        samples = self.header.channels
        if self.is_apart:
            return f"a TIFF of {samples} bands of {self.bits} bits, stored one after the other"
        if not self._has_plain_tiles():
            return f"a TIFF with tiles of {self.part[0]}x{self.part[1]} px"
        bands = "1 band" if samples == 1 else f"{samples} bands"
        return f"a TIFF of {bands} of {self.bits} bits, photometric {self.photometric}"

    def as_stored(self) -> bytes:
        """Return the file without tags that decoders would apply.

        Decoders apply the orientation, and Pillow ignores inversion for a single planar band.
        """
        changes = {ORIENTATION: 1} | ({_PLANAR: 1} if self.header.channels == 1 else {})
        data = bytes(self.directory.data)
        for tag, value in changes.items():
            if self.directory.has_shorts(tag, 1) and self.directory.integer(tag, value) != value:
                start = self.directory.entries[tag].start
                new = struct.pack(f"{self.directory.order}H", value)
                data = data[:start] + new + data[start + 2 :]
        return data

    def check_whole(self) -> None:
        """Refuse a file that lacks data that its page refers to.

        Raises:
            DataError: A strip or tile is outside the file, or there are too few.
        """
        tags = (_TILES, _TILE_BYTES) if self.is_tiled else (_STRIPS, _STRIP_BYTES)
        try:
            starts, lengths = (self.directory.array(tag) for tag in tags)
        except ValueError as error:
            raise _damaged(self.where, error) from error
        columns, rows = (-(-side // part) for side, part in zip(self._size, self.part, strict=True))
        if len(starts) < columns * rows * (self.header.channels if self.is_apart else 1):
            fault = "found a damaged TIFF (parts of its pixels are not listed)"
            raise undecodable(self.where, fault)
        size_bytes = len(self.directory.data)
        if _ends(starts, lengths) > size_bytes:
            raise undecodable(self.where, truncated("TIFF", size_bytes))

    @property
    def _size(self) -> tuple[int, int]:
        return self.header.width_px, self.header.height_px


def _ends(starts: NDArray[np.uint64], lengths: NDArray[np.uint64]) -> int:
    """Return the end of the last part, in Python integers, which do not overflow."""
    number = min(len(starts), len(lengths))
    if not number:
        return int(starts.max(initial=0))
    places = (starts[:number], lengths[:number])
    if int(places[0].max()) + int(places[1].max()) < 2**63:
        return int((places[0] + places[1]).max())
    return max(int(start) + int(length) for start, length in zip(*places, strict=True))


def read_tiff(data: Buffer, where: str, *, any_pixels: bool = False) -> TiffPage:
    """Return the page of a TIFF; reduced copies and transparency masks do not count.

    This does not limit the size; see :func:`zoo.data.decoders.faults.check_size`.

    Args:
        data: The file, or a memory map of it.
        where: How error messages name the file.
        any_pixels: Whether to accept pixels other than unsigned 1 to 16 bits, as 0 bits.

    Raises:
        DataError: It is damaged, or has several pages or pixels other than unsigned 1 to 16 bits.
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
        page = _read_page(pages[0], where, has_mask=has_mask, any_pixels=any_pixels)
    except ValueError as error:
        raise _damaged(where, error) from error
    if len(pages) > 1:
        fault = f"found a TIFF of {len(pages)} pages, expected one page"
        hint = "gdal_translate GTIFF_DIR:1:FILE OUT.tif takes the first."
        raise undecodable(where, fault, hint)
    return page


def _read_page(page: TiffDirectory, where: str, *, has_mask: bool, any_pixels: bool) -> TiffPage:
    header = _read_header(page)
    tile = (page.integer(_TILE_WIDTH, 0), page.integer(_TILE_LENGTH, 0))
    rows = min(page.integer(_ROWS, header.height_px), header.height_px)
    part = tile if _TILES in page else (header.width_px, rows)
    if min(part) < 1:
        message = "its strips or tiles have no pixels"
        raise ValueError(message)
    return TiffPage(
        directory=page,
        where=where,
        header=header,
        bits=0 if any_pixels else _read_bits(page, where),
        compression=page.integer(_COMPRESSION, 1),
        photometric=page.integer(_PHOTOMETRIC, _BLACK_IS_ZERO),
        is_apart=header.channels > 1 and page.integer(_PLANAR, 1) == 2,
        extra=page.integers(_EXTRA),
        part=part,
        nodata=page.text(_NODATA),
        has_mask=has_mask,
    )


def _damaged(where: str, error: ValueError) -> Exception:
    return undecodable(where, f"found a truncated or damaged TIFF ({error})")


def _subfile(directory: TiffDirectory) -> int:
    old = directory.integer(_OLD_SUBFILE, 1)  # 2 is a reduced copy
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
    # Coordinates refer to the stored image, as does GDAL.
    is_placed = any(tag in page for tag in _GEO_TAGS)
    orientation = stated if 1 <= stated <= 8 and not is_placed else 1
    return Header("TIFF", width_px, height_px, samples, orientation)


def _read_bits(page: TiffDirectory, where: str) -> int:
    """Return the bits per sample; refuse sample types other than unsigned integers."""
    bits = set(page.integers(_BITS, (1,)))
    formats = {_FORMATS.get(kind, "unknown") for kind in page.integers(_FORMAT, (1,))}
    if len(bits) == 1 and formats == {"uint"} and 1 <= min(bits) <= 16:
        return min(bits)
    found = "/".join(f"{name}{count}" for name in sorted(formats) for count in sorted(bits))
    fault = f"found {found} pixels, expected uint8 or uint16"
    raise undecodable(where, fault, CONVERT)
