# SPDX-License-Identifier: Apache-2.0
"""A plugin that knows public names only, from wheels, in an empty folder without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from warm_zoo import WarmZoo

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
STRANGER = Path(__file__).resolve().parent / "crops"
CLASSES = ["soil", "crop", "weed", "residue"]

# What a wheel is made of; nothing else of the checkout is at hand when it is built.
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "zoo", "configs")
# Installed from the wheels, so the copies of the environment that runs the tests stay out.
OURS = ("zoo", "mmzoo", "__editable__")
SKIP = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
# The generator, and the plugins whose types the configs of its plugins name.
SHIPPED = (
    *("plugin_templates", "dice_loss", "efficientnet_lite", "folder_data", "instance_metrics"),
    *("segmentation_metrics", "segmentation_transforms", "training_hooks"),
)
# Three plugins: a data set of each task, and one of parts alone.
GENERATED = {
    "ponds": "--loss --metric --dataset semantic",
    "cells": "--dataset instance --model --loss --metric --transform",
    "extras": "--hook --loss --command --converter",
}


class Installed:
    """An environment of its own with the two wheels, and an empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.bin = folder / "venv" / "bin"
        self.warm: Path | None = None
        self.work.mkdir()
        keep = ("PATH", "LANG", "LD_LIBRARY_PATH")
        self.env = {name: os.environ[name] for name in keep if name in os.environ}
        self.env |= {"HOME": str(self.folder), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in the empty folder."""
        program = self.warm if self.warm and command[0] == "zoo" else self.bin / command[0]
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.work,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def zoo(self, *arguments: str) -> str:
        """Run ``zoo`` and return what it prints; fails with its whole output."""
        done = self.run("zoo", *arguments)
        assert done.returncode == 0, f"zoo {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def build_wheels(out: Path, *projects: Path) -> list[Path]:
    """Build wheels with the setuptools that is here, without reaching for an index."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--quiet", "--disable-pip-version-check", "-w", out, *projects], check=True
    )
    return sorted(out.glob("*.whl"))


def link_dependencies(folder: Path) -> None:
    """Make torch, OpenMMLab and the rest of this environment importable from ``folder``."""
    folder.mkdir()
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            if not entry.name.startswith(OURS) and entry.suffix != ".pth":
                (folder / entry.name).symlink_to(entry)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of zoo, and what every environment depends on."""
    folder = tmp_path_factory.mktemp("stranger")
    core = folder / "core"
    core.mkdir()
    for name in SOURCES:
        source = ROOT / name
        copy = shutil.copy if source.is_file() else shutil.copytree
        copy(source, core / name, **({} if source.is_file() else {"ignore": SKIP}))
    build_wheels(folder / "wheels", core)
    link_dependencies(folder / "dependencies")
    return folder


def make_environment(shared: Path, folder: Path) -> Installed:
    """Return an environment with the wheel of zoo and an empty folder to work in."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    place = next((folder / "venv").glob("lib/python3*/site-packages"))
    (place / "dependencies.pth").write_text(f"{shared / 'dependencies'}\n")
    made = Installed(folder)
    install(made, *(shared / "wheels").glob("*.whl"))
    return made


def install(into: Installed, *wheels: Path) -> None:
    """Install wheels and nothing else."""
    python = str(into.bin / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    subprocess.run(
        [*command, "--quiet", "--no-index", "--disable-pip-version-check", *wheels], check=True
    )


@contextmanager
def warmed(made: Installed) -> Iterator[None]:
    """Let ``zoo`` be a fork of a process of the environment, which has imported OpenMMLab."""
    if not WarmZoo.is_possible():
        yield
        return
    with (
        tempfile.TemporaryDirectory(prefix="zoo-") as folder,
        WarmZoo(Path(folder), made.env, python=made.bin / "python") as server,
    ):
        made.warm = server.program
        yield
        made.warm = None


@pytest.fixture(scope="module")
def installed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("crops")
    made = make_environment(shared, folder)
    shutil.copytree(STRANGER, folder / "crops", ignore=SKIP)
    install(made, *build_wheels(folder / "wheels", folder / "crops"))
    return made


def test_stranger_from_wheels_trains_tests_and_predicts(installed: Installed) -> None:
    """Sample, prepare, train with two spawned workers, test, predict: by name, from anywhere."""
    places = installed.run(
        "python", "-c", "import zoo, zoo_crops; print(zoo.__file__, zoo_crops.__file__)"
    )
    assert all(str(installed.folder / "venv") in place for place in places.stdout.split()), places
    assert len(places.stdout.split()) == 2
    plugins = json.loads(installed.zoo("plugin", "list", "--json"))
    states = {plugin["name"]: plugin["state"] for plugin in plugins}
    assert states == {"configs": "ok", "crops": "ok"}, plugins

    installed.zoo("data", "sample", "crops", "--out", "raw")
    prepare = ("data", "prepare", "crops", "--source", "raw", "--out", "prepared")
    installed.zoo(*prepare, "--shares", "0.6,0.2,0.2")
    installed.zoo("data", "check", "prepared")
    installed.zoo("train", "crops_tiny", "--data", "prepared", "--work-dir", "run")
    installed.zoo("test", "run", "--out", "metrics.json")
    tile = "raw/flight_00/tile_00.png"
    installed.zoo("predict", "run", tile, "--out", "pictures")

    work = installed.work
    check_training(work / "run", work / "prepared")
    check_metrics(work / "metrics.json", work / "prepared")
    check_prediction(work / "pictures", work / tile)


def check_training(run: Path, prepared: Path) -> None:
    """Own loss, hook and spawned workers were at work, and the network learned."""
    (log,) = run.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [row["decode.loss_focal"] for row in rows if "decode.loss_focal" in row]
    assert losses[-1] < losses[0] / 2, losses
    (config,) = run.glob("*.py")
    text = config.read_text()
    assert "mp_start_method='spawn'" in text
    assert text.count("num_workers=2") == 2
    shown = json.loads((run / "shown.json").read_text())
    assert sum(shown.values()) == 30 * 4
    stems = (prepared / "splits" / "train.txt").read_text().split()
    assert {Path(file).stem for file in shown} == set(stems)
    assert (run / "iter_30.pth").is_file()


def check_metrics(metrics: Path, prepared: Path) -> None:
    """Per-image values name the images of the test split, all of them and no other."""
    found = json.loads(metrics.read_text())
    stems = (prepared / "splits" / "test.txt").read_text().split()
    assert sorted(stems) == sorted(Path(row["file"]).stem for row in found["per_image"])
    assert found["metrics"]["mIoU"] > 40, found["metrics"]  # percent; one class alone gives < 20


def check_prediction(pictures: Path, tile: Path) -> None:
    """Label and overlay at the tile's size, areas that add up, and what the reader told."""
    found = json.loads((pictures / "predictions.json").read_text())
    (image,) = found["images"]
    labels = cv2.imread(str(pictures / image["label"]), cv2.IMREAD_UNCHANGED)
    pixels = cv2.imread(str(tile))
    assert labels.shape == pixels.shape[:2]
    areas = {name: int((labels == label).sum()) for label, name in enumerate(CLASSES)}
    assert areas == {name: area["px"] for name, area in image["areas"].items()}
    assert (pictures / image["overlay"]).is_file()
    blue, green, red = (pixels[..., channel].astype(np.float64) for channel in range(3))
    greenness = float((2 * green - red - blue).mean() / 255)
    assert greenness == pytest.approx(image["meta"]["greenness"], abs=1e-4)


MINE = """
_base_ = ["zoo::crops/crops_tiny"]
_data_ = dict(type="zoo.crops.CropsDataset", data_root="squares")
_flip = dict(type="RandomFlip", prob=0.25)
train_pipeline = dict(_edit_=True, RandomFlip=None, RandomShade=dict(_after_=_flip))
train_cfg = dict(max_iters=4, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2))
"""
WHOLE = {
    "_base_": ["zoo::unet_small", "zoo::semantic_512", "zoo::schedule_250", "zoo::default_runtime"],
    "_data_": "zoo.crops.CropsDataset",
    "custom_hooks": {"_edit_": True, "_after_": {"type": "zoo.crops.CountImages"}},
}
SPAWNED = """
import multiprocessing, sys
from pathlib import Path
from zoo.engine.config_files.files import find_config_file, parse_config_file

def steps(name):
    return [step["type"] for step in parse_config_file(find_config_file(name)).train_pipeline]

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for found in pool.map(steps, sys.argv[1:]):
            print(*found)
"""


def test_config_on_bases_of_wheels_trains_resumes_and_parses_in_workers(
    installed: Installed,
) -> None:
    """A config of no plugin states its difference; the work dir then needs no base."""
    work = installed.work
    (work / "mine.py").write_text(MINE)
    (work / "whole.json").write_text(json.dumps(WHOLE))
    (work / "spawned.py").write_text(SPAWNED)
    prepare = ("data", "prepare", "crops", "--source", "squares_raw", "--out", "squares")
    resume = ("--resume", "--work-dir", "own", "--cfg-options", "train_cfg.max_iters=6")

    with warmed(installed):
        installed.zoo("data", "sample", "crops", "--out", "squares_raw")
        installed.zoo(*prepare, "--shares", "0.6,0.2,0.2")
        installed.zoo("train", "mine.py", "--work-dir", "own")
        installed.zoo("train", "own/mine.py", *resume)
        whole = json.loads(installed.zoo("config", "show", "whole.json", "--json"))

    steps = "zoo.crops.LoadTile LoadAnnotations zoo.crops.RandomShade RandomFlip PackSegInputs"
    dumped = (work / "own" / "mine.py").read_text()
    assert "_base_" not in dumped
    assert "_edit_" not in dumped
    spawned = installed.run("python", "spawned.py", "mine.py", "own/mine.py")
    assert spawned.stdout.splitlines() == [steps, steps], spawned.stderr
    assert (work / "own" / "iter_6.pth").is_file()
    assert whole["model"]["decode_head"]["num_classes"] == 4
    assert whole["val_loss_dataloader"]["dataset"]["type"] == "zoo.crops.CropsDataset"
    assert whole["custom_hooks"][-1] == {"type": "zoo.crops.CountImages"}


def test_base_that_a_wheel_lacks_is_told_with_its_plugin(installed: Installed) -> None:
    """The package data forgot a file: the plugin is named, and a plugin that is not here too."""
    place = next(installed.folder.glob("venv/lib/python3*/site-packages/zoo_configs/_base_"))
    lost = place / "schedule_1200.py"
    text = lost.read_text()
    lost.unlink()
    (installed.work / "ponds.py").write_text('_base_ = ["zoo::small_ponds/unet"]\n')

    try:
        broken = installed.run("zoo", "config", "show", "crops_tiny")
        used = installed.run("zoo", "config", "show", "zoo::schedule_250")
        named = installed.run("zoo", "config", "show", "zoo::configs/schedule_250")
    finally:
        lost.write_text(text)
    absent = installed.run("zoo", "config", "show", "ponds.py")

    assert broken.returncode == 0, broken.stderr
    for done, words in (
        (used, ("no config named 'schedule_250'", "configs may have it", "zoo plugin list")),
        (named, ("plugin 'configs'", "_base_/schedule_1200.py", "package data")),
        (absent, ("no plugin 'small_ponds'", "pip install mmzoo-small-ponds", "ponds.py")),
    ):
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert all(word in done.stderr for word in words), done.stderr


@pytest.fixture(scope="module")
def authors(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Return an environment with three plugins that its own ``zoo plugin new`` wrote, as wheels."""
    folder = tmp_path_factory.mktemp("authors")
    made = make_environment(shared, folder)
    copies = [
        Path(shutil.copytree(ROOT / "plugins" / name, folder / "shipped" / name, ignore=SKIP))
        for name in SHIPPED
    ]
    install(made, *build_wheels(folder / "shipped_wheels", *copies))
    for name, words in GENERATED.items():
        made.zoo("plugin", "new", name, "--out", str(folder / "new" / name), *words.split())
    projects = [folder / "new" / name for name in GENERATED]
    install(made, *build_wheels(folder / "wheels", *projects))
    shutil.rmtree(folder / "new")
    with warmed(made):
        yield made


def test_three_generated_plugins_stand_side_by_side_as_wheels(authors: Installed) -> None:
    """Each is found in its wheel, with the manifest's version, and none is in the others' way."""
    wheels = sorted(path.name for path in (authors.folder / "wheels").iterdir())
    listed = {each["name"]: each for each in json.loads(authors.zoo("plugin", "list", "--json"))}

    assert wheels == [f"mmzoo_{name}-0.1.0-py3-none-any.whl" for name in sorted(GENERATED)]
    for name in GENERATED:
        assert (listed[name]["state"], listed[name]["found_in"]) == ("ok", "entry point")
        assert str(authors.folder / "venv") in listed[name]["manifest"]
        assert f"{name}: 0 errors, 0 warnings" in authors.zoo("plugin", "check", name, "--static")
    assert "images" in authors.zoo("extras-splits", "--help")


@pytest.mark.parametrize(
    ("name", "config", "batch"),
    [
        # Both train where the generator is tested, and another from its wheel above.
        pytest.param("ponds", "unet_ponds", 4, marks=pytest.mark.release),
        pytest.param("cells", "mask_rcnn_cells", 2, marks=pytest.mark.release),
    ],
)
def test_generated_plugin_trains_from_its_wheel(
    authors: Installed, name: str, config: str, batch: int
) -> None:
    """From its own sample to a checkpoint, with the hook of another generated plugin."""
    data, run = f"data_{name}", f"run_{name}"
    authors.zoo("data", "sample", name, "--out", f"raw_{name}")
    authors.zoo("data", "prepare", name, "--source", f"raw_{name}", "--out", data)
    edits = ["train_cfg.max_iters=2", "custom_hooks.0.type=zoo.extras.ExtrasHook"]
    edits.append("default_hooks.logger.interval=1")
    authors.zoo("train", config, "--data", data, "--work-dir", run, "--cfg-options", *edits)

    work = authors.work
    assert (work / run / "iter_2.pth").is_file()
    assert json.loads((work / data / "dataset.json").read_text())["dataset"] == {
        "plugin": name,
        "name": f"{name.capitalize()}Dataset",
        "version": "0.1.0",
    }
    (log,) = (work / run).glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["images_seen"] for row in rows if "loss" in row] == [batch, 2 * batch]
    assert {"ponds": "mean_recall", "cells": "count_error"}[name] in rows[-1]
