# SPDX-License-Identifier: Apache-2.0
"""Who wrote a plugin, and its README, as its distribution states them."""

from __future__ import annotations

from email import message_from_string
from email.utils import getaddresses
from functools import cached_property
from importlib.metadata import Distribution, entry_points
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_toml
from zoo_gallery.plain_text import line

__all__ = ["Authors"]

_GROUP = "zoo.plugins"
_MOST = 20
_LIMITS = Limits()


class Authors:
    """The authors of plugins: of a project, else of the installed distribution."""

    def of(self, package: str, project: Path | None) -> tuple[str, ...]:
        """Return the names of the authors, without addresses; empty if none are stated.

        Args:
            package: Name of the plugin's package.
            project: Folder of its ``pyproject.toml``, or None.
        """
        names = _in_project(project) if project is not None else self._in_metadata(package)
        return tuple(dict.fromkeys(line(name, 120) for name in names[:_MOST] if name.strip()))

    def readme_of(self, package: str) -> str | None:
        """Return the README in the metadata of an installed plugin, or None.

        Args:
            package: Name of the plugin's package.
        """
        found = self._distributions.get(package)
        if found is None:
            return None
        metadata = message_from_string(found.read_text("METADATA") or "")
        kind = metadata.get("Description-Content-Type", "text/markdown")
        text = metadata.get_payload()
        is_card = kind.startswith("text/markdown") and isinstance(text, str) and text.strip()
        return str(text) if is_card else None

    @cached_property
    def _distributions(self) -> dict[str, Distribution]:
        found = entry_points(group=_GROUP)
        return {each.value: each.dist for each in found if each.dist is not None}

    def _in_metadata(self, package: str) -> list[str]:
        found = self._distributions.get(package)
        if found is None:
            return []
        names = found.metadata.get_all("Author") or []
        mailed = getaddresses(found.metadata.get_all("Author-email") or [])
        return [*names, *(name for name, _ in mailed)]


def _in_project(project: Path) -> list[str]:
    try:
        document: Any = read_toml(project / "pyproject.toml", _LIMITS)
    except (OSError, DocumentError):
        return []
    table = document.get("project")
    authors = table.get("authors") if isinstance(table, dict) else None
    listed = authors if isinstance(authors, list) else []
    return [str(each["name"]) for each in listed if isinstance(each, dict) and "name" in each]
