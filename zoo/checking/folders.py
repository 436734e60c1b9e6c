# SPDX-License-Identifier: Apache-2.0
"""Temporary folders of checks, and what several checks share in them."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Folders", "Scratch", "made_once", "scratch_of_process", "use_scratch"]


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
        folder = tempfile.TemporaryDirectory(prefix="zoo-check-")
        atexit.register(folder.cleanup)
        use_scratch(Path(folder.name))
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
