# SPDX-License-Identifier: Apache-2.0
"""Where a plugin's project has its version from, told without a build."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_file, read_text
from zoo.manifest.reading import MANIFEST_NAME

__all__ = ["ELSEWHERE", "find_version"]

ELSEWHERE = "dynamic"
"""A version that a build reads from somewhere else than the manifest."""


def find_version(project: Path, document: Mapping[str, Any], version: str) -> Any:
    """Return the version that a build of the project has, as far as its files tell.

    With ``dynamic = ["version"]`` it is that of the manifest if the project says so: in a
    ``setup.py`` that names ``zoo_plugin.toml``, or in a table of pyproject.toml such as
    ``[tool.hatch.version]``. Only a wheel proves it.

    Args:
        project: Folder of ``pyproject.toml``.
        document: Its content, not checked.
        version: Version of the manifest.

    Returns:
        ``[project] version`` as it stands, or ``version``, or :data:`ELSEWHERE`; None without any.
    """
    table = document.get("project")
    table = table if isinstance(table, Mapping) else {}
    dynamic = table.get("dynamic")
    if "version" in table or not isinstance(dynamic, list) or "version" not in dynamic:
        return table.get("version")
    reads = _is_named_in_tools(document.get("tool")) or _is_named_in(project / "setup.py")
    return version if reads else ELSEWHERE


def _is_named_in_tools(tools: Any) -> bool:
    """Return whether a build backend's table of the version names the manifest."""
    tables = [each for each in _values(tools) if isinstance(each, Mapping)]
    tables += [each["dynamic"] for each in tables if isinstance(each.get("dynamic"), Mapping)]
    return any(MANIFEST_NAME in str(each.get("version", "")) for each in tables)


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, Mapping) else []


def _is_named_in(path: Path) -> bool:
    with contextlib.suppress(OSError, DocumentError):
        return MANIFEST_NAME in read_text(read_file(path, Limits().size_bytes))
    return False
