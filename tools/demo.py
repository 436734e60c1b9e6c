# SPDX-License-Identifier: Apache-2.0
"""Run the main job on the lung plugin's synthetic sample: every step is a command of `zoo`.

Leaves in --out: raw/ (the sample), data/ (prepared), run/ (the training), predictions/,
overview.png, curves.png, dices.png, test.json; and prints what was reached and where it lies.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

CONFIG = "unet_small_lung-128"
QUIET = ("--cfg-options", "log_level=WARNING")
ROOT = Path(__file__).resolve().parent.parent


def run(*words: str | Path) -> float:
    """Run one command of zoo as a user would, show it, and return the seconds it took."""
    line = [str(word) for word in words]
    shown = " ".join(f"'{word}'" if " " in word else word for word in line[:12])
    print(f"\n$ {shown}{' ...' if len(line) > 12 else ''}", flush=True)
    start = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "zoo", *line[1:]], check=False).returncode
    if code:
        raise SystemExit(code)
    return time.monotonic() - start


def test_images(out: Path) -> list[Path]:
    """Return the raw X-rays of the test split, as the prepared folder names them."""
    record = json.loads((out / "data" / "dataset.json").read_text(encoding="utf-8"))
    return [out / "raw" / row["source_image"] for row in record["files"] if row["split"] == "test"]


def pipeline(out: Path) -> dict[str, float]:
    """Run sample, prepare, train, test, predict and plot; return step -> seconds."""
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
    steps["predict"] = run("zoo", "predict", work, *test_images(out), "--out", out / "predictions")
    steps["plot"] = run("zoo", "plot", work, "--out", out / "curves.png")
    steps["plot"] += run("zoo", "plot", out / "test.json", "--out", out / "dices.png")
    return steps


def draw_overview(out: Path, columns: int = 4, width_px: int = 280) -> None:
    """Write the first overlays, two rows of them, as one picture."""
    import cv2
    import numpy as np

    overlays = sorted((out / "predictions").glob("*_overlay.png"))[: 2 * columns]
    tiles = []
    for path in overlays[: len(overlays) // columns * columns]:
        overlay = cv2.imread(str(path))
        size = (width_px, round(overlay.shape[0] * width_px / overlay.shape[1]))
        tiles.append(cv2.resize(overlay, size, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    cv2.imwrite(str(out / "overview.png"), np.vstack(rows))


def report(out: Path, steps: dict[str, float]) -> None:
    """Print the table of what was reached, recomputed from the pictures in NumPy."""
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
    print("seconds  " + "  ".join(f"{name} {seconds:.0f}" for name, seconds in steps.items()))
    for name, what in {
        "overview.png": "eight test images with the lungs that were found",
        "predictions": "overlays, label images and predictions.json",
        "curves.png": "loss, Dice and learning rate over the steps",
        "dices.png": "the test images' Dice, one by one",
        "test.json": "the metrics",
        "run": "the checkpoints and the log",
    }.items():
        print(f"  {out / name!s:24} {what}")


def main() -> None:
    """Read the arguments and run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="made anew")
    args = parser.parse_args()
    if args.out.exists():
        marker = args.out / "raw" / "Lung Segmentation"
        if any(args.out.iterdir()) and not marker.is_dir():
            message = f"{args.out} is there and is not a demo's folder. Name another with --out."
            raise SystemExit(message)
        shutil.rmtree(args.out)
    steps = pipeline(args.out)
    draw_overview(args.out)
    report(args.out, steps)


if __name__ == "__main__":
    main()
