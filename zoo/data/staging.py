# SPDX-License-Identifier: Apache-2.0
"""Create folders atomically, and clean up after killed runs."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import DataError
from zoo.files import has_no_locks, is_held, try_lock, unwritable

__all__ = ["check_places", "staged_folder"]

_LOCK, _CONTENT = "lock", "content"
_TAG_BYTES = 4
_TAG = re.compile(rf"[0-9a-f]{{{2 * _TAG_BYTES}}}")


def check_places(source: Path, out: Path) -> None:
    """Refuse an output folder inside or around the source.

    Args:
        source: The raw data, a folder or a file.
        out: The output folder.

    Raises:
        DataError: They are the same path, or one is inside the other.
    """
    real_source, real_out = Path(source).resolve(), Path(out).resolve()
    if real_source == real_out:
        reason = "it is the source itself"
    elif real_source in real_out.parents:
        reason = f"it is inside the source {str(source)!r}"
    elif real_out in real_source.parents:
        reason = f"the source {str(source)!r} lies inside it"
    else:
        return
    message = f"cannot prepare into {str(out)!r}: {reason}."
    raise DataError(message, path=out, hint="give another --out, outside the source.")


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """Yield a new folder next to ``out`` that replaces it if the block succeeds.

    On any exception, including Ctrl-C, removes the folder and the parents created for it. A killed
    run leaves a hidden folder, which the next run to the same ``out`` removes, unless a live run
    holds its lock. A folder of that name with anything else in it is someone else's, and stays.

    Args:
        out: A path that does not exist, or an empty folder.

    Raises:
        DataError: ``out`` is not empty, or cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise _occupied(out)
    made: list[Path] = []
    done = False
    try:
        _make_parents(out, made)
        _remove_stale(out)
        with _locked_folder(out) as staging:
            yield staging
            _rename(staging, out)
            done = True
    finally:
        if not done:
            _remove_parents(made)


def _occupied(out: Path) -> DataError:
    what = "a folder that holds files" if out.is_dir() else "a file"
    message = f"cannot prepare into {out.name!r}: found {what}, expected nothing there."
    return DataError(message, path=out, hint="give another --out, or remove it first.")


def _make_parents(out: Path, made: list[Path]) -> None:
    """Create the parents of ``out``, and add the new ones to ``made``."""
    missing = [parent for parent in out.parents if not parent.exists()]
    for parent in reversed(missing):
        try:
            parent.mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(out, error) from error
        made.insert(0, parent)


def _remove_parents(made: list[Path]) -> None:
    for parent in made:
        with suppress(OSError):  # another run may have added files
            parent.rmdir()


@contextmanager
def _locked_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder inside a hidden, locked folder next to ``out``."""
    around = out.parent / f"{_prefix(out)}{secrets.token_hex(_TAG_BYTES)}"
    lock = None
    try:
        try:
            (around / _CONTENT).mkdir(parents=True)
            lock = try_lock(around / _LOCK)
        except OSError as error:
            if not has_no_locks(error):  # without locks, the next run does not remove this folder
                raise unwritable(out, error) from error
        yield around / _CONTENT
    finally:
        if lock is not None:
            lock.release()
        shutil.rmtree(around, ignore_errors=True)


def _prefix(out: Path) -> str:
    return f".{out.name}.staging-"


def _rename(staging: Path, out: Path) -> None:
    try:
        if os.name == "nt" and out.is_dir():
            out.rmdir()
        staging.rename(out)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _occupied(out) from error
        raise unwritable(out, error) from error


def _remove_stale(out: Path) -> None:
    for folder in out.parent.glob(f"{glob.escape(_prefix(out))}*"):
        if _is_own(folder, out) and not is_held(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path, out: Path) -> bool:
    """Return whether a folder has the name and the entries of those of `_locked_folder`."""
    if _TAG.fullmatch(folder.name.removeprefix(_prefix(out))) is None:
        return False
    try:
        with os.scandir(folder) as entries:
            kinds = {each.name: _kind(each) for each in entries}
    except OSError:  # no folder, or not one to look into
        return False
    # The content is gone if the run was killed just after it had moved it to its place.
    is_whole = {_CONTENT: "folder"} | kinds == {_LOCK: "file", _CONTENT: "folder"}
    return is_whole and not folder.is_symlink()


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
