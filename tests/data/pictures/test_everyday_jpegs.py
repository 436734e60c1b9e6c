# SPDX-License-Identifier: Apache-2.0
"""JPEGs as phones, cameras and web sites write them, and ones whose markers mislead a reader."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

pytest.importorskip("simplejpeg")
np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from zoo.data.pictures.decoding import decode_picture  # noqa: E402
from zoo.data.pictures.formats import read_header  # noqa: E402
from zoo.errors import DataError  # noqa: E402

_END = b"\xff\xd9"


def _jpeg(mode: str = "RGB", side_px: int = 64) -> bytes:
    row, column = np.mgrid[0:side_px, 0 : side_px + 7]
    colors = np.dstack([row * 2, column * 3, 255 - row]).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colors).convert(mode).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _find(data: bytes, marker: int) -> tuple[int, int]:
    """Return where the first segment of a marker starts and ends."""
    at = 2
    while data[at + 1] != marker:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _scan_numbers(data: bytes) -> bytes:
    end = _find(data, 0xDA)[1]
    return data[: end - 3] + b"\0\0\0" + data[end:]


def _jfif_3(data: bytes) -> bytes:
    start = _find(data, 0xE0)[0]
    return data[: start + 9] + b"\3\0" + data[start + 11 :]


def _broken_profile(data: bytes) -> bytes:
    return data[:2] + b"\xff\xe2\0\x18ICC_PROFILE\0\2\1profile." + data[2:]


def _bytes_between(data: bytes) -> bytes:
    end = _find(data, 0xDB)[1]
    return data[:end] + b"\0\xff\0\0" + data[end:]


_HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "zeros as numbers of the scan, as some phones write": _scan_numbers,
    "a later version of JFIF": _jfif_3,
    "a colour profile in pieces that do not fit": _broken_profile,
    "bytes between segments": _bytes_between,
    "2 bytes of padding": lambda data: data[:-2] + bytes(2) + _END,
    "16 bytes of padding": lambda data: data[:-2] + bytes(16) + _END,
    "several at once": lambda data: _bytes_between(
        _jfif_3(_scan_numbers(data[:-2] + bytes(9) + _END))
    ),
    "fill bytes": lambda data: data[:2] + b"\xff\xff" + data[2:],
    "a film behind it": lambda data: data + b"\0\0\0\x18ftypmp42" + b"\xff\xda\xff\xd8\xff" * 99,
    "a picture behind it": lambda data: data + _jpeg(side_px=16),
}


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("kind", list(_HARMLESS))
def test_jpeg_when_a_warning_says_nothing_of_damage_then_the_same_pixels(
    kind: str, mode: str
) -> None:
    """A decoder's warnings are faults only where a pixel may be wrong."""
    data = _jpeg(mode)
    if mode == "CMYK" and ("JFIF" in kind or "several" in kind):
        pytest.skip("CMYK has no JFIF segment")
    changed = _HARMLESS[kind](data)
    assert np.array_equal(
        decode_picture(changed, "a.jpg").pixels, decode_picture(data, "a.jpg").pixels
    )


def test_jpeg_when_its_pixels_end_in_many_zeros_then_refused() -> None:
    """Padding is short; a block of zeros is a part that was lost."""
    data = _jpeg()
    middle = _find(data, 0xDA)[1] + 200
    with pytest.raises(DataError, match="found a damaged JPEG"):
        decode_picture(data[:middle] + bytes(4096) + _END, "a.jpg")


def test_header_when_much_follows_a_large_picture_then_only_its_own_scans_count() -> None:
    """Bytes of a film behind the picture are no scans, however they look."""
    frame = bytearray(_jpeg())
    start = _find(bytes(frame), 0xC0)[0]
    frame[start + 5 : start + 9] = (12_000).to_bytes(2, "big") * 2
    assert read_header(bytes(frame) + b"\xff\xda" * 500, "a.jpg").size == (12_000, 12_000)


def test_jpeg_when_a_decoder_would_find_another_frame_then_its_size_is_checked() -> None:
    """A restart marker has no length, though what follows reads like one."""
    data = _jpeg("L")
    start, end = _find(data, 0xC0)
    small = data[start:end]
    large = small[:5] + (60_000).to_bytes(2, "big") * 2 + small[9:]
    fill = bytes(0xFFC0 - len(large) - 4)
    comment = b"\xff\xfe" + (len(fill) + len(small) + 2).to_bytes(2, "big") + fill + small
    hidden = data[:start] + b"\xff\xd0" + large + comment + data[end:]
    with pytest.raises(DataError, match="found a JPEG of 60000x60000 px"):
        read_header(hidden, "a.jpg")
