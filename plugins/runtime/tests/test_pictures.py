# SPDX-License-Identifier: Apache-2.0
"""Pictures of every kind, pixel by pixel beside zoo.data, which reads them by other decoders."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("cv2")
pytest.importorskip("simplejpeg")

import numpy as np  # noqa: E402 (after the skip)
from PIL import Image  # noqa: E402

sys.path.append(str(Path(__file__).parent))
from bmp_writer import bitmaps  # noqa: E402
from png_writer import chunk, png  # noqa: E402
from zoo_runtime.decoding import decode_picture as decode_here  # noqa: E402
from zoo_runtime.errors import DataError as RefusedHere  # noqa: E402

from zoo.data import decode_picture  # noqa: E402
from zoo.errors import DataError  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_TIFF_KINDS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "group3", "group4", "jpeg")
# What zoo reads with rasterio, which is not here.
_NEEDS_RASTERIO = {
    *(("LA", kind) for kind in _TIFF_KINDS),
    *(("YCbCr", kind) for kind in _TIFF_KINDS[:-1]),
    *(("CMYK", "jpeg"), ("RGBA", "jpeg")),
}


def _read_by(decode: Any, refusal: type[Exception], data: bytes) -> NDArray[Any] | str:
    try:
        pixels: NDArray[Any] = decode(data, "x").to_uint8()
    except refusal as error:
        return str(error)
    return pixels


def _compare(data: bytes) -> str:
    """Return ``same``, ``both refuse``, or what differs."""
    wanted = _read_by(decode_picture, DataError, data)
    found = _read_by(decode_here, RefusedHere, data)
    if isinstance(wanted, str) or isinstance(found, str):
        if isinstance(wanted, str) and isinstance(found, str):
            return "both refuse"
        return f"zoo: {wanted}" if isinstance(wanted, str) else f"here: {found}"
    return "same" if np.array_equal(wanted, found) else "other pixels"


def _pillow() -> dict[str, Any]:
    """Return an image by each mode of Pillow."""
    y, x = np.mgrid[0:40, 0:67]
    rgb = np.dstack([x * 3 % 256, y * 5 % 256, (x + 2 * y) % 256]).astype(np.uint8)
    image = Image.fromarray(rgb)
    images = {mode: image.convert(mode) for mode in ("RGB", "L", "1", "CMYK", "LA", "YCbCr")}
    images |= {"P": image.quantize(37), "P256": image.quantize(256)}
    images["RGBA"] = Image.fromarray(np.dstack([rgb, rgb[..., 0]]), "RGBA")
    images["I;16"] = Image.fromarray(rgb[..., 0].astype(np.uint16) * 201)
    return images


def _saved(image: Any, kind: str, **options: Any) -> bytes | None:
    stream = io.BytesIO()
    try:
        image.save(stream, kind, **options)
    except (OSError, ValueError, RuntimeError):
        return None
    return stream.getvalue()


@pytest.mark.parametrize("color", _DEPTHS)
def test_png_of_any_kind(color: int) -> None:
    """Every depth, interlacing, filter and transparency: zoo's pixels."""
    generator, found = np.random.default_rng(color), Counter[str]()
    for depth, interlaced, transparent, size in itertools.product(
        _DEPTHS[color], (False, True), (False, True), ((1, 1), (5, 3), (16, 23))
    ):
        colors = generator.integers(0, 256, (2**depth, 3), np.uint8) if color == 3 else None
        before = b"" if colors is None else chunk(b"PLTE", colors.tobytes())
        if transparent and color in (0, 2, 3):
            before += chunk(b"tRNS", {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0"}[color])
        samples = generator.integers(0, 2**depth, (*size, _CHANNELS[color]))
        data = png(samples, color, depth, interlaced=interlaced, filters=size[0], before=before)
        found[_compare(data)] += 1

    assert {"same"} == set(found)


def test_jpeg_of_any_kind() -> None:
    """Grey and colour, every subsampling, progressive or not, and each orientation."""
    images, found = _pillow(), Counter[str]()
    for quality, subsampling, is_progressive in itertools.product((20, 75, 99), (0, 1, 2), (0, 1)):
        for mode in ("RGB", "L", "CMYK"):
            options = {"subsampling": subsampling} if mode == "RGB" else {}
            data = _saved(
                images[mode], "JPEG", quality=quality, progressive=bool(is_progressive), **options
            )
            found[_compare(data or b"")] += 1
    for data in _turned(images["RGB"], "JPEG"):
        found[_compare(data)] += 1

    assert dict(found) == {"same": 62}


def _turned(image: Any, kind: str) -> Iterator[bytes]:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        how = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif.tobytes()}
        data = _saved(image, kind, **how)
        if data is not None:
            yield data


@pytest.mark.parametrize(
    "mode", ["RGB", "L", "1", "CMYK", "LA", "YCbCr", "P", "P256", "RGBA", "I;16"]
)
def test_tiff_of_any_kind(mode: str) -> None:
    """Zoo's pixels; what zoo reads with rasterio is refused, never read in another way."""
    image, found = _pillow()[mode], {}
    for compression, is_big in itertools.product(_TIFF_KINDS, (False, True)):
        options = {} if compression is None else {"compression": compression}
        data = _saved(image, "TIFF", big_tiff=is_big, **options)
        if data is not None:
            found[compression, is_big] = _compare(data)
    turned = {_compare(data) for data in _turned(image, "TIFF")}

    for (compression, _), outcome in found.items():
        needs_rasterio = (mode, compression) in _NEEDS_RASTERIO
        assert outcome.startswith("here: cannot decode" if needs_rasterio else "same"), compression
    assert len(turned) == 1
    assert turned.pop().startswith("same" if mode not in ("LA", "YCbCr") else "here: ")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 9), (32, 4)])
def test_bmp_of_any_kind(size: tuple[int, int]) -> None:
    """Every header, depth, palette, mask and run: zoo's pixels, of which Pillow is the reader."""
    found = {kind: _compare(data) for kind, data in bitmaps(size[0], size)}

    # Pillow takes such a palette for that of 8 bits and returns the bytes of a row as its pixels.
    odd = {kind for kind in found if kind.startswith("4 bits") and "palette grey" in kind}
    assert {"same", "both refuse"} == {v for kind, v in found.items() if kind not in odd}
    assert all(found[kind] != "other pixels" for kind in odd)
    assert list(found.values()).count("same") > 80


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_truncated_file_is_refused_as_zoo_refuses_it(kind: str) -> None:
    """Cut at fifty places, no picture of fewer pixels, or of guessed ones, comes back."""
    data = _saved(_pillow()["RGB"], kind) or b""

    for at in np.linspace(0, len(data) - 1, 50).astype(int).tolist():
        assert _compare(data[:at]) == "both refuse", at


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.filterwarnings("ignore:Metadata Warning")  # of Pillow, for zoo
@pytest.mark.parametrize("seed", range(2))
def test_damaged_file_never_has_other_pixels(kind: str, seed: int) -> None:
    """Bytes changed anywhere: what both read is the same, and what zoo refuses is refused."""
    generator = np.random.default_rng(seed)
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    whole = _saved(_pillow()["RGB"], kind, **options) or b""
    for _ in range(120):
        data = bytearray(whole)
        for place in generator.integers(0, len(data), generator.integers(1, 4)):
            data[place] = generator.integers(0, 256)

        outcome = _compare(bytes(data))

        assert outcome in ("same", "both refuse") or outcome.startswith("here: "), outcome


def test_bomb_is_refused_before_it_is_decoded() -> None:
    """A PNG of 60,000 x 60,000 px in a kilobyte; a BMP, a TIFF and a JPEG that state as much."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 10_000)
    bombs = [
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    ]
    for kind in ("BMP", "JPEG", "TIFF"):
        data = bytearray(_saved(_pillow()["L"], kind) or b"")
        if kind == "BMP":
            data[18:26] = struct.pack("<ii", 60_000, 60_000)
        elif kind == "JPEG":
            at = data.index(b"\xff\xc0") + 5
            data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
        else:
            (at,) = struct.unpack_from("<I", data, 4)
            for index in range(*struct.unpack_from("<H", data, at)):
                place = at + 2 + 12 * index
                if struct.unpack_from("<H", data, place)[0] in (256, 257):
                    data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, 60_000)
        bombs.append(bytes(data))

    for data in bombs:
        with pytest.raises(RefusedHere, match="60000x60000") as caught:
            decode_here(data, "x")
        assert caught.value.hint


def test_without_simplejpeg_the_same_pixels_or_a_refusal(tmp_path: Path) -> None:
    """OpenCV alone reads grey and colour JPEGs as zoo does; four inks are refused with a hint."""
    for mode in ("RGB", "L", "CMYK"):
        (tmp_path / f"{mode}.jpg").write_bytes(_saved(_pillow()[mode], "JPEG") or b"")
    code = """if True:
        import sys, numpy
        sys.modules["simplejpeg"] = None
        sys.path.insert(0, sys.argv[1])
        from zoo_runtime.decoding import read_picture
        from zoo_runtime.errors import DataError
        for mode in ("RGB", "L", "CMYK"):
            try:
                numpy.save(f"{mode}.npy", read_picture(f"{mode}.jpg").pixels)
            except DataError as error:
                print(error)
    """
    package = str(Path(__file__).resolve().parents[1])

    done = subprocess.run(
        [sys.executable, "-c", code, package],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    for mode in ("RGB", "L"):
        wanted = decode_picture((tmp_path / f"{mode}.jpg").read_bytes(), "x").pixels
        assert np.array_equal(wanted, np.load(tmp_path / f"{mode}.npy"))
    assert "a JPEG of four inks" in done.stdout
    assert 'pip install "mmzoo-runtime[jpeg]"' in done.stdout
