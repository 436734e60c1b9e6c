# SPDX-License-Identifier: Apache-2.0
"""Tiles as one scene: the pixels are those of the raster that was cut, and so are its objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from zoo_geo_vectors.mosaic import write_mosaic
from zoo_geo_vectors.mosaic_command import command

import zoo
from zoo.data import read_picture
from zoo.errors import DataError

pytestmark = pytest.mark.mm
Box = tuple[int, int, int, int]  # left, top, right, bottom
SIZE = (90, 120)  # height and width
TRANSFORM = rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 5e6)
ADJOINING: tuple[Box, ...] = ((0, 0, 70, 50), (70, 0, 120, 50), (0, 50, 70, 90), (70, 50, 120, 90))
OVERLAPPING: tuple[Box, ...] = (
    *((0, 0, 70, 50), (50, 0, 120, 50)),
    *((0, 40, 70, 90), (50, 40, 120, 90)),
)


def _moved(columns: float, rows: float, turn_degrees: float = 0.0) -> rasterio.Affine:
    """Return the transform of a raster that lies elsewhere in the grid, or turned in it."""
    cos, sin = (float(part(np.radians(turn_degrees))) for part in (np.cos, np.sin))
    return rasterio.Affine(
        *(0.5 * cos, -0.5 * sin, 5e5 + 0.5 * columns),
        *(-0.5 * sin, -0.5 * cos, 5e6 - 0.5 * rows),
    )


UTM: dict[str, Any] = {"crs": "EPSG:32631", "transform": TRANSFORM}


def _noise(bands: int = 3, dtype: str = "uint8", most: int | None = None) -> NDArray[Any]:
    high = np.iinfo(dtype).max if most is None else most
    return np.random.default_rng(0).integers(0, high, (bands, *SIZE), endpoint=True).astype(dtype)


def _write(path: Path, pixels: NDArray[Any], box: Box = (0, 0, *SIZE[::-1]), **how: Any) -> Path:
    """Write a part of a raster, ``(C, H, W)``, where it lies."""
    left, top, right, bottom = box
    part = pixels[:, top:bottom, left:right]
    colors, mask = how.pop("colors", None), how.pop("mask", None)
    colormap = how.pop("colormap", None)
    profile = {"driver": "GTiff", **UTM, **how}
    if profile["transform"] is not None:
        a, b, c, d, e, f = tuple(profile["transform"])[:6]
        corner = (c + a * left + b * top, f + d * left + e * top)
        profile["transform"] = rasterio.Affine(a, b, corner[0], d, e, corner[1])
    count, height, width = part.shape
    profile |= {"count": count, "height": height, "width": width, "dtype": part.dtype}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile) as dataset,
    ):
        if colors is not None:
            dataset.colorinterp = colors
        if colormap is not None:
            dataset.write_colormap(1, colormap)
        dataset.write(part)
        if mask is not None:
            dataset.write_mask(mask[top:bottom, left:right])
    return path


def _cut(folder: Path, pixels: NDArray[Any], boxes: Sequence[Box], **how: Any) -> Path:
    folder.mkdir()
    suffix = "jp2" if how.get("driver") == "JP2OpenJPEG" else "tif"
    for number, box in enumerate(boxes):
        _write(folder / f"{number}.{suffix}", pixels, box, **how)
    return folder


def _there(path: Path) -> NDArray[Any]:
    """Return which pixels of a raster have data, in its first three bands."""
    with rasterio.open(path) as dataset:
        shown = [*range(1, min(dataset.count, 3) + 1)]
        there: NDArray[Any] = (dataset.read_masks(shown) > 0).any(axis=0)
        return there


RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
HOLES = np.where(np.random.default_rng(1).random(SIZE) < 0.3, 0, 255).astype(np.uint8)
WITH_ALPHA = np.concatenate([_noise(), HOLES[None]])
KINDS: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "grey": (_noise(1), {}),
    "colours of 16 bits": (_noise(3, "uint16"), {}),
    "five bands": (_noise(5), {}),
    "missing data by a value": (_noise(3, most=5), {"nodata": 3}),
    "missing data by a mask": (_noise(), {"mask": HOLES}),
    "missing data by transparency": (WITH_ALPHA, {"colors": RGBA}),
    "palette": (_noise(1, most=2), {"colormap": {0: (9, 8, 7), 1: (0, 200, 0), 2: (1, 2, 250)}}),
    "one bit": (_noise(1, most=1), {"nbits": 1}),
    "white is zero": (_noise(1), {"photometric": "MINISWHITE"}),
    "tiled": (_noise(), {"tiled": True, "blockxsize": 32, "blockysize": 16}),
    "degrees": (
        _noise(),
        {"crs": "EPSG:4326", "transform": rasterio.Affine(1e-7, 0, 7.1, 0, -1e-7, 51.2)},
    ),
    "turned": (_noise(), {"transform": _moved(0, 0, 30)}),
    "JPEG 2000": (_noise(), {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}),
}


@pytest.mark.parametrize("boxes", [ADJOINING, OVERLAPPING], ids=["adjoining", "overlapping"])
@pytest.mark.parametrize("kind", KINDS)
def test_mosaic_is_the_raster_that_was_cut(tmp_path: Path, kind: str, boxes: Sequence[Box]) -> None:
    """Pixels as zoo reads them, missing data, and the place."""
    pixels, how = KINDS[kind]
    suffix = "jp2" if "driver" in how else "tif"
    whole = _write(tmp_path / f"whole.{suffix}", pixels, **how)
    folder = _cut(tmp_path / "tiles", pixels, boxes, **how)

    found = write_mosaic([folder])

    assert found.path == folder / "mosaic.vrt"
    assert (found.tiles, found.covered) == (4, 1.0)
    assert (found.height_px, found.width_px) == SIZE
    there, expected = _there(whole), read_picture(whole).pixels.copy()
    if kind.endswith(("mask", "transparency")):  # what a mask hides is nowhere else
        expected[~there] = 0
    assert np.array_equal(expected, read_picture(found.path).pixels)
    assert np.array_equal(there, _there(found.path))
    with rasterio.open(whole) as one, rasterio.open(found.path) as other:
        assert one.crs == other.crs
        assert np.allclose(tuple(one.transform), tuple(other.transform), rtol=1e-12)
        assert one.descriptions == other.descriptions
        assert one.dtypes == other.dtypes


@pytest.mark.parametrize("how", [{}, {"nodata": 3}], ids=["plain", "nodata"])
def test_gap_between_tiles_is_missing_data(tmp_path: Path, how: dict[str, Any]) -> None:
    """That no tile shows it is no statement about its pixels."""
    pixels, expected = _noise(), np.ones(SIZE, bool)
    expected[50:, :70] = False
    folder = _cut(tmp_path / "tiles", pixels, (*ADJOINING[:2], ADJOINING[3]), **how)

    found = write_mosaic([folder])

    there = expected & ~(pixels == how.get("nodata")).all(axis=0)
    assert np.array_equal(there, _there(found.path))
    assert found.covered == pytest.approx(1 - 40 * 70 / (90 * 120))
    shown = read_picture(found.path).pixels
    assert np.array_equal(np.moveaxis(pixels, 0, 2)[expected], shown[expected])


def test_missing_data_of_a_tile_hides_no_other_tile(tmp_path: Path) -> None:
    """Tiles of a survey are often cut with a frame that is empty."""
    folder, pixels = tmp_path / "tiles", _noise()
    folder.mkdir()
    empty = np.zeros(SIZE, np.uint8)
    _write(folder / "a.tif", pixels)
    _write(folder / "b.tif", np.zeros_like(pixels), (20, 20, 60, 60), mask=empty)

    found = write_mosaic([folder])

    assert np.array_equal(np.moveaxis(pixels, 0, 2), read_picture(found.path).pixels)
    assert _there(found.path).all()


def test_last_tile_is_on_top_where_tiles_differ(tmp_path: Path) -> None:
    """By its path, whatever the order in which they are named."""
    for name, value in (("b", 200), ("a", 100)):
        _write(tmp_path / f"{name}.tif", np.full((1, *SIZE), value, np.uint8))

    found = write_mosaic([tmp_path / "b.tif", tmp_path / "a.tif"], tmp_path / "all.vrt")

    assert set(np.unique(read_picture(found.path).pixels)) == {200}


def test_tiles_may_lie_in_folders_below_and_have_strange_names(tmp_path: Path) -> None:
    """What zoo's reader of VRTs and XML could take for something else."""
    names = ("vrt_1.tif", "a & b <1>.tif".replace("<", "(").replace(">", ")"), "größe '2'.TIF")
    for folder, name, box in zip("xyz", names, ADJOINING, strict=False):
        (tmp_path / folder).mkdir()
        _write(tmp_path / folder / name, _noise(), box)

    found = write_mosaic([tmp_path / folder for folder in "xyz"], tmp_path / "all.vrt")

    assert found.tiles == 3
    assert read_picture(found.path).pixels.shape == (*SIZE, 3)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another system": (
        {"crs": "EPSG:32632"},
        "found the reference system EPSG:32632, expected EPSG:32631, as in 'a.tif'",
    ),
    "another resolution": (
        {"transform": rasterio.Affine(0.25, 0, 5e5, 0, -0.25, 5e6)},
        "found pixels of 0.25 x -0.25, expected 0.5 x -0.5, as in 'a.tif'",
    ),
    "turned": (
        {"transform": _moved(0, 0, 90)},
        "expected 0.5 x -0.5, as in 'a.tif'",
    ),
    "another grid": (
        {"transform": _moved(0.25, 0)},
        "found a grid that is 0.25 px off, expected one grid, as in 'a.tif'",
    ),
    "no coordinates": ({"crs": None, "transform": None}, "found no coordinates"),
    "other bands": ({"pixels": _noise(1)}, "found bands 1, expected 3, as in 'a.tif'"),
    "other pixels": (
        {"pixels": _noise(3, "uint16")},
        "found pixels 'uint16', expected 'uint8', as in 'a.tif'",
    ),
    "another palette": (
        {"pixels": _noise(1, most=1), "colormap": {0: (1, 2, 3), 1: (4, 5, 6)}},
        "found another palette, expected the same, as in 'a.tif'",
    ),
    "floats": ({"pixels": np.zeros((3, *SIZE), np.float32)}, "found float32 pixels"),
    "other missing data": ({"nodata": 0}, "found nodata (0.0, 0.0, 0.0), expected ()"),
    "a picture": ({"driver": "PNG"}, "found a PNG, expected a TIFF or a JPEG 2000"),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("fault", REFUSED)
def test_tile_that_does_not_fit_is_refused(tmp_path: Path, fault: str) -> None:
    """By its name, and nothing is written."""
    how, words = dict(REFUSED[fault][0]), REFUSED[fault][1]
    pixels = how.pop("pixels", _noise())
    first = {"colormap": {0: (0, 0, 0), 1: (4, 5, 6)}} if "colormap" in how else {}
    _write(tmp_path / "a.tif", pixels if first else _noise(), **first)
    _write(tmp_path / "b.tif", pixels, **how)

    with pytest.raises(DataError) as caught:
        write_mosaic([tmp_path])

    assert caught.value.message.startswith("cannot make 'b.tif' a part of a mosaic: ")
    assert words in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "mosaic.vrt").exists()


def test_rounding_of_coordinates_is_no_other_grid(tmp_path: Path) -> None:
    """A hundredth of a pixel, as files of few digits have it."""
    moved = _moved(0.01, -0.01)
    _write(tmp_path / "a.tif", _noise(), ADJOINING[0])
    _write(tmp_path / "b.tif", _noise(), ADJOINING[1], transform=moved)

    found = write_mosaic([tmp_path])

    assert (found.width_px, found.height_px, found.covered) == (120, 50, 1.0)


@pytest.mark.parametrize(
    ("inputs", "out", "words"),
    [
        ((), None, "it has no TIFF or JPEG 2000"),
        (("a/t.tif",), None, "cannot choose a place for the mosaic"),
        (("a",), "all.tif", "expected a name that ends in .vrt"),
        (("a",), "b/all.vrt", "cannot name 't.tif' in 'b/all.vrt'"),
        (("c",), None, "there is no such file or folder"),
    ],
)
def test_place_where_zoo_would_not_read_the_mosaic_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: tuple[str, ...],
    out: str | None,
    words: str,
) -> None:
    """A VRT may name what lies beside it or below."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(name).mkdir()
    _write(Path("a", "t.tif"), _noise())

    with pytest.raises(DataError) as caught:
        write_mosaic(inputs or ["b"], out)

    assert words in caught.value.message
    assert caught.value.hint
    if out == "b/all.vrt":
        assert caught.value.hint == f"use --out {tmp_path / 'mosaic.vrt'}."


def test_command_says_what_it_wrote(tmp_path: Path) -> None:
    """For people, and as JSON."""
    folder = _cut(tmp_path / "tiles", _noise(), ADJOINING[:3])

    done = CliRunner().invoke(command, [str(folder)])
    told = CliRunner().invoke(command, [str(folder), "--json"])

    path = folder / "mosaic.vrt"
    assert done.output == (
        f"wrote {path}: 3 tiles, 120 x 90 px, EPSG:32631\n"
        "18.5% of the scene is missing data: no tile shows it\n"
    )
    assert json.loads(told.output) == {
        "schema": "zoo.mosaic/1",
        "file": str(path),
        "tiles": 3,
        "width_px": 120,
        "height_px": 90,
        "crs": "EPSG:32631",
        "transform": list(TRANSFORM)[:6],
        "covered": pytest.approx(1 - 50 * 40 / (90 * 120)),
    }


@pytest.mark.slow
def test_tank_on_borders_of_tiles_is_found_once_with_its_whole_outline(
    tmp_path: Path, scene: Path
) -> None:
    """As in the scene that was not cut; the cut leads through most of the tanks that it can."""
    find = zoo.load("mask_rcnn_small_tanks", task="instance", device="cpu")
    whole = find(scene)
    column, row = (_line_through_most(whole.boxes[:, [axis, axis + 2]]) for axis in (0, 1))
    with rasterio.open(scene) as dataset:
        pixels, place = dataset.read(), {"crs": dataset.crs, "transform": dataset.transform}
    sides = [(0, column + 16), (column - 16, 320)], [(0, row), (row, 320)]
    boxes = [(left, top, right, bottom) for left, right in sides[0] for top, bottom in sides[1]]
    folder = _cut(tmp_path / "tiles", pixels, boxes, **place)

    found = find(write_mosaic([folder]).path)

    assert zoo.geojson_text(found) == zoo.geojson_text(whole)
    left, top, right, bottom = found.boxes.T
    assert ((left < column - 2) & (right > column + 2)).any()
    assert ((top < row - 2) & (bottom > row + 2)).any()


def _line_through_most(sides: NDArray[Any]) -> int:
    """Return the row or column inside most of the boxes, given by two sides each."""
    lines = np.arange(32, 288)
    inside = (sides[:, :1] + 4 < lines) & (lines < sides[:, 1:] - 4)
    return int(lines[inside.sum(axis=0).argmax()])
