# SPDX-License-Identifier: Apache-2.0
"""The folder of a site: written aside and exchanged whole, and never over what others wrote.

A site holds a list of its files with their digests. A later run replaces a folder only if it holds
nothing but what such a list names, unchanged; what others save there meanwhile stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from zoo.data import staged_folder, write_file
from zoo.documents import DocumentError, Limits, read_file, read_json
from zoo.errors import DataError

__all__ = ["write_site"]

_LIST = "gallery.json"
_FORMAT = 1
_LIMITS = Limits(size_bytes=2**27, values=4_000_000, depth=4)
_HINT = "give another --out, or move that away first."
_MOST_BYTES = 2**27
_SHOWN = 3
_NEXT, _BEFORE = "next", "before"

_Stamps = dict[str, tuple[int, int, int]]
"""Inode, size and time of change of each file, by its path in the folder."""


def write_site(out: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a site, or replace an earlier one.

    Args:
        out: Its folder: absent, empty, or an earlier site that nobody has changed.
        files: Path in the site, and bytes of each file.

    Raises:
        DataError: The folder holds what no earlier run wrote, or it cannot be written.
    """
    target = Path(os.path.expanduser(out)).absolute()
    if target.is_symlink():
        target = target.resolve()
    exchange = _exchanged(target) if _check_own(target) else nullcontext(target)
    with exchange as place, staged_folder(place) as staging:
        _write(staging, files)
    _remove_left(target)


def _write(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    digests: dict[str, str] = {}
    for path, data in files:
        write_file(folder / path, data)
        digests[path] = hashlib.sha256(data).hexdigest()
    listed = {"format": _FORMAT, "made_by": "zoo gallery", "files": dict(sorted(digests.items()))}
    write_file(folder / _LIST, json.dumps(listed, indent=0).encode())


def _check_own(target: Path) -> _Stamps:
    """Return the files of the earlier site that may be replaced; none if nothing is there.

    Raises:
        DataError: Something else is there.
    """
    if not os.path.lexists(target):
        return {}
    if not target.is_dir():
        message = f"cannot write the gallery: {target.name!r} is a file, expected a folder."
        raise DataError(message, path=target, hint="give another --out.")
    try:
        stamps = _stamps(target)  # before they are read: a change while reading is seen later
    except OSError as error:
        message = f"cannot write the gallery: {error.strerror or error}."
        raise DataError(message, path=target, hint="give another --out.") from error
    foreign = _foreign(target, stamps)
    if foreign:
        raise _refused(target, foreign)
    return stamps


def _refused(target: Path, foreign: list[str]) -> DataError:
    shown = ", ".join(repr(each) for each in foreign[:_SHOWN])
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    message = f"cannot write the gallery into {target.name!r}: it holds {shown}{more}, "
    message += "expected nothing, or an earlier gallery without changes."
    return DataError(message, path=target, hint=_HINT)


def _stamps(folder: Path) -> _Stamps:
    found = {path: path.lstat() for path in _walk(folder) if path != folder}
    return {
        path.relative_to(folder).as_posix(): (each.st_ino, each.st_size, each.st_mtime_ns)
        for path, each in found.items()
    }


def _walk(folder: Path) -> Iterator[Path]:
    """Yield all that is no folder, and folders that are empty or links."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    if not listed:
        yield folder
    for entry in listed:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        else:
            yield path


def _foreign(target: Path, here: Iterable[str]) -> list[str]:
    """Return the paths that the list of the site does not name, or names with another digest."""
    try:
        listed = read_json(target / _LIST, _LIMITS)
    except (OSError, DocumentError):
        return sorted(here)
    digests = listed.get("files") if isinstance(listed, dict) else None
    if not isinstance(digests, dict) or listed.get("format") != _FORMAT:
        return sorted(here)
    return [
        name
        for name in sorted(here)
        if name != _LIST and not _is_own(target / name, digests.get(name))
    ]


def _is_own(path: Path, digest: object) -> bool:
    try:
        is_same = hashlib.sha256(read_file(path, _MOST_BYTES)).hexdigest() == digest
    except (OSError, DocumentError):  # such as a pipe, for which nobody waits
        return False
    return is_same and not path.is_symlink()


@contextmanager
def _exchanged(target: Path) -> Iterator[Path]:
    """Yield a place beside a site, and put what is written there in the place of the site."""
    try:
        work = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        try:
            yield work / _NEXT
            _exchange(target, work)
        finally:
            shutil.rmtree(work / _NEXT, ignore_errors=True)
            with suppress(OSError):  # it stays if it holds the earlier site
                work.rmdir()
    except OSError as error:
        message = f"cannot replace the gallery {target.name!r}: {error.strerror or error}."
        raise DataError(message, path=target, hint="give another --out.") from error


def _exchange(target: Path, work: Path) -> None:
    """Put the new site in the place of the earlier one, unless others saved something there."""
    before = work / _BEFORE
    known = _check_own(target)
    target.rename(before)
    try:
        changed = sorted(dict(_stamps(before).items() - known.items()))
        if changed:  # between the check and the rename
            raise _refused(target, changed)
        (work / _NEXT).rename(target)
    except BaseException:
        before.rename(target)
        raise
    _remove(before, known)


def _prefix(target: Path) -> str:
    return f".{target.name}.gallery-"


def _remove_left(target: Path) -> None:
    """Remove sites that killed runs left aside, if they hold nothing of others."""
    name = re.compile(re.escape(_prefix(target)) + "[a-z0-9_]{8}")
    with suppress(OSError):
        for work in [each for each in target.parent.iterdir() if name.fullmatch(each.name)]:
            for site in (work / _NEXT, work / _BEFORE):
                with suppress(OSError, DataError):
                    is_link = work.is_symlink() or site.is_symlink()
                    if not is_link and (known := _check_own(site)):
                        _remove(site, known)


def _remove(site: Path, known: _Stamps) -> None:
    """Remove the files of a site aside and the folders that they leave empty; nothing else."""
    for name in known:
        with suppress(OSError):
            (site / name).unlink()
    for folder, _, _ in os.walk(site, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)
    with suppress(OSError):
        site.parent.rmdir()
