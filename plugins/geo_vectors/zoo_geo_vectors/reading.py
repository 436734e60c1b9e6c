# SPDX-License-Identifier: Apache-2.0
"""Objects of an earlier result, read back from its file or folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyproj import CRS, Transformer

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import DataError
from zoo_geo_vectors.places import converted, cut_at_180, read_crs

__all__ = ["Objects", "read_objects"]

_SUFFIXES = (".gpkg", ".geojson", ".shp")
_LIMITS = Limits(2**31, values=1_000_000_000)
_JSON = "predictions.json"


@dataclass(frozen=True, slots=True)
class Objects:
    """What one result holds, in one reference system.

    Attributes:
        path: The file or folder.
        crs: The reference system.
        shapes: Valid polygons and multipolygons.
        ids: The ``id`` of each; None where the file has none, or no whole number.
        classes: The class of each; empty if the file has none.
        left_out: How many rows of the file are no areas.
    """

    path: Path
    crs: CRS
    shapes: list[Any]
    ids: list[int | None]
    classes: list[str]
    left_out: int = 0

    def in_crs(self, crs: CRS) -> Objects:
        """Return the same in another reference system; what lies outside it is left out.

        Args:
            crs: The other system.
        """
        if crs == self.crs:
            return self
        transformer = Transformer.from_crs(self.crs, crs, always_xy=True)
        moved = [
            cut_at_180(shape, before, transformer, crs)
            for shape, before in zip(
                converted(np.array(self.shapes), transformer), self.shapes, strict=True
            )
        ]
        return _of_rows(self.path, crs, moved, self.ids, self.classes, self.left_out)


def read_objects(path: Path) -> Objects:
    """Return the objects of a result.

    Args:
        path: A ``.gpkg``, ``.geojson`` or ``.shp``, or the output folder of ``zoo predict``: then
            its file of vectors is read, else the GeoJSON of each of its images.

    Raises:
        DataError: There is no such file, it is damaged, or has no reference system.
    """
    if not path.is_dir():
        return _read_file(path)
    for suffix in _SUFFIXES:
        written = path / f"{suffix[1:]}_labels{suffix}"
        if written.is_file():
            return _read_file(written)
    return _read_images(path)


def _read_images(folder: Path) -> Objects:
    """Return the objects of the GeoJSON of each image, with the ids of ``predictions.json``."""
    try:
        entries = read_json(folder / _JSON, _LIMITS)["images"]
        named = [(folder / each["geojson"], each) for each in entries if each.get("geojson")]
        ids = [[row["id"] for row in each["instances"]] for _, each in named]
    except (OSError, DocumentError, KeyError, TypeError) as error:
        reason = reason_of(error) if isinstance(error, (OSError, DocumentError)) else repr(error)
        message = f"cannot compare {folder.name!r}: no vectors, and {_JSON}: {reason}."
        hint = "give the --out folder of zoo predict, or a .gpkg, .geojson or .shp."
        raise DataError(message, path=folder, hint=hint) from error
    if not named:
        message = f"cannot compare {folder.name!r}: it holds no vectors."
        hint = "run zoo predict again with --resume --format gpkg."
        raise DataError(message, path=folder, hint=hint)
    found = [_read_file(path) for path, _ in named]
    crs = found[0].crs
    parts = [each.in_crs(crs) for each in found]
    same = all(len(part.shapes) == len(own) for part, own in zip(parts, ids, strict=True))
    numbers = [id_ for several in ids for id_ in several] if same else None
    shapes = [shape for part in parts for shape in part.shapes]
    return Objects(
        folder,
        crs,
        shapes,
        numbers or list(range(1, len(shapes) + 1)),
        [name for part in parts for name in part.classes],
        sum(part.left_out for part in parts),
    )


def _read_file(path: Path) -> Objects:
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        found = (
            "there is no such file" if path.suffix.lower() in _SUFFIXES else "it has another suffix"
        )
        message = f"cannot compare {path.name!r}: {found}, expected {', '.join(_SUFFIXES)}."
        hint = "give the --out folder of zoo predict, or one of these files."
        raise DataError(message, path=path, hint=hint)
    try:
        meta, _, wkb, values = pyogrio.raw.read(path)
        shapes = list(shapely.from_wkb(wkb))
    except (pyogrio.errors.DataSourceError, shapely.errors.ShapelyError, ValueError) as error:
        message = f"cannot read {path.name!r}: {error}."
        raise DataError(message, path=path, hint="write it anew with zoo predict.") from error
    if meta["crs"] is None:
        message = f"cannot compare {path.name!r}: it states no reference system."
        raise DataError(message, path=path, hint="set one, as by ogr2ogr -a_srs EPSG:4326.")
    columns = dict(zip(meta["fields"], values, strict=True))
    count = len(shapes)
    ids = [_whole(id_) for id_ in columns.get("id", np.arange(1, count + 1)).tolist()]
    classes = ["" if name is None else str(name) for name in columns.get("class", [""] * count)]
    return _of_rows(path, read_crs(meta["crs"]), shapes, ids, classes, 0)


def _whole(value: object) -> int | None:
    """Return an id that is a whole number; a column with gaps comes as floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _of_rows(
    path: Path,
    crs: CRS,
    shapes: list[Any],
    ids: list[int | None],
    classes: list[str],
    left_out: int,
) -> Objects:
    """Return rows as objects; of outlines that cross themselves, the area that they enclose."""
    areas = [None if shape is None else _area_of(shape) for shape in shapes]
    kept = [place for place, shape in enumerate(areas) if shape is not None]
    return Objects(
        path,
        crs,
        [areas[place] for place in kept],
        [ids[place] for place in kept],
        [classes[place] for place in kept],
        left_out + len(shapes) - len(kept),
    )


def _area_of(shape: Any) -> Any:
    """Return the polygons of a shape, valid; None if it has no area."""
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return None
    valid = shape if shapely.is_valid(shape) else shapely.make_valid(shape)
    parts = [part for part in shapely.get_parts(valid) if part.geom_type == "Polygon"]
    found = shapely.union_all(parts) if len(parts) > 1 else (parts or [None])[0]
    return None if found is None or not found.area else found
