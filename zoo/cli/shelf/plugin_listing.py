# SPDX-License-Identifier: Apache-2.0
"""``zoo publish --source --plugin``: what an index says of a plugin."""

from __future__ import annotations

from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.checking.subject import Subject

__all__ = ["listing_of_plugin"]


def listing_of_plugin(path: str) -> dict[str, Any]:
    """Return the row of an index for a plugin.

    Args:
        path: Its project's folder, or its wheel.

    Raises:
        PluginError: There is no plugin, its manifest is broken, or nothing names its distribution.
    """
    from zoo.checking.lookup import found_subject
    from zoo.errors import PluginError
    from zoo.manifest.reading import read_manifest

    with found_subject(path) as subject:
        manifest = read_manifest(subject.manifest_path)
        distribution = _distribution(subject)
    if distribution is None:
        message = f"cannot list the plugin {manifest.plugin!r}: nothing names its distribution."
        hint = "give the folder of its pyproject.toml, or its wheel."
        raise PluginError(message, plugin=manifest.plugin, where=path, hint=hint)
    homepage = manifest.homepage or ""
    kinds = [row.kind for row in manifest.rows]
    return {
        "name": manifest.plugin,
        "distribution": distribution,
        "version": manifest.version,
        "summary": manifest.summary,
        "kinds": sorted(set(kinds)),
        **({"homepage": homepage} if homepage.startswith("https://") else {}),
    }


def _distribution(subject: Subject) -> str | None:
    """Return the name in pyproject.toml, or in the metadata of an unpacked wheel."""
    from zoo.documents import DocumentError, Limits, read_file, read_toml

    try:
        if subject.project is not None:
            name = read_toml(subject.project / "pyproject.toml", Limits())["project"]["name"]
            return str(name)
        for metadata in sorted(Path(subject.package).parent.glob("*.dist-info/METADATA")):
            text = read_file(metadata, 2**20).decode("utf-8", "replace")
            return Parser().parsestr(text, headersonly=True).get("Name")
    except (OSError, DocumentError, KeyError, TypeError):  # nothing names it
        pass
    return None
