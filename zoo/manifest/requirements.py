# SPDX-License-Identifier: Apache-2.0
"""Whether a plugin fits this zoo and this environment, from package metadata alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import IncompatibleError, ManifestError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = [
    "API",
    "BUILDS",
    "OLDEST_API",
    "UPGRADES",
    "check_api",
    "check_requirements",
    "find_builds",
    "find_installed",
    "is_fitting",
    "read_requirement",
    "upgrade_document",
]

API = 1
"""Number of the newest manifest contract that this zoo reads."""

OLDEST_API = 1
"""Number of the oldest; a plugin of an older one cannot be used."""

UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each number from ``OLDEST_API`` to below ``API``: a manifest of it -> one of the next.

It renames and adds keys, may change what it is given, and leaves alone what it does not expect: the
rules of the newest contract are applied afterwards.
"""

BUILDS = (
    ("mmengine", "mmengine-lite", "onedl-mmengine"),
    ("mmcv", "mmcv-lite", "onedl-mmcv"),
    ("mmdet", "onedl-mmdetection"),
    ("mmsegmentation", "onedl-mmsegmentation"),
    (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
)
"""Distributions that bring the same import names; the forks continue upstream's version numbers."""


def check_api(api: int, *, plugin: str, manifest: Path) -> None:
    """Check that a manifest was written for a contract that this zoo reads.

    Args:
        api: API number of the manifest.
        plugin: Name of the plugin.
        manifest: Its file.

    Raises:
        IncompatibleError: It is newer, or too old.
    """
    if OLDEST_API <= api <= API:
        return
    has = f"{API}" if API == OLDEST_API else f"{OLDEST_API} to {API}"
    message = f"cannot use plugin {plugin!r}: needs api {api}, this zoo has {has}."
    upgrade = "pip install --upgrade mmzoo" if api > API else f"upgrade the plugin {plugin}"
    raise IncompatibleError(
        message,
        requirement=f"api {api}",
        found=f"api {has}",
        plugin=plugin,
        manifest=manifest,
        hint=f"{upgrade}.",
    )


def upgrade_document(values: dict[str, Any]) -> dict[str, Any]:
    """Return the document of an older contract as the newest one writes it.

    What is no manifest, or of a number that this zoo does not read, is returned unchanged: the
    reading of its header refuses it.

    Args:
        values: A manifest's TOML; not changed.
    """
    header = values.get("plugin")
    api = header.get("api") if isinstance(header, dict) else None
    if type(api) is not int or not OLDEST_API <= api < API:
        return values
    values = deepcopy(values)
    for number in range(api, API):
        values = UPGRADES[number](values)
    return values


def read_requirement(text: str, *, plugin: str, manifest: Path) -> Requirement:
    """Parse a PEP 508 requirement.

    Args:
        text: A requirement such as ``"mmsegmentation>=1.2,<2"``.
        plugin: Name of the plugin.
        manifest: Its file.

    Raises:
        ManifestError: It is not a valid requirement.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        found = "nested brackets" if isinstance(error, RecursionError) else str(error)
        raise _no_requirement(text, found, plugin, manifest) from error


def _no_requirement(text: str, found: str, plugin: str, manifest: Path) -> ManifestError:
    message = (
        f"cannot use plugin {plugin!r}: [requires] distributions holds {text!r:.200}, "
        f"expected a requirement in pip's syntax ({found.splitlines()[0]:.200})."
    )
    hint = 'write it like "mmsegmentation>=1.2,<2".'
    return ManifestError(message, plugin=plugin, manifest=manifest, hint=hint)


def _is_for_here(requirement: Requirement) -> bool:
    """Return whether the marker holds here; ValueError or KeyError if it is invalid."""
    return requirement.marker is None or requirement.marker.evaluate()


def find_builds(distribution: str, *, alone: bool = False) -> list[tuple[str, str]]:
    """Return name and version of every installed build of a distribution, the original first.

    Args:
        distribution: Name as in a requirement, in any spelling that pip accepts.
        alone: Whether to exclude its equivalents in `BUILDS`.

    Example:
        >>> find_builds("Packaging")[0][0]
        'packaging'
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.utils import canonicalize_name

    name = canonicalize_name(distribution)
    group = () if alone else next((group for group in BUILDS if name in group), ())
    builds: list[tuple[str, str]] = []
    for candidate in (name, *(other for other in group if other != name)):
        try:
            builds.append((candidate, version(candidate) or "of no version"))
        except (PackageNotFoundError, KeyError):  # metadata without a version, on newer Pythons
            continue
    return builds


@cache
def find_installed(distribution: str) -> tuple[str, str] | None:
    """Return name and version of an installed distribution or of a known equivalent.

    Args:
        distribution: Name as in a requirement, in any spelling that pip accepts.

    Returns:
        ``(name, version)``, or None if neither it nor an equivalent is installed.

    Example:
        >>> find_installed("Packaging")[0]
        'packaging'
    """
    return next(iter(find_builds(distribution)), None)


def is_fitting(requirement: Requirement, version: str) -> bool:
    """Return whether a version satisfies a requirement; an invalid version does not.

    Args:
        requirement: A requirement from `read_requirement`.
        version: Installed version; pre-releases are accepted.
    """
    from packaging.version import InvalidVersion

    try:
        return requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return False


def check_requirements(requires: Sequence[str], *, plugin: str, manifest: Path) -> None:
    """Check that every required distribution is installed in a suitable version.

    A requirement whose environment marker does not hold here is skipped.

    Args:
        requires: PEP 508 requirements.
        plugin: Name of the plugin.
        manifest: Its file.

    Raises:
        IncompatibleError: Some are missing or unsuitable; the hint is one pip command for all.
        ManifestError: A requirement cannot be read.
    """
    unmet: list[tuple[str, str | None]] = []
    for text in requires:
        requirement = read_requirement(text, plugin=plugin, manifest=manifest)
        try:
            if not _is_for_here(requirement):
                continue
        except (ValueError, KeyError) as error:  # for example python_version ~= 'x'
            raise _no_requirement(text, str(error), plugin, manifest) from error
        wanted = text.partition(";")[0].strip()
        found = find_installed(requirement.name)
        if found is None:
            unmet.append((wanted, None))
        elif not is_fitting(requirement, found[1]):
            unmet.append((wanted, f"{found[0]} {found[1]}"))
    if not unmet:
        return
    unmet.sort(key=lambda each: each[1] is None)  # unsuitable versions before missing ones
    parts = [f"{text} ({found or 'not installed'})" for text, found in unmet]
    message = f"cannot use plugin {plugin!r}: it requires {', '.join(parts)}."
    pip_line = " ".join(f'"{text}"' for text, _ in unmet)
    raise IncompatibleError(
        message,
        requirement=unmet[0][0],
        found=unmet[0][1],
        plugin=plugin,
        manifest=manifest,
        hint=f"pip install {pip_line}",
    )
