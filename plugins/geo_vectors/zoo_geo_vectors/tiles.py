# SPDX-License-Identifier: Apache-2.0
"""Tiles of one scene: rasters that share a reference system, a grid of pixels, and their kind."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError

from zoo.data import kind_of, opened_dataset
from zoo.errors import DataError

__all__ = ["Samples", "Tile", "Transform", "find_tiles", "places_of", "read_tile"]

Transform = tuple[float, float, float, float, float, float]

_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": "JP2OpenJPEG"}
_SUFFIXES = frozenset({".tif", ".tiff", ".jp2"})
_DTYPES = ("uint8", "uint16")
_OFF_GRID_PX = 0.1
_IMAGE_STRUCTURE = "IMAGE_STRUCTURE"
_CONVERT = "gdal_translate IN OUT.tif makes a TIFF of it."
_ONE_GRID = "gdalwarp -t_srs SYSTEM -tap -tr X Y IN OUT.tif brings all tiles onto one grid."


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What the pixels of a raster are; all tiles of a scene agree in it.

    Attributes:
        bands: Number of bands.
        pixels: ``uint8`` or ``uint16``.
        colors: What each band shows, as GDAL names it.
        names: Description of each band, or None.
        bits: Bits of a sample that are used, as stated; empty for all.
        inverted: Whether 0 is white.
        palette: Index and RGBA colour of each entry; empty without a palette.
        nodata: Value of each band that marks missing data; empty without one.
    """

    bands: int
    pixels: str
    colors: tuple[str, ...]
    names: tuple[str | None, ...]
    bits: str
    inverted: bool
    palette: tuple[tuple[int, tuple[int, ...]], ...]
    nodata: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A raster that is a part of a scene.

    Attributes:
        path: The file.
        width_px: Its width.
        height_px: Its height.
        crs: Its reference system.
        transform: a, b, c, d, e, f: ``x = a column + b row + c``, ``y = d column + e row + f``.
        samples: What its pixels are.
        is_whole: Whether no pixel of it can be missing.
        block_px: Height and width of the blocks that it is stored in.
    """

    path: Path
    width_px: int
    height_px: int
    crs: CRS
    transform: Transform
    samples: Samples
    is_whole: bool
    block_px: tuple[int, int]


def find_tiles(inputs: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files that inputs name, each once, sorted by their paths.

    Args:
        inputs: Files; and folders, which stand for the TIFFs and JPEG 2000 directly in them, by
            their suffixes and without hidden ones.

    Raises:
        DataError: An input does not exist, or a folder has no such file.
    """
    found = {}
    for given in map(Path, inputs):
        if not given.exists():
            message = f"cannot read {str(given)!r}: there is no such file or folder."
            raise DataError(message, path=given, hint="give tiles, or the folder of the tiles.")
        paths = [given]
        if given.is_dir():
            paths = [path for path in given.iterdir() if _is_tile(path)]
        if not paths:
            message = f"cannot make a mosaic of {str(given)!r}: it has no TIFF or JPEG 2000."
            hint = f"give a folder of files that end in {', '.join(sorted(_SUFFIXES))}."
            raise DataError(message, path=given, hint=hint)
        found.update({os.path.realpath(path): path for path in paths})
    return [found[key] for key in sorted(found)]


def read_tile(path: Path) -> Tile:
    """Return what a raster states about itself; its pixels are not read.

    Args:
        path: A TIFF or a JPEG 2000.

    Raises:
        DataError: It is another file, is damaged, has no coordinates, or has pixels that zoo does
            not read.
    """
    kind = kind_of(_start_of(path))
    if kind not in _DRIVERS:
        found = "a file of an unknown format" if kind is None else f"a {kind}"
        raise _refused(path, f"found {found}", "a TIFF or a JPEG 2000", _CONVERT)
    with opened_dataset(path, str(path), driver=_DRIVERS[kind]) as dataset:
        try:
            return _tile_of(path, dataset)
        except (RasterioError, ValueError) as error:
            fault = f"found metadata that cannot be read ({error})"
            raise _refused(path, fault, "an intact file", "replace it.") from error


def places_of(tiles: Sequence[Tile]) -> list[tuple[int, int]]:
    """Return column and row of the top left pixel of each tile, in the grid of the first one.

    Args:
        tiles: At least one tile.

    Raises:
        DataError: A tile differs from the first one in its reference system or its pixels, or does
            not lie on the grid of the first one within a tenth of a pixel.
    """
    first = tiles[0]
    return [_place_of(tile, first) for tile in tiles]


def _is_tile(path: Path) -> bool:
    is_hidden = path.name.startswith(".")  # macOS leaves "._x.tif" beside x.tif
    return path.suffix.lower() in _SUFFIXES and not is_hidden and path.is_file()


def _start_of(path: Path) -> bytes:
    try:
        if path.is_file():  # a pipe would block
            with path.open("rb") as stream:
                return stream.read(1024)
        fault = "found no regular file"
    except OSError as error:
        fault = f"it cannot be opened ({error.strerror})"
    raise _refused(path, fault, "a TIFF or a JPEG 2000", "give a file that you may read.")


def _tile_of(path: Path, dataset: Any) -> Tile:
    a, b, c, d, e, f = (float(value) for value in tuple(dataset.transform)[:6])
    has_place = (a, b, c, d, e, f) != (1, 0, 0, 0, 1, 0) and a * e != b * d
    if not (dataset.crs and has_place):
        hint = "gdal_edit.py -a_srs -a_ullr gives a TIFF both."
        raise _refused(path, "found no coordinates", "a reference system and a place", hint)
    dtypes = sorted(set(dataset.dtypes))
    if len(dtypes) != 1 or dtypes[0] not in _DTYPES:
        hint = "gdal_translate -ot UInt16 IN OUT.tif converts it."
        raise _refused(path, f"found {', '.join(dtypes)} pixels", "uint8 or uint16", hint)
    structure = dataset.tags(ns=_IMAGE_STRUCTURE)
    if "SOURCE_COLOR_SPACE" in structure:
        raise _refused(path, "found ink colours", "grey or RGB", _CONVERT)
    flags = dataset.mask_flag_enums
    samples = Samples(
        bands=dataset.count,
        pixels=dtypes[0],
        colors=tuple(each.name for each in dataset.colorinterp),
        names=tuple(dataset.descriptions),
        bits=dataset.tags(1, ns=_IMAGE_STRUCTURE).get("NBITS", ""),
        inverted=structure.get("MINISWHITE") == "YES",
        palette=_palette_of(dataset),
        nodata=_nodata_of(dataset),
    )
    return Tile(
        path=path,
        width_px=dataset.width,
        height_px=dataset.height,
        crs=dataset.crs,
        transform=(a, b, c, d, e, f),
        samples=samples,
        is_whole=all(MaskFlags.all_valid in each for each in flags),
        block_px=dataset.block_shapes[0],
    )


def _nodata_of(dataset: Any) -> tuple[float, ...]:
    """Return the values of missing data; none if a mask tells it, or no integer can have them."""
    values = [value for value in dataset.nodatavals if value is not None and math.isfinite(value)]
    is_used = all(MaskFlags.nodata in flags for flags in dataset.mask_flag_enums)
    return tuple(values) if is_used and len(values) == dataset.count else ()


def _palette_of(dataset: Any) -> tuple[tuple[int, tuple[int, ...]], ...]:
    if dataset.colorinterp[0].name != "palette":
        return ()
    return tuple(sorted(dataset.colormap(1).items()))


def _place_of(tile: Tile, first: Tile) -> tuple[int, int]:
    """Return where a tile begins in the grid of the first one."""
    if tile.crs != first.crs:
        found, wanted = _crs_name(tile.crs), _crs_name(first.crs)
        raise _differs(tile, first, f"the reference system {found}", wanted, _ONE_GRID)
    for field in fields(Samples):
        found, wanted = (getattr(each.samples, field.name) for each in (tile, first))
        if found != wanted:
            hint = "make mosaics of the tiles that are alike, or convert the others."
            if field.name == "palette":
                raise _differs(tile, first, "another palette", "the same", hint)
            raise _differs(tile, first, f"{field.name} {found!r:.80}", f"{wanted!r:.80}", hint)
    corners = np.array([[0, 0], [tile.width_px, 0], [0, tile.height_px]], float)
    in_grid = _in_grid(corners, tile.transform, first.transform)
    if np.abs(in_grid - in_grid[0] - corners).max() > _OFF_GRID_PX:
        found, wanted = (_size_of(each.transform) for each in (tile, first))
        raise _differs(tile, first, f"pixels of {found}", wanted, _ONE_GRID)
    left, top = in_grid[0].tolist()
    off = max(abs(left - round(left)), abs(top - round(top)))
    if off > _OFF_GRID_PX:
        raise _differs(tile, first, f"a grid that is {off:.2f} px off", "one grid", _ONE_GRID)
    return round(left), round(top)


def _in_grid(
    points: NDArray[np.float64], transform: Transform, grid: Transform
) -> NDArray[np.float64]:
    """Return points in px of a tile, ``(N, 2)``, in px of the grid."""
    a, b, c, d, e, f = transform
    p, q, r, s, t, u = grid
    # Offsets are large numbers: subtracted first, they lose no digits.
    offset = points @ np.array([[a, d], [b, e]]) + (c - r, f - u)
    found: NDArray[np.float64] = np.linalg.solve([[p, q], [s, t]], offset.T).T
    return found


def _size_of(transform: Transform) -> str:
    """Return the sides of a pixel, and the whole transform if it is turned."""
    a, b, _, d, e, _ = transform
    return f"{a:.9g} x {e:.9g}" if not (b or d) else f"{a:.9g}, {b:.9g}, {d:.9g}, {e:.9g}"


def _crs_name(crs: CRS) -> str:
    epsg = crs.to_epsg()
    return f"EPSG:{epsg}" if epsg else f"{crs.to_wkt()!r:.80}"


def _differs(tile: Tile, first: Tile, found: str, wanted: str, hint: str) -> DataError:
    return _refused(tile.path, f"found {found}", f"{wanted}, as in {first.path.name!r}", hint)


def _refused(path: Path, fault: str, wanted: str, hint: str) -> DataError:
    message = f"cannot make {path.name!r} a part of a mosaic: {fault}, expected {wanted}."
    return DataError(message, path=path, hint=hint)
