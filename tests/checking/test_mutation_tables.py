# SPDX-License-Identifier: Apache-2.0
"""Every rule of ``zoo plugin check`` has a plugin that breaks it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import dynamic_mutations
import static_mutations

from zoo.checking.rules import all_rules


def _load(name: str) -> ModuleType:
    """Return a test module beside this one, for the table in it."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"table_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rules_of_parameters(module: ModuleType) -> set[str]:
    """Return the first value of each row of the tests' own parameters."""
    return {
        row[0]
        for value in vars(module).values()
        for mark in getattr(value, "pytestmark", ())
        if mark.name == "parametrize"
        for row in mark.args[1]
        if isinstance(row, tuple)
    }


def test_each_rule_has_a_row_in_a_table_of_mutations() -> None:
    """A rule that nothing breaks is a rule that nobody has seen work."""
    data, weights = _load("test_data_mutations"), _load("test_weights_mutations")
    tables = (dynamic_mutations, static_mutations, data, weights)
    broken = {mutation.rule for table in tables for mutation in table.MUTATIONS.values()}
    broken |= _rules_of_parameters(_load("test_run_mutations"))
    broken |= _rules_of_parameters(_load("test_shown_kinds"))

    assert [rule.id for rule in all_rules() if rule.id not in broken] == []
    assert sorted(broken - {rule.id for rule in all_rules()}) == []
