# SPDX-License-Identifier: Apache-2.0
"""Paths in the home folder of a user that there is not: one message, wherever a path is taken."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "~nosuchuser/x"
LIGHT = [("data", "check", NOBODY), ("config", "show", f"{NOBODY}.py")]
WITH_PLUGIN = ("data", "prepare", "lung_xray", "--source", NOBODY, "--out", "out")
HEAVY = [
    ("train", f"{NOBODY}.py"),
    ("train", "unet_small_lung-128", "--pretrained", f"{NOBODY}.pth"),
    ("train", "unet_small_lung-128", "--data", NOBODY),
    ("test", f"{NOBODY}.py", f"{NOBODY}.pth"),
    ("test", NOBODY),
    ("predict", f"{NOBODY}.pth", "a.png", "--out", "out"),
    ("predict", f"a.py,{NOBODY}.pth", "a.png", "--out", "out"),
    ("publish", NOBODY, "--name", "n", "--out", "out"),
    ("rescue", NOBODY),
]


def check_one_message(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "home directory" not in done.stderr
    assert "nosuchuser" in done.stderr


@pytest.mark.parametrize(
    "args", [*LIGHT, pytest.param(WITH_PLUGIN, marks=pytest.mark.mm)], ids=" ".join
)
def test_command_with_the_home_of_nobody_ends_in_one_message(
    run_zoo: Callable[..., subprocess.CompletedProcess[str]], args: tuple[str, ...]
) -> None:
    """As a shell does, what is no home is taken as it is written."""
    check_one_message(run_zoo(*args, plugins="lung_xray,configs"))


@pytest.mark.slow
@pytest.mark.mm
@pytest.mark.parametrize("args", HEAVY, ids=" ".join)
def test_command_that_builds_with_the_home_of_nobody_ends_in_one_message(
    run_zoo: Callable[..., subprocess.CompletedProcess[str]], args: tuple[str, ...]
) -> None:
    """Models, checkpoints, pretrained weights and runs are looked for alike."""
    check_one_message(run_zoo(*args, plugins="lung_xray,configs"))


def test_no_path_is_expanded_by_what_raises_for_nobody() -> None:
    """``Path.expanduser`` raises a RuntimeError; ``zoo.files.expand_home`` does without it."""
    files = [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "plugins").glob("*/zoo_*/**/*.py")]
    found = [path.name for path in files if re.search(r"\.expanduser\(\)", path.read_text("utf-8"))]

    assert found == []
