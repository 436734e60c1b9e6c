# SPDX-License-Identifier: Apache-2.0
"""Places on this disk as users write them, with ``~`` for a home folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zoo.errors import DownloadError
from zoo.files import expand_home
from zoo.texts import shown

__all__ = ["home_expanded", "state_folder"]


def home_expanded(text: str | os.PathLike[str], where: str) -> Path:
    """Return a path, its ``~`` or ``~user`` replaced by that folder.

    Args:
        text: What the user wrote.
        where: Of what, as the name of a variable or an option.

    Raises:
        DownloadError: There is no such user, or no home folder; or it is no path.
    """
    _check_path(text, where)
    path = expand_home(text)
    if path.parts and path.parts[0].startswith("~"):
        message = f"cannot use the path {os.fspath(text)!r}: no home folder is known for it."
        hint = "write the full path, without ~."
        raise DownloadError(message, where=where, hint=hint)
    return path


def _check_path(value: object, where: str) -> None:
    """Raise where a caller from Python gives something else than a path."""
    if not isinstance(value, (str, os.PathLike)):
        message = f"cannot use the path {shown(value)}: expected a text or a path, "
        message += f"got {type(value).__name__}."
        raise DownloadError(message, where=where, hint="give the path of a folder.")


def state_folder() -> Path | None:
    """Return the user's own folder for what zoo remembers, which may not be there yet.

    Unlike the cache, it is neither shared nor emptied. None where no home folder is known.
    """
    try:
        if str(sys.platform).startswith("linux"):  # as platformdirs does, whose import takes 6 ms
            state = expand_home(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
            return state / "zoo" if state.is_absolute() else None
        from platformdirs import user_state_path

        return user_state_path("zoo")
    except RuntimeError:
        return None
