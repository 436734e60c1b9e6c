# SPDX-License-Identifier: Apache-2.0
"""Folders of the user: paths with ``~``, and where zoo keeps its cache and its state."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from zoo.errors import DownloadError
from zoo.files import expand_home
from zoo.texts import shown

__all__ = ["cache_root", "home_expanded", "state_folder"]

_SYSTEM: str = sys.platform


def home_expanded(text: str | os.PathLike[str], where: str) -> Path:
    """Return a path with ``~`` or ``~user`` expanded.

    Args:
        text: Path from the user.
        where: Name of the variable or option, for the message.

    Raises:
        DownloadError: The user or home folder is unknown, or it is not a path.
    """
    _check_path(text, where)
    path = expand_home(text)
    if path.parts and path.parts[0].startswith("~"):
        message = f"cannot use the path {os.fspath(text)!r}: no home folder is known for it."
        hint = "write the full path, without ~."
        raise DownloadError(message, where=where, hint=hint)
    return path


def _check_path(value: object, where: str) -> None:
    """Raise an error if a Python caller passes something other than a path."""
    if not isinstance(value, (str, os.PathLike)):
        message = f"cannot use the path {shown(value)}: expected a text or a path, "
        message += f"got {type(value).__name__}."
        raise DownloadError(message, where=where, hint="give the path of a folder.")


def cache_root() -> Path:
    """Return the folder of zoo's cache, which may not exist.

    It is the folder ``ZOO_CACHE``, or by default ``zoo`` in the user's cache folder.

    Raises:
        DownloadError: It starts with ``~``, and the home folder is unknown.
    """
    names = ("ZOO_CACHE", "XDG_CACHE_HOME", "HOME")
    return _cache_root(*map(os.environ.get, names))


@lru_cache(maxsize=1)  # a listing asks once for each row
def _cache_root(named: str | None, base: str | None, _home: str | None) -> Path:
    if named:
        return home_expanded(named, "ZOO_CACHE")
    if _SYSTEM == "linux":  # same as platformdirs, without its import
        return Path(base, "zoo") if base and base.strip() else expand_home("~/.cache/zoo")
    from platformdirs import user_cache_path

    return user_cache_path("zoo")


def state_folder() -> Path | None:
    """Return the user's folder for the state of zoo, which may not exist yet.

    Unlike the cache, it is neither shared nor emptied. None if no home folder is known.
    """
    try:
        if _SYSTEM == "linux":  # same as platformdirs, whose import takes 6 ms
            state = expand_home(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
            return state / "zoo" if state.is_absolute() else None
        from platformdirs import user_state_path

        return user_state_path("zoo")
    except RuntimeError:
        return None
