# SPDX-License-Identifier: Apache-2.0
"""The tutorial for instances, followed: its files are written, its commands typed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "guide" / "instance-plugin.md"
FOLDER = "mmzoo-trays"
# Those whose types the bases of its config name.
PLUGINS = "trays,configs,dice_loss,efficientnet_lite,folder_data,instance_metrics"
PLUGINS += ",segmentation_transforms,training_hooks"
# What `plugin check` does beside the static rules, the plugin's own tests above do.
FEWER = {
    "plugin": ("--static",),
    "sample": ("--count", "14"),
    "train": ("--max-steps", "2", "--pretrained", "none"),
}

pytestmark = [
    pytest.mark.mm,
    pytest.mark.slow,
    pytest.mark.skipif(
        not any(ROOT.glob("plugins/*/pyproject.toml")),
        reason="the tutorial builds on plugins of the checkout",
    ),
]


def _blocks() -> list[tuple[str, str]]:
    text = PAGE.read_text("utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def trays(tmp_path: Path) -> Path:
    """Write the plugin as a reader would, file by file."""
    folder = tmp_path / FOLDER
    for _, text in _blocks():
        named = re.match(r"# ([\w./-]+\.\w+)\n", text)
        if named is not None:
            (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / named[1]).write_text(text, "utf-8")
    (folder / "README.md").write_text("# mmzoo-trays\n", "utf-8")
    (folder / "LICENSE").write_text("MIT License\n", "utf-8")
    return folder


def test_files_of_the_page_are_those_of_its_tree(trays: Path) -> None:
    """No file of the tree is missing on the page, and none is on the page alone."""
    tree = next(text for _, text in _blocks() if text.startswith(f"{FOLDER}/\n"))
    named = set(re.findall(r"[\w-]+\.\w+|LICENSE", tree)) - {"mmzoo-trays"}

    assert {path.name for path in trays.rglob("*") if path.is_file()} == named


@pytest.mark.release
def test_plugin_of_the_page_passes_its_own_tests(trays: Path) -> None:
    """Its conformance and its one test, outside this checkout, but for wheels and training."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    command += ["-k", "not ZP80 and not ZP61"]

    done = subprocess.run(command, cwd=trays, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("checkout_plugins")
def test_commands_of_the_page_train_and_predict(
    trays: Path, tmp_path: Path, run_zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """In their order, with fewer photos and steps; every one succeeds and leaves what it should."""
    lines = [line for language, text in _blocks() if not language for line in text.splitlines()]
    typed = [shlex.split(line)[1:] for line in lines if line.startswith("zoo ")]
    assert [words[0] for words in typed] == [
        *("plugin", "data", "data", "data", "data", "train", "test", "predict")
    ]

    for words in typed:
        more = FEWER.get(words[1] if words[0] == "data" else words[0], ())
        done = run_zoo(*words, *more, plugins=PLUGINS, folder=trays)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"

    coco = json.loads((tmp_path / "data/trays/annotations/train.json").read_text("utf-8"))
    assert [category["name"] for category in coco["categories"]] == ["washer", "nut"]
    assert (tmp_path / "trays_data.png").is_file()
    assert len(list((tmp_path / "shown").glob("*.png"))) == 2
    found = json.loads((tmp_path / "found" / "coco.json").read_text("utf-8"))
    assert [category["name"] for category in found["categories"]] == ["washer", "nut"]
    assert len(found["images"]) == 14
