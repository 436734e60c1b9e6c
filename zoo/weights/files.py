# SPDX-License-Identifier: Apache-2.0
"""From a ``[[weights]]`` row to a file on this disk whose size and sha256 were checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from zoo.catalog import Found
from zoo.errors import DownloadError, HashMismatchError
from zoo.rows import WeightsRow

__all__ = ["find_weights_file", "verify_file", "weights_folder"]

_PACKAGE = "package:"


def weights_folder() -> Path:
    """Return the folder in which weights are kept that no package brings.

    ``ZOO_CACHE`` names it; otherwise it is ``zoo`` in the user's cache folder.
    """
    named = os.environ.get("ZOO_CACHE")
    if named:
        return Path(named).expanduser() / "weights"
    from platformdirs import user_cache_path  # imported here: listing does not need it

    return user_cache_path("zoo") / "weights"


def find_weights_file(found: Found) -> Path:
    """Return the file of a weights row, its size and sha256 verified.

    A file inside the plugin's package comes first, then one that the user put into
    `weights_folder` under its own name. Nothing is fetched.

    Args:
        found: A row of kind ``weights``, as the catalog returns it.

    Raises:
        HashMismatchError: A file is there, and is not the promised one.
        DownloadError: No file is there; says which, from where, and where to put it.
    """
    row = found.row
    if not isinstance(row, WeightsRow):
        msg = f"cannot find a file for {row.name!r}: it is a {row.kind}, expected weights."
        raise DownloadError(msg, hint="zoo list shows all weights.")
    for url in row.urls:
        path = _local_path(found, url)
        if path.is_file():
            verify_file(path, row)
            return path
    raise _absent(found, row)


def _local_path(found: Found, url: str) -> Path:
    if url.startswith(_PACKAGE):
        return found.record.file(url.removeprefix(_PACKAGE))
    return weights_folder() / PurePosixPath(urlsplit(url).path).name


def verify_file(path: Path, row: WeightsRow) -> None:
    """Raise unless the file has the row's size and sha256.

    Raises:
        HashMismatchError: It has another; the file is left as it is.
        DownloadError: It cannot be read.
    """
    hint = f"remove the file and get it again, or report it to the author of {row.name!r}."
    try:
        size_bytes = path.stat().st_size
        if size_bytes != row.size_bytes:
            msg = (
                f"cannot accept {path.name}: it has {size_bytes} bytes, expected {row.size_bytes}."
            )
            raise HashMismatchError(
                msg, expected=row.sha256, actual="not computed", where=path, hint=hint
            )
        with path.open("rb") as stream:
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        msg = f"cannot read the weights {path.name!r}: {error.strerror or error}."
        raise DownloadError(msg, where=path, hint="check the rights of the file.") from error
    if actual != row.sha256:
        msg = f"cannot accept {path.name}: sha256 is {actual}, expected {row.sha256}."
        raise HashMismatchError(msg, expected=row.sha256, actual=actual, where=path, hint=hint)


def _absent(found: Found, row: WeightsRow) -> DownloadError:
    first = row.urls[0]
    target = _local_path(found, first)
    where = f"plugin {found.record.name}, {first}"
    if first.startswith(_PACKAGE):
        msg = f"cannot find the weights {row.name!r}: the package lacks {target.name}."
        return DownloadError(msg, where=where, hint=f"install the plugin {found.record.name} anew.")
    msg = f"cannot find the weights {row.name!r}: found no file of that name on this machine."
    hint = f"download it with a browser, and put it at {target}; its sha256 is checked there."
    return DownloadError(msg, where=where, hint=hint)
