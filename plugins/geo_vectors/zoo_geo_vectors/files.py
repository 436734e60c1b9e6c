# SPDX-License-Identifier: Apache-2.0
"""Features as files: a layer that GDAL writes, or a table."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyproj import CRS
from shapely.geometry import MultiPolygon

from zoo.data import Report, replace_file
from zoo.errors import DataError
from zoo_geo_vectors.features import Found
from zoo_geo_vectors.places import crs_name

__all__ = ["GEOJSON", "GPKG", "SHP", "Columns", "write_layer", "write_shapes", "write_table"]

Columns = dict[str, tuple[type, Sequence[Any]]]
GPKG, GEOJSON, SHP = "GPKG", "GeoJSON", "ESRI Shapefile"
LAYER = "objects"
_ON_GROUND = ("area_px", "area_m2", "length_m", "width_m", "diameter_m", "roundness")
_IN_PX = ("area_px", "length_px", "width_px", "diameter_px", "roundness")
_CENTRE = ("centre_x", "centre_y")
_MOST_BYTES = 254  # of a text in a Shapefile


def write_layer(found: Found, out: Path, driver: str, report: Report) -> None:
    """Write features as one layer of polygons; a file that is there is replaced.

    Args:
        found: Objects with outlines.
        out: The file.
        driver: ``GPKG``, ``GEOJSON`` or ``SHP``.
        report: Receives texts that a Shapefile cuts.

    Raises:
        DataError: The images lie in several reference systems, the format cannot name the one, or
            the file cannot be written.
    """
    features = found.features
    columns: Columns = {
        "id": (int, [each.id for each in features]),
        "image": (str, [each.image for each in features]),
        "class": (str, [each.label for each in features]),
        "score": (float, [each.score for each in features]),
        **{
            name: (float, [each.measures.get(name) for each in features])
            for name in (*_ON_GROUND, *_CENTRE)
        },
    }
    shapes = [each.outline for each in features]
    digits = max((each.digits for each in features), default=0)
    write_shapes(out, driver, shapes, columns, _one_crs(found.systems), report, digits=digits)


def write_shapes(
    out: Path,
    driver: str,
    shapes: Sequence[Any],
    columns: Columns,
    crs: CRS,
    report: Report,
    *,
    digits: int,
) -> None:
    """Write polygons with their columns as one layer; a file that is there is replaced.

    Args:
        out: The file.
        driver: ``GPKG``, ``GEOJSON`` or ``SHP``.
        shapes: Polygons and multipolygons.
        columns: Name of a column -> its type (int, float or str), and a value, or None, of each
            polygon.
        crs: Reference system of the polygons.
        report: Receives texts that a Shapefile cuts.
        digits: How many decimals the coordinates of a GeoJSON have.

    Raises:
        DataError: The format cannot name the reference system, or the file cannot be written.
    """
    if driver == GEOJSON and crs.to_authority() is None:
        message = f"cannot write GeoJSON in {crs_name(crs)!r:.80}: it names systems by their codes."
        hint = "write a GeoPackage, or choose a system with a code, as EPSG:4326."
        raise DataError(message, path=out, hint=hint)
    arrays = [_array(kind, values, driver, report) for kind, values in columns.values()]
    if driver == GPKG:
        shapes = [_as_several(shape) for shape in shapes]
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".vectors") as folder:
            pyogrio.raw.write(
                Path(folder) / out.name,
                np.array([shapely.to_wkb(shape) for shape in shapes], object),
                [values for values, _ in arrays],
                [*columns],
                field_mask=[mask for _, mask in arrays],
                layer=out.stem if driver == SHP else LAYER,
                driver=driver,
                geometry_type={GPKG: "MultiPolygon", SHP: "Polygon"}.get(driver, "Unknown"),
                crs=crs_name(crs) if crs.to_authority() else str(crs.to_wkt()),
                encoding="UTF-8",
                layer_options={"COORDINATE_PRECISION": str(digits)} if driver == GEOJSON else {},
            )
            _check_whole(Path(folder) / out.name, len(shapes), driver)
            for part in sorted(Path(folder).iterdir(), key=lambda part: part.name == out.name):
                replace_file(out.with_name(part.name), part.read_bytes())
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        message = f"cannot write {out.name!r}: {str(error).rstrip('.')}."
        hint = "check the free space and the permissions there, or choose another folder or format."
        raise DataError(message, path=out, hint=hint) from error


def write_table(found: Found, out: Path) -> None:
    """Write features as CSV, without outlines; a file that is there is replaced.

    Objects of images with coordinates are measured on the ground, those of others in px. If there
    are both, there are the columns of both.

    Args:
        found: The objects.
        out: The file.
    """
    features = found.features
    placed = {each.crs is not None for each in features} or {bool(found.systems)}
    names = list(_ON_GROUND) if True in placed else []
    names += [name for name in _IN_PX if name not in names] if False in placed else []
    names += [*_CENTRE, "crs"] if True in placed else []
    names += [f"{name}_px" for name in _CENTRE] if False in placed else []
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "image", "class", "score", *names])
    for each in features:
        values = {**each.measures, "crs": None if each.crs is None else crs_name(each.crs)}
        score = None if each.score is None else round(each.score, 4)
        rows.writerow([each.id, each.image, each.label, score, *(values.get(n) for n in names)])
    replace_file(out, text.getvalue().encode())


def _check_whole(path: Path, count: int, driver: str) -> None:
    """Raise an error if a file does not hold its features: GDAL hides some faults of a full disk.

    Args:
        path: The file.
        count: How many features were written.
        driver: ``GPKG``, ``GEOJSON`` or ``SHP``.
    """
    has_index = driver != GPKG or pyogrio.read_info(path)["capabilities"]["fast_spatial_filter"]
    _, _, shapes, _ = pyogrio.raw.read(path)
    if len(shapes) != count or None in shapes.tolist() or not has_index:
        message = "it does not hold what was written, as on a full disk"
        raise OSError(message)


def _one_crs(systems: frozenset[CRS]) -> CRS:
    if len(systems) > 1:
        names = ", ".join(sorted(map(crs_name, systems)))
        message = f"cannot write one layer in {len(systems)} reference systems: {names:.200}."
        raise DataError(message, hint="choose one, as --format-option crs=EPSG:4326 for WGS 84.")
    (crs,) = systems
    return crs


def _as_several(shape: Any) -> Any:
    return shape if shape.geom_type == "MultiPolygon" else MultiPolygon([shape])


def _array(kind: type, values: Sequence[Any], driver: str, report: Report) -> tuple[Any, Any]:
    """Return a column as an array, and which of its values are missing."""
    missing = np.array([value is None for value in values], bool)
    if kind is str:
        texts = ["" if value is None else value for value in values]
        return np.array(_cut(texts, driver, report), object), missing
    numbers = [0 if value is None else value for value in values]
    return np.array(numbers, np.int64 if kind is int else np.float64), missing


def _cut(texts: list[str], driver: str, report: Report) -> list[str]:
    """Return texts; a Shapefile has room for 254 bytes of each, and what it cuts is counted."""
    if driver != SHP:
        return texts
    for text in dict.fromkeys(texts):
        if len(text.encode()) > _MOST_BYTES:
            report.repair(text, f"longer than {_MOST_BYTES} bytes: cut in a Shapefile")
    return [text.encode()[:_MOST_BYTES].decode(errors="ignore") for text in texts]
