# SPDX-License-Identifier: Apache-2.0
"""One way to read a picture: whole or refused, 8 or 16 bits, RGB, upright."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
cv2 = pytest.importorskip("cv2")

import numpy as np  # noqa: E402 (after the skip)

from zoo.data import (  # noqa: E402
    decode_image,
    encode_png,
    fit_size,
    parse_size,
    resize_image,
    resize_mask,
    to_uint8,
)
from zoo.data.pictures.lettering import fit_text  # noqa: E402
from zoo.errors import DataError  # noqa: E402

_GREY = np.random.default_rng(0).integers(0, 256, (9, 13), dtype=np.uint8)
_RGB = np.random.default_rng(1).integers(0, 256, (9, 13, 3), dtype=np.uint8)
_DEEP = np.random.default_rng(2).integers(0, 2**16, (9, 13), dtype=np.uint16)


def _encode(image: Any, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, image[..., ::-1] if image.ndim == 3 else image)[1])


_FILES = {suffix: _encode(_RGB, suffix) for suffix in (".png", ".jpg", ".tif", ".bmp")}


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _palette_png(rows: list[bytes], width_px: int, depth_bits: int, kind: int = 3) -> bytes:
    """Return a palette PNG written by hand: colours are (3i, 5i, 7i)."""
    head = struct.pack(">IIBBBBB", width_px, len(rows), depth_bits, kind, 0, 0, 0)
    colors = bytes(
        channel for i in range(2**depth_bits) for channel in (3 * i % 256, 5 * i % 256, 7 * i % 256)
    )
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    palette = _chunk(b"PLTE", colors) if kind == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + palette
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("image", [_GREY, _RGB, _DEEP], ids=["grey", "rgb", "16-bit"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_decode_image_when_lossless_then_pixels_return(image: Any, suffix: str) -> None:
    """Depth, channels and their order survive."""
    decoded = decode_image(_encode(image, suffix), "x")

    assert image.dtype == decoded.dtype
    assert np.array_equal(image, decoded)


def test_decode_image_when_transparent_then_colours_kept() -> None:
    """The alpha channel is dropped, not blended."""
    data = bytes(cv2.imencode(".png", np.dstack([_RGB[..., ::-1], _GREY]))[1])

    assert np.array_equal(_RGB, decode_image(data, "x"))


def test_decode_image_when_exif_turns_it_then_upright() -> None:
    """Orientation 6, as a phone held upright writes it: turned by 90 degrees clockwise."""
    data = _encode(_GREY, ".jpg")
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]

    expected = np.rot90(decode_image(data, "x"), -1)

    assert np.array_equal(expected, decode_image(turned, "x"))


@pytest.mark.parametrize(
    ("depth_bits", "row"), [(1, b"\x50"), (2, b"\x1b"), (4, b"\x0f"), (8, b"\x07\xc8")]
)
def test_decode_image_when_palette_by_index_then_indices(depth_bits: int, row: bytes) -> None:
    """The indices are those in the file, at every depth; by colour it is the palette's RGB."""
    per_byte = 8 // depth_bits
    indices = [
        byte >> (8 - depth_bits * (i + 1)) & (2**depth_bits - 1)
        for byte in row
        for i in range(per_byte)
    ]
    data = _palette_png([row, row], len(indices), depth_bits)

    by_index = decode_image(data, "x", palette="index")
    by_color = decode_image(data, "x")

    assert [indices, indices] == by_index.tolist()
    assert [[3 * i % 256, 5 * i % 256, 7 * i % 256] for i in indices] == by_color[0].tolist()


def test_decode_image_when_one_bit_grey_by_index_then_zero_and_one() -> None:
    """Without it, OpenCV stretches the bit to 255, as viewers do."""
    data = _palette_png([b"\x50"], 8, 1, kind=0)

    assert decode_image(data, "x", palette="index").tolist() == [[0, 1, 0, 1, 0, 0, 0, 0]]
    assert decode_image(data, "x").tolist() == [[0, 255, 0, 255, 0, 0, 0, 0]]


@pytest.mark.parametrize("suffix", sorted(_FILES))
def test_decode_image_when_truncated_anywhere_then_refused(suffix: str) -> None:
    """No part of a file passes for the whole, not even one that lacks a last byte of padding."""
    whole = _FILES[suffix]
    for kept in range(len(whole)):
        with pytest.raises(DataError) as caught:
            decode_image(whole[:kept], f"/raw/x{suffix}")

        assert f"cannot decode 'x{suffix}': found " in caught.value.message, kept
        assert caught.value.where == f"/raw/x{suffix}"
        assert caught.value.hint


@settings(max_examples=40, deadline=None)
@given(st.integers(8, len(_FILES[".png"]) - 1), st.integers(1, 255))
def test_decode_image_when_png_byte_flips_then_refused(place: int, flip: int) -> None:
    """Checksums are read; a decoder alone would show noise."""
    data = bytearray(_FILES[".png"])
    data[place] ^= flip

    with pytest.raises(DataError):
        decode_image(bytes(data), "x.png")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "found an empty file"),
        (bytes(128) + b"DICM", "found a DICOM file, expected PNG, JPEG, TIFF or BMP"),
        (b"GIF89a....", "found a file that starts with b'GIF89a..'"),
        (_FILES[".png"][:40], "found a truncated PNG of 40 bytes"),
        (_FILES[".jpg"][:-2], "found a truncated JPEG"),
        (_encode(np.zeros((4, 4), np.float32), ".tif"), "found float32 pixels"),
        (_encode(np.zeros((4, 4), np.int16), ".tif"), "found int16 pixels"),
    ],
)
def test_decode_image_when_not_readable_then_message_says_why(data: bytes, found: str) -> None:
    """Each kind of damage has words of its own."""
    with pytest.raises(DataError, match=found):
        decode_image(data, "x.png")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_decode_image_when_pixels_are_others_then_hint_says_how_to_convert(dtype: Any) -> None:
    """An intact copy of it would not be read either."""
    with pytest.raises(DataError) as caught:
        decode_image(_encode(np.zeros((4, 4), dtype), ".tif"), "a/dem.tif")

    found = np.dtype(dtype).name
    expected = f"cannot decode 'dem.tif': found {found} pixels, expected uint8 or uint16."
    assert expected == caught.value.message
    assert str(caught.value.hint).startswith("gdal_translate -ot UInt16 IN.tif OUT.tif")


def test_decode_image_when_jpeg_has_fill_bytes_or_a_tail_then_read() -> None:
    """Both are allowed, and cameras write them."""
    data = _FILES[".jpg"]

    filled = decode_image(data[:2] + b"\xff\xff" + data[2:] + b"\0tail", "x.jpg")

    assert np.array_equal(decode_image(data, "x.jpg"), filled)


def test_decode_image_when_tiff_has_pages_then_refused(tmp_path: Path) -> None:
    """The first of two pages is not the picture."""
    path = tmp_path / "x.tif"
    cv2.imwritemulti(str(path), [_GREY, _GREY])

    with pytest.raises(DataError, match="found a TIFF of 2 pages, expected one page"):
        decode_image(path.read_bytes(), "x.tif")


def test_to_uint8_when_16_bit_then_linear_between_percentiles() -> None:
    """Against the definition in NumPy: inverted CDF at 0.1 % and 99.9 %, rounded."""
    image = np.random.default_rng(3).normal(30000, 4000, (64, 64)).astype(np.uint16)
    low, high = np.percentile(image, [0.1, 99.9], method="inverted_cdf").astype(float)
    expected = np.rint(np.clip((image - low) * 255 / (high - low), 0, 255)).astype(np.uint8)

    assert np.array_equal(expected, to_uint8(image))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=40))
def test_to_uint8_when_16_bit_then_order_is_kept(values: list[int]) -> None:
    """Brighter never becomes darker, and the range is used where there is one."""
    image = np.array([sorted(values)], np.uint16)

    stretched = to_uint8(image)

    assert (np.diff(stretched.astype(int)) >= 0).all()
    assert {0, 255} <= set(stretched.ravel().tolist()) or len(set(values)) == 1


def test_to_uint8_when_constant_or_8_bit_then_plain() -> None:
    """A flat picture is black; 8 bits are left alone."""
    assert not to_uint8(np.full((3, 3), 5000, np.uint16)).any()
    assert to_uint8(_RGB) is _RGB or np.array_equal(_RGB, to_uint8(_RGB))


def test_encode_png_when_decoded_then_equal() -> None:
    """Grey and RGB round trip."""
    for image in (_GREY, _RGB):
        assert np.array_equal(image, decode_image(encode_png(image), "x"))


def test_resize_image_when_halved_then_mean_of_area() -> None:
    """Two by two pixels become their mean."""
    image = np.array([[0, 100, 8, 8], [100, 200, 8, 8]], np.uint8)

    assert resize_image(image, (2, 1)).tolist() == [[100, 8]]


def test_resize_mask_when_shrunk_then_centre_of_each_block() -> None:
    """The middle pixel of three, not the first; ids are never mixed."""
    labels = np.repeat(np.array([[7, 1, 9, 5, 2, 6]], np.uint8), 3, axis=0)

    assert resize_mask(labels, (2, 1)).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("size", "keep_aspect", "expected"),
    [
        (None, False, (40, 30)),
        ((20, 20), False, (20, 20)),
        ((20, 20), True, (20, 15)),
        ((80, 90), True, (80, 60)),
        ((100, 1), True, (1, 1)),
    ],
)
def test_fit_size_when_asked_then_width_and_height(
    size: tuple[int, int] | None, keep_aspect: bool, expected: tuple[int, int]
) -> None:
    """For a picture of 40x30; with the aspect kept, as large as fits."""
    assert expected == fit_size(30, 40, size, keep_aspect)


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), (None, None), ("256", (256, 256)), ("512X384", (512, 384))]
)
def test_parse_size_when_right_then_read(
    text: str | None, expected: tuple[int, int] | None
) -> None:
    """Width comes first."""
    assert expected == parse_size(text)


@pytest.mark.parametrize("text", ["0", "-1", "a", "1x2x3", "1.5", "70000", "x", "12x", "²"])
def test_parse_size_when_wrong_then_refused(text: str) -> None:
    """The text is quoted."""
    with pytest.raises(DataError, match="expected WIDTHxHEIGHT") as caught:
        parse_size(text)

    assert repr(text) in caught.value.message


def test_fit_text_when_too_long_then_middle_goes() -> None:
    """Both ends of a file's name stay readable."""
    text = fit_text("scan_0001_of_the_left_side_upright_0077", 120)

    assert ".." in text
    assert text.startswith("scan")
    assert text.endswith("77")


def test_errors_when_pickled_then_message_survives(encode: Callable[..., bytes]) -> None:
    """They cross the border of a process."""
    import pickle

    with pytest.raises(DataError) as caught:
        decode_image(b"", "x.png")

    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))
