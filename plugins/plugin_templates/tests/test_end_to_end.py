# SPDX-License-Identifier: Apache-2.0
"""A plugin from ``zoo plugin new`` to the first steps of a training, without an edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from zoo_plugin_templates.parts import PARTS

pytestmark = [pytest.mark.mm, pytest.mark.slow]

PYTHON = Path(sys.executable).parent


@dataclass
class Author:
    """Someone who made a plugin, and types what ``zoo plugin new`` printed."""

    folder: Path
    zoo: Path
    lines: list[str]

    def type(self, line: str) -> str:
        """Run a line in the plugin's folder, which zoo finds without an installation."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=os.environ
            | {
                "PATH": os.pathsep.join([str(self.zoo.parent), str(PYTHON), os.environ["PATH"]]),
                "ZOO_PLUGIN_PATH": str(self.folder),
                "OMP_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
            timeout=500,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{line}\n{said}"
        assert "Traceback" not in said
        return said

    def line(self, start: str) -> str:
        """Return the one printed line that begins so."""
        (found,) = [line for line in self.lines if line.startswith(start)]
        return found


def make(folder: Path, zoo: Path, *words: str) -> Author:
    done = subprocess.run(
        [zoo, "plugin", "new", "pond_tiles", "--out", folder, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return Author(folder, zoo, done.stdout.splitlines())


@pytest.fixture(scope="module", params=["semantic", "instance"])
def author(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm_zoo: Path
) -> Author:
    """Return a plugin of each task with every part, whose data is prepared."""
    words = [f"--{part.name}" for part in PARTS]
    folder = tmp_path_factory.mktemp("author") / request.param
    made = make(folder, warm_zoo, "--dataset", request.param, *words)
    made.type(made.line("zoo data sample"))
    made.type(made.line("zoo data prepare"))
    return made


def test_check_finds_nothing(author: Author) -> None:
    """No error, no warning: what the author sees first is a plugin that holds."""
    assert "pond_tiles: 0 errors, 0 warnings" in author.type(author.line("zoo plugin check"))


def test_own_tests_pass(author: Author) -> None:
    """Those of each part; the conformance, which the check has run too, is left out here."""
    said = author.type("python -m pytest -q -p no:randomly --ignore tests/test_conformance.py")

    assert " passed" in said
    assert "skipped" not in said


@pytest.mark.parametrize("author", ["semantic"], indirect=True)
def test_first_steps_train_every_part(author: Author) -> None:
    """All are at work; a plugin for instances trains in `tests/stranger`, from its wheel."""
    author.type(author.line("zoo train"))

    run = author.folder / "work_dirs" / "first"
    (scalars,) = run.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [row["images_seen"] for row in rows if "loss" in row][-1] == 20 * 4
    values = {name for row in rows for name in row}
    assert {"mean_recall", "recall_object", "mean_dice", "decode.loss_tversky"} <= values
    config = next(run.glob("*.py")).read_text()
    for part in ("Backbone", "Loss", "Hook", "Metric", "Turn", "Dataset"):
        assert f"zoo.pond_tiles.PondTiles{part}" in config


def test_command_counts_the_prepared_images(author: Author) -> None:
    assert author.type(author.line("zoo pond-tiles-splits")).startswith("train  ")


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_lines_of_a_plugin_without_data_run_on_the_sample_of_others(
    tmp_path: Path, warm_zoo: Path, task: str
) -> None:
    """As they were printed: the sample of folder_data is prepared, for its config to train on."""
    made = make(tmp_path / "made", warm_zoo, "--loss", "--task", task)

    made.type(made.line("zoo data sample"))
    made.type(made.line("zoo data prepare"))

    assert (tmp_path / "made" / "data" / "dataset.json").is_file()
    assert "--data data " in made.line("zoo train")
