# SPDX-License-Identifier: Apache-2.0
"""Run the main workflow on the lung plugin's synthetic sample, with commands of `zoo`.

Writes to --out: raw/ (the sample), data/ (prepared), run/ (the training), predictions/,
overview.png, curves.png, dices.png, test.json; and prints the results and where the
files are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from demonstration import QUIET, print_report, run, source_images, start_over
from overviews import draw_lungs

CONFIG = "unet_small_lung-128"
ROOT = Path(__file__).resolve().parent.parent


def pipeline(out: Path) -> dict[str, float]:
    """Run sample, prepare, train, test, predict and plot; return step -> seconds.

    Args:
        out: Folder of the demonstration.
    """
    raw, data, work = out / "raw", out / "data", out / "run"
    steps = {
        "sample": run("zoo", "data", "sample", "lung_xray", "--out", raw),
        "prepare": run(
            *("zoo", "data", "prepare", "lung_xray", "--source", raw, "--out", data),
            *("--shares", "0.7,0.1,0.2"),
        ),
        "train": run("zoo", "train", CONFIG, "--data", data, "--work-dir", work, *QUIET),
        "test": run("zoo", "test", work, "--data", data, "--out", out / "test.json", *QUIET),
    }
    images = source_images(raw, data)
    steps["predict"] = run("zoo", "predict", work, *images, "--out", out / "predictions")
    steps["plot"] = run("zoo", "plot", work, "--out", out / "curves.png")
    steps["plot"] += run("zoo", "plot", out / "test.json", "--out", out / "dices.png")
    return steps


def report(out: Path, steps: dict[str, float]) -> None:
    """Print the table of results, recomputed from the images in NumPy.

    Args:
        out: Folder of the demonstration.
        steps: Seconds of each step.
    """
    subprocess.run(
        [
            sys.executable,
            ROOT / "benchmarks" / "lung_dice.py",
            *("--data", out / "data", "--source", out / "raw"),
            *("--predictions", out / "predictions", "--out", out / "dice.json"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    scores = json.loads((out / "dice.json").read_text(encoding="utf-8"))["dice_lung"]
    mean = sum(scores.values()) / len(scores)
    print(f"\nlung Dice {mean:.3f}, the mean of {len(scores)} test images at full resolution")
    places = {
        "overview.png": "eight test images: which lung was found, missed or seen where none is",
        "predictions": "overlays, label images and predictions.json",
        "curves.png": "Dice, loss of training and validation, learning rate over the steps",
        "dices.png": "the test images' Dice, one by one",
        "test.json": "the metrics",
        "run": "the checkpoints and the log",
    }
    print_report(out, steps, places)


def main() -> None:
    """Read the arguments and run everything."""
    out = start_over(__doc__, "demo", lambda old: (old / "raw" / "Lung Segmentation").is_dir())
    steps = pipeline(out)
    draw_lungs(out, out / "overview.png", count=8)
    report(out, steps)


if __name__ == "__main__":
    main()
