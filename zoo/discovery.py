# SPDX-License-Identifier: Apache-2.0
"""Where manifests lie: installed packages, ``ZOO_PLUGIN_PATH``, and a source checkout.

Nothing is imported and nothing is read here; the current directory is never searched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ManifestError
from zoo.manifest import MANIFEST_NAME

__all__ = ["ENTRY_POINT_GROUP", "Candidate", "find_candidates", "find_checkouts"]

ENTRY_POINT_GROUP = "zoo.plugins"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that should hold a manifest.

    Attributes:
        package: The package's name.
        manifest: The file, or None where the place does not even name one.
        source: ``entry point``, ``ZOO_PLUGIN_PATH`` or ``checkout``.
        error: Why there is no manifest, or None.
    """

    package: str
    manifest: Path | None
    source: str
    error: ManifestError | None = None


def find_candidates() -> list[Candidate]:
    """Return every place with a manifest: entry points first, then folders, in a stable order."""
    candidates = [_candidate_of_package(value) for value in _entry_point_values()]
    for folder in _path_folders():
        candidates += [_candidate_of_file(path, "ZOO_PLUGIN_PATH") for path in _scan(folder)]
    for checkout in find_checkouts():
        paths = [*_scan(checkout / "plugins"), *_existing(checkout / "configs")]
        candidates += [_candidate_of_file(path, "checkout") for path in paths]
    return candidates


def find_checkouts() -> tuple[Path, ...]:
    """Return the source checkouts: of the ``zoo`` package, and of the running ``tools/*.py``.

    A checkout is a folder with ``setup.py`` and ``plugins/``.
    """
    parents = [Path(__file__).resolve().parent.parent]
    script = Path(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else None
    if script is not None and script.parent.absolute().name == "tools":
        parents.append(script.resolve().parent.parent)
    return tuple(
        parent
        for parent in dict.fromkeys(parents)
        if (parent / "setup.py").is_file() and (parent / "plugins").is_dir()
    )


def _entry_point_values() -> list[str]:
    from importlib.metadata import entry_points

    return sorted({point.value for point in entry_points(group=ENTRY_POINT_GROUP)})


def _path_folders() -> list[Path]:
    folders = []
    for text in os.environ.get("ZOO_PLUGIN_PATH", "").split(os.pathsep):
        if not text:
            continue
        folder = Path(text)
        if folder.is_dir():
            folders.append(folder)
        else:
            import logging

            logging.getLogger("zoo").warning("ZOO_PLUGIN_PATH names %s: no such folder", folder)
    return folders


def _scan(folder: Path) -> Iterator[Path]:
    """Yield the manifests of a plugin's folder, or of a folder of plugins' folders."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _existing(entry)
            for package in sorted(entry.iterdir()):
                yield from _existing(package)


def _existing(package: Path) -> Iterator[Path]:
    manifest = package / MANIFEST_NAME
    if manifest.is_file():
        yield manifest


def _candidate_of_file(manifest: Path, source: str) -> Candidate:
    name = manifest.parent.name
    package = "zoo_configs" if source == "checkout" and name == "configs" else name
    return Candidate(package, manifest, source)


def _candidate_of_package(package: str) -> Candidate:
    """Return the candidate of an entry point; ``find_spec`` of a dotted name would import."""
    found = "expected a top-level package, such as 'zoo_my_thing'"
    if package.isidentifier():
        from importlib.util import find_spec

        spec = find_spec(package)
        folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        for folder in folders:
            for manifest in _existing(Path(folder)):
                return Candidate(package, manifest, "entry point")
        found = f"expected one with a {MANIFEST_NAME}"
        if not folders:
            found = "expected an installed package of that name"
    name = package.removeprefix("zoo_")
    message = f"cannot use plugin {name!r}: its entry point is {package!r}, {found}."
    error = ManifestError(
        message,
        plugin=name,
        where=f"entry point group {ENTRY_POINT_GROUP}, value {package}",
        hint="mend the plugin's pyproject.toml and install it again, or uninstall it.",
    )
    return Candidate(package, None, "entry point", error)
