# SPDX-License-Identifier: Apache-2.0
"""``zoo plot`` as a user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm

Start = Callable[..., "subprocess.Popen[str]"]


def _run(start_zoo: Start, *words: str) -> tuple[int, str, str]:
    process = start_zoo(*words, plugins="run_plots")
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_plot_says_where_the_picture_lies(tmp_path: Path, start_zoo: Start) -> None:
    log = tmp_path / "run/20240101_000000/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({"loss": 1.0, "lr": 0.1, "iter": 1, "step": 1}) + "\n")

    found = _run(start_zoo, "plot", str(tmp_path / "run"), "--out", str(tmp_path / "p.png"))

    assert found == (0, f"plotted: {tmp_path / 'p.png'}\n", "")
    assert (tmp_path / "p.png").is_file()


def test_plot_of_a_folder_without_runs_exits_1_and_writes_nothing(
    tmp_path: Path, start_zoo: Start
) -> None:
    code, out, err = _run(start_zoo, "plot", str(tmp_path), "--out", str(tmp_path / "p.png"))

    assert (code, out) == (1, "")
    assert "found no vis_data/scalars.json in it" in err
    assert "HINT: " in err
    assert not (tmp_path / "p.png").exists()


def test_plot_stands_in_the_help_with_its_line(start_zoo: Start) -> None:
    code, out, _ = _run(start_zoo, "--help")

    assert code == 0
    assert [line.split() for line in out.splitlines() if line.strip().startswith("plot")] == [
        ["plot", "Draw", "loss", "and", "metric", "curves."]
    ]


def test_plot_where_its_plugin_is_left_out_says_so(start_zoo: Start) -> None:
    """It does not tell to install what is installed."""
    process = start_zoo("plot", "run", "--out", "x.png", plugins="dice_loss")
    _, err = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "no such command 'plot'. The plugin run_plots has it, and is left out by" in err
    assert "set ZOO_PLUGINS=dice_loss,run_plots" in err


def test_plot_of_the_home_of_nobody_is_one_message(start_zoo: Start) -> None:
    """A path in the home folder of a user that there is not is a folder that there is not."""
    code, _, err = _run(start_zoo, "plot", "~nosuchuser/x", "--out", "x.png")

    assert code == 1
    assert "'~nosuchuser/x': there is no such folder or file" in err
    assert "Traceback" not in err
