# SPDX-License-Identifier: Apache-2.0
"""What plain ``pytest`` leaves out; see ``tests/plain_suite.py``."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.cli import main

_TOOL = sys.modules["plain_suite"]
_CONFTEST = f"""
import importlib.util, sys, pytest
from pathlib import Path
spec = importlib.util.spec_from_file_location("plain_suite", {str(Path(_TOOL.__file__))!r})
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
tool._ROOT = Path(__file__).parent

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    tool.mark_slow_tests(items)
"""
_TESTS = """
import subprocess
import pytest

def start():
    return subprocess.run(["true"])

@pytest.fixture
def started():
    return start()

@pytest.fixture
def through(started):
    return started

def test_calls(): start()
def test_asks(through): pass
def test_is_plain(): assert "subprocess"
@pytest.mark.slow
def test_is_marked(): pass
@pytest.mark.parametrize("b", "xyz")
@pytest.mark.parametrize("a", range(10))
def test_of_many(a, b): pass
@pytest.mark.parametrize("a", range(4))
def test_of_few(a): pass
@pytest.mark.parametrize("a", [0, pytest.param(1, marks=pytest.mark.slow), 2, 3, 4])
def test_with_a_mark(a): pass
"""


def _direct() -> Any:
    return subprocess.run(["true"], check=False)


def _through_another() -> Any:
    return list(map(lambda _: _direct(), "a"))  # noqa: C417


def _of_a_context() -> Any:
    return get_context("spawn")


def _of_itself(depth: int = 0) -> Any:
    return _of_itself(depth + 1) if depth < 1 else _direct


def _that_trains() -> Any:
    return zoo.train("x.py")


def _that_trains_inside() -> Any:
    from zoo.engine.runs.train import train

    return train


def _that_measures() -> Any:
    return zoo.measure("run")


def _by_command() -> Any:
    return CliRunner().invoke(main, ["train", "x.py"])


def _by_option() -> Any:
    return ["x.py", *("--work-dir", "run")]


def _with_a_split() -> Any:
    return {"split": "train"}


def _with_a_model(model: Any) -> Any:
    return model.train()


def _of_nobody() -> str:
    return "subprocess.run"


_STARTING = (_direct, _through_another, _of_a_context, _of_itself)
_RUNNING = (_that_trains, _that_trains_inside, _that_measures, _by_command, _by_option)


@pytest.mark.parametrize("function", [*_STARTING, *_RUNNING])
def test_function_that_takes_long_is_seen(function: Callable[..., Any]) -> None:
    """Itself, through another, in a lambda, where it calls itself, and by an import inside."""
    assert _TOOL.takes_long(function, {})


@pytest.mark.parametrize(
    "function",
    [_of_nobody, _with_a_model, _with_a_split, test_function_that_takes_long_is_seen, len],
)
def test_function_that_does_none_of_it_is_not(function: Callable[..., Any]) -> None:
    """Neither a word in a text, nor what a decorator names, nor a function of a library."""
    assert not _TOOL.takes_long(function, {})


@given(st.lists(st.integers(), unique=True, max_size=40), st.integers(2, 6))
def test_thinned_sets_are_the_ends_and_some_between(sets: list[int], most: int) -> None:
    """As many as asked for, in their order, none twice."""
    kept = _TOOL.thinned(sets, most)

    assert len(kept) == min(len(sets), most)
    assert kept == [one for one in sets if one in kept]
    assert not sets or (kept[0], kept[-1]) == (sets[0], sets[-1])


class _Item:
    """As much of a collected test as is looked at."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


@pytest.mark.parametrize(("stated", "drawn"), [(None, 10), (7, 7), (300, 10)])
def test_plain_pytest_draws_few_examples(stated: int | None, drawn: int) -> None:
    """Never more than a test asks for, and never more than the limit."""
    seen = []

    def check(number: int) -> None:
        seen.append(number)

    function = given(st.integers())(check)
    if stated is not None:
        function = settings(max_examples=stated, deadline=None)(function)

    _TOOL.draw_fewer_examples([_Item(function), _Item(len)])
    function()

    assert len(seen) == drawn


@pytest.mark.slow
@pytest.mark.parametrize("order", ["no:randomly", "randomly"])
def test_whole_suite_and_plain_one_are_what_they_say(tmp_path: Path, order: str) -> None:
    """pytest itself, in any order: without a mark expression every test is left."""
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_some.py").write_text(textwrap.dedent(_TESTS))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow: slow\n")

    def collected(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", order, *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line}

    plain, whole = collected("-m", "not slow"), collected()

    assert len(whole) == 43
    many = {"test_of_many[0-x]", "test_of_many[9-z]"}
    few = {f"test_of_few[{a}]" for a in (0, 3)}
    marked = {f"test_with_a_mark[{a}]" for a in (0, 4)}
    assert plain == {"test_is_plain", *many, *few, *marked}
