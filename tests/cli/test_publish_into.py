# SPDX-License-Identifier: Apache-2.0
"""``zoo publish --into``: a run becomes weights of a plugin, or the plugin stays as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugin_project import write_project

pytestmark = [pytest.mark.mm, pytest.mark.slow]

Run = Callable[..., subprocess.CompletedProcess[str]]
MANIFEST = """# The manifest: read without importing.
[plugin]
name = "ponds"
version = "1.2.3"  # raise it here
api = 1
summary = "Ponds"
license = "MIT"

[[loss]]
name = "PondLoss"
target = "zoo_ponds.loss:PondLoss"

# trained for three steps
[[config]]
name = "squares"
file = "configs/squares.py"
# the end
"""


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return every file and folder below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


@pytest.fixture
def place(tmp_path: Path, squares: Path, squares_text: str) -> Path:
    """Return a folder with the plugin of the data and the project of the plugin to publish into."""
    folder = tmp_path / "plugins"
    shutil.copytree(squares, folder)
    (folder / "ponds" / "zoo_ponds" / "configs").mkdir(parents=True)
    changes = {
        "zoo_ponds/zoo_plugin.toml": MANIFEST,
        "zoo_ponds/configs/squares.py": squares_text,
        "zoo_ponds/configs/pond-64.py": None,
    }
    write_project(folder / "ponds", **changes)
    return folder


@pytest.fixture
def zoo(run_zoo: Run, place: Path) -> Run:
    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return run_zoo(*words, plugins="squares,ponds", folder=place)

    return run


@pytest.fixture
def work_dir(tmp_path: Path, zoo: Run, squares_data: Path, squares_config: Path) -> Path:
    """Train the net of bright squares for three steps, and measure it."""
    options = ["train_cfg.max_iters=3", "train_cfg.val_interval=3"]
    options += ["default_hooks.logger.log_metric_by_epoch=False"]
    words = ["--data", squares_data, "--work-dir", tmp_path / "run", "--cfg-options", *options]
    for done in (
        zoo("train", squares_config, *words),
        zoo("test", tmp_path / "run", "--out", tmp_path / "run" / "test.json"),
    ):
        assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_publish_into_a_plugin_makes_weights_that_can_be_used(
    tmp_path: Path, zoo: Run, place: Path, work_dir: Path
) -> None:
    """File, card, row and glob; rounded values; check passes; the wheel holds it; it predicts."""
    project = place / "ponds"
    words = ["publish", work_dir, "--name", "tiny", "--into", project, "--data-licence", "CC0-1.0"]

    done = zoo(*words)

    assert done.returncode == 0, done.stderr
    check_files(project, done.stdout, work_dir)
    checked = zoo("plugin", "check", project, "--static", "--json")
    assert checked.returncode == 0, checked.stdout
    listed = json.loads(zoo("plugin", "info", "ponds", "--json").stdout)
    assert [(each["name"], each["file"]) for each in listed["weights"]] == [("tiny", "shipped")]
    assert zoo("download", "tiny", "--dest", tmp_path / "here").returncode == 0
    predicted = zoo("predict", "tiny", _picture(tmp_path), "--out", tmp_path / "out")
    assert predicted.returncode == 0, predicted.stderr
    check_again(zoo, words, project)


def check_files(project: Path, printed: str, work_dir: Path) -> None:
    """The manifest, the file, the card and the package data say the same."""
    text = (project / "zoo_ponds" / "zoo_plugin.toml").read_text()
    assert text.startswith(MANIFEST)
    (row,) = tomllib.loads(text)["weights"]
    assert tomllib.loads(printed)["weights"] == [row]
    file = project / "zoo_ponds" / "weights" / "tiny.safetensors"
    assert row["urls"] == ["package:weights/tiny.safetensors"]
    assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (row["licence"], row["data_licence"], row["config"]) == ("MIT", "CC0-1.0", "squares")
    measured = json.loads((work_dir / "test.json").read_text())["metrics"]
    found = {metric["name"]: metric["value"] for metric in row["metrics"]}
    assert set(found) <= set(measured)
    for name, value in found.items():
        decimals = 1 if abs(measured[name]) > 1 else 3
        assert value == round(measured[name], decimals), name
    assert any(value != measured[name] for name, value in found.items())
    card = (project / "cards" / "tiny.md").read_text()
    assert row["sha256"] in card
    pyproject = (project / "pyproject.toml").read_text()
    globs = '["zoo_plugin.toml", "configs/*.py", "weights/*.safetensors"]  # what a wheel needs'
    assert globs in pyproject


def check_again(zoo: Run, words: list[Any], project: Path) -> None:
    """A taken name is refused; --force replaces row and file, and is idempotent."""
    before = read_tree(project)

    refused = zoo(*words)
    assert refused.returncode == 1
    assert "it has weights of that name" in refused.stderr
    assert "HINT: choose another --name, or replace them with --force." in refused.stderr
    assert read_tree(project) == before

    same = zoo(*words, "--force", "--json")
    assert same.returncode == 0, same.stderr
    assert read_tree(project) == before
    told = json.loads(same.stdout)
    assert told["plugin"] == "ponds"
    assert Path(told["file"]).is_file()
    assert Path(told["row"]).name == "zoo_plugin.toml"

    other = zoo(*words, "--force", "--licence", "Apache-2.0")
    assert other.returncode == 0, other.stderr
    text = (project / "zoo_ponds" / "zoo_plugin.toml").read_text()
    (row,) = tomllib.loads(text)["weights"]
    assert row["licence"] == "Apache-2.0"
    file = project / "zoo_ponds" / "weights" / "tiny.safetensors"
    assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    second = zoo(*(word if word != "tiny" else "tiny2" for word in words))
    assert second.returncode == 0, second.stderr
    names = [each["name"] for each in tomllib.loads(text)["weights"]]
    text = (project / "zoo_ponds" / "zoo_plugin.toml").read_text()
    assert [each["name"] for each in tomllib.loads(text)["weights"]] == [*names, "tiny2"]
    assert (project / "pyproject.toml").read_text().count("safetensors") == 1


def _picture(folder: Path) -> Path:
    import numpy as np

    from zoo.data import encode_png

    path = folder / "picture.png"
    path.write_bytes(encode_png(np.zeros((32, 32, 3), np.uint8)))
    return path


def _drop_config(project: Path) -> None:
    path = project / "zoo_ponds" / "zoo_plugin.toml"
    path.write_text(path.read_text().replace('"squares"', '"circles"'))


def _block_cards(project: Path) -> None:
    (project / "cards").write_text("a file where the folder of cards belongs")


def _break_pyproject(project: Path) -> None:
    (project / "pyproject.toml").write_text("[project\n")


def _list_nothing(project: Path) -> None:
    path = project / "pyproject.toml"
    old = 'zoo_ponds = ["zoo_plugin.toml", "configs/*.py"]'
    path.write_text(path.read_text().replace(old, 'zoo_ponds = "zoo_plugin.toml"'))


def _leave_file(project: Path) -> None:
    (project / "zoo_ponds" / "weights").mkdir()
    (project / "zoo_ponds" / "weights" / "tiny.safetensors").write_bytes(b"another's")


def test_publish_into_a_plugin_when_refused_leaves_it_as_it_was(
    zoo: Run, place: Path, work_dir: Path
) -> None:
    """Whatever fails, before or in the middle of the writing, each file is as before."""
    project = place / "ponds"
    whole = place.parent / "whole"
    shutil.copytree(project, whole)
    words = ["publish", work_dir, "--name", "tiny", "--into", project, "--data-licence", "CC0-1.0"]
    for spoil, part in (
        (_drop_config, "which is no config of the plugin"),
        (_block_cards, "cannot write 'tiny.md'"),
        (_break_pyproject, "pyproject.toml"),
        (_list_nothing, "expected a list"),
        (_leave_file, "there is such a file, and no row names it"),
    ):
        shutil.rmtree(project)
        shutil.copytree(whole, project)
        spoil(project)
        before = read_tree(project)

        done = zoo(*words)

        assert done.returncode == 1, (part, done.stdout)
        assert part in done.stderr, done.stderr
        assert "HINT: " in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert read_tree(project) == before, part


@pytest.mark.parametrize("locked", [".", "zoo_ponds", "zoo_ponds/weights", "cards"])
def test_publish_into_a_read_only_plugin_is_told_before_anything_is_computed(
    place: Path, bound_by_permissions: list[str], locked: str
) -> None:
    """In the project, the package, or a folder that an earlier publication made."""
    project = place / "ponds"
    (project / "zoo_ponds" / "weights").mkdir()
    (project / "cards").mkdir()
    folder = (project / locked).resolve()
    folder.chmod(0o555)
    code = """
import sys
from pathlib import Path
from zoo.engine.publishing.into_plugin import PluginTarget, check_free
from zoo.errors import CheckpointError
from zoo.manifest.reading import read_manifest
project = Path(sys.argv[1])
manifest = read_manifest(project / "zoo_ponds" / "zoo_plugin.toml")
try:
    check_free(PluginTarget(manifest, project), "tiny", "squares")
except CheckpointError as error:
    print(error)
"""

    done = subprocess.run(
        [*bound_by_permissions, sys.executable, "-c", code, project],
        capture_output=True,
        text=True,
        check=True,
    )

    message, where, hint = done.stdout.splitlines()
    assert message == (
        "cannot publish 'tiny' into the plugin 'ponds': its folder cannot be written."
    )
    assert where == f"where: {folder}"
    assert hint.startswith("HINT: make it writable, or publish to a folder of your own")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--into", "p", "--out", "o"], "--into and --out"),
        (["--into", "p", "--source", "o"], "--into and --source"),
        (["--out", "o", "--force"], "give --into PLUGIN_DIR too"),
        (["--into", "p"], "missing parameter"),
    ],
)
def test_publish_when_options_contradict_then_usage_is_told(
    run_zoo: Run, tmp_path: Path, words: list[str], part: str
) -> None:
    arguments = ["publish", *([] if part.startswith("missing") else [tmp_path]), *words]

    done = run_zoo(*arguments, plugins="")

    assert done.returncode == 2
    assert part.lower() in done.stderr.lower() or "Missing argument" in done.stderr


def test_publish_into_nothing_says_what_is_expected(run_zoo: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = run_zoo("publish", tmp_path, "--name", "a", "--into", tmp_path / "empty", plugins="")

    assert done.returncode == 1
    assert "expected one plugin" in done.stderr
