# SPDX-License-Identifier: Apache-2.0
"""Scenes read window by window: what rasterio wrote, at every depth, with and without it."""

from __future__ import annotations

import logging
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.data import Window, to_uint8
from zoo.data.decoders import faults, raster
from zoo.engine.scenes import opening as scenes
from zoo.engine.scenes import scene as scene_size
from zoo.engine.scenes.opening import open_scene
from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

WINDOW = Window(5, 3, 20, 11)
UTM = {"crs": "EPSG:32631", "transform": (1.5, 0.0, 400_000.0, 0.0, -1.5, 5_700_000.0)}


def write(path: Path, bands: NDArray[Any], **profile: Any) -> Path:
    """Write ``(n, H, W)`` as a tiled TIFF by rasterio."""
    import rasterio
    from affine import Affine

    if "transform" in profile:
        profile["transform"] = Affine(*profile["transform"])
    count, height, width = bands.shape
    size = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    colormap, colors = profile.pop("colormap", None), profile.pop("colorinterp", None)
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16} | profile
    with rasterio.open(path, "w", driver="GTiff", **size, **layout) as dataset:
        if colors:
            dataset.colorinterp = colors
        dataset.write(bands)
        if colormap:
            dataset.write_colormap(1, colormap)
    return path


def noise(*shape: int, dtype: type = np.uint8, low: int = 1) -> NDArray[Any]:
    values = np.random.default_rng(0).integers(low, np.iinfo(dtype).max, shape)
    return values.astype(dtype)


def cut(bands: NDArray[Any]) -> NDArray[Any]:
    """Return the window of bands as a picture."""
    part = bands[:, 3:14, 5:25]
    return part[0] if len(part) == 1 else np.moveaxis(part, 0, 2)


def read(path: Path | NDArray[Any], window: Window = WINDOW) -> NDArray[np.uint8] | None:
    with open_scene(path) as scene:
        return scene.read(window)


@pytest.mark.parametrize("count", [1, 3])
def test_window_of_a_geotiff_is_that_part_of_it(tmp_path: Path, count: int) -> None:
    """Grey and RGB, with the place of the scene."""
    bands = noise(count, 40, 50)
    path = write(tmp_path / "a.tif", bands, **UTM)

    with open_scene(path) as scene:
        assert (scene.width_px, scene.height_px) == (50, 40)
        assert np.array_equal(cut(bands), scene.read(WINDOW))
        assert np.array_equal(np.moveaxis(bands, 0, 2).squeeze(), scene.shown())
        assert scene.georeference is not None
        assert scene.georeference.crs == "urn:ogc:def:crs:EPSG::32631"
        assert scene.georeference.transform == UTM["transform"]
        assert "32631" in scene.georeference.wkt


def test_degrees_are_named_longitude_first(tmp_path: Path) -> None:
    """As GDAL and QGIS read GeoJSON; EPSG::4326 would say the opposite."""
    place = {"crs": "EPSG:4326", "transform": (1e-5, 0.0, 3.0, 0.0, -1e-5, 51.0)}

    with open_scene(write(tmp_path / "a.tif", noise(1, 40, 50), **place)) as scene:
        assert scene.georeference is not None
        assert scene.georeference.crs == "urn:ogc:def:crs:OGC:1.3:CRS84"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_system_without_a_place_in_it_is_no_georeference(tmp_path: Path) -> None:
    """Pixels would pass for metres at the system's origin."""
    with open_scene(write(tmp_path / "a.tif", noise(1, 40, 50), crs="EPSG:32631")) as scene:
        assert scene.georeference is None


@pytest.mark.parametrize("place", [{}, UTM])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_white_that_is_stored_as_zero_is_white(tmp_path: Path, place: dict[str, Any]) -> None:
    """Scanners and some film archives write MinIsWhite, which GDAL gives as it is stored."""
    bands = noise(1, 40, 50)
    path = write(tmp_path / "a.tif", bands, photometric="MINISWHITE", **place)

    assert np.array_equal(255 - cut(bands), read(path))


def test_turned_tiff_is_read_as_it_is_seen(tmp_path: Path) -> None:
    """Its tag says that the first row is the right side: a quarter turn clockwise."""
    from PIL import Image

    Image.fromarray(noise(40, 50)).save(tmp_path / "a.tif", tiffinfo={274: 6})

    with open_scene(tmp_path / "a.tif") as scene:
        assert (scene.width_px, scene.height_px) == (40, 50)
        assert np.array_equal(np.rot90(noise(40, 50), -1), scene.shown())


def test_four_bands_give_red_green_and_blue_by_name(tmp_path: Path) -> None:
    """Blue first and infrared last, as some providers write them."""
    from rasterio.enums import ColorInterp as Color

    bands = noise(4, 40, 50)
    names = [Color.blue, Color.green, Color.red, Color.undefined]
    path = write(tmp_path / "a.tif", bands, colorinterp=names, **UTM)

    assert np.array_equal(cut(bands[[2, 1, 0]]), read(path))


def test_alpha_band_says_where_data_is(tmp_path: Path) -> None:
    """A window of what is transparent alone is none; colours stay, as in `zoo data prepare`."""
    from rasterio.enums import ColorInterp as Color

    bands = noise(4, 40, 50)
    bands[3] = 255
    bands[3, :, :10] = 0
    names = [Color.red, Color.green, Color.blue, Color.alpha]
    path = write(tmp_path / "a.tif", bands, colorinterp=names, **UTM)

    assert np.array_equal(cut(bands[:3]), read(path))
    assert read(path, Window(0, 0, 10, 10)) is None


def test_16_bit_is_stretched_by_the_whole_scene_without_missing_data(tmp_path: Path) -> None:
    """Each window by the same two limits, which nodata does not move."""
    bands = noise(1, 40, 50, dtype=np.uint16, low=3000)
    bands[:, 30:] = 0
    path = write(tmp_path / "a.tif", bands, nodata=0, **UTM)

    there = bands[0, :30].ravel()
    low, high = (int(np.sort(there)[int(np.ceil(there.size * q)) - 1]) for q in (0.001, 0.999))
    stretched = np.rint(np.clip((cut(bands).astype(float) - low) * 255 / (high - low), 0, 255))
    assert np.array_equal(stretched.astype(np.uint8), read(path))
    assert read(path, Window(0, 30, 50, 10)) is None


def test_palette_gives_colors(tmp_path: Path) -> None:
    """Numbers into a palette are no grey."""
    bands = noise(1, 40, 50) % 3
    colors = {0: (9, 8, 7, 255), 1: (200, 0, 0, 255), 2: (0, 100, 50, 255)}
    path = write(tmp_path / "a.tif", bands, colormap=colors, **UTM)

    table = np.array([color[:3] for color in colors.values()], np.uint8)
    assert np.array_equal(table[cut(bands)], read(path))


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_other_pixels_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "dem.tif", np.ones((1, 40, 50), dtype), **UTM)

    with pytest.raises(DataError) as caught, open_scene(path):
        pass

    message = f"cannot read 'dem.tif': found {dtype} pixels, expected uint8 or uint16."
    assert message == caught.value.message
    assert str(caught.value.hint).startswith("gdal_translate -ot UInt16 IN.tif OUT.tif keeps")


def test_damaged_tiff_is_one_message(tmp_path: Path) -> None:
    """The first tile is there, the rest was cut off."""
    path = write(tmp_path / "a.tif", noise(3, 400, 400), **UTM)
    path.write_bytes(path.read_bytes()[:-200_000])

    with pytest.raises(DataError, match=r"^cannot read 'a\.tif': TIFF.*Read error") as caught:
        read(path, Window(0, 0, 400, 400))
    assert caught.value.hint == raster._REPLACE


def test_directory_that_leads_nowhere_is_one_message(tmp_path: Path) -> None:
    """GDAL's own error, which rasterio passes on as it is."""
    path = write(tmp_path / "a.tif", noise(1, 40, 50), **UTM)
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * entries, 0x780000)
    path.write_bytes(data)

    with pytest.raises(DataError, match=r"^cannot open 'a\.tif': .*directory") as caught:
        read(path)
    assert caught.value.hint == raster._REPLACE


def test_pages_are_one_message(tmp_path: Path) -> None:
    from PIL import Image

    page = Image.fromarray(noise(40, 50))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])

    with pytest.raises(DataError, match=r"^cannot read 'a\.tif': found 2 pages") as caught:
        read(tmp_path / "a.tif")
    assert caught.value.hint == "gdal_translate GTIFF_DIR:1:FILE OUT.tif takes the first."


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_plain_tiff_gives_what_decoding_it_gives(
    tmp_path: Path, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without coordinates, with rasterio and by OpenCV: as `zoo data prepare` reads it."""
    import cv2

    picture = np.moveaxis(noise(3, 40, 50, dtype=dtype), 0, 2)
    cv2.imwrite(str(tmp_path / "a.tif"), picture[..., ::-1])

    expected = to_uint8(picture)[3:14, 5:25]
    assert np.array_equal(expected, read(tmp_path / "a.tif"))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert np.array_equal(expected, read(tmp_path / "a.tif"))


def test_large_tiff_is_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing decodes it at once, and it is shown smaller."""
    bands = noise(3, 400, 300)
    path = write(tmp_path / "a.tif", bands)
    monkeypatch.setattr(scenes, "_MOST_DECODED_PX", 100_000)
    monkeypatch.setattr(scene_size, "MOST_SHOWN_PX", 100)
    monkeypatch.setattr(scenes, "read_picture", None)

    with open_scene(path) as scene:
        assert np.array_equal(cut(bands), scene.read(WINDOW))
        assert scene.shown().shape == (100, 75, 3)
        assert scene.georeference is None


class TestWithoutRasterio:
    @pytest.fixture(autouse=True)
    def hide(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "rasterio", None)

    def test_coordinates_are_left_out_with_a_word(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The picture is read all the same."""
        monkeypatch.undo()
        bands = noise(1, 40, 50)
        path = write(tmp_path / "a.tif", bands, tiled=False, blockysize=8, **UTM)
        monkeypatch.setitem(sys.modules, "rasterio", None)

        with caplog.at_level(logging.WARNING, "zoo"), open_scene(path) as scene:
            assert scene.georeference is None
            assert np.array_equal(cut(bands), scene.read(WINDOW))

        assert "the coordinates of a.tif" in caplog.text
        assert 'pip install "mmzoo[geo]"' in caplog.text

    def test_large_tiff_is_refused_with_the_extra_that_reads_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import cv2

        cv2.imwrite(str(tmp_path / "a.tif"), noise(40, 50))
        monkeypatch.setattr(scenes, "_MOST_DECODED_PX", 1000)

        with pytest.raises(DataError) as caught:
            read(tmp_path / "a.tif")

        assert caught.value.message == "cannot read 'a.tif': 50x40 px are read in windows only."
        assert caught.value.hint == faults.INSTALL_RASTERIO


def test_missing_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read 'no\.tif': No such file"):
        read(tmp_path / "no.tif")
