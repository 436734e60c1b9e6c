# SPDX-License-Identifier: Apache-2.0
"""Which tests plain ``pytest``, without a path, leaves to ``make test``: a rule, not a list.

Beside the tests that are marked slow, it leaves out those that start processes, train or measure,
and of a test with many sets of parameters all but two; Hypothesis draws fewer examples. A path on
the command line asks for all of its tests that are not marked, and ``-m ""`` for every test.
"""

from __future__ import annotations

import sys
import types
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["draw_fewer_examples", "mark_slow_tests", "takes_long", "thinned"]

SETS = 2
"""Sets of parameters that plain ``pytest`` runs of one test: the first and the last."""

EXAMPLES = 10
"""Examples that Hypothesis draws there for one test."""

_ROOT = Path(__file__).resolve().parent.parent
_MODULES = {"subprocess", "multiprocessing", "pty"}
_CALLS = {"Popen", "get_context", "fork", "ProcessPoolExecutor", "Terminal", "WarmZoo"}
_CALLS |= {"Runner", "DataLoader"}
_RUNS = {"zoo.engine.runs.train", "zoo.engine.runs.training"}
_OF_ZOO = {"train", "measure"}
_COMMANDS = {"train", "test", "lr", "fit", "doctor"}  # where a function invokes them itself
_OPTIONS = {"--work-dir", "--max-steps"}


def mark_slow_tests(items: Sequence[pytest.Item]) -> None:
    """Mark as slow what plain ``pytest`` leaves out.

    Args:
        items: All collected tests.
    """
    seen: dict[Any, bool] = {}
    left: dict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("slow"):
            continue
        if any(takes_long(function, seen) for function in _functions_of(item)):
            item.add_marker(pytest.mark.slow)
        else:
            left[item.nodeid.partition("[")[0]].append(item)
    for sets in left.values():
        kept = set(thinned(sorted(sets, key=_place)))
        for item in sets:
            if item not in kept:
                item.add_marker(pytest.mark.slow)


def draw_fewer_examples(items: Iterable[pytest.Item]) -> None:
    """Limit the examples of each test of Hypothesis, whatever it asks for itself.

    Args:
        items: Tests.
    """
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is None:  # no test uses it
        return
    for item in items:
        function: Any = getattr(item, "function", None)
        if getattr(function, "is_hypothesis_test", False):
            stated = (
                getattr(function, "_hypothesis_internal_use_settings", None)
                or hypothesis.settings()
            )
            fewer = hypothesis.settings(stated, max_examples=min(stated.max_examples, EXAMPLES))
            function._hypothesis_internal_use_settings = fewer


def thinned(sets: Sequence[Any], most: int = SETS) -> list[Any]:
    """Return up to ``most`` of some sets, the first and the last among them, evenly spread.

    Args:
        sets: In the order in which the test states them.
        most: How many stay, at least 2.
    """
    if len(sets) <= most:
        return list(sets)
    return [sets[place * (len(sets) - 1) // (most - 1)] for place in range(most)]


def takes_long(function: Any, seen: dict[Any, bool]) -> bool:
    """Return whether a function starts processes, trains or measures, or names one that does.

    Args:
        function: Of a test or a fixture. What it calls of zoo or of libraries is not followed.
        seen: Answers so far.
    """
    function = getattr(function, "__wrapped__", function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None or not _is_of_tests(code.co_filename):
        return False
    if code not in seen:
        seen[code] = False  # a function may call itself
        names, words = set(_names(code)), set(_words(code))
        is_command = bool(words & _OPTIONS or (words & _COMMANDS and "invoke" in names))
        seen[code] = is_command or any(_leads(name, function, seen) for name in names)
    return seen[code]


def _leads(name: str, function: Any, seen: dict[Any, bool]) -> bool:
    if name in _CALLS | _RUNS:
        return True
    value = function.__globals__.get(name)
    if isinstance(value, types.ModuleType):
        is_run = value.__name__ == "zoo" and not _OF_ZOO.isdisjoint(_names(function.__code__))
        return is_run or value.__name__ in _MODULES
    return getattr(value, "__module__", None) in _RUNS or takes_long(value, seen)


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a function and those within it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _words(code: types.CodeType) -> Iterator[str]:
    """Yield the texts in a function and in those within it."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _words(constant)
        elif isinstance(constant, tuple):
            yield from (one for one in constant if isinstance(one, str))
        elif isinstance(constant, str):
            yield constant


def _functions_of(item: pytest.Function) -> Iterable[Any]:
    """Yield a test's function and those of its fixtures."""
    yield item.function
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        yield definitions[-1].func


def _place(item: pytest.Function) -> tuple[int, ...]:
    spec = getattr(item, "callspec", None)
    return tuple(spec.indices.values()) if spec is not None else ()


def _is_of_tests(file: str) -> bool:
    path = Path(file)
    if not path.is_relative_to(_ROOT):
        return False
    parts = path.relative_to(_ROOT).parts
    is_of_the_kit = parts[:3] == ("zoo", "checking", "kinds")  # plugins' tests inherit from it
    return "tests" in parts or parts[0] in ("tools", "conftest.py") or is_of_the_kit
