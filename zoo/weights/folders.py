# SPDX-License-Identifier: Apache-2.0
"""Paths from users, with ``~`` for a home folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zoo.errors import DownloadError
from zoo.files import expand_home
from zoo.texts import shown

__all__ = ["home_expanded", "state_folder"]


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


def state_folder() -> Path | None:
    """Return the user's folder for the state of zoo, which may not exist yet.

    Unlike the cache, it is neither shared nor emptied. None if no home folder is known.
    """
    try:
        if str(sys.platform).startswith("linux"):  # same as platformdirs, whose import takes 6 ms
            state = expand_home(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
            return state / "zoo" if state.is_absolute() else None
        from platformdirs import user_state_path

        return user_state_path("zoo")
    except RuntimeError:
        return None
