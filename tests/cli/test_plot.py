# SPDX-License-Identifier: Apache-2.0
"""``zoo plot`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.cli import main

pytestmark = pytest.mark.mm


def test_plot_says_where_the_picture_lies(tmp_path: Path) -> None:
    log = tmp_path / "run/20240101_000000/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({"loss": 1.0, "lr": 0.1, "iter": 1, "step": 1}) + "\n")

    result = CliRunner().invoke(
        main, ["plot", str(tmp_path / "run"), "--out", str(tmp_path / "p.png")]
    )

    assert result.exit_code == 0
    assert result.stdout == f"plotted: {tmp_path / 'p.png'}\n"
    assert (tmp_path / "p.png").is_file()


def test_plot_of_a_folder_without_runs_exits_1_and_writes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["plot", str(tmp_path), "--out", str(tmp_path / "p.png")])

    assert result.exit_code == 1
    assert "found no vis_data/scalars.json in it" in result.stderr
    assert "HINT: " in result.stderr
    assert not (tmp_path / "p.png").exists()
