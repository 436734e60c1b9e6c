# SPDX-License-Identifier: Apache-2.0
"""ZP206-ZP211: requirements and imports agree, and imports keep to what is public."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import zoo
from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.configs import read_config_text
from zoo.checking.source.imports import Imported, imports_of, imports_of_file
from zoo.checking.source.places import place_in_text
from zoo.checking.source.requirements import (
    Declared,
    declared,
    distributions_of,
    modules_of,
    read_requirement_or_none,
)
from zoo.checking.static.cases import distribution_of, static_rule, whole
from zoo.checking.static.configs import config_files
from zoo.checking.subject import Subject

__all__ = ["PUBLIC", "RULES"]

PUBLIC = (
    *("zoo.conversion", "zoo.data", "zoo.documents", "zoo.errors", "zoo.interfaces", "zoo.texts"),
)
"""The modules of zoo that plugins import, with all that is in them."""

_TOGETHER = "[requires] of zoo_plugin.toml and to dependencies of pyproject.toml"


def _requirements(subject: Subject) -> Iterator[Case]:
    """Yield every requirement with the file that states it."""
    manifest, found = subject.manifest, distribution_of(subject)
    for text in () if manifest is None else manifest.requires:
        yield text, (text, subject.manifest_path)
    if found is not None:
        for text in (
            *found.dependencies,
            *(each for every in found.extras.values() for each in every),
        ):
            yield text, (text, found.path)


def _check_reads(_: Subject, case: tuple[str, object]) -> Iterator[Finding]:
    text, path = case
    requirement = read_requirement_or_none(text)
    reason = "it is not in pip's syntax"
    if requirement is not None:
        try:
            if requirement.marker is not None:
                requirement.marker.evaluate({"extra": ""})
            return
        except (ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0]
    message = f"the requirement {text!r} cannot be read: {reason}."
    mend = 'write it like "mmsegmentation>=1.2,<2".'
    yield Finding("ZP206", place_in_text(path, text), message, mend)  # type: ignore[arg-type]


def _declared(subject: Subject) -> Declared:
    found = distribution_of(subject)
    direct = () if subject.manifest is None else subject.manifest.requires
    if found is None:
        return declared(direct, ())
    extras = [text for texts in found.extras.values() for text in texts]
    return declared((*direct, *found.dependencies), extras)


def _are_known(subject: Subject) -> bool:
    """Return whether the requirements can be read; if not, another rule tells it."""
    found, faults = distribution_of(subject), subject.survey.faults
    is_read = subject.manifest is not None and all(each.table != "requires" for each in faults)
    return is_read and (found is None or found.fault is None)


def _imported(subject: Subject) -> list[Imported]:
    """Return the imports of the package; what configs import is none of Python's."""
    return list(imports_of(subject.package, subject.package_name))


def _foreign(subject: Subject) -> dict[str, list[Imported]]:
    """Return the imports of other distributions, by top-level module."""
    tops: dict[str, list[Imported]] = {}
    for each in _imported(subject):
        is_own = each.top in ("zoo", subject.package_name, "", ".")
        if not is_own and each.top not in sys.stdlib_module_names:
            tops.setdefault(each.top, []).append(each)
    return tops


def _check_declared(subject: Subject, _: object) -> Iterator[Finding]:
    if not _are_known(subject):
        return
    names = _declared(subject).all
    for top, imports in _foreign(subject).items():
        needed = [each for each in imports if not (each.is_optional or each.is_for_types)]
        if not needed or top.startswith("zoo_"):  # ZP209 tells of other plugins
            continue
        owners = distributions_of(top)
        if not owners & names:
            first = next((each for each in needed if not each.is_lazy), needed[0])
            name = min(owners, key=lambda owner: (owner != top.lower(), owner))
            message = f"{top} is imported, and no requirement brings it."
            mend = f'add "{name}" to {_TOGETHER}.'
            yield Finding("ZP207", f"{first.path}:{first.line}", message, mend)


def _direct(subject: Subject) -> Iterator[Case]:
    manifest, found = subject.manifest, distribution_of(subject)
    seen: set[str] = set()
    rows = [(text, subject.manifest_path) for text in (manifest.requires if manifest else ())]
    if found is not None:
        rows += [(text, found.path) for text in found.dependencies]
    for text, path in rows:
        requirement = read_requirement_or_none(text)
        if requirement is not None and requirement.name.lower() not in seen:
            seen.add(requirement.name.lower())
            yield text, (text, requirement.name, path)


def _check_used(subject: Subject, case: tuple[str, str, object]) -> Iterator[Finding]:
    text, name, path = case
    if subject.survey.faults:
        return  # a row that cannot be read may need it
    if name.lower() in declared(["mmengine"], ()).needed | {"mmzoo", "torch"}:
        return  # configs and weights need OpenMMLab, whatever the code imports
    if name.lower().startswith("mmzoo-") and _names_plugins(subject):
        return  # a plugin, whose types configs name, or the bases of configs
    used = {each.top for each in _imported(subject)} | _scopes(subject)
    if not modules_of(name) & used:
        message = f"{name} is required, and nothing imports it."
        mend = f"remove {text!r}, or import what needs it."
        where = place_in_text(path, text)  # type: ignore[arg-type]
        yield Finding("ZP208", where, message, mend, level="warning")


def _names_plugins(subject: Subject) -> bool:
    """Return whether a config names a type or a base of plugins, whose own plugins it needs."""
    texts = [read_config_text(path) for _, path in config_files(subject)]
    names = [named.text for text in texts for named in (*text.types, *text.bases)]
    own = f"zoo.{subject.name}."
    return any(name.startswith(("zoo.", "zoo::")) and not name.startswith(own) for name in names)


def _scopes(subject: Subject) -> set[str]:
    """Return the packages whose types and configs the configs name."""
    texts = [read_config_text(path) for _, path in config_files(subject)]
    names = [named.text for text in texts for named in (*text.types, *text.bases)]
    return {name.partition("::")[0].partition(".")[0] for name in names}


def _check_plugins_declared(subject: Subject, _: object) -> Iterator[Finding]:
    """Tell of plugins that are here: ZP302 and ZP304 tell of names that no plugin here has."""
    from zoo.catalog import read_catalog

    found = distribution_of(subject)
    if found is None or not found.is_project or not _are_known(subject):
        return  # nobody installs a folder by its requirements
    names, told = _declared(subject).all, {subject.name, "configs"}
    here = {record.name for record in read_catalog().plugins}
    for _, path in config_files(subject):
        text = read_config_text(path)
        for named in (*text.types, *text.bases):
            plugin = _plugin_of(named.text)
            if plugin not in here - told:
                continue
            told.add(plugin)
            distribution = f"mmzoo-{plugin.replace('_', '-')}"
            if not {distribution, *distributions_of(f"zoo_{plugin}")} & names:
                message = f"{named.text} is of the plugin {plugin}, and no requirement brings it."
                mend = f'add "{distribution}" to dependencies of pyproject.toml.'
                yield Finding("ZP218", f"{path}:{named.line}", message, mend)


def _plugin_of(name: str) -> str | None:
    """Return the plugin that a full name of a type or a base states, or None."""
    scope, _, rest = name.partition("::")
    if scope == "zoo" and rest:
        rest = rest.removesuffix(".py").replace(".", "/", 1)
        plugin, slash, _ = rest.partition("/")
        return plugin if slash and plugin.isidentifier() else _plugin_of_base(rest)
    first, *parts = name.split(".")
    return parts[0] if first == "zoo" and len(parts) > 1 and parts[0].islower() else None


def _plugin_of_base(name: str) -> str | None:
    """Return the one plugin here that a short name of a base means, or None."""
    from zoo.catalog import read_catalog
    from zoo.manifest.rows import BaseRow, ConfigRow

    owners = {
        record.name
        for record in read_catalog().plugins
        for row in (record.manifest.rows if record.manifest is not None else ())
        if isinstance(row, BaseRow | ConfigRow) and row.name == name
    }
    return owners.pop() if len(owners) == 1 else None


def _check_plugins(subject: Subject, _: object) -> Iterator[Finding]:
    for top, imports in _foreign(subject).items():
        if top.startswith("zoo_"):
            each = imports[0]
            message = f"{each.module} is imported: plugins do not import each other."
            plugin = top.removeprefix("zoo_")
            mend = f"name what it offers in a config (zoo.{plugin}.NAME), or copy what you need."
            yield Finding("ZP209", f"{each.path}:{each.line}", message, mend)


def _check_public(subject: Subject, _: object) -> Iterator[Finding]:
    for each in _imported(subject):
        if each.top != "zoo" or each.is_for_types:
            continue
        for name in each.names or ("",):
            found = _private(each.module, name)
            if found is not None:
                message = f"{found} is imported, which is private to zoo."
                mend = f"use what {', '.join(PUBLIC)} and zoo itself offer."
                yield Finding("ZP210", f"{each.path}:{each.line}", message, mend)


def _private(module: str, name: str) -> str | None:
    """Return what is private in an import from zoo, or None."""
    full = f"{module}.{name}" if name else module
    if any(part.startswith("_") and not part.endswith("__") for part in full.split(".")):
        return full
    if module == "zoo":
        is_public = not name or name in zoo.__all__ or full in PUBLIC or name == "__version__"
        return None if is_public else full
    is_public = any(module == each or module.startswith(f"{each}.") for each in PUBLIC)
    return None if is_public else module


def _check_init(subject: Subject, _: object) -> Iterator[Finding]:
    path = subject.package / "__init__.py"
    if not os.path.isfile(path):
        message = "the package has no __init__.py."
        mend = "add one with a docstring and the line: import zoo"
        yield Finding("ZP211", str(path), message, mend)
        return
    if subject.is_library:  # no worker imports it
        return
    imports = imports_of_file(path, subject.package, subject.package_name)
    if not any(each.top == "zoo" and not (each.is_lazy or each.is_for_types) for each in imports):
        message = "the package does not import zoo, which workers need before anything else."
        mend = f"add the line to {path.name}: import zoo  # noqa: F401"
        yield Finding("ZP211", str(path), message, mend)


RULES = (
    static_rule(
        "ZP206",
        "requirements-read",
        "Each requirement is in pip's syntax.",
        _requirements,
        _check_reads,
    ),
    static_rule(
        "ZP207",
        "imports-declared",
        "A requirement brings each module that the code imports.",
        whole,
        _check_declared,
    ),
    static_rule(
        "ZP208",
        "requirements-used",
        "The code or a config needs each requirement.",
        _direct,
        _check_used,
    ),
    static_rule(
        "ZP209", "no-other-plugin", "The code imports no other plugin.", whole, _check_plugins
    ),
    static_rule(
        "ZP218",
        "plugins-declared",
        "A requirement brings each plugin whose types or bases a config names.",
        whole,
        _check_plugins_declared,
    ),
    static_rule(
        "ZP210", "imports-public", "Of zoo, the code imports what is public.", whole, _check_public
    ),
    static_rule(
        "ZP211", "init-imports-zoo", "The package's __init__ imports zoo.", whole, _check_init
    ),
)
