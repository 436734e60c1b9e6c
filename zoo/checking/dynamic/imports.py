# SPDX-License-Identifier: Apache-2.0
"""ZP501-ZP506: what a plugin's modules do when they are imported."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from pathlib import Path

from zoo.checking.dynamic.author import find_author_tests, load_kits, plain_kit
from zoo.checking.dynamic.findings import finding_of
from zoo.checking.dynamic.kit_rules import kit_rule
from zoo.checking.finding import Finding
from zoo.checking.kinds.targets import Target, check_target, targets_of
from zoo.checking.rule import Case, Rule
from zoo.checking.static.cases import label_of, row_place
from zoo.checking.subject import Subject
from zoo.errors import LoadError, ManifestError, PluginError
from zoo.loading import load_target

__all__ = ["RULES"]

SLOW_S = 1.0
"""A module that takes longer, with torch and OpenMMLab imported already, is slow."""


def _targets(subject: Subject) -> Iterator[Case]:
    if subject.manifest is not None:
        for target in targets_of(subject.manifest):
            yield f"{label_of(target.row)} {target.target.rpartition(':')[2]}", target


def _check_loads(subject: Subject, target: Target) -> Iterator[Finding]:
    try:
        load_target(plain_kit(subject).record(), target.target)
    except PluginError as error:
        where = row_place(subject, target.row)
        mend = "correct the module, or the target in the manifest."
        found = finding_of(subject, "ZP501", error, mend=mend, where=where)
        if found is not None:
            yield found


def _check_fits(subject: Subject, target: Target) -> Iterator[Finding]:
    try:
        check_target(plain_kit(subject).record(), target)
    except ManifestError as error:
        place = row_place(subject, target.row)
        mend = f"help(zoo.interfaces.{target.protocol}) lists what it must have."
        yield Finding("ZP502", place, error.message, mend)
    except PluginError:
        return  # ZP501 tells it


def _modules(subject: Subject) -> Iterator[Case]:
    if subject.manifest is not None and subject.manifest.contributions:
        names = [target.target.partition(":")[0] for target in targets_of(subject.manifest)]
        yield from ((name, name) for name in dict.fromkeys([subject.package_name, *names]))


def _check_quick(subject: Subject, module: str) -> Iterator[Finding]:
    # The fork server has imported these, unless other code has started it first.
    import zoo.checking.isolation.preloaded  # noqa: F401

    started_s = time.perf_counter()
    try:
        importlib.import_module(module)
    except BaseException:  # noqa: BLE001 - ZP501 tells it
        return
    seconds = time.perf_counter() - started_s
    if seconds > SLOW_S:
        message = f"import {module} takes {seconds:.1f} s beyond torch and OpenMMLab, "
        message += f"expected at most {SLOW_S:g} s."
        mend = "import what is slow inside the functions that use it; "
        mend += f"python -X importtime -c 'import {module}' shows which module it is."
        yield Finding("ZP505", str(subject.package), message, mend, level="warning")


def _tests(subject: Subject) -> Iterator[Case]:
    yield from ((path.name, path) for path in find_author_tests(subject))


def _check_tests(subject: Subject, path: Path) -> Iterator[Finding]:
    try:
        load_kits(path, subject.name)
    except BaseException as error:  # noqa: BLE001 - whatever a test raises
        mend = "correct the test: its settings are used to check the rows."
        found = finding_of(subject, "ZP506", error, mend=mend, where=str(path))
        if found is not None:
            yield found


RULES = (
    Rule(
        "ZP501",
        "target-loads",
        "import",
        "The module of each target can be imported, and has the name.",
        _targets,
        _check_loads,
    ),
    Rule(
        "ZP502",
        "target-fits",
        "import",
        "Each target implements the Protocol of its kind.",
        _targets,
        _check_fits,
    ),
    kit_rule(
        "ZP503",
        "package-brings-zoo",
        "import",
        "test_package_when_imported_brings_zoo_and_nothing_heavy",
        "let __init__.py hold a docstring and `import zoo`, and nothing else.",
    ),
    kit_rule(
        "ZP504",
        "type-resolves",
        "import",
        "test_types_resolve_in_mmengine",
        "correct the target, or the name of another contribution that hides it.",
        told_elsewhere=(LoadError,),
    ),
    Rule(
        "ZP505",
        "imports-quickly",
        "import",
        f"No module of a target takes longer than {SLOW_S:g} s to import.",
        _modules,
        _check_quick,
    ),
    Rule(
        "ZP506",
        "tests-load",
        "deep",
        "The test with the settings of the conformance kit can be imported.",
        _tests,
        _check_tests,
    ),
)
