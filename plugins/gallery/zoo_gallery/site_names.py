# SPDX-License-Identifier: Apache-2.0
"""Paths of pages: safe on every file system, distinct, and told from the names alone."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote

__all__ = ["page_names", "relative"]

_MOST_CHARACTERS = 100
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
# Names that Windows keeps for devices, and the page of the folder itself.
_TAKEN = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9]|index)(\..*)?", re.IGNORECASE)
_LIKE_A_DIGEST = re.compile(r".*-[0-9a-f]{8}", re.IGNORECASE)  # kept for the names made here


def page_names(names: Iterable[str]) -> dict[str, str]:
    """Return a file name without suffix for each name, distinct whatever the case.

    A name stays as it is if it can; else it is shortened to what can, with some of its digest.

    Args:
        names: Distinct names of one folder.

    Example:
        >>> page_names(["unet", "con"])
        {'unet': 'unet', 'con': 'con-1143da2b'}
    """
    listed = list(dict.fromkeys(names))
    spellings = Counter(name.lower() for name in listed)
    return {name: name if _fits(name, spellings) else _with_digest(name) for name in listed}


def _fits(name: str, spellings: Counter[str]) -> bool:
    is_plain = len(name) <= _MOST_CHARACTERS and _PLAIN.fullmatch(name) is not None
    return (
        is_plain
        and not name.endswith(".")
        and not _TAKEN.fullmatch(name)
        and not _LIKE_A_DIGEST.fullmatch(name)
        and (spellings[name.lower()] == 1)
    )


def _with_digest(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9_@-]+", "-", name[:_MOST_CHARACTERS])[:60].strip("-")
    return f"{kept or 'page'}-{digest}"


def relative(path: str, page: str) -> str:
    """Return the address of a file of the site, as a page names it.

    Args:
        path: Path of the file in the site.
        page: Path of the page in the site.

    Example:
        >>> relative("index.html", "plugins/x/unet.html")
        '../../index.html'
    """
    return quote(posixpath.relpath(path, posixpath.dirname(page) or "."), safe="/@._-")
