# SPDX-License-Identifier: Apache-2.0
"""Record which configs this user's own training wrote: their digests, kept outside every work dir.

A work dir may come from anybody, and so may everything it says about itself. The digests are in the
user's state folder, not in the cache, which may be shared with others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from zoo.files import digest_of_file
from zoo.folders import state_folder

__all__ = ["is_own", "note_own"]

_LOG = logging.getLogger("zoo")
_NAME = "own_configs"


def note_own(paths: Iterable[Path]) -> None:
    """Record configs that a run of this user wrote; copies are recognized, edited ones are not.

    Args:
        paths: Files; missing ones are skipped.
    """
    digests = {digest_of_file(path) for path in paths if path.is_file()} - _noted()
    note = _note_file()
    if note is None or not digests:
        return
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        # A single append, so that parallel runs do not mix their lines.
        with note.open("ab", buffering=0) as stream:
            stream.write("".join(f"{digest}\n" for digest in sorted(digests)).encode())
    except OSError as error:  # the home folder is not writable; the run itself is unaffected
        _LOG.info("cannot record the config of this run in %s: %s", note, error.strerror)


def is_own(path: Path) -> bool:
    """Return whether a config is byte for byte one that a run of this user wrote.

    Args:
        path: A config.
    """
    try:
        return digest_of_file(path) in _noted()
    except OSError:
        return False


def _noted() -> set[str]:
    note = _note_file()
    try:
        return set() if note is None else set(note.read_text("ascii", "replace").split())
    except OSError:
        return set()


def _note_file() -> Path | None:
    folder = state_folder()
    return None if folder is None else folder / _NAME
