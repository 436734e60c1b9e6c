# SPDX-License-Identifier: Apache-2.0
"""A file is replaced whole, or stays as it was."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from zoo.errors import CheckpointError, DataError
from zoo.files import digest_of_file, expand_home, open_atomically, open_whole, replace_file


def test_file_is_written_with_its_folders(tmp_path: Path) -> None:
    replace_file(tmp_path / "a/b/x", b"new")

    assert (tmp_path / "a/b/x").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["x"]


def test_file_that_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"longer than new")

    replace_file(tmp_path / "x", b"new")

    assert (tmp_path / "x").read_bytes() == b"new"


def test_write_that_is_interrupted_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", _interrupt)

    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "x", b"new")

    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def _interrupt(self: Path, target: Path) -> None:
    raise KeyboardInterrupt


def test_pipe_is_refused_and_not_replaced(tmp_path: Path) -> None:
    """As ``--out /dev/stdout`` would be."""
    os.mkfifo(tmp_path / "x")

    with pytest.raises(DataError, match="found a folder or a device"):
        replace_file(tmp_path / "x", b"new")

    assert (tmp_path / "x").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match="cannot write 'x': ") as caught:
        replace_file(tmp_path / "file/x", b"new")

    assert caught.value.where == str(tmp_path / "file/x")


def _through_atomically(path: Path) -> None:
    with open_atomically(path) as stream:
        stream.write(b"new")


def _through_whole(path: Path) -> None:
    with open_whole(path, path.with_name(".staged"), "w", is_durable=False) as stream:
        stream.write("new")


WRITERS: dict[str, Callable[[Path], None]] = {
    "replace_file": lambda path: replace_file(path, b"new"),
    "open_atomically": _through_atomically,
    "open_whole": _through_whole,
}
STOPS: dict[str, BaseException] = {
    "full": OSError(28, "No space left on device"),
    "Ctrl-C": KeyboardInterrupt(),
    "exit": SystemExit(3),
}


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("old", [b"old", None], ids=["replaced", "new"])
@pytest.mark.parametrize("writer", WRITERS)
def test_writer_that_is_stopped_leaves_what_was_there_and_nothing_else(
    writer: str, old: bytes | None, stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last moment, where all is written and the file is to take its place."""
    path = tmp_path / "x"
    if old is not None:
        path.write_bytes(old)

    def fail(self: Path, target: Path) -> None:
        assert self.read_bytes() == b"new"
        raise STOPS[stop]

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises((DataError, CheckpointError, type(STOPS[stop]))):
        WRITERS[writer](path)

    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == ({"x": old} if old else {})


@pytest.mark.parametrize("writer", WRITERS)
def test_writer_replaces_a_file_and_makes_its_folders(writer: str, tmp_path: Path) -> None:
    for _ in range(2):
        WRITERS[writer](tmp_path / "a" / "b" / "x")

    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["x"]
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"new"


@pytest.mark.parametrize("size", [0, 1, 2**18, 2**18 + 1])
def test_digest_is_that_of_the_bytes(size: int, tmp_path: Path) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "x").write_bytes(data[:size])

    assert digest_of_file(tmp_path / "x") == hashlib.sha256(data[:size]).hexdigest()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "{home}"),
        ("~/a/b.png", "{home}/a/b.png"),
        ("a/~/b", "a/~/b"),
        ("~nobody-has-this-name/x", "~nobody-has-this-name/x"),
        ("/a/b", "/a/b"),
        ("", "."),
    ],
)
def test_home_is_expanded_where_a_path_begins_with_it(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that nobody has stays: a file may be called that."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert expand_home(text) == expand_home(Path(text)) == Path(expected.format(home=tmp_path))


# What is done in one place -> the other modules that have a reason of their own.
ONE_PLACE = {
    # A path that is compared and never opened.
    "expanduser": {"files.py", "checking/source/configs.py"},
    # Bytes that were read already, from a stream that is open.
    "file_digest": {"files.py", "weights/rescue.py"},
    "fsync": {"files.py", "weights/fetching/part.py"},
}


@pytest.mark.parametrize("name", ONE_PLACE)
def test_core_does_it_in_one_place(name: str) -> None:
    package = Path(zoo.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == name
    }

    assert found == ONE_PLACE[name]
