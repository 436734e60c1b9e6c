# SPDX-License-Identifier: Apache-2.0
"""ZP201-ZP204, ZP215-ZP217: what the distribution says of the plugin."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.checking.finding import Finding
from zoo.checking.project_version import ELSEWHERE
from zoo.checking.rule import Case
from zoo.checking.source.places import place_in_text, place_of
from zoo.checking.source.project import Distribution
from zoo.checking.source.requirements import read_requirement_or_none
from zoo.checking.static.cases import (
    distribution_of,
    is_stated,
    projects,
    readable_distribution,
    static_rule,
)
from zoo.checking.subject import Subject
from zoo.manifest.discovery import ENTRY_POINT_GROUP
from zoo.manifest.reading import MANIFEST_NAME
from zoo.version import __version__

__all__ = ["RULES"]

_CORRECT = "correct what the message names."
_ZOO = "mmzoo"


def _check_reads(subject: Subject, found: Distribution) -> Iterator[Finding]:
    if found.fault is not None:
        yield Finding("ZP201", str(found.path), f"{found.path.name}: {found.fault}.", _CORRECT)
    elif found.name is None:
        message = f"{found.path.name} states no name of the distribution."
        mend = f'add name = "{_wanted_name(subject)}" below [project].'
        yield Finding("ZP201", str(found.path), message, mend)


def _wanted_name(subject: Subject) -> str:
    return f"mmzoo-{subject.name.replace('_', '-')}"


def _check_name(subject: Subject, found: Distribution) -> Iterator[Finding]:
    wanted = _wanted_name(subject)
    if found.name is not None and found.name.lower().replace("_", "-") != wanted:
        message = f"the distribution is called {found.name!r}, expected {wanted!r}."
        mend = "rename it: zoo's hints tell users to install a plugin by that name."
        where = place_of(found.path, "project", 0, "name")
        yield Finding("ZP202", where, message, mend, level="warning")


def _check_entry_point(subject: Subject, found: Distribution) -> Iterator[Finding]:
    value = found.entry_points.get(subject.name)
    if value != subject.package_name:
        stated = ", ".join(f"{key} = {each!r}" for key, each in found.entry_points.items())
        message = f"the entry points {ENTRY_POINT_GROUP} are {stated or 'empty'}, expected "
        message += f"{subject.name} = {subject.package_name!r}: zoo finds the plugin by it."
        table = f'[project.entry-points."{ENTRY_POINT_GROUP}"]'
        mend = f'write {subject.name} = "{subject.package_name}" below {table}.'
        yield Finding("ZP203", place_in_text(found.path, ENTRY_POINT_GROUP), message, mend)


def _check_version(subject: Subject, found: Distribution) -> Iterator[Finding]:
    if subject.manifest is None or not is_stated(subject, "version"):
        return
    wanted = subject.manifest.version
    where = place_of(found.path, "project", 0, "version")
    if found.version == ELSEWHERE and found.is_project:
        message = "the version is dynamic, and only a build tells whether it is the manifest's."
        mend = f"let the build read it from {MANIFEST_NAME}, or check with --deep."
        yield Finding("ZP204", where, message, mend, level="warning")
    elif not _is_same(found, wanted):
        message = f"the version is {found.version!r}, expected {wanted!r} as in {MANIFEST_NAME}."
        yield Finding("ZP204", where, message, _mend_version(found))


def _mend_version(found: Distribution) -> str:
    if not found.is_project:
        return "install the plugin again: its metadata is of another version."
    return f"make the two agree, or let the build read the version from {MANIFEST_NAME}."


def _is_same(found: Distribution, wanted: str) -> bool:
    """Return whether a version is that of the manifest; metadata hold it as PEP 440 spells it."""
    if found.is_project or found.version is None:
        return found.version == wanted
    from packaging.version import InvalidVersion, Version

    try:
        return Version(found.version) == Version(wanted)
    except InvalidVersion:
        return found.version == wanted


def _check_python(_: Subject, found: Distribution) -> Iterator[Finding]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    where = place_of(found.path, "project", 0, "requires-python")
    text = found.requires_python
    if text is None:
        return
    try:
        wanted = SpecifierSet(text)
    except InvalidSpecifier:
        message = f"requires-python is {text!r}, expected a range such as '>=3.11'."
        yield Finding("ZP215", where, message, f"write {_own_python()!r}.")
        return
    own = SpecifierSet(_own_python())
    minors = (f"3.{minor}.{patch}" for minor in range(8, 30) for patch in (0, 5, 99))
    if not any(own.contains(each) and wanted.contains(each) for each in minors):
        message = f"requires-python is {text!r}, and zoo runs on {_own_python()}."
        yield Finding("ZP215", where, message, f"write {_own_python()!r}.")


def _own_python() -> str:
    """Return the range of Pythons that zoo runs on."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        return str(metadata(_ZOO)["Requires-Python"])
    except (PackageNotFoundError, KeyError):
        return ">=3.11"


def _check_licence(subject: Subject, found: Distribution) -> Iterator[Finding]:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if subject.manifest is None or not is_stated(subject, "license"):
        return
    stated = subject.manifest.license
    where = place_of(subject.manifest_path, "plugin", 0, "license")
    try:
        wanted = str(canonicalize_license_expression(stated))
    except InvalidLicenseExpression:
        message = f"license is {stated!r}, expected an SPDX expression."
        mend = 'write one such as "Apache-2.0", or "LicenseRef-NAME" for one that SPDX lacks.'
        yield Finding("ZP216", where, message, mend)
        return
    try:
        own = found.licence and str(canonicalize_license_expression(found.licence))
    except InvalidLicenseExpression:
        own = found.licence
    if own not in (None, wanted):
        message = f"license is {stated!r}, and {found.path.name} says {found.licence!r}."
        yield Finding("ZP216", where, message, "make the two agree.")


def _check_needs_zoo(subject: Subject, found: Distribution) -> Iterator[Finding]:
    from packaging.utils import canonicalize_name

    where = place_of(found.path, "project", 0, "dependencies")
    wanted = map(read_requirement_or_none, found.dependencies)  # ZP206 tells of unreadable ones
    own = [each for each in wanted if each is not None and canonicalize_name(each.name) == _ZOO]
    if not own and not subject.is_library:
        message = f"the dependencies do not name {_ZOO}, which the plugin is for."
        yield Finding("ZP217", where, message, f'add "{_ZOO}>={__version__}" to dependencies.')
    for each in own:
        if not each.specifier.contains(__version__, prereleases=True):
            message = f"the dependencies hold {str(each)!r}, and this is {_ZOO} {__version__}."
            mend = f"let the range hold {__version__}, once the plugin works with it."
            yield Finding("ZP217", where, message, mend)


def _all(subject: Subject) -> Iterator[Case]:
    found = distribution_of(subject)
    if found is not None:
        yield "", found


RULES = (
    static_rule(
        "ZP201",
        "project-reads",
        "pyproject.toml is TOML and names the distribution.",
        _all,
        _check_reads,
    ),
    static_rule(
        "ZP202",
        "distribution-named",
        "The distribution is called mmzoo- and the plugin's name.",
        readable_distribution,
        _check_name,
    ),
    static_rule(
        "ZP203",
        "entry-point",
        "An entry point of the group zoo.plugins names the package.",
        readable_distribution,
        _check_entry_point,
    ),
    static_rule(
        "ZP204",
        "versions-agree",
        "The distribution has the version of the manifest.",
        readable_distribution,
        _check_version,
    ),
    static_rule(
        "ZP215",
        "python-overlaps",
        "The plugin runs on a Python that zoo runs on.",
        readable_distribution,
        _check_python,
    ),
    static_rule(
        "ZP216",
        "licence-agrees",
        "The licence of the code is an SPDX expression, the same in both files.",
        readable_distribution,
        _check_licence,
    ),
    static_rule(
        "ZP217",
        "needs-zoo",
        "The distribution depends on a range of mmzoo that holds this one.",
        projects,
        _check_needs_zoo,
    ),
)
