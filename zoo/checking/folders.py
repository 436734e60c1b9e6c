# SPDX-License-Identifier: Apache-2.0
"""Temporary folders of checks, and what several checks share in them."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zoo.files import try_lock

__all__ = [
    "Folders",
    "Scratch",
    "TemporaryFolder",
    "made_once",
    "scratch_of_process",
    "use_scratch",
]

_PREFIX = "zoo-check-"
_LOCK = ".lock"


class TemporaryFolder:
    """A folder of this process in the folder for temporary files, which `close` removes.

    A process that is killed leaves its folder. The lock in it ends with the process, so that the
    next one that makes a folder knows, and removes it.
    """

    def __init__(self) -> None:
        _remove_left()
        self._lock = None
        for _ in range(3):  # another process may take a new folder for one that was left
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            with suppress(OSError):  # on a file system without locks it is never taken for left
                self._lock = try_lock(self.path / _LOCK)
                if self._lock is None:
                    continue
            return

    def close(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_left() -> None:
    """Remove the folders of this user whose processes were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user, or removed meanwhile
            if path.is_symlink() or not (path / _LOCK).is_file() or not _is_own(path):
                continue
            lock = try_lock(path / _LOCK)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                lock.release()


def _is_own(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


class Folders(Protocol):
    """What pytest's ``tmp_path_factory`` does for checks."""

    def mktemp(self, basename: str) -> Path:
        """Return a new empty folder.

        Args:
            basename: Begin of its name.
        """


@dataclass(frozen=True, slots=True)
class Scratch:
    """One folder for all checks of a plugin, which run in several processes.

    Attributes:
        folder: The folder; who makes it removes it.
    """

    folder: Path

    def mktemp(self, basename: str) -> Path:
        """Return a new empty folder.

        Args:
            basename: Begin of its name.
        """
        return Path(tempfile.mkdtemp(prefix=f"{basename}_", dir=self.folder))


# The one of this process, once it is known.
_SCRATCH: list[Scratch] = []


def use_scratch(folder: Path) -> None:
    """Let the checks of this process use a folder, which other processes may use too.

    Args:
        folder: It exists; who made it removes it.
    """
    _SCRATCH[:] = [Scratch(folder)]


def scratch_of_process() -> Scratch:
    """Return the folder that `use_scratch` named, else one that ends with the process."""
    if not _SCRATCH:
        folder = TemporaryFolder()
        atexit.register(folder.close)
        use_scratch(folder.path)
    return _SCRATCH[0]


# What was made by name, for the process: a sample is slow to write and to prepare.
_MADE: dict[str, Path] = {}


def made_once(folders: Folders, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first check to need it fills, and others of the session read.

    Args:
        folders: Where it is; processes that share a `Scratch` share its folders.
        name: What it holds.
        make: Fills the new folder.
    """
    if isinstance(folders, Scratch):
        return _made_in_scratch(folders, name, make)
    if name not in _MADE:
        folder = folders.mktemp(name)
        make(folder)
        _MADE[name] = folder
    return _MADE[name]


def _made_in_scratch(scratch: Scratch, name: str, make: Callable[[Path], None]) -> Path:
    from filelock import FileLock

    done = scratch.folder / f"made_{name}"
    with FileLock(scratch.folder / f"{name}.lock"):
        if not done.exists():
            draft = scratch.mktemp(name)
            make(draft)
            draft.rename(done)
    return done
