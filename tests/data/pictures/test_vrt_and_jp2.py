# SPDX-License-Identifier: Apache-2.0
"""VRT and JPEG 2000: read where rasterio is, and refused as what they are where it is not."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
rasterio = pytest.importorskip("rasterio")

import numpy as np  # noqa: E402 (after the skip)

from zoo.data import decode_image, read_picture, to_uint8  # noqa: E402
from zoo.data.decoders.faults import INSTALL_RASTERIO  # noqa: E402
from zoo.engine.scenes.opening import open_scene  # noqa: E402
from zoo.errors import DataError  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZE = (40, 64)


def _noise(bands: int, dtype: str = "uint8") -> NDArray[Any]:
    most = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, most, (bands, *_SIZE)).astype(dtype)


def _write(path: Path, bands: NDArray[Any], driver: str = "GTiff", **profile: Any) -> None:
    count, height, width = bands.shape
    size = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver=driver, **size, **profile) as dataset:
            dataset.write(bands)


def _vrt(source: str, *, relative: int = 1, extra: str = "", kind: str = "") -> str:
    """Return a VRT of one band, the left half of a file's."""
    height, width = _SIZE
    return (
        f'<VRTDataset rasterXSize="{width // 2}" rasterYSize="{height}">{extra}'
        f'<VRTRasterBand dataType="Byte" band="1"{kind}><ColorInterp>Gray</ColorInterp>'
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        f'<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="{width // 2}" '
        f'ySize="{height}"/><DstRect xOff="0" yOff="0" xSize="{width // 2}" ySize="{height}"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


@pytest.mark.parametrize("folder", ["", "tiles/"])
def test_vrt_when_of_files_beside_it_then_read(tmp_path: Path, folder: str) -> None:
    """By both ways that predict reads; GDAL's own words at its head are allowed."""
    bands = _noise(1)
    (tmp_path / "tiles").mkdir()
    _write(tmp_path / f"{folder}a.tif", bands)
    path = tmp_path / "a.vrt"
    path.write_text('<?xml version="1.0"?>\n' + _vrt(f"{folder}a.tif"), encoding="utf-8")

    expected = bands[0, :, : _SIZE[1] // 2]
    assert np.array_equal(expected, read_picture(path).pixels)
    with open_scene(path) as scene:
        assert np.array_equal(expected, scene.shown())


_PYTHON = (
    "<PixelFunctionType>run</PixelFunctionType><PixelFunctionLanguage>Python"
    "</PixelFunctionLanguage><PixelFunctionCode>import os</PixelFunctionCode>"
)
_HOSTILE = {
    "absolute": _vrt("{outside}/secret.tif"),
    "absolute and said so": _vrt("{outside}/secret.tif", relative=0),
    "beside it, said to be elsewhere": _vrt("a.tif", relative=0),
    "up": _vrt("../outside/secret.tif"),
    "up from below": _vrt("tiles/../../outside/secret.tif"),
    "up, and down again": _vrt("../{name}/../outside/secret.tif"),
    "a link that leads out": _vrt("link.tif"),
    "a folder that leads out": _vrt("linked/secret.tif"),
    "the network": _vrt("/vsicurl/http://127.0.0.1:9/a.tif"),
    "an address": _vrt("http://127.0.0.1:9/a.tif"),
    "an archive": _vrt("/vsizip/a.zip/a.tif"),
    "a page": _vrt("GTIFF_DIR:1:a.tif"),
    "a service": _vrt("&lt;GDAL_WMS&gt;&lt;/GDAL_WMS&gt;"),
    "another VRT": _vrt("b.vrt"),
    "a VRT by its scheme": _vrt("vrt://a.tif"),
    "a text": _vrt("note.txt"),
    "a pipe": _vrt("pipe.tif"),
    "itself": _vrt("a.vrt"),
    "nothing": _vrt(""),
    "Python": _vrt("a.tif", kind=' subClass="VRTDerivedRasterBand"', extra=_PYTHON),
    "raw bytes": _vrt("a.tif", kind=' subClass="VRTRawRasterBand"'),
    "a warp": _vrt("a.tif", extra="<GDALWarpOptions/>"),
    "options of a driver": _vrt("a.tif", extra="<OpenOptions/>"),
    "an entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + _vrt("&a;"),
    "no end": _vrt("a.tif")[:-20],
    "deep": "<VRTDataset>" + "<Metadata>" * 200_000,
}


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.timeout(20)
def test_vrt_when_it_leads_elsewhere_then_refused(tmp_path: Path, name: str) -> None:
    """Before GDAL sees it; what it leads to is there, and a picture."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "tiles").mkdir(parents=True)
    outside.mkdir()
    _write(outside / "secret.tif", _noise(1))
    _write(inside / "a.tif", _noise(1))
    (inside / "b.vrt").write_text(_vrt("a.tif"), encoding="utf-8")
    (inside / "note.txt").write_text("text", encoding="utf-8")
    (inside / "link.tif").symlink_to(outside / "secret.tif")
    (inside / "linked").symlink_to(outside)
    os.mkfifo(inside / "pipe.tif")
    path = inside / "a.vrt"
    text = _HOSTILE[name].replace("{outside}", str(outside)).replace("{name}", "inside")
    path.write_text(text, encoding="utf-8")

    for read in (read_picture, open_scene):
        with pytest.raises(DataError, match=r"^cannot (read|decode) '") as caught:
            _use(read, path)
        assert caught.value.hint


def _use(read: Any, path: Path) -> None:
    if read is open_scene:
        with open_scene(path):
            return
    read(path)


def test_vrt_when_in_a_source_then_refused_as_what_it_is(tmp_path: Path) -> None:
    """An archive has no folder around it."""
    with pytest.raises(DataError, match="found a VRT, which names other files") as caught:
        decode_image(_vrt("a.tif").encode(), "raw.zip!a.vrt")

    assert caught.value.hint == "gdal_translate IN.vrt OUT.tif makes one file of it."


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_jp2_when_lossless_then_its_samples_return(tmp_path: Path, count: int, dtype: str) -> None:
    """As satellites' bands come; decoded whole and in windows."""
    bands = _noise(count, dtype)
    path = tmp_path / "a.jp2"
    _write(path, bands, "JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES")

    expected = bands[0] if count == 1 else np.moveaxis(bands[:3], 0, 2)
    assert np.array_equal(expected, decode_image(path.read_bytes(), "a.jp2"))
    with open_scene(path) as scene:
        assert np.array_equal(to_uint8(expected), scene.shown())


@pytest.mark.parametrize(("kind", "called"), [("a.jp2", "a JPEG 2000"), ("a.vrt", "a VRT")])
def test_raster_when_rasterio_is_missing_then_refused_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, called: str
) -> None:
    """With the extra that reads it."""
    _write(tmp_path / "a.tif", _noise(1))
    _write(tmp_path / "a.jp2", _noise(1), "JP2OpenJPEG")
    (tmp_path / "a.vrt").write_text(_vrt("a.tif"), encoding="utf-8")
    monkeypatch.setitem(sys.modules, "rasterio", None)

    for read in (read_picture, open_scene):
        with pytest.raises(DataError) as caught:
            _use(read, tmp_path / kind)
        expected = f"cannot read '{kind}': found {called}, which needs rasterio, "
        assert caught.value.message == expected + "which is not installed."
        assert caught.value.hint == INSTALL_RASTERIO


@pytest.mark.parametrize("kept", [10, 100, -40])
def test_jp2_when_cut_off_then_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.jp2"
    _write(path, _noise(3), "JP2OpenJPEG")

    with pytest.raises(DataError):
        decode_image(path.read_bytes()[:kept], "a.jp2")
