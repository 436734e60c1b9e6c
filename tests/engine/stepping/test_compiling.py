# SPDX-License-Identifier: Apache-2.0
"""``compile`` of a config is refused before the run where torch would fail in its first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmengine")

from mmengine.config import Config

from zoo.engine.stepping.compiling import check_compilation
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


@pytest.fixture
def compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave no compiler on the path but what a test writes into the folder that is returned."""
    monkeypatch.setattr("mmengine.device.get_device", lambda: "cpu")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _write(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


@pytest.mark.parametrize("stated", [True, {}, {"mode": "default"}, {"backend": "inductor"}])
def test_compile_without_a_compiler_is_refused(compilers: Path, stated: Any) -> None:
    """The name that torch would call is in the message, and two ways out are in the hint."""
    with pytest.raises(ConfigError) as caught:
        check_compilation(Config({"compile": stated}))

    assert "found no C++ compiler '" in str(caught.value)
    assert caught.value.hint == "install g++, name another compiler in CXX, or drop compile."


@pytest.mark.parametrize("name", ["g++", "clang++"])
def test_compiler_that_is_there_or_named_is_enough(
    compilers: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The way out of the hint leads out, on any system."""
    _write(compilers / name)
    monkeypatch.setenv("CXX", name)

    check_compilation(Config({"compile": True}))


def test_compiler_that_is_named_and_missing_is_refused(
    compilers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch tries no other than the one in CXX."""
    _write(compilers / "g++")
    monkeypatch.setenv("CXX", "g++-99")

    with pytest.raises(ConfigError, match=r"found no C\+\+ compiler 'g\+\+-99'"):
        check_compilation(Config({"compile": True}))


@pytest.mark.parametrize(
    "config", [{}, {"compile": False}, {"compile": None}, {"compile": {"backend": "eager"}}]
)
def test_config_that_needs_no_compiler_passes_without_one(
    compilers: Path, config: dict[str, Any]
) -> None:
    """Nothing is compiled, or by another backend."""
    check_compilation(Config(config))


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("yes", "it is 'yes', expected True, False or a dict of arguments."),
        (1, "it is 1, expected True, False or a dict of arguments."),
        ({"fast": True}, "torch.compile has no 'fast', expected backend, "),
        ({"model": "x"}, "torch.compile has no 'model', expected backend, "),
    ],
)
def test_compile_that_torch_does_not_take_is_refused(stated: Any, found: str) -> None:
    """mmengine would end in an assertion, and torch in a TypeError."""
    with pytest.raises(ConfigError) as caught:
        check_compilation(Config({"compile": stated}))

    assert f"cannot compile the training step: {found}" in str(caught.value)


@pytest.mark.slow
def test_train_says_so_before_it_starts(
    check_refused: Callable[..., str],
    squares_config: Path,
    squares_folder: Path,
    squares_data: Path,
) -> None:
    """From the command line: one message, and nothing is written."""
    words = ("train", squares_config, "--data", squares_data, "--work-dir", "run")

    message = check_refused(
        *words,
        *("--cfg-options", "compile=fast"),
        guilty="it is 'fast', expected True",
        plugins="squares",
        folder=squares_folder,
    )

    assert "cannot compile the training step: " in message
