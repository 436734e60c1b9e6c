# SPDX-License-Identifier: Apache-2.0
"""TIFFs as rasterio writes them, kind by kind: what comes back is what was written."""

from __future__ import annotations

import io
import itertools
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
rasterio = pytest.importorskip("rasterio")

import numpy as np  # noqa: E402 (after the skip)

from zoo.data import decode_picture, to_uint8  # noqa: E402
from zoo.data.decoders.faults import INSTALL_RASTERIO  # noqa: E402
from zoo.engine.scenes.opening import open_scene  # noqa: E402
from zoo.errors import DataError  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEIGHT, _WIDTH = 75, 131
# Bands, their type, what they show, and which of them make the picture.
_CONTENTS = [
    (1, "uint8", "MINISBLACK"),
    (1, "uint16", "MINISBLACK"),
    (1, "uint8", "MINISWHITE"),
    (1, "uint16", "MINISWHITE"),
    (2, "uint8", "MINISBLACK"),
    (2, "uint16", "MINISBLACK"),
    (3, "uint8", "RGB"),
    (3, "uint16", "RGB"),
    (3, "uint8", "MINISBLACK"),
    (3, "uint16", "MINISBLACK"),
    (4, "uint8", "RGB"),
    (4, "uint16", "RGB"),
    (4, "uint8", "MINISBLACK"),
    (4, "uint16", "MINISBLACK"),
    (5, "uint8", "MINISBLACK"),
    (5, "uint16", "RGB"),
    (13, "uint16", "MINISBLACK"),
]
_COMPRESSIONS = [
    *(("NONE", 1), ("LZW", 1), ("LZW", 2), ("DEFLATE", 1), ("DEFLATE", 2), ("PACKBITS", 1)),
    *(("ZSTD", 1), ("ZSTD", 2), ("LZMA", 1), ("LERC", 1), ("LERC_DEFLATE", 1)),
]
_LAYOUTS: list[dict[str, Any]] = [
    {"blockysize": 1},
    {"blockysize": 7},
    {"blockysize": _HEIGHT},
    *({"tiled": True, "blockxsize": side, "blockysize": side} for side in (16, 48, 64, 256)),
    {"tiled": True, "blockxsize": 64, "blockysize": 128},
]
_KINDS = list(itertools.product(_CONTENTS, _COMPRESSIONS, _LAYOUTS, ("pixel", "band")))
_ORDERS = list(itertools.product(("LITTLE", "BIG"), ("NO", "YES"), ("NO", "YES", "PREMULTIPLIED")))


def _bands(count: int, dtype: str) -> NDArray[Any]:
    """Return ``(count, H, W)`` of smooth ramps that use the whole range, each band another."""
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    most = np.iinfo(dtype).max + 1
    ramps = [(x * 97 * (band + 1) + y * 31 + band * 1000) % most for band in range(count)]
    return np.stack(ramps).astype(dtype)


def _picture(bands: NDArray[Any], photometric: str) -> NDArray[Any]:
    """Return what the rules of docs/guide/data.md make of bands."""
    if len(bands) >= 3:
        return np.moveaxis(bands[:3], 0, 2)
    return np.iinfo(bands.dtype).max - bands[0] if photometric == "MINISWHITE" else bands[0]


def _write(path: Path, bands: NDArray[Any], **profile: Any) -> None:
    count, height, width = bands.shape
    size = {"count": count, "height": height, "width": width, "dtype": bands.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", **size, **profile) as dataset:
            dataset.write(bands)


def _files(folder: Path, step: int) -> Iterator[tuple[str, Path, NDArray[Any]]]:
    """Yield a name, a file and its picture, of every ``step``-th kind."""
    path = folder / "a.tif"
    for index, (content, compression, layout, interleave) in enumerate(_KINDS):
        if index % step:
            continue
        count, dtype, photometric = content
        order, big, alpha = _ORDERS[index // step % len(_ORDERS)]
        profile = {"photometric": photometric, "compress": compression[0], "interleave": interleave}
        profile |= {"ENDIANNESS": order, "BIGTIFF": big, **layout}
        if compression[1] == 2:
            profile["predictor"] = 2
        if photometric == "RGB" and count > 3:
            profile["alpha"] = alpha
        bands = _bands(count, dtype)
        _write(path, bands, **profile)
        yield f"{count} x {dtype}: {profile}", path, _picture(bands, photometric)


def _check_matrix(folder: Path, step: int) -> int:
    number = 0
    for name, path, expected in _files(folder, step):
        picture = decode_picture(path.read_bytes(), "a.tif")
        assert expected.dtype == picture.pixels.dtype, name
        assert np.array_equal(expected, picture.pixels), name
        with open_scene(path) as scene:
            assert np.array_equal(to_uint8(expected), scene.shown()), name
        number += 1
    return number


def test_tiff_when_written_by_gdal_then_its_samples_return(tmp_path: Path) -> None:
    """One reader: decoded whole, and read in windows, pixels are those that were written."""
    assert _check_matrix(tmp_path, 47) == 64


@pytest.mark.slow
def test_tiff_when_written_in_any_way_then_its_samples_return(tmp_path: Path) -> None:
    """The same over more of the matrix, of 2992 kinds."""
    assert _check_matrix(tmp_path, 5) == 599


def test_tiff_when_rasterio_is_missing_then_equal_or_refused_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed decides what can be read, and never what pixels come of it."""
    refused: list[tuple[str, DataError]] = []
    read = 0
    for name, path, expected in _files(tmp_path, 23):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "rasterio", None)
            try:
                pixels = decode_picture(path.read_bytes(), "a.tif").pixels
            except DataError as caught:
                refused.append((name, caught))
                continue
        assert np.array_equal(expected, pixels), name
        read += 1

    assert (read, len(refused)) == (16, 115)
    for name, error in refused:
        assert error.message.startswith("cannot decode 'a.tif': found a TIFF "), name
        assert "damaged" not in error.message, name
        assert error.hint == INSTALL_RASTERIO, name


def test_tiff_when_black_and_white_states_no_bits_then_read_without_rasterio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TIFF 6.0 asks black and white for no BitsPerSample, and Pillow writes none."""
    image = pytest.importorskip("PIL.Image")
    expected = np.indices((_HEIGHT, _WIDTH)).sum(axis=0) % 7 > 2
    stream = io.BytesIO()
    image.fromarray(expected).save(stream, "TIFF")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    pixels = decode_picture(stream.getvalue(), "a.tif").pixels
    assert np.array_equal(pixels, expected * np.uint8(255))
