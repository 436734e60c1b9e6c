# SPDX-License-Identifier: Apache-2.0
"""What became of each object as a file of vectors."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from zoo.data import Report, replace_file
from zoo.errors import DataError
from zoo_geo_vectors.comparing import CHANGES, Change, Changes
from zoo_geo_vectors.files import GEOJSON, GPKG, SHP, Columns, write_shapes
from zoo_geo_vectors.style import style_of

__all__ = ["write_changes"]

_DRIVERS = {".gpkg": GPKG, ".geojson": GEOJSON, ".shp": SHP}
_DEGREES, _LENGTHS = 9, 4  # decimals: a tenth of a mm
# Green, red, orange, grey: appeared, gone, changed, same.
_PALETTE = ((0, 158, 115), (213, 94, 0), (230, 159, 0), (150, 150, 150))


def write_changes(found: Changes, out: Path) -> Report:
    """Write every object with what became of it, and a style for QGIS beside it.

    Args:
        found: Two results compared.
        out: A ``.gpkg``, ``.geojson`` or ``.shp``; one that is there is replaced.

    Returns:
        What the format could not say.

    Raises:
        DataError: It has another suffix, is one of the results, or cannot be written.
    """
    _check_out(found, out)
    driver = _DRIVERS.get(out.suffix.lower())
    if driver is None:
        message = f"cannot write {out.name!r}: expected {', '.join(_DRIVERS)}."
        raise DataError(message, where="--out", hint="name a file with one of these suffixes.")
    kinds = {"change": str, "id_a": int, "id_b": int, "class_a": str, "class_b": str}
    names = [field.name for field in fields(Change) if field.name != "outline"]
    columns: Columns = {
        name: (kinds.get(name, float), [getattr(row, name) for row in found.rows]) for name in names
    }
    crs, shapes = found.earlier.crs, [row.outline for row in found.rows]
    report, digits = Report(), _DEGREES if crs.is_geographic else _LENGTHS
    write_shapes(out, driver, shapes, columns, crs, report, digits=digits)
    replace_file(out.with_suffix(".qml"), style_of("change", CHANGES, _PALETTE))
    return report


def _check_out(found: Changes, out: Path) -> None:
    """Refuse to replace what was compared."""
    for path in (found.earlier.path, found.later.path):
        is_in = path.is_dir() and out.exists() and out.resolve().parent == path.resolve()
        if is_in or out.resolve() == path.resolve():
            message = f"cannot write {out.name!r}: it would overwrite an input."
            raise DataError(message, path=out, hint="choose another file with --out.")
