# SPDX-License-Identifier: Apache-2.0
"""The formats that ``zoo predict --format`` names: GeoPackage, GeoJSON, Shapefile and CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.data import Report, replace_file
from zoo.interfaces import Labels
from zoo_geo_vectors.features import Choices, features_of
from zoo_geo_vectors.files import GEOJSON, GPKG, SHP, write_layer, write_table
from zoo_geo_vectors.style import style_of

__all__ = ["Csv", "GeoJson", "GeoPackage", "Shapefile"]


class _Layer:
    """Polygons of all images in one layer, and a style for QGIS beside it.

    Args:
        options: Those of the row in the manifest, fields of `Choices`.

    Raises:
        DataError: A number is out of its range, or there is no such reference system.
    """

    driver = ""

    def __init__(self, **options: Any) -> None:
        self._choices = Choices(**options)

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write the objects of all images that have coordinates.

        Args:
            labels: What a model has found.
            out: The file.
            report: Receives images without coordinates, and objects that are left out.

        Raises:
            DataError: No image has coordinates, they lie in several reference systems, or the file
                cannot be written.
        """
        found = features_of(labels, self._choices, report)
        write_layer(found, out, self.driver, report)
        replace_file(out.with_suffix(".qml"), style_of("class", labels.classes, labels.palette))
        report.count("objects", len(found.features))


class GeoPackage(_Layer):
    """A GeoPackage with one layer, ``objects``, of multipolygons."""

    driver = GPKG


class GeoJson(_Layer):
    """A GeoJSON whose member ``crs`` names the reference system, as GDAL and QGIS read it."""

    driver = GEOJSON


class Shapefile(_Layer):
    """A Shapefile in UTF-8; the names of its columns fit into ten characters."""

    driver = SHP


class Csv:
    """The measures of all objects as CSV, of images without coordinates in px.

    Args:
        options: Those of the row in the manifest, fields of `Choices`.

    Raises:
        DataError: A number is out of its range, or there is no such reference system.
    """

    def __init__(self, **options: Any) -> None:
        self._choices = Choices(**options)

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write a row for each object.

        Args:
            labels: What a model has found.
            out: The file.
            report: Receives objects that are left out.
        """
        found = features_of(labels, self._choices, report, outlines=False)
        write_table(found, out)
        report.count("objects", len(found.features))
