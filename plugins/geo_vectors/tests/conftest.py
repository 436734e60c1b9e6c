# SPDX-License-Identifier: Apache-2.0
"""Predictions as the engine hands them over, and files read back by pyogrio."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from pycocotools import mask as tools
from zoo_geo_vectors import formats

import zoo
from zoo.data import Report
from zoo.interfaces import LabelledImage, LabelledObject, Labels

UTM = {
    "crs": "urn:ogc:def:crs:EPSG::32631",
    "transform": (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0),
}
CLASSES = {
    "gpkg": formats.GeoPackage,
    "geojson": formats.GeoJson,
    "shp": formats.Shapefile,
    "csv": formats.Csv,
}


@dataclass(frozen=True)
class Layer:
    """What a file holds, as another program reads it."""

    crs: str
    shapes: NDArray[Any]
    columns: dict[str, list[Any]]

    def by_id(self) -> dict[int, Any]:
        return dict(zip(self.columns["id"], self.shapes, strict=True))


@pytest.fixture(scope="session")
def rle_of() -> Callable[[NDArray[Any]], dict[str, Any]]:
    """Return a mask as compact run lengths, by pycocotools."""

    def encode(mask: NDArray[Any]) -> dict[str, Any]:
        rle = tools.encode(np.asfortranarray(mask, np.uint8))
        return {"size": list(mask.shape), "counts": rle["counts"].decode()}

    return encode


@pytest.fixture(scope="session")
def label_map(rle_of: Callable[..., Any]) -> Callable[..., Labels]:
    """Return a label map as labels: a mask for each class, without the background 0."""

    def make(ids: NDArray[Any], classes: Sequence[str] = ("a", "b", "c"), **place: Any) -> Labels:
        objects = tuple(
            LabelledObject(label=name, rle=rle_of(ids == number))
            for number, name in enumerate(classes, 1)
            if (ids == number).any()
        )
        size = (ids.shape[1], ids.shape[0])
        image = LabelledImage(name="a.tif", size=size, objects=objects, **(place or UTM))
        return Labels(classes=tuple(classes), images=(image,))

    return make


@pytest.fixture(scope="session")
def instances(rle_of: Callable[..., Any]) -> Callable[..., Labels]:
    """Return masks as instances of one class, with ids from 7 on."""

    def make(masks: Sequence[NDArray[Any]], **place: Any) -> Labels:
        objects = tuple(
            LabelledObject(label="tank", rle=rle_of(mask), score=0.9, id=number)
            for number, mask in enumerate(masks, 7)
        )
        height, width = masks[0].shape
        place = place or UTM
        image = LabelledImage(name="a.tif", size=(width, height), objects=objects, **place)
        return Labels(classes=("tank",), images=(image,), palette=((220, 20, 60),))

    return make


@pytest.fixture(scope="session")
def write() -> Callable[..., tuple[Path, Report]]:
    """Write labels in a format, with its options."""

    def run(kind: str, labels: Labels, folder: Path, **options: Any) -> tuple[Path, Report]:
        path, report = folder / f"found.{kind}", Report()
        CLASSES[kind](**options).write(labels, path, report)
        return path, report

    return run


@pytest.fixture(scope="session")
def read_layer() -> Callable[[Path], Layer]:
    """Read the one layer of a file."""

    def read(path: Path) -> Layer:
        assert len(pyogrio.list_layers(path)) == 1
        meta, _, shapes, values = pyogrio.raw.read(path)
        columns = {name: each.tolist() for name, each in zip(meta["fields"], values, strict=True)}
        return Layer(meta["crs"], shapely.from_wkb(shapes), columns)

    return read


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Return the part of a drawn scene that shows most tanks, as a GeoTIFF of 1 m a pixel."""
    zoo.sample("oil_storage", tmp_path / "raw", seed=5, count=1)
    (image,) = (tmp_path / "raw" / "images").iterdir()
    truth = json.loads((tmp_path / "raw" / "truth" / "annotations.json").read_text())
    corners = [row["bbox"][:2] for row in truth["annotations"]]
    starts = [(x, y) for x in range(0, 449, 64) for y in range(0, 449, 64)]
    left, top = max(
        starts, key=lambda at: sum(0 < x - at[0] < 300 and 0 < y - at[1] < 300 for x, y in corners)
    )
    pixels = cv2.imread(str(image), cv2.IMREAD_COLOR)[top : top + 320, left : left + 320, ::-1]
    path = tmp_path / "scene.tif"
    place = {"crs": "EPSG:32631", "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 5e6)}
    shape = {"count": 3, "height": 320, "width": 320, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as raster:
        raster.write(pixels.transpose(2, 0, 1))
    return path
