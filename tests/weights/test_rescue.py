# SPDX-License-Identifier: Apache-2.0
"""Old checkpoints on a disk: found by content, matched by digest, read once."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import Found, PluginRecord
from zoo.errors import DownloadError
from zoo.manifest.legacy_rows import LegacyRow
from zoo.weights.rescue import LegacyIndex, find_files, read_old_file

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
DATA = MAGIC + b"weights" * 300
ZIP = b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl" + b"weights" * 300


def _found(name: str, data: bytes | None, file: str = "") -> Found:
    digits = None if data is None else hashlib.sha256(data).hexdigest()[:8]
    file = file or f"{name}_2020-{digits}.pth"
    row = LegacyRow(
        name=name,
        task="semantic",
        tasks=("semantic",),
        config=None,
        architecture=(),
        datasets=(),
        metrics=(),
        memory_gb=None,
        url=f"https://example.org/v0.5/{file}",
        sha256_prefix=digits,
        note=None,
        licence="Apache-2.0",
        data_licence="not stated",
    )
    return Found(PluginRecord("olds", None, None, "checkout"), row)


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [DATA, ZIP], ids=["older form", "zip"])
@pytest.mark.parametrize("name", ["unet.pth", "backup of my model", "unet.pth.1", "x.bin"])
def test_file_under_any_name_is_matched_by_its_digest(
    tmp_path: Path, name: str, data: bytes
) -> None:
    path = _write(tmp_path / name, data)

    old = read_old_file(path, LegacyIndex([_found("fcn", b"other"), _found("unet", data)]))

    assert old is not None
    assert [found.row.name for found in old.rows] == ["unet"]
    assert (old.sha256, old.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert old.data == data
    assert path.read_bytes() == data


def test_file_that_two_rows_list_is_both(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pth", DATA)

    old = read_old_file(path, LegacyIndex([_found("unet", DATA), _found("again", DATA)]))

    assert old is not None
    assert [found.row.name for found in old.rows] == ["unet", "again"]


REASONS = {
    "no index": ("mine.pth", DATA, "in no index, by its digest", False),
    "whole, no index": (
        f"x-{hashlib.sha256(DATA).hexdigest()[:8]}.pth",
        DATA,
        "in no index; its bytes match the digits in its name",
        False,
    ),
    "damaged": (
        "unet_2020-5daf6d3b.pth",
        DATA,
        f"begins with {hashlib.sha256(DATA).hexdigest()[:8]}, its name says 5daf6d3b",
        True,
    ),
    "empty": ("a.pth", b"", "it is empty", False),
    "web page": ("a.pth", b"\n<html>404", "it is a web page; its download went wrong", False),
    "LFS": ("a.pt", b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer", False),
    "python path file": (
        "a.pth",
        b"import x",
        "does not start like a file written by torch.save",
        False,
    ),
    "no digits": ("ddq.pth", DATA, "nothing verifies it; --accept", False),
}


@pytest.mark.parametrize("case", REASONS)
def test_file_that_is_none_says_why(tmp_path: Path, case: str) -> None:
    name, data, reason, is_damaged = REASONS[case]
    index = LegacyIndex([_found("fcn", b"other"), _found("ddq", None, "ddq.pth")])

    old = read_old_file(_write(tmp_path / name, data), index)

    assert old is not None
    assert old.rows == ()
    assert reason in str(old.reason)
    assert old.is_damaged is is_damaged
    assert old.data is None


def test_file_without_digits_is_taken_by_name_if_its_digest_is_vouched_for(
    tmp_path: Path,
) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    row = _found("ddq", None, "ddq%2Bx.pth")

    for name in ("ddq+x.pth", "ddq%2Bx.pth"):
        old = read_old_file(_write(tmp_path / name, DATA), LegacyIndex([row], [sha256]))
        assert old is not None
        assert old.rows == (row,)
    elsewhere = read_old_file(_write(tmp_path / "y.pth", DATA), LegacyIndex([row], [sha256]))
    assert elsewhere is not None
    assert elsewhere.rows == ()


def test_other_files_are_looked_at_and_left_out(tmp_path: Path) -> None:
    index = LegacyIndex([_found("unet", DATA)])

    for name, data in (("a.txt", b"text"), ("b.zip", b"PK\x03\x04 docs"), ("c", b"")):
        assert read_old_file(_write(tmp_path / name, data), index) is None


def test_files_are_found_once_and_in_order(tmp_path: Path) -> None:
    """Hard and soft links are one file, links to folders are not walked, pipes are left alone."""
    one = _write(tmp_path / "b" / "one.pth", DATA)
    two = _write(tmp_path / "a" / "two.pth", DATA)
    os.link(one, tmp_path / "b" / "zlink.pth")
    (tmp_path / "c.pth").symlink_to(one)
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "b" / "broken.pth").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "b" / "pipe.pth")

    found = find_files([tmp_path, tmp_path / "b", two])

    assert sorted(path.stat().st_ino for path in found) == sorted(
        {one.stat().st_ino, two.stat().st_ino}
    )
    assert found == sorted(found)


def test_place_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot rescue from '.*absent': no such file"):
        find_files([tmp_path, tmp_path / "absent"])


def test_folder_that_cannot_be_read_is_told_and_the_rest_walked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `lost+found` is, on a disk of one's own; one that was named is an error."""
    _write(tmp_path / "a" / "x.pth", DATA)
    good = _write(tmp_path / "b" / "y.pth", DATA)
    real = os.scandir

    def scandir(path: Any) -> Any:  # root may read all, so the system's answer is made here
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert find_files([tmp_path]) == [good]

    assert f"cannot read {tmp_path / 'a'}: Permission denied" in caplog.text
    with pytest.raises(DownloadError, match=r"cannot rescue from .*: Permission denied"):
        find_files([tmp_path / "a"])


class _Counting:
    """A stream that counts the bytes that are read of it."""

    def __init__(self, stream: Any, name: str, counts: Counter[str]) -> None:
        self.stream, self.name, self.counts = stream, name, counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> _Counting:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(size)
        self.counts[self.name] += len(data)
        return data


def test_checkpoints_are_read_once_and_others_hardly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A match once to its end and 512 bytes to know it; what is none 512 bytes at most."""
    big = MAGIC + b"x" * 3_000_000
    _write(tmp_path / "match", big)
    _write(tmp_path / "photo.png", b"\x89PNG" * 1_000_000)
    counts: Counter[str] = Counter()
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *a, **k: _Counting(real(self, *a, **k), self.name, counts)
    )
    index = LegacyIndex([_found("unet", big)])

    for path in find_files([tmp_path]):
        read_old_file(path, index)

    assert counts["match"] <= len(big) + 512
    assert counts["photo.png"] == 512


def test_large_match_is_kept_whose_name_promises_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is read once; one that was renamed may be anything, and is not held in memory."""
    monkeypatch.setattr("zoo.weights.rescue._KEPT_BYTES", 100)
    index = LegacyIndex([_found("unet", DATA)])
    digits = hashlib.sha256(DATA).hexdigest()[:8]
    paths = [_write(tmp_path / name, DATA) for name in (f"unet-{digits}.pth", "renamed.pth")]

    named, renamed = (read_old_file(path, index) for path in paths)

    assert named is not None
    assert renamed is not None
    assert (named.data, renamed.data) == (DATA, None)
    assert named.rows == renamed.rows != ()
