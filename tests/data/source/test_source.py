# SPDX-License-Identifier: Apache-2.0
"""A source is listed and read in place, and a hostile archive is refused as a whole."""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.data import open_source
from zoo.data.source.zip_check import check_archive
from zoo.errors import DataError


def _write_zip(path: Path, names: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return path


def test_files_when_folder_then_sorted_without_hidden_ones(tmp_path: Path) -> None:
    """Only what a user put there is listed."""
    for name in ("b/y.png", "a.PNG", ".git/x.png", "__MACOSX/._a.png", "Thumbs.db", "b/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12")

    with open_source(tmp_path) as source:
        files = source.files()

    assert [file.path for file in files] == ["a.PNG", "b/y.png"]
    assert (
        files[0].suffix,
        files[0].stem,
        files[0].folder,
        files[0].size_bytes,
    ) == (".png", "a", "", 2)
    assert (files[1].name, files[1].folder) == ("y.png", "b")


def test_files_when_links_then_followed_and_loops_end(tmp_path: Path) -> None:
    """A linked folder is part of the source; a link to a parent is walked once.

    A link to nothing is a file that cannot be read.
    """
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").write_bytes(b"1")
    root = tmp_path / "root"
    root.mkdir()
    (root / "images").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "dead.png").symlink_to(tmp_path / "nothing")

    with open_source(root) as source:
        files = [file.path for file in source.files()]
        data = source.read("images/x.png")
        with pytest.raises(DataError, match=r"cannot read 'dead.png': No such file or directory\."):
            source.read("dead.png")

    assert files == ["dead.png", "images/x.png"]
    assert data == b"1"


def test_zip_when_sound_then_read_in_place(tmp_path: Path) -> None:
    """Entries have the same paths as files of a folder; folders are none."""
    path = _write_zip(tmp_path / "x.zip", {"s/": b"", "s/b.png": b"two", "s/a.png": b"one"})

    with open_source(path) as source:
        assert [file.path for file in source.files()] == ["s/a.png", "s/b.png"]
        assert source.read("s/b.png") == b"two"
        assert source.where("s/a.png") == f"{path}!s/a.png"

    assert os.listdir(tmp_path) == ["x.zip"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x.png", "escapes from the archive with '..'"),
        ("a/../../x.png", "escapes from the archive with '..'"),
        ("a\\..\\x.png", "escapes from the archive with '..'"),
        ("/etc/x.png", "has an absolute name"),
        ("\\x.png", "has an absolute name"),
        ("C:\\x.png", "has an absolute name"),
        ("C:/x.png", "has an absolute name"),
    ],
)
def test_zip_when_name_leaves_it_then_refused(tmp_path: Path, name: str, reason: str) -> None:
    """Nothing of such an archive is read, its good entries neither."""
    path = _write_zip(tmp_path / "x.zip", {"good.png": b"", name: b"x"})

    with pytest.raises(DataError) as caught, open_source(path):
        pass

    assert caught.value.message == f"cannot use the archive 'x.zip': entry {name!r} {reason}."
    assert str(path) == caught.value.where
    assert caught.value.hint


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "is neither a file nor a folder")],
)
def test_zip_when_entry_is_no_file_then_refused(tmp_path: Path, mode: int, reason: str) -> None:
    """Links and devices have no place in data."""
    entry = zipfile.ZipInfo("x.png")
    entry.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")

    with pytest.raises(DataError, match=reason), open_source(tmp_path / "x.zip"):
        pass


def test_zip_when_encrypted_then_refused(tmp_path: Path) -> None:
    """The flag in the directory is enough; no password is asked for."""
    path = _write_zip(tmp_path / "x.zip", {"x.png": b"data"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)

    with pytest.raises(DataError, match=r"entry 'x.png' is encrypted"), open_source(path):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_when_entry_twice_then_refused(tmp_path: Path) -> None:
    """Two spellings of one path are one path."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/x.png", b"1")
        archive.writestr("a\\x.png", b"2")

    with pytest.raises(DataError, match="appears twice"), open_source(tmp_path / "x.zip"):
        pass


def test_zip_when_entry_is_bomb_then_refused(tmp_path: Path) -> None:
    """65 MiB of zeros in 64 KiB."""
    zeros = {"x.bmp": bytes(65 * 2**20)}
    path = _write_zip(tmp_path / "x.zip", zeros, zipfile.ZIP_DEFLATED)

    with (
        pytest.raises(DataError, match=r"'x.bmp' unpacks from \d+ to 68157440 b"),
        open_source(path),
    ):
        pass


def test_check_archive_when_many_dense_entries_then_refused() -> None:
    """The whole is held to the same ratio as its parts, overlapping ones too."""
    entries = []
    for number in range(20):
        entry = zipfile.ZipInfo(f"{number}.bmp")
        entry.file_size, entry.compress_size = 60 * 2**20, 2**20
        entries.append(entry)

    with pytest.raises(DataError, match="it unpacks from 1048576 to 1258291200 bytes"):
        check_archive(Path("x.zip"), entries, 2**20)


def test_zip_when_empty_masks_are_dense_then_accepted(tmp_path: Path) -> None:
    """A black bitmap of a megabyte packs 1000:1 and is no bomb."""
    path = _write_zip(tmp_path / "x.zip", {"x.bmp": bytes(2**20)}, zipfile.ZIP_DEFLATED)

    with open_source(path) as source:
        assert len(source.read("x.bmp")) == 2**20


def test_zip_when_entry_is_damaged_then_named(tmp_path: Path) -> None:
    """A flipped bit is caught by the archive's checksum."""
    path = _write_zip(tmp_path / "x.zip", {"a.png": b"A" * 50})
    path.write_bytes(path.read_bytes().replace(b"AAAA", b"AABA", 1))

    with open_source(path) as source, pytest.raises(DataError) as caught:
        source.read("a.png")

    assert "cannot read 'a.png': Bad CRC-32" in str(caught.value)
    assert f"{path}!a.png" == caught.value.where


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file or folder"),
        (b"", "not a folder, and not an intact zip"),
        (b"\x1f\x8b tar", "not a folder, and not an intact zip"),
    ],
)
def test_open_source_when_neither_folder_nor_zip_then_said(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """What cannot be a source is named, with what to give instead."""
    path = tmp_path / "x.tgz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=reason) as caught, open_source(path):
        pass

    assert str(path) == caught.value.where
    assert caught.value.hint


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_read_when_no_permission_then_file_named(open_folder: Path) -> None:
    """The file is named, and the hint is about rights; root is put aside for the time."""
    path = open_folder / "x.png"
    path.write_bytes(b"1")
    path.chmod(0)
    is_root = os.geteuid() == 0
    with open_source(open_folder) as source:
        source.files()
        if is_root:
            os.seteuid(65534)
        try:
            with pytest.raises(DataError) as caught:
                source.read("x.png")
        finally:
            if is_root:
                os.seteuid(0)

    assert caught.value.message == "cannot read 'x.png': Permission denied."
    assert str(path) == caught.value.where
    assert "permission" in str(caught.value.hint)
