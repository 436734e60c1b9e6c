# SPDX-License-Identifier: Apache-2.0
"""PNG, JPEG and BMP, kind by kind, beside what was written and what Pillow and OpenCV read."""

from __future__ import annotations

import functools
import io
import itertools
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
cv2 = pytest.importorskip("cv2")
pytest.importorskip("simplejpeg")

import numpy as np  # noqa: E402 (after the skip)
from PIL import Image, ImageOps  # noqa: E402

sys.path.append(str(Path(__file__).parent))
from png_writer import chunk, png  # noqa: E402

from zoo.data import decode_image, read_picture  # noqa: E402
from zoo.data.decoders import jpeg  # noqa: E402
from zoo.engine.scenes.opening import open_scene  # noqa: E402
from zoo.errors import DataError  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNGS = [
    (color, depth, interlaced, transparent)
    for color, depths in _DEPTHS.items()
    for depth, interlaced, transparent in itertools.product(depths, (False, True), (False, True))
    if not transparent or color in (0, 2, 3)
]
_SIZES = [(1, 1), (3, 5), (9, 13), (16, 16), (23, 8)]


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _smooth(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([x * 3 % 256, y * 2 % 256, (x + 2 * y) % 256]).astype(np.uint8)


@pytest.mark.parametrize(("color", "depth", "interlaced", "transparent"), _PNGS)
def test_png_when_of_any_kind_then_its_samples_return(
    color: int, depth: int, interlaced: bool, transparent: bool
) -> None:
    """Every colour type, depth, interlacing and transparency; Pillow agrees where it can."""
    generator = np.random.default_rng(depth)
    colors = generator.integers(0, 256, (2**depth, 3), np.uint8) if color == 3 else None
    before = b"" if colors is None else chunk(b"PLTE", colors.tobytes())
    if transparent:
        before += chunk(b"tRNS", {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0"}[color])
    for number, size in enumerate(_SIZES):
        samples = generator.integers(0, 2**depth, (*size, _CHANNELS[color]))
        data = png(samples, color, depth, interlaced=interlaced, filters=number, before=before)

        if colors is not None:
            expected = colors[samples[..., 0]]
        else:
            scale = 255 // (2**depth - 1) if depth < 8 else 1
            kept = samples[..., 0] if color in (0, 4) else samples[..., :3]
            expected = (kept * scale).astype(np.uint16 if depth == 16 else np.uint8)
        assert np.array_equal(expected, decode_image(data, "x"))
        if colors is not None or color == 0:
            assert np.array_equal(samples[..., 0], decode_image(data, "x", palette="index"))
        if depth < 16:
            mode = "L" if color in (0, 4) else "RGB"
            assert np.array_equal(expected, np.asarray(Image.open(io.BytesIO(data)).convert(mode)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_picture_when_turned_then_as_pillow_shows_it(
    tmp_path: Path, kind: str, mode: str, orientation: int
) -> None:
    """EXIF in JPEG and PNG, and TIFF's own tag; by both ways that predict reads."""
    if (kind, mode) == ("JPEG", "I;16"):
        pytest.skip("JPEG has 8 bits")
    pixels = _smooth(24, 40)
    pixels = pixels[..., 0] if mode != "RGB" else pixels
    image = Image.fromarray(pixels.astype(np.uint16) * 200 if mode == "I;16" else pixels)
    path = tmp_path / "a"
    how: dict[str, Any] = {"exif": _exif(orientation)}
    if kind == "TIFF":
        how = {"tiffinfo": {274: orientation}}
    image.save(path, kind, **how)
    stored = np.asarray(Image.open(path) if kind == "JPEG" else image)
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    turn = turns.get(orientation)
    expected = stored
    if turn is not None:
        expected = _transposed(stored, Image.Transpose(turn))

    read = read_picture(path)
    assert np.array_equal(expected, read.pixels)
    assert np.array_equal(stored, read_picture(path, upright=False).pixels)
    with open_scene(path) as scene:
        assert np.array_equal(read.to_uint8(), scene.shown())
    if mode != "I;16":
        shown = ImageOps.exif_transpose(Image.open(path))
        assert kind == "TIFF" or np.array_equal(np.asarray(shown), read.pixels)


def _transposed(pixels: NDArray[Any], turn: Image.Transpose) -> NDArray[Any]:
    """Return pixels turned by Pillow, their places in place of their values."""
    places = np.arange(pixels.shape[0] * pixels.shape[1], dtype=np.int32)
    turned = np.asarray(Image.fromarray(places.reshape(pixels.shape[:2])).transpose(turn))
    return pixels.reshape(-1, *pixels.shape[2:])[turned]


@pytest.mark.parametrize("quality", [20, 90, 100])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "keep RGB"])
def test_jpeg_when_of_any_kind_then_as_pillow_and_opencv_read_it(
    mode: str, subsampling: int, progressive: bool, quality: int
) -> None:
    """What prepare copies undecoded, training reads by OpenCV: it must see the same."""
    for size in [(1, 1), (8, 8), (37, 51), (64, 128)]:
        stream = io.BytesIO()
        how: dict[str, Any] = {"keep_rgb": True} if mode == "keep RGB" else {}
        if mode == "RGB":
            how = {"subsampling": subsampling}
        image = Image.fromarray(_smooth(*size)).convert("RGB" if mode == "keep RGB" else mode)
        image.save(stream, "JPEG", quality=quality, progressive=progressive, **how)
        data = stream.getvalue()

        decoded = decode_image(data, "x")

        shown = Image.open(io.BytesIO(data)).convert("L" if mode == "L" else "RGB")
        assert np.array_equal(np.asarray(shown), decoded)
        flags = cv2.IMREAD_GRAYSCALE if mode == "L" else cv2.IMREAD_COLOR
        by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        by_opencv = by_opencv if mode == "L" else by_opencv[..., ::-1]
        if mode != "CMYK":  # OpenCV rounds inks down, and prepare never copies them
            assert np.array_equal(by_opencv, decoded)


def _jpeg(**how: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(_smooth(203, 301)).save(stream, "JPEG", **{"quality": 85, **how})
    return stream.getvalue()


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
@pytest.mark.parametrize("first", [0, 11, 36])
def test_jpeg_when_every_37th_byte_is_changed_then_refused(how: dict[str, Any], first: int) -> None:
    """The decoder only warns, and fills the rest with what it guesses."""
    data = bytearray(_jpeg(**how))
    for at in range(data.index(b"\xff\xda") + 20 + first, len(data) - 2, 37):
        data[at] = (data[at] + 1) % 255

    with pytest.raises(DataError, match=r"^cannot decode 'x\.jpg': found a "):
        decode_image(bytes(data), "x.jpg")


@pytest.mark.parametrize("how", [{}, {"progressive": True}])
def test_jpeg_when_its_middle_is_missing_then_refused(how: dict[str, Any]) -> None:
    """Its end marker is there, as after a copy that skipped a block of the disk."""
    data = _jpeg(**how)
    middle = len(data) // 2

    with pytest.raises(DataError, match="found a damaged JPEG"):
        decode_image(data[:middle] + data[-2:], "x.jpg")


def test_jpeg_when_of_12_bits_then_refused_as_such() -> None:
    """Extended sequential of 12 bits is whole, and no 8-bit decoder reads it."""
    data = bytearray(_jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = 0xC1, 12

    with pytest.raises(DataError, match=r"found a JPEG of 12 bits, expected 8\."):
        decode_image(bytes(data), "x.jpg")


@pytest.mark.parametrize(("mode", "most"), [("L", 0), ("RGB", 0), ("CMYK", 1)])
def test_jpeg_when_simplejpeg_is_missing_then_the_same_pixels_and_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mode: str, most: int
) -> None:
    """Only what the decoder warns of is lost; OpenCV rounds inks down."""
    stream = io.BytesIO()
    Image.fromarray(_smooth(37, 51)).convert(mode).save(stream, "JPEG", quality=90)
    expected = decode_image(stream.getvalue(), "x")
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    load = functools.cache(jpeg._load_simplejpeg.__wrapped__)
    monkeypatch.setattr(jpeg, "_load_simplejpeg", load)

    with caplog.at_level("WARNING", "zoo"):
        found = [decode_image(stream.getvalue(), "x") for _ in range(2)]

    assert np.abs(found[0].astype(int) - expected).max() <= most
    assert caplog.text.count("pip install simplejpeg") == 1


def test_jpeg_when_of_another_process_then_not_called_damaged() -> None:
    """Differential lossless is a JPEG too, and nobody decodes it."""
    data = bytearray(_jpeg())
    data[data.index(b"\xff\xc0") + 1] = 0xC7

    with pytest.raises(DataError) as caught:
        decode_image(bytes(data), "x.jpg")

    assert "neither baseline nor progressive" in caught.value.message
    assert "damaged" not in caught.value.message


def test_jpeg_when_sampled_oddly_then_read() -> None:
    """Two samples of one colour for one of the other: allowed, and TurboJPEG has no name for it."""
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(stream, "JPEG", subsampling=2)
    data = bytearray(stream.getvalue())
    at = data.index(b"\xff\xc0") + 10  # id, sampling and table of each component
    assert [data[at + 1], data[at + 4], data[at + 7]] == [0x22, 0x11, 0x11]
    data[at + 4] = 0x21

    decoded = decode_image(bytes(data), "x")

    # The scan was not made for it, but every decoder takes it in the same way.
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), decoded)


def _bmp(bits: int, rows: bytes, size: tuple[int, int], colors: bytes = b"", **how: Any) -> bytes:
    """Return a BMP of ``size``, width and height; a negative height is stored top down."""
    header_bytes, method = how.get("header_bytes", 40), how.get("method", 0)
    masks = how.get("masks", b"")
    fields = (header_bytes, *size, 1, bits, method, len(rows), 2835, 2835, len(colors) // 4, 0)
    head = struct.pack("<IiiHHIIiiII", *fields)
    if header_bytes == 12:
        head = struct.pack("<IHHHH", 12, *size, 1, bits)
    elif header_bytes > 40:
        head += (masks + bytes(header_bytes - 40))[: header_bytes - 40]
        masks = b""
    start = 14 + len(head) + len(masks) + len(colors)
    file = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    return file + head + masks + colors + rows


def _packed(values: NDArray[Any], bits: int) -> bytes:
    planes = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    lines = np.packbits(planes.reshape(len(values), -1).astype(np.uint8), axis=1)
    return b"".join(line.tobytes() + bytes(-len(line) % 4) for line in lines)


@pytest.mark.parametrize("header_bytes", [12, 40, 108, 124])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_when_of_a_palette_then_its_colors_return(bits: int, header_bytes: int) -> None:
    """OS/2's header, whose colours have three bytes, and all of Windows'; top down too."""
    generator = np.random.default_rng(bits)
    values = generator.integers(0, 2**bits, (7, 13))
    colors = generator.integers(0, 256, (2**bits, 3), np.uint8)
    is_old = header_bytes == 12
    table = np.dstack([colors[:, ::-1][None], np.zeros((1, 2**bits, 1), np.uint8)])[0]
    text = colors[:, ::-1].tobytes() if is_old else table.tobytes()

    for height in (7,) if is_old else (7, -7):
        stored = values[::-1] if height > 0 else values
        data = _bmp(bits, _packed(stored, bits), (13, height), text, header_bytes=header_bytes)
        assert np.array_equal(colors[values], decode_image(data, "x"))
        assert np.array_equal(values, decode_image(data, "x", palette="index"))


_MASKS = {
    "555": (16, 0, (0x7C00, 0x3E0, 0x1F)),
    "555 named": (16, 3, (0x7C00, 0x3E0, 0x1F)),
    "565": (16, 3, (0xF800, 0x7E0, 0x1F)),
    "888": (32, 0, (0xFF0000, 0xFF00, 0xFF)),
    "888 named": (32, 3, (0xFF0000, 0xFF00, 0xFF)),
}


@pytest.mark.parametrize("header_bytes", [40, 108, 124])
@pytest.mark.parametrize("name", _MASKS)
def test_bmp_when_of_16_or_32_bits_then_its_colors_return(name: str, header_bytes: int) -> None:
    """The highest value of 5 and of 6 bits is 255, and each between them is in proportion."""
    bits, method, masks = _MASKS[name]
    values = np.random.default_rng(bits).integers(0, 2**bits, (6, 9), np.uint32)
    rows = np.ascontiguousarray(values[::-1]).astype(f"<u{bits // 8}")
    padded = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in rows)
    text = struct.pack("<III", *masks) if method else b""

    data = _bmp(bits, padded, (9, 6), masks=text, header_bytes=header_bytes, method=method)

    lowest = [mask & -mask for mask in masks]
    parts = [(values & mask) // low for mask, low in zip(masks, lowest, strict=True)]
    most = [mask // low for mask, low in zip(masks, lowest, strict=True)]
    expected = np.dstack([part * 255 // high for part, high in zip(parts, most, strict=True)])
    assert np.abs(expected.astype(int) - decode_image(data, "x")).max() <= 1


@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
def test_bmp_when_without_pixels_then_refused(bits: int) -> None:
    """Its header is whole, and what it announces is not there, or only a part of it."""
    colors = bytes(4 * 2**bits) if bits <= 8 else b""
    for rows in (b"", bytes(11)):
        with pytest.raises(DataError, match="found a damaged BMP"):
            decode_image(_bmp(bits, rows, (13, 7), colors), "x.bmp")


def test_bmp_when_24_bits_then_its_colors_return() -> None:
    """Padded to four bytes a row, top down and bottom up, with each header."""
    pixels = np.random.default_rng(0).integers(0, 256, (7, 13, 3), np.uint8)

    for height, header_bytes in [(7, 12), (7, 40), (-7, 40), (7, 108), (-7, 124)]:
        stored = pixels[::-1] if height > 0 else pixels
        rows = b"".join(row[:, ::-1].tobytes() + b"\0" for row in stored)
        data = _bmp(24, rows, (13, height), header_bytes=header_bytes)
        assert np.array_equal(pixels, decode_image(data, "x"))
