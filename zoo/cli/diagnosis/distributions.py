# SPDX-License-Identifier: Apache-2.0
"""zoo and its plugins as installed by pip: their requirements and their files."""

from __future__ import annotations

import base64
import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import Mend, pip_mend, reinstall_mend
from zoo.documents import Limits, parse_json
from zoo.files import digest_of_file

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = [
    "distribution_of_plugin",
    "file_findings",
    "is_editable",
    "own_distribution",
    "requirement_findings",
]

# Extras of the core, whose modules are checked one by one, and extras for developers.
_NOT_FEATURES = frozenset({"mm", "mm-core", "onedl", "dev", "test", "tests", "docs"})
_NOT_USED = frozenset({"dev", "test", "tests", "docs"})


def own_distribution() -> Distribution | None:
    """Return the installed mmzoo, or None if zoo runs from a folder."""
    try:
        return Distribution.from_name("mmzoo")
    except PackageNotFoundError:
        return None


def distribution_of_plugin(package: str) -> Distribution | None:
    """Return the distribution of a plugin's package that an entry point names.

    Args:
        package: Import name of the plugin's package, as its entry point states it.
    """
    for point in entry_points(group="zoo.plugins"):
        if point.value == package and point.dist is not None:
            return point.dist
    return None


def is_editable(distribution: Distribution) -> bool:
    """Return whether a distribution is installed in editable mode.

    Args:
        distribution: An installed distribution.
    """
    with suppress(ValueError, AttributeError):
        text = distribution.read_text("direct_url.json") or "{}"
        document = parse_json(text.encode(), Limits())
        return bool(document.get("dir_info", {}).get("editable"))
    return False


@dataclass(frozen=True, slots=True)
class _Need:
    """A requirement of a distribution, and what is installed for it.

    Attributes:
        extra: The extra that requires it, or empty.
        requirement: Its name and versions.
        found: ``name version`` of what is installed, or None.
        fits: Whether the installed version meets the requirement.
    """

    extra: str
    requirement: Requirement
    found: str | None
    fits: bool

    @property
    def text(self) -> str:
        """Return it as an argument of pip."""
        return f"{self.requirement.name}{self.requirement.specifier}"


def requirement_findings(distribution: Distribution) -> Iterator[Finding]:
    """Yield findings on unmet requirements of a distribution, then on its extras.

    Args:
        distribution: An installed distribution.
    """
    needs = list(_needs(distribution))
    name = distribution.name
    for need in dict.fromkeys(needs):
        owner = f"{name}[{need.extra}]" if need.extra else name
        wanted = need.requirement.specifier or "any version"
        if need.found is None and not need.extra:
            found = f"not installed, and {owner} requires {wanted}"
            yield Finding(need.requirement.name, "missing", found, _install(need))
        elif need.found is not None and not need.fits:
            found = f"{need.found}, and {owner} requires {wanted}"
            yield Finding(need.requirement.name, "broken", found, _install(need))
    for extra in dict.fromkeys(need.extra for need in needs):
        if extra and extra not in _NOT_FEATURES:
            yield _extra(f"{name}[{extra}]", [need for need in needs if need.extra == extra])


def _install(*needs: _Need, may_run: bool = True) -> Mend:
    return pip_mend(["install", *(need.text for need in needs)], may_run=may_run)


def _extra(name: str, needs: list[_Need]) -> Finding:
    absent = [need for need in needs if need.found is None]
    if not absent:
        found = ", ".join(dict.fromkeys(need.found for need in needs if need.found))
        return Finding(name, "ok", found, needed=False)
    names = ", ".join(need.requirement.name for need in absent)
    # A feature that nobody asked for is no fault, so --fix leaves it.
    mend = _install(*absent, may_run=False)
    return Finding(name, "missing", f"not installed: {names}", mend, needed=False)


def _needs(distribution: Distribution) -> Iterator[_Need]:
    from packaging.requirements import InvalidRequirement, Requirement

    extras = distribution.metadata.get_all("Provides-Extra") or []
    used = [extra for extra in extras if extra not in _NOT_USED]
    for text in distribution.requires or ():
        with suppress(InvalidRequirement):  # pip would not have installed it
            requirement = Requirement(text)
            holds_in = [extra for extra in ("", *used) if _holds(requirement, extra)]
            # What is required without an extra is required with every one.
            for extra in holds_in[:1] if "" in holds_in else holds_in:
                if requirement.name != distribution.name:  # an extra that includes another
                    yield _need(extra, requirement)


def _holds(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _need(extra: str, requirement: Requirement) -> _Need:
    from zoo.manifest.requirements import find_builds, is_fitting

    # A fork or another build has its own version numbers: only its presence counts.
    builds = find_builds(requirement.name, alone=True)
    others = find_builds(requirement.name)
    if builds:
        name, version = builds[0]
        return _Need(extra, requirement, f"{name} {version}", is_fitting(requirement, version))
    found = " ".join(others[0]) if others else None
    return _Need(extra, requirement, found, fits=True)


def file_findings(distribution: Distribution) -> Iterator[Finding]:
    """Yield a finding if files of a distribution are missing or changed since installation.

    Args:
        distribution: An installed distribution.
    """
    lines = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    # Only packages: installers rewrite scripts and notes, and compiled files have no digest.
    stated = {
        line[0]: line[1]
        for line in lines
        if len(line) == 3 and line[1] and line[0].startswith(("zoo/", "zoo_"))
    }
    changed = [name for name, digest in stated.items() if _differs(distribution, name, digest)]
    if not changed:
        return
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    found = f"not as installed: {', '.join(changed[:3])}{more}"
    yield Finding(distribution.name, "broken", found, reinstall_mend(distribution))


def _differs(distribution: Distribution, name: str, digest: str) -> bool:
    kind, _, value = digest.partition("=")
    if kind != "sha256":
        return False
    try:
        found = bytes.fromhex(digest_of_file(Path(str(distribution.locate_file(name)))))
    except OSError:
        return True
    return base64.urlsafe_b64encode(found).decode().rstrip("=") != value
