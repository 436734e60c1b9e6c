# SPDX-License-Identifier: Apache-2.0
"""Converters are run by the kit on state dicts that their author makes."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.checking.expecting import Broken
from zoo.checking.kinds.rows import cases_of
from zoo.errors import ConversionError
from zoo.testing import PluginConformance

ROWS = '[[converter]]\nname = "net"\ntarget = "zoo_cells.convert:convert"\nversion = 1\n'
CLEAN = "return {f'backbone.{key}': value for key, value in state_dict.items()}"
CHECK = "test_converter_gives_the_model_of_its_rows"


@pytest.fixture
def run(write_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that checks a converter with some body."""

    def check(body: str, **members: Any) -> None:
        code = f"import torch\n\n\ndef convert(state_dict):\n    {body}\n"
        package = write_plugin("cells", ROWS, convert=code)
        monkeypatch.syspath_prepend(package.parent)
        case: Any = type("TestCells", (PluginConformance,), {"plugin": "cells", **members})()
        for _, arguments in cases_of(case, getattr(PluginConformance, CHECK)):
            getattr(case, CHECK)(**arguments)

    return check


def _state_dict(self: object, name: str) -> dict[str, Any]:
    import torch

    assert name == "net"
    return {"conv.weight": torch.ones(2, 2), "conv.bias": torch.zeros(2)}


@pytest.mark.mm
@pytest.mark.parametrize(
    ("body", "error", "told"),
    [
        (CLEAN, None, ""),
        (f"state_dict['conv.bias'].add_(1); {CLEAN}", Broken, "changes the state dict"),
        ("return {'a': torch.rand(3)}", Broken, "different results"),
        ("return {'a': 1}", ConversionError, "expected a tensor"),
        ("return {}", ConversionError, "no tensors"),
        ("return state_dict['other']", ConversionError, "KeyError"),
    ],
)
def test_converter_is_run_twice_on_what_its_author_makes(
    run: Callable[..., None], body: str, error: type[Exception] | None, told: str
) -> None:
    """Equal input gives equal tensors, and is left as it is."""
    if error is None:
        run(body, make_state_dict=_state_dict)
        return
    with pytest.raises(error, match=told):
        run(body, make_state_dict=_state_dict)


@pytest.mark.mm
def test_converter_without_a_state_dict_is_told_as_unchecked(run: Callable[..., None]) -> None:
    """It is shown as skipped, with what would let it run."""
    with pytest.raises(
        unittest.SkipTest,
        match="no test of the plugin makes a state dict for net, and it does not tell",
    ):
        run(CLEAN)


TABLE = """from zoo.conversion import {names}


def convert(state_dict):
    {body}
"""
ENTRIES = "[Entry('conv.weight', 'w', (4, 3)), Entry('conv.bias', 'b', ({size},))]"


@pytest.mark.mm
@pytest.mark.parametrize(
    ("names", "body", "told"),
    [
        (
            "Entry, convert_by_table",
            f"return convert_by_table(state_dict, {ENTRIES}, what='n')",
            None,
        ),
        (
            "KeyMap",
            "return KeyMap('n', 'conv.{weight,bias} -> {w,b} : 3').apply(state_dict).tensors",
            None,
        ),
        (
            "Entry, convert_by_table",
            f"found = convert_by_table(state_dict, {ENTRIES}, what='n')\n"
            "    state_dict['conv.bias'].mul_(2)\n    return found",
            "changes the state dict",
        ),
    ],
)
def test_converter_that_names_its_tensors_is_run_without_its_authors_help(
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    names: str,
    body: str,
    told: str | None,
) -> None:
    """It is given nothing, then random tensors of the names and shapes that its errors tell."""
    code = TABLE.format(names=names, body=body.replace("{size}", "4"))
    package = write_plugin("cells", ROWS, convert=code)
    monkeypatch.syspath_prepend(package.parent)
    case: Any = type("TestCells", (PluginConformance,), {"plugin": "cells"})()
    ((_, arguments),) = cases_of(case, getattr(PluginConformance, CHECK))

    if told is None:
        getattr(case, CHECK)(**arguments)
    else:
        with pytest.raises(Broken, match=told):
            getattr(case, CHECK)(**arguments)
