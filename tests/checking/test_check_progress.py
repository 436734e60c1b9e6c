# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin check`` names the rule that runs, on a terminal, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from gauge_plugin import FILES
from terminal import Terminal

ZOO = [sys.executable, "-m", "zoo", "plugin", "check"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write a plugin of one converter, which imports quickly."""
    folder = tmp_path / "zoo_gauge"
    folder.mkdir()
    for name in ("__init__.py", "convert.py"):
        (folder / name).write_text(FILES[f"zoo_gauge/{name}"], encoding="utf-8")
    (folder / "zoo_plugin.toml").write_text(
        '[plugin]\nname = "gauge"\nversion = "0.1.0"\napi = 1\nsummary = "gauges"\n'
        'license = "Apache-2.0"\n\n[[converter]]\nname = "old_gauge"\n'
        'target = "zoo_gauge.convert:old_gauge"\nversion = 1\n'
    )
    return folder


@pytest.mark.mm
@pytest.mark.slow
def test_check_on_a_terminal_shows_the_rule_while_it_waits(package: Path) -> None:
    """Stage, number, rule and row; the line is gone once the result is there."""
    terminal = Terminal([*ZOO, package])

    assert terminal.wait_for(r"check, import: +\d+%.* 0/\d+ \[.*ZP501 target-loads converter old")
    assert terminal.wait() == 0

    assert "gauge: 0 errors, 0 warnings" in terminal.text
    assert "check, " not in terminal.text.rpartition("gauge: 0 errors")[2]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_check_in_a_pipe_prints_its_result_alone(package: Path, options: list[str]) -> None:
    """A log holds no bars, and JSON nothing beside it."""
    command = [*ZOO, package, "--static", *options]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert ("check, " in done.stdout, "gauge" in done.stdout) == (False, True)
