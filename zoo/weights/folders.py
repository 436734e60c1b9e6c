# SPDX-License-Identifier: Apache-2.0
"""Places on this disk as users write them, with ``~`` for a home folder."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.errors import DownloadError

__all__ = ["home_expanded"]


def home_expanded(text: str | os.PathLike[str], where: str) -> Path:
    """Return a path, its ``~`` or ``~user`` replaced by that folder.

    Args:
        text: What the user wrote.
        where: Of what, as the name of a variable or an option.

    Raises:
        DownloadError: There is no such user, or no home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        message = f"cannot use the path {os.fspath(text)!r}: no home folder is known for it."
        hint = "write the whole path, without ~."
        raise DownloadError(message, where=where, hint=hint) from error
