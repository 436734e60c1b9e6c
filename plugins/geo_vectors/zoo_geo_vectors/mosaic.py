# SPDX-License-Identifier: Apache-2.0
"""Tiles as one scene: a VRT beside them, which zoo, GDAL and QGIS read like one raster.

Source: GDAL, the VRT driver's documentation and ``gdalvrt.xsd``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree

import shapely

from zoo.data import replace_file
from zoo.errors import DataError
from zoo_geo_vectors.tiles import Tile, Transform, find_tiles, places_of, read_tile

__all__ = ["Mosaic", "write_mosaic"]

NAME = "mosaic.vrt"
_MOST_BYTES = 16 * 2**20  # of a VRT that zoo reads
_MOST_PX = 2**31 - 1  # per side, in GDAL
_TYPES = {"uint8": "Byte", "uint16": "UInt16"}
_REFUSED = frozenset(':<>"|?*\\')  # in names of sources, where zoo reads a VRT


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A scene made of tiles.

    Attributes:
        path: The VRT.
        tiles: Number of tiles.
        width_px: Width of the scene.
        height_px: Height of the scene.
        crs: Its reference system, as WKT.
        transform: a, b, c, d, e, f: ``x = a column + b row + c``, ``y = d column + e row + f``.
        covered: Share of the scene that tiles show; the rest is missing data.
    """

    path: Path
    tiles: int
    width_px: int
    height_px: int
    crs: str
    transform: Transform
    covered: float


def write_mosaic(
    inputs: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str] | None = None
) -> Mosaic:
    """Write a VRT that shows tiles as one scene; a file that is there is replaced.

    Where tiles overlap, the last one by its path is on top, without its missing data. What no tile
    shows is missing data; as a pixel, it has the tiles' own value for it, else 0.

    Args:
        inputs: Files, and folders of files; see `zoo_geo_vectors.tiles.find_tiles`.
        out: The VRT, in a folder that holds all tiles, because zoo reads only what lies beside or
            below a VRT; None for ``mosaic.vrt`` in the one folder that was given.

    Raises:
        DataError: A tile cannot be read or does not fit to the others, lies elsewhere, or the file
            cannot be written.
    """
    given = [Path(each) for each in inputs]
    paths = find_tiles(given)
    path = _out_of(given, out)
    names = _names_below(paths, path)
    tiles = [read_tile(each) for each in paths]
    places = places_of(tiles)
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    places = [(column - left, row - top) for column, row in places]
    boxes = [
        shapely.box(column, row, column + tile.width_px, row + tile.height_px)
        for tile, (column, row) in zip(tiles, places, strict=True)
    ]
    covered = shapely.union_all(boxes)
    width_px, height_px = (int(side) for side in covered.bounds[2:])
    if max(width_px, height_px) > _MOST_PX:
        message = f"cannot make a mosaic of {width_px}x{height_px} px: "
        message += f"expected at most {_MOST_PX} px a side."
        raise DataError(message, path=path, hint="give tiles that lie near each other.")
    a, b, c, d, e, f = tiles[0].transform
    transform = (a, b, c + a * left + b * top, d, e, f + d * left + e * top)
    share = covered.area / (width_px * height_px)
    scene = _Scene((width_px, height_px), transform, has_gaps=share < 1)
    replace_file(path, _checked(_text_of(scene, tiles, names, places), path))
    wkt = tiles[0].crs.to_wkt()
    return Mosaic(path, len(tiles), width_px, height_px, wkt, transform, share)


@dataclass(frozen=True, slots=True)
class _Scene:
    size_px: tuple[int, int]
    transform: Transform
    has_gaps: bool


def _out_of(inputs: Sequence[Path], out: str | os.PathLike[str] | None) -> Path:
    if out is not None:
        path = Path(out)
        if path.suffix.lower() != ".vrt":
            message = f"cannot write {path.name!r}: expected a name that ends in .vrt."
            raise DataError(message, path=path, hint=f"use for example --out {NAME}.")
        return path
    if len(inputs) != 1 or not inputs[0].is_dir():
        message = "cannot choose a place for the mosaic: expected one folder of tiles."
        hint = f"name the file: --out FOLDER/{NAME}, with all tiles in that folder or below."
        raise DataError(message, where="--out", hint=hint)
    return inputs[0] / NAME


def _names_below(paths: Sequence[Path], out: Path) -> list[str]:
    """Return the names of tiles relative to the folder of the VRT, as zoo allows them in one."""
    folder = PurePath(os.path.realpath(out.parent))
    names = []
    for path in paths:
        whole = PurePath(os.path.realpath(path))
        if not whole.is_relative_to(folder):
            message = f"cannot name {path.name!r} in {str(out)!r}: it is in another folder, "
            message += "expected tiles beside the mosaic or below."
            common = os.path.commonpath([folder, *map(os.path.realpath, paths)])
            raise DataError(message, path=path, hint=f"use --out {os.path.join(common, NAME)}.")
        name = whole.relative_to(folder).as_posix()
        if _REFUSED & set(name) or not name.isprintable():
            message = f"cannot name {path.name!r} in a VRT: expected a path of printable "
            message += 'characters without any of : < > " | ? * and backslash.'
            raise DataError(message, path=path, hint="rename it.")
        names.append(f"./{name}")  # so that none begins with a scheme of GDAL
    return names


def _text_of(
    scene: _Scene,
    tiles: Sequence[Tile],
    names: Sequence[str],
    places: Sequence[tuple[int, int]],
) -> bytes:
    """Return the text of a VRT."""
    first = tiles[0]
    width_px, height_px = scene.size_px
    root = ElementTree.Element("VRTDataset", rasterXSize=str(width_px), rasterYSize=str(height_px))
    _add(root, "SRS", first.crs.to_wkt())
    a, b, c, d, e, f = scene.transform
    _add(root, "GeoTransform", ", ".join(map(repr, (c, a, b, f, d, e))))
    samples = first.samples
    if samples.inverted:
        _add_structure(root, MINISWHITE="YES")
    # A value for missing data fills gaps too; else a mask tells them.
    needs_mask = not samples.nodata and (scene.has_gaps or not all(t.is_whole for t in tiles))
    for number in range(1, samples.bands + 1):
        band = _add_band(root, number, first)
        for tile, name, place in zip(tiles, names, places, strict=True):
            _add_source(band, tile, name, place, str(number))
    if needs_mask:
        mask = ElementTree.SubElement(root, "MaskBand")
        band = ElementTree.SubElement(mask, "VRTRasterBand", dataType="Byte")
        for tile, name, place in zip(tiles, names, places, strict=True):
            _add_source(band, tile, name, place, "mask,1")
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return text + b"\n"


def _add_band(root: Any, number: int, first: Tile) -> Any:
    samples, index = first.samples, number - 1
    kind = _TYPES[samples.pixels]
    band = ElementTree.SubElement(root, "VRTRasterBand", dataType=kind, band=str(number))
    name = samples.names[index] or ""
    if name and name.isprintable():  # XML has no control characters
        _add(band, "Description", name)
    if samples.bits:
        _add_structure(band, NBITS=samples.bits)
    if samples.nodata:
        _add(band, "NoDataValue", f"{samples.nodata[index]:.17g}")
    _add(band, "ColorInterp", samples.colors[index].capitalize())
    if samples.palette and number == 1:
        table = ElementTree.SubElement(band, "ColorTable")
        colors = dict(samples.palette)
        for entry in range(max(colors) + 1):
            parts = colors.get(entry, (0, 0, 0, 0))
            values = {f"c{place}": str(part) for place, part in enumerate(parts, 1)}
            ElementTree.SubElement(table, "Entry", values)
    return band


def _add_source(band: Any, tile: Tile, name: str, place: tuple[int, int], source: str) -> None:
    """Add a tile to a band: what it lacks does not hide what lies below it."""
    samples, is_mask = tile.samples, not source.isdigit()
    is_simple = tile.is_whole and not samples.nodata
    each = ElementTree.SubElement(band, "SimpleSource" if is_simple else "ComplexSource")
    ElementTree.SubElement(each, "SourceFilename", relativeToVRT="1").text = name
    _add(each, "SourceBand", source)
    size = {"xSize": str(tile.width_px), "ySize": str(tile.height_px)}
    height_px, width_px = tile.block_px
    facts = {
        "RasterXSize": size["xSize"],
        "RasterYSize": size["ySize"],
        "DataType": "Byte" if is_mask else _TYPES[samples.pixels],
        "BlockXSize": str(width_px),
        "BlockYSize": str(height_px),
    }
    ElementTree.SubElement(each, "SourceProperties", facts)
    ElementTree.SubElement(each, "SrcRect", {"xOff": "0", "yOff": "0", **size})
    corner = {"xOff": str(place[0]), "yOff": str(place[1])}
    ElementTree.SubElement(each, "DstRect", {**corner, **size})
    if samples.nodata and not is_mask:
        _add(each, "NODATA", f"{samples.nodata[int(source) - 1]:.17g}")
    elif not is_simple:
        _add(each, "UseMaskBand", "true")


def _add(parent: Any, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text


def _add_structure(parent: Any, **facts: str) -> None:
    found = ElementTree.SubElement(parent, "Metadata", domain="IMAGE_STRUCTURE")
    for key, value in facts.items():
        ElementTree.SubElement(found, "MDI", key=key).text = value


def _checked(text: bytes, path: Path) -> bytes:
    if len(text) > _MOST_BYTES:
        message = f"cannot write {path.name!r}: it has {len(text):,} bytes, of which zoo reads at "
        message += f"most {_MOST_BYTES:,}."
        raise DataError(message, path=path, hint="make several mosaics of fewer tiles each.")
    return text
