# SPDX-License-Identifier: Apache-2.0
"""Training in 1, 2 and 4 processes on a CPU: images per second, and that the losses are the same.

    python benchmarks/scaling.py [--processes 1 2 4] [--steps 20] [--rounds 3] [--size 256]
    python benchmarks/scaling.py --losses 40

Each run is `tools/dist_train.sh` on drawn pictures, with a U-Net of 16 base channels and group
norm, 4 images a step in each process, and as many threads as the script gives to each. Runs take
turns. Prints a Markdown table of medians; the first steps are not counted. The wall clock only
means something on CPUs that nothing else uses.

With `--losses N`, one process with 8 images a step and two with 4 train for N steps, and the
largest difference of their losses is printed; it exits with 1 if that is above 1e-5.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from zoo.engine.threads.cores import find_cores

SCRIPT = Path(__file__).resolve().parents[1] / "tools/dist_train.sh"
PICTURES, BATCH, WARM_UP = 32, 4, 4
MOST = 1e-5
CONFIG = """
_base_ = ["mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py"]
norm = dict(type="GN", num_groups=4)
model = dict(
    backbone=dict(base_channels=16, norm_cfg=norm),
    decode_head=dict(in_channels=16, channels=16, norm_cfg=norm, dropout_ratio=0.0),
    auxiliary_head=None,
    test_cfg=dict(_delete_=True, mode="whole"),
)
pipeline = [dict(type=name) for name in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")]
dataset = dict(_delete_=True, type="DRIVEDataset", data_root="DRIVE", pipeline=pipeline,
    data_prefix=dict(img_path="images/training", seg_map_path="annotations/training"))
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dataset)
val_dataloader = val_cfg = val_evaluator = test_dataloader = test_cfg = test_evaluator = None
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=100000))
randomness = dict(seed=1)
"""


def main() -> None:
    """Print the table, or the difference of the losses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=256, help="side of a picture in px")
    parser.add_argument("--losses", type=int, metavar="N", help="compare the losses of N steps")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-scaling-") as name:
        folder = Path(name)
        draw(folder / "DRIVE", args.size if args.losses is None else 64)
        (folder / "scaling.py").write_text(CONFIG, encoding="utf-8")
        if args.losses is not None:
            sys.exit(compare_losses(folder, args.losses))
        rates: dict[int, list[float]] = {count: [] for count in args.processes}
        for number in range(args.rounds):
            for count, found in rates.items():
                rows = train(folder, f"{count}-{number}", count, WARM_UP + args.steps, BATCH)
                seconds = statistics.median(row["time"] for row in rows[WARM_UP:])
                found.append(count * BATCH / seconds)
        print_table(rates)


def draw(root: Path, size_px: int) -> None:
    """Write pictures of a bright disc each, and their masks.

    Args:
        root: The folder.
        size_px: Side of a picture.
    """
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    folders = [root / kind / "training" for kind in ("images", "annotations")]
    for folder in folders:
        folder.mkdir(parents=True)
    for number in range(PICTURES):
        mask = np.zeros((size_px, size_px), np.uint8)
        x, y = (int(value) for value in rng.integers(size_px // 4, 3 * size_px // 4, 2))
        cv2.circle(mask, (x, y), size_px // 5, 1, -1)
        image = rng.integers(0, 120, (size_px, size_px), np.uint8) + 100 * mask
        cv2.imwrite(str(folders[0] / f"{number}.png"), image)
        cv2.imwrite(str(folders[1] / f"{number}_manual1.png"), mask)


def train(folder: Path, name: str, count: int, steps: int, batch: int) -> list[dict[str, float]]:
    """Train once and return the rows of the log, one of each step.

    Args:
        folder: With data and config.
        name: Of the work dir.
        count: Number of processes.
        steps: Number of steps.
        batch: Images of a step in one process.
    """
    words = [SCRIPT, "scaling.py", count, "--work-dir", name, "--max-steps", steps]
    done = subprocess.run(
        [*map(str, words), "--batch-size", str(batch)],
        cwd=folder,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    (path,) = (folder / name).glob("*/vis_data/scalars.json")
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if "loss" in row]


def compare_losses(folder: Path, steps: int) -> int:
    """Print how far the losses of one and of two processes differ, and return the exit code.

    Args:
        folder: With data and config.
        steps: Number of steps.
    """
    one, two = (train(folder, f"of-{n}", n, steps, 2 * BATCH // n) for n in (1, 2))
    pairs = [(a["loss"], b["loss"]) for a, b in zip(one, two, strict=True)]
    most = max(abs(a - b) for a, b in pairs)
    print(f"{len(pairs)} steps, loss {pairs[0][0]:.4f} to {pairs[-1][0]:.4f}: ", end="")
    print(f"largest difference {most:.1e}, expected at most {MOST:.0e}")
    return int(most > MOST)


def print_table(rates: dict[int, list[float]]) -> None:
    """Print medians, and how many times faster than the first row.

    Args:
        rates: Images per second of each round, by the number of processes.
    """
    usable = find_cores().usable
    print("| processes | threads of each | images a step | images/s | times faster |")
    print("|---|---|---|---|---|")
    first = statistics.median(next(iter(rates.values())))
    for count, found in rates.items():
        rate = statistics.median(found)
        row = (count, max(1, usable // count), count * BATCH, f"{rate:.2f}", f"{rate / first:.2f}")
        print("|", " | ".join(map(str, row)), "|")


if __name__ == "__main__":
    main()
