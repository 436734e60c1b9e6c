# SPDX-License-Identifier: Apache-2.0
"""A plugin that knows public names only, from wheels, in an empty folder without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
STRANGER = Path(__file__).resolve().parent / "crops"
CLASSES = ["soil", "crop", "weed", "residue"]

# What a wheel is made of; nothing else of the checkout is at hand when it is built.
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "zoo", "configs")
# Installed from the wheels, so the copies of the environment that runs the tests stay out.
OURS = ("zoo", "mmzoo", "__editable__")


class Installed:
    """An environment of its own with the two wheels, and an empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.bin = folder / "venv" / "bin"
        self.work.mkdir()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in the empty folder."""
        keep = ("PATH", "LANG", "LD_LIBRARY_PATH")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env |= {"HOME": str(self.folder), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        return subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.work,
            env=env,
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


def build_wheel(project: Path, out: Path) -> None:
    """Build a wheel with the setuptools that is here, without reaching for an index."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--quiet", "--disable-pip-version-check", "-w", out, project], check=True
    )


def link_dependencies(folder: Path) -> None:
    """Make torch, OpenMMLab and the rest of this environment importable from ``folder``."""
    folder.mkdir()
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            if not entry.name.startswith(OURS) and entry.suffix != ".pth":
                (folder / entry.name).symlink_to(entry)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("stranger")
    core = folder / "core"
    core.mkdir()
    skip = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for name in SOURCES:
        source = ROOT / name
        copy = shutil.copy if source.is_file() else shutil.copytree
        copy(source, core / name, **({} if source.is_file() else {"ignore": skip}))
    shutil.copytree(STRANGER, folder / "crops", ignore=skip)
    build_wheel(core, folder / "wheels")
    build_wheel(folder / "crops", folder / "wheels")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    place = next((folder / "venv").glob("lib/python3*/site-packages"))
    link_dependencies(folder / "dependencies")
    (place / "dependencies.pth").write_text(f"{folder / 'dependencies'}\n")
    python = str(folder / "venv" / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    wheels = sorted((folder / "wheels").glob("*.whl"))
    subprocess.run(
        [*command, "--quiet", "--no-index", "--disable-pip-version-check", *wheels], check=True
    )
    return Installed(folder)


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
