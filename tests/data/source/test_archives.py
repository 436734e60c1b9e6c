# SPDX-License-Identifier: Apache-2.0
"""Any zip from outside ends in one message or in its true bytes: seeded damage, forged lists."""

from __future__ import annotations

import io
import os
import random
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import open_source
from zoo.errors import DataError

CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
FILES = {f"images/{number}.png": bytes([number]) * (3000 + number) for number in range(4)}


def _zip(method: int = zipfile.ZIP_DEFLATED, files: dict[str, bytes] | None = None) -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in (FILES if files is None else files).items():
            archive.writestr(name, data)
    return bytearray(stream.getvalue())


def _read_all(path: Path) -> dict[str, bytes]:
    with open_source(path) as source:
        return {file.path: source.read(file.path) for file in source.files()}


def _set(at: bytes, offset: int, *values: int) -> Callable[[], bytes]:
    """Return a maker of an archive whose last such record has other bytes."""

    def make() -> bytes:
        data = _zip()
        start = data.rindex(at) + offset
        data[start : start + len(values)] = bytes(values)
        return bytes(data)

    return make


def _damaged(method: int) -> Callable[[], bytes]:
    """Return a maker of an archive in whose first entry a few bytes are others."""

    def make() -> bytes:
        noise = random.Random(method).randbytes(5000)
        data = _zip(method, {"a.png": noise})
        data[2500:2520] = bytes(20)
        return bytes(data)

    return make


def _no_utf8() -> bytes:
    data = _zip()
    at = data.rindex(CENTRAL)
    data[at + 9] |= 0x08
    data[at + 46] = 0xFF
    return bytes(data)


def _no_utf8_locally() -> bytes:
    """Mark a name as UTF-8 where the bytes lie, and not in the list."""
    data = _zip()
    data[7] |= 0x08
    data[30] = 0xFF
    return bytes(data)


def _overlapping() -> bytes:
    """Return a list of thirty entries whose bytes are one and the same megabyte of zeros."""
    data = _zip(files={"x00.bmp": bytes(2**20)})
    first, end = data.index(CENTRAL), data.index(END)
    entry = bytes(data[first:end])
    many = b"".join(entry.replace(b"x00", b"x%02d" % number) for number in range(30))
    tail = bytearray(data[end:])
    struct.pack_into("<HHLL", tail, 8, 30, 30, len(many), first)
    return bytes(data[:first]) + many + bytes(tail)


def _long_list() -> bytes:
    """State a list of 200 MB, of which nothing is there."""
    data = _zip()
    struct.pack_into("<L", data, data.rindex(END) + 12, 200 * 2**20)
    return bytes(data)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "encrypted": (_set(CENTRAL, 8, 1), "is encrypted"),
    "strongly encrypted": (_set(CENTRAL, 8, 0x41), "is encrypted"),
    "a method of others": (_set(CENTRAL, 10, 9), "compressed by Deflate64, which Python cannot"),
    "a method that is none": (_set(CENTRAL, 10, 77), "compressed by the method 77, which Python"),
    "a name that is no UTF-8": (_no_utf8, "the name of an entry is marked as UTF-8 but is not"),
    "another name where it lies": (_no_utf8_locally, "cannot read '0.png': "),
    "entries that overlap": (_overlapping, "shares bytes with"),
    "a list without end": (_long_list, "its list of entries has 209,715,200 bytes"),
    "an offset past the end": (_set(CENTRAL, 42, 0xFF, 0xFF, 0xFF, 0x7F), "cannot read"),
    "a list past the end": (_set(END, 16, 0xFF, 0xFF, 0xFF, 0x7F), "is not where the archive says"),
    "nothing of it": (lambda: END + bytes(10), "not an intact zip"),
    **{
        f"a damaged entry, {name}": (_damaged(method), "cannot read 'a.png': ")
        for name, method in METHODS.items()
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_zip_that_does_not_hold_is_one_message(tmp_path: Path, case: str) -> None:
    make, told = REFUSED[case]
    (tmp_path / "x.zip").write_bytes(make())

    with pytest.raises(DataError) as raised:
        _read_all(tmp_path / "x.zip")

    assert told in raised.value.message
    assert raised.value.hint
    assert "codec" not in raised.value.message


@pytest.mark.parametrize("method", METHODS)
def test_zip_of_each_method_is_read(tmp_path: Path, method: str) -> None:
    (tmp_path / "x.zip").write_bytes(_zip(METHODS[method]))

    assert _read_all(tmp_path / "x.zip") == FILES


@pytest.mark.parametrize("method", METHODS)
def test_zip_with_any_bytes_changed_is_one_message_or_true(tmp_path: Path, method: str) -> None:
    """300 mutants of each: bytes flipped, cut out, doubled or cut off; no other exception."""
    good, rng = _zip(METHODS[method]), random.Random(method)
    path = tmp_path / "x.zip"
    refused = 0

    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            kind = rng.randrange(5)
            if kind < 2:
                data[at] = rng.randrange(256)
            elif kind == 2:
                del data[at : at + rng.randint(1, 40)]
            elif kind == 3:
                data[at:at] = data[at : at + rng.randint(1, 40)]
            else:  # the list of entries, which is short beside the entries
                data[-rng.randint(1, 300) :][:1] = rng.randbytes(1)
                data[max(0, len(data) - rng.randint(1, 300))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = _read_all(path)
        except DataError:
            refused += 1
            continue
        # Names have no checksum: a changed one is another file's name, of true bytes.
        assert set(found.values()) <= {*FILES.values(), b""}

    assert refused > 100


@pytest.mark.timeout(60)
def test_source_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.zip")
    since_s = time.monotonic()

    with (
        pytest.raises(DataError, match="found a pipe or a device, expected a folder"),
        open_source(tmp_path / "x.zip"),
    ):
        raise AssertionError

    assert time.monotonic() - since_s < 10
