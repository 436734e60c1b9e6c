# SPDX-License-Identifier: Apache-2.0
"""The lock of a work dir: unusable folders, stale and copied locks, half-written files."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.work_dir import lock as module
from zoo.engine.work_dir.lock import locked_work_dir
from zoo.errors import TrainingError


def test_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for place, reason in (
        (tmp_path / "file", "found a file, expected a folder"),
        (tmp_path / "file/run", os.strerror(errno.ENOTDIR)),
    ):
        with pytest.raises(TrainingError) as caught, locked_work_dir(place):
            pass

        assert caught.value.message == f"cannot train in {str(place)!r}: {reason}."
        hint = "choose a folder that you may write to with --work-dir."
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "choose a folder that you may write to with --work-dir."),
        (errno.EROFS, "choose a folder that you may write to with --work-dir."),
        (errno.ENOSPC, "free some space there, or choose a folder on another disk"),
        (errno.EDQUOT, "free some space there, or choose a folder on another disk"),
    ],
)
def test_folder_that_cannot_be_written_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    """The system's errors, which root meets on few file systems only."""

    def refuse(path: Path) -> Any:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(module, "try_lock", refuse)
    with pytest.raises(TrainingError) as caught, locked_work_dir(tmp_path):
        pass

    assert caught.value.message == f"cannot train in {str(tmp_path)!r}: {os.strerror(number)}."
    assert str(caught.value.hint).startswith(hint)


@pytest.mark.parametrize("host", [socket.gethostname(), "another-machine"])
def test_lock_files_of_a_killed_run_lock_nobody_out(tmp_path: Path, host: str) -> None:
    """Its number may be that of another process now, here or on the machine it was copied from."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.running").write_text(f"{os.getpid()} {host}\n")
    (tmp_path / "run/.running.lock").touch()

    with locked_work_dir(tmp_path / "run"):
        text = (tmp_path / "run/.running").read_text()

    assert text == f"{os.getpid()} {socket.gethostname()}\n"
    assert list((tmp_path / "run").iterdir()) == []


def test_copy_of_a_work_dir_in_use_is_not_in_use(tmp_path: Path) -> None:
    with locked_work_dir(tmp_path / "run"):
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        with locked_work_dir(tmp_path / "copy"):
            pass
        with (
            pytest.raises(TrainingError, match="is training there"),
            locked_work_dir(tmp_path / "run"),
        ):
            pass


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    for name in (".epoch_3.pth.part", ".last_checkpoint.part", "epoch_2.pth", "notes.part"):
        (tmp_path / name).write_bytes(b"x")

    with locked_work_dir(tmp_path):
        pass

    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_2.pth", "notes.part"]
