# SPDX-License-Identifier: Apache-2.0
"""The README's commands for one's own images, typed word by word in a fresh folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RunZoo = Callable[..., subprocess.CompletedProcess[str]]
# A run of two steps on small pictures, in place of minutes: the only change to what a reader types.
QUICK = (
    *("train_cfg.max_iters=2", "train_cfg.val_interval=2", "default_hooks.checkpoint.interval=2"),
    *(
        f"{pipeline}.scale=(64,64)"
        for pipeline in (
            *("train_dataloader.dataset.pipeline.2", "train_dataloader.dataset.pipeline.5"),
            *("val_dataloader.dataset.pipeline.1", "test_dataloader.dataset.pipeline.1"),
            *("test_pipeline.1", "val_loss_dataloader.dataset.pipeline.2"),
        )
    ),
)
PLUGINS = (
    "configs,folder_data,dice_loss,segmentation_metrics,segmentation_transforms,training_hooks,"
    "run_plots"
)

pytestmark = [
    pytest.mark.mm,
    pytest.mark.skipif(
        not any(ROOT.glob("plugins/folder_data/pyproject.toml")), reason="the plugin is not here"
    ),
]


def _section() -> str:
    """Return the README's section on one's own images: it draws the sample of folder_data."""
    parts = re.split(r"^## ", (ROOT / "README.md").read_text("utf-8"), flags=re.M)
    return next(part for part in parts if "zoo data sample folder_data" in part)


def _blocks(text: str, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [body for kind, body in fenced if kind == language]


def _commands(text: str) -> list[list[str]]:
    lines = [line for block in _blocks(text, "") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("zoo ")]


def test_readme_shows_the_classes_of_the_sample(tmp_path: Path, run_zoo: RunZoo) -> None:
    """What a reader sees is what the sample holds."""
    (shown,) = _blocks(_section(), "toml")

    run_zoo("data", "sample", "folder_data", "--out", "raw", "--count", "1", plugins="folder_data")

    assert tomllib.loads((tmp_path / "raw" / "classes.toml").read_text()) == tomllib.loads(shown)


@pytest.mark.slow
@pytest.mark.usefixtures("checkout_plugins")
def test_readme_commands_for_own_images_run_as_they_are(tmp_path: Path, run_zoo: RunZoo) -> None:
    """From the sample to predictions; each command exits 0 and leaves what it promises."""
    commands = _commands(_section())
    assert [words[1] for words in commands].count("train") == 1
    assert {"data", "train", "predict"} <= {words[1] for words in commands}

    for words in commands:
        typed = words[1:]
        if typed[0] == "train":
            typed += ["--cfg-options", *QUICK]
        done = run_zoo(*typed, plugins=PLUGINS)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        out = next((typed[i + 1] for i, word in enumerate(typed) if word == "--out"), None)
        assert out is None or (tmp_path / out).exists()

    predicted = next(words for words in commands if words[1] == "predict")
    folder = tmp_path / predicted[predicted.index("--out") + 1]
    assert len(list(folder.glob("*_overlay.*"))) == 49


@pytest.mark.slow
@pytest.mark.usefixtures("checkout_plugins")
def test_readme_init_on_the_sample_without_its_classes_leads_to_a_prepared_folder(
    tmp_path: Path, run_zoo: RunZoo
) -> None:
    """The command in the text, then the one that it prints."""
    (init,) = re.findall(r"`(zoo data prepare [^`]*--init[^`]*)`", _section().replace("\n", " "))
    run_zoo("data", "sample", "folder_data", "--out", "my_data", plugins="folder_data")
    (tmp_path / "my_data" / "classes.toml").unlink()

    done = run_zoo(*shlex.split(init)[1:], plugins="folder_data")
    command = done.stdout.splitlines()[-1].removeprefix("next: ")
    prepared = run_zoo(*shlex.split(command)[1:], plugins="folder_data")

    assert done.returncode == 0, done.stderr
    assert "--mask-suffix" not in command  # its masks have their images' names
    assert prepared.returncode == 0, prepared.stderr
    assert "48 written" in prepared.stdout
