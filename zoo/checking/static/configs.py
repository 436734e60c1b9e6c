# SPDX-License-Identifier: Apache-2.0
"""ZP301-ZP303: each config parses, and its bases exist and lead to an end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.configs import (
    Named,
    base_file,
    local_bases,
    read_config_text,
)
from zoo.checking.source.places import names_in
from zoo.checking.static.cases import label_of, static_rule
from zoo.checking.subject import Subject
from zoo.engine.config_files.files import find_config_file
from zoo.errors import UnknownNameError, ZooError
from zoo.manifest.rows import BaseRow, ConfigRow
from zoo.names import hint_near, near_names

__all__ = ["RULES", "config_files", "config_rows"]

_ZOO = "zoo::"


def config_files(subject: Subject) -> Iterator[Case]:
    """Yield each config and base of the manifest, and each base of one in the package, once.

    Args:
        subject: The plugin.
    """
    seen: set[Path] = set()
    for row in config_rows(subject):
        path = Path(os.path.normpath(subject.package / row.file))
        for each in (path, *local_bases(path, subject.package)):
            if each not in seen:
                seen.add(each)
                yield label_of(row), each


def config_rows(subject: Subject) -> tuple[ConfigRow | BaseRow, ...]:
    """Return the rows of configs, and of their bases.

    Args:
        subject: The plugin.
    """
    manifest = subject.manifest
    return () if manifest is None else (*manifest.configs, *manifest.bases)


def _check_parses(subject: Subject, path: Path) -> Iterator[Finding]:
    text = read_config_text(path)
    if text.lacks:
        message = f"the config cannot be checked: the package {text.lacks!r} is not installed."
        yield Finding("ZP301", str(path), message, f"pip install {text.lacks}", level="warning")
    # A file of Python is told by ZP110 already.
    if text.fault is not None and path.suffix != ".py":
        message = f"the config cannot be parsed: {text.fault.rstrip('.')}."
        yield Finding("ZP301", _at(path, text.line), message, "correct what the message names.")


def _at(path: Path, line: int) -> str:
    return f"{path}:{line}" if line else str(path)


def _check_bases(subject: Subject, path: Path) -> Iterator[Finding]:
    text = read_config_text(path)
    if text.unknown:
        message = "only running the config tells what its _base_ names."
        mend = "write _base_ as a list of texts."
        yield Finding("ZP302", _at(path, text.unknown), message, mend, level="warning")
    for base in text.bases:
        finding = _check_base(subject, path, base)
        if finding is not None:
            yield finding


def _check_base(subject: Subject, path: Path, base: Named) -> Finding | None:
    where = _at(path, base.line)
    file = base_file(base.text, path)
    if file is not None:
        if os.path.isfile(file):
            return None
        near = near_names(file.name, names_in(file.parent))
        message = f"the base {base.text!r} does not exist."
        return Finding("ZP302", where, message, hint_near(near, "add that file, or correct it."))
    if _is_own(subject, base.text):
        return None
    try:
        find_config_file(base.text)
    except UnknownNameError as error:
        level = "error" if _is_judged(base.text, error) else "warning"
        message = f"the base {base.text!r} does not exist: {error.message}"
        return Finding("ZP302", where, message, error.hint or "correct it.", level=level)
    except ZooError as error:
        message = f"the base {base.text!r} cannot be used: {error.message}"
        return Finding("ZP302", where, message, error.hint or "correct it.")
    return None


def _is_judged(text: str, error: UnknownNameError) -> bool:
    """Return whether the package or the plugin of a base is here, so that it surely lacks it."""
    from zoo.catalog import read_catalog

    scope, _, name = text.partition("::")
    if scope != "zoo":
        return bool(error.near) or "no package" not in error.message
    plugin, slash, _ = name.partition("/")
    return not slash or any(record.name == plugin for record in read_catalog().plugins)


def _own_name(subject: Subject, text: str) -> str | None:
    """Return the name of a config that a base means in this plugin, or None."""
    if not text.startswith(_ZOO):
        return None
    name = text.removeprefix(_ZOO).removesuffix(".py").replace(".", "/", 1)
    plugin, slash, rest = name.partition("/")
    return rest if slash and plugin == subject.name else text.removeprefix(_ZOO).removesuffix(".py")


def _is_own(subject: Subject, text: str) -> bool:
    return _own_file(subject, text) is not None


def _own_file(subject: Subject, text: str) -> Path | None:
    name = _own_name(subject, text)
    return next(
        (subject.package / row.file for row in config_rows(subject) if row.name == name), None
    )


def _check_circle(subject: Subject, path: Path) -> Iterator[Finding]:
    chain = _circle(subject, path, [])
    if chain:
        names = " -> ".join(each.name for each in chain)
        message = f"the config is its own base: {names}."
        mend = f"remove {chain[-1].name!r} from the _base_ of {chain[-2].name!r}."
        line = next((each.line for each in read_config_text(path).bases), 0)
        yield Finding("ZP303", _at(path, line), message, mend)


def _circle(subject: Subject, path: Path, chain: list[Path]) -> list[Path]:
    """Return the files from a config back to itself, or none."""
    for base in read_config_text(path).bases:
        file = base_file(base.text, path) or _own_file(subject, base.text)
        if file is None or not os.path.isfile(file):
            continue
        file = Path(os.path.normpath(file))
        start = chain[0] if chain else path
        if file == start:
            return [*chain, path, file]
        if file not in chain and (found := _circle(subject, file, [*chain, path])):
            return found
    return []


RULES = (
    static_rule("ZP301", "config-parses", "Each config parses.", config_files, _check_parses),
    static_rule(
        "ZP302", "bases-exist", "Each base of a config exists.", config_files, _check_bases
    ),
    static_rule("ZP303", "bases-end", "No config is its own base.", config_files, _check_circle),
)
