# SPDX-License-Identifier: Apache-2.0
"""What a plugin's distribution says: from ``pyproject.toml``, or from an installed ``METADATA``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from zoo.checking.project_version import find_version
from zoo.checking.source.places import text_of
from zoo.documents import DocumentError, Limits, read_toml, reason_of
from zoo.manifest.discovery import ENTRY_POINT_GROUP

__all__ = ["Distribution", "find_distribution", "table_of"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A plugin's distribution.

    Attributes:
        path: ``pyproject.toml``, or the file METADATA of an installed one.
        is_project: Whether it is a project, and not installed.
        document: The TOML of the project; empty for an installed one.
        fault: Why it cannot be read, or None.
        name: Name of the distribution; None if not stated.
        version: Its version; None if not stated, ``dynamic`` if it comes from elsewhere.
        entry_points: Names and values of the group ``zoo.plugins``.
        dependencies: Requirements, as texts; those of extras too.
        extras: Extra -> its requirements.
        requires_python: Range of Pythons; None if not stated.
        licence: SPDX expression; None if not stated.
    """

    path: Path
    is_project: bool
    document: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    name: str | None = None
    version: str | None = None
    entry_points: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requires_python: str | None = None
    licence: str | None = None


def find_distribution(package: Path, project: Path | None, version: str) -> Distribution | None:
    """Return the distribution of a package, or None if it is only a folder.

    Args:
        package: Folder of the package.
        project: Folder of ``pyproject.toml``, or None.
        version: Version in the manifest, which a dynamic version may come from.
    """
    if project is not None:
        return _read_project(project, version)
    for info in sorted(package.parent.glob("*.dist-info")):
        points = _entry_points(text_of(info / "entry_points.txt"))
        record = text_of(info / "RECORD")
        if package.name in points.values() or f"{package.name}/zoo_plugin.toml" in record:
            return _read_metadata(info, points)
    return None


def table_of(document: Any, *keys: str) -> Mapping[str, Any]:
    """Return a table in a document; an empty one if there is none.

    Args:
        document: A mapping, or anything else.
        keys: Keys from the top to the table.
    """
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def _read_project(project: Path, version: str) -> Distribution:
    path = project / "pyproject.toml"
    try:
        document = read_toml(path, Limits(is_finite=False))
    except (OSError, DocumentError) as error:
        return Distribution(path, True, fault=reason_of(error))
    table = table_of(document, "project")
    extras = table_of(table, "optional-dependencies")
    points = table_of(table, "entry-points", ENTRY_POINT_GROUP)
    licence = table.get("license")
    if isinstance(licence, Mapping):  # the form before PEP 639
        licence = licence.get("text")
    return Distribution(
        path,
        True,
        document,
        name=_text(table.get("name")),
        version=_text(find_version(project, document, version)),
        entry_points={key: str(value) for key, value in points.items()},
        dependencies=_texts(table.get("dependencies")),
        extras={key: _texts(value) for key, value in extras.items()},
        requires_python=_text(table.get("requires-python")),
        licence=_text(licence),
    )


def _read_metadata(info: Path, points: Mapping[str, str]) -> Distribution:
    path = info / "METADATA"
    head = HeaderParser().parsestr(text_of(path))
    plain: list[str] = []
    extras: dict[str, tuple[str, ...]] = {}
    for text in map(str, head.get_all("Requires-Dist") or ()):
        found = re.search(r"""extra\s*==\s*['"]([^'"]+)""", text)
        if found is None:
            plain.append(text)
        else:
            own = text.partition(";")[0].strip()
            extras[found[1]] = (*extras.get(found[1], ()), own)
    return Distribution(
        path,
        False,
        name=_text(head.get("Name")),
        version=_text(head.get("Version")),
        entry_points=points,
        dependencies=tuple(plain),
        extras=extras,
        requires_python=_text(head.get("Requires-Python")),
        licence=_text(head.get("License-Expression")),
    )


def _entry_points(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == ENTRY_POINT_GROUP and "=" in line:
            name, _, value = line.partition("=")
            found[name.strip()] = value.strip()
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(each for each in values if isinstance(each, str)) if type(values) is list else ()
