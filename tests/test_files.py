# SPDX-License-Identifier: Apache-2.0
"""A file is replaced whole, or stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.errors import DataError
from zoo.files import replace_file


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
