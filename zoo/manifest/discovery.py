# SPDX-License-Identifier: Apache-2.0
"""Find manifests in installed packages, ``ZOO_PLUGIN_PATH`` and source checkouts.

This module imports no plugin and reads no manifest. It never searches the current directory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.documents import DocumentError, read_file
from zoo.errors import ManifestError
from zoo.files import expand_home
from zoo.manifest.reading import LIMITS, MANIFEST_NAME
from zoo.texts import printable

__all__ = [
    "ENTRY_POINT_GROUP",
    "Candidate",
    "candidates_in",
    "find_candidates",
    "find_checkouts",
    "warn",
]

ENTRY_POINT_GROUP = "zoo.plugins"

_CONFIGS = "zoo_configs"
_OWN_CHECKOUT = Path(__file__).resolve().parents[2]
_METADATA_SUFFIXES = (".dist-info", ".egg-info")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A location that should contain a manifest.

    Attributes:
        package: Name of the package.
        manifest: The file, or None if the location does not name one.
        source: ``entry point``, ``ZOO_PLUGIN_PATH`` or ``checkout``.
        error: Why the manifest is missing, or None.
    """

    package: str
    manifest: Path | None
    source: str
    error: ManifestError | None = None


def find_candidates() -> list[Candidate]:
    """Return every location of a manifest, entry points before folders, in a stable order."""
    candidates = [_candidate_of_package(value) for value in _entry_point_values()]
    for folder in _path_folders():
        candidates += candidates_in(folder)
    for checkout in find_checkouts():
        paths = [*_scan(checkout / "plugins"), *_existing(checkout / "configs")]
        candidates += [_candidate_of_file(path, "checkout") for path in paths]
    return candidates


def candidates_in(folder: Path) -> list[Candidate]:
    """Return the manifests in a folder of plugins.

    Args:
        folder: An entry of ``ZOO_PLUGIN_PATH``.
    """
    return [_candidate_of_file(path, "ZOO_PLUGIN_PATH") for path in _scan(folder)]


def find_checkouts() -> tuple[Path, ...]:
    """Return the source checkouts of the ``zoo`` package and of the running ``tools/*.py``.

    A checkout is a folder with ``setup.py`` and ``plugins/``.
    """
    parents = [_OWN_CHECKOUT]
    script = Path(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else None
    if script is not None and script.parent.absolute().name == "tools":
        parents.append(script.resolve().parent.parent)
    return tuple(
        parent
        for parent in dict.fromkeys(parents)
        if (parent / "setup.py").is_file() and (parent / "plugins").is_dir()
    )


def _entry_point_values() -> list[str]:
    """Return the entry points of the group from all installed distributions, sorted.

    ``importlib.metadata.entry_points`` returns the same but takes 30 ms to import, a fifth of the
    time budget of ``zoo list``. A test compares the two.
    """
    values: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        # An empty entry means the current directory, which is never searched.
        for info in _metadata_folders(folder) if folder else ():
            try:
                path = os.path.join(info, "entry_points.txt")
                text = read_file(path, LIMITS.size_bytes).decode("utf-8", "replace")
            except (OSError, DocumentError):
                continue
            if ENTRY_POINT_GROUP in text:
                values.update(_values_of_group(text))
    return sorted(values)


def _metadata_folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.endswith(_METADATA_SUFFIXES)]
    except OSError:
        return []


def _values_of_group(text: str) -> Iterator[str]:
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == ENTRY_POINT_GROUP and "=" in line and not line.startswith("#"):
            yield line.partition("=")[2].strip()


def _path_folders() -> list[Path]:
    folders = []
    for text in os.environ.get("ZOO_PLUGIN_PATH", "").split(os.pathsep):
        if not text:
            continue
        folder = expand_home(text)
        if os.path.isdir(folder):
            folders.append(folder)
        else:
            found = "it is a file" if os.path.isfile(folder) else "no such folder"
            warn(f"ZOO_PLUGIN_PATH names {text}: {found}")
    return folders


def warn(message: str) -> None:
    """Log a problem that a listing ignores.

    Args:
        message: One sentence; unprintable characters are escaped.
    """
    import logging  # imported here: a listing without problems does not need it

    logging.getLogger("zoo").warning(printable(message))


def _scan(folder: Path) -> Iterator[Path]:
    """Yield the manifests of a package, a plugin folder, or a folder of plugin folders."""
    yield from _existing(folder)
    for entry in _folders_in(folder):
        yield from _existing(entry)
        for package in _folders_in(entry):
            yield from _existing(package)


def _folders_in(folder: str | Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.path for entry in entries if entry.name[0] != "." and _is_dir(entry)]
    except OSError as error:
        warn(f"plugins in {folder} cannot be found: {error.strerror}")
        return []
    return sorted(found)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _existing(package: str | Path) -> Iterator[Path]:
    """Yield the manifest of a package if it exists, even as a broken link or a pipe."""
    manifest = os.path.join(package, MANIFEST_NAME)
    if os.path.lexists(manifest):
        yield Path(manifest)


def _candidate_of_file(manifest: Path, source: str) -> Candidate:
    name = manifest.parent.name
    package = _CONFIGS if source == "checkout" and name == "configs" else name
    return Candidate(package, manifest, source)


def _folders_of_package(package: str) -> list[str]:
    from importlib.util import find_spec

    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # such as `__main__`, which has no spec
        return []
    own = _OWN_CHECKOUT / "configs"
    if spec is None and package == _CONFIGS and own.is_dir():  # an editable install leaves it there
        return [str(own)]
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def _candidate_of_package(package: str) -> Candidate:
    """Return the candidate of an entry point; ``find_spec`` of a dotted name would import it."""
    found = "expected a top-level package, such as 'zoo_my_thing'"
    if package.isidentifier():
        folders = _folders_of_package(package)
        for folder in folders:
            for manifest in _existing(folder):
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
        hint="fix the plugin's pyproject.toml and reinstall it, or uninstall it.",
    )
    return Candidate(package, None, "entry point", error)
