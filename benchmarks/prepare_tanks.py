# SPDX-License-Identifier: Apache-2.0
"""Measure time and memory of `zoo data prepare oil_storage` on a set as large as the Airbus one.

    python benchmarks/prepare_tanks.py [--scenes 98] [--boxes 13592] [--runs 1] [--keep FOLDER]
    python benchmarks/prepare_tanks.py --masks

Writes the set first, in the Airbus layout: scenes of 2560x2560 px with one tank per box, 14 to 893
per scene, 3 to 108 px wide, median 18. Then it prepares whole scenes (COCO JSON with masks, copied
JPEGs), tiles, and tiles again over their own result. Every run is a new process, including the
start of Python.

With `--masks`, it measures on the plugin's sample how well masks made from boxes fit the true ones,
by mean IoU, and the best F1 of the Hough transform for circles.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIDE_PX = 2560
LEAST, MOST = 14, 893
Boxes = list[tuple[int, int, int, int]]


def run(command: list[str]) -> tuple[float, float, float]:
    """Return a command's wall clock and CPU time in seconds, and its peak memory in MiB.

    Args:
        command: The command.
    """
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"failed: {' '.join(command)}"
        raise SystemExit(message)
    wall_s = time.perf_counter() - begin
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def prepare_command(source: Path, out: Path, *options: str) -> list[str]:
    """Return the command of zoo, as a user types it.

    Args:
        source: Raw set.
        out: Folder to write.
        *options: More options.
    """
    return [
        *(sys.executable, "-m", "zoo", "data", "prepare", "oil_storage"),
        *("--source", str(source), "--out", str(out), *options),
    ]


def share_out(scenes: int, boxes: int, rng: Any) -> list[int]:
    """Return the number of boxes of each scene, skewed as in the real set.

    Args:
        scenes: Number of scenes.
        boxes: Number of boxes.
        rng: Random generator.
    """
    import numpy as np

    counts = np.clip(np.exp(rng.normal(np.log(100), 0.8, scenes)), LEAST, MOST).astype(int)
    while counts.sum() != boxes:
        step = 1 if counts.sum() < boxes else -1
        index = int(rng.integers(scenes))
        counts[index] = np.clip(counts[index] + step, min(LEAST, boxes), max(MOST, boxes))
    return [int(count) for count in counts]


def draw_boxes(count: int, rng: Any) -> Boxes:
    """Return boxes of tanks, in px.

    Args:
        count: Number of boxes.
        rng: Random generator.
    """
    import numpy as np

    sides = np.clip(np.exp(rng.normal(np.log(18), 0.55, count)), 3, 108).astype(int)
    boxes = []
    for side in sides.tolist():
        x, y = rng.integers(0, SIDE_PX - side, 2).tolist()
        boxes.append((x, y, x + side, y + side))
    return boxes


def write_set(folder: Path, scenes: int, boxes: int) -> None:
    """Write ``images/*.jpg`` and ``annotations.csv``: land of noise, tanks as bright discs.

    Args:
        folder: Folder to write to.
        scenes: Number of scenes.
        boxes: Number of boxes.
    """
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    land = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    for cells, strength in ((20, 25), (160, 12), (1280, 8)):
        coarse = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        land += cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    land = np.clip(land + np.array([100, 120, 120]), 0, 255).astype(np.uint8)
    lines = ["image_id,class,bounds"]
    for number, count in enumerate(share_out(scenes, boxes, rng)):
        stem = f"scene{number:03d}"
        image = np.roll(land, rng.integers(0, SIDE_PX, 2).tolist(), axis=(0, 1))
        for x0, y0, x1, y1 in draw_boxes(count, rng):
            centre = ((x0 + x1) // 2, (y0 + y1) // 2)
            cv2.circle(image, centre, (x1 - x0) // 2, (225, 230, 235), cv2.FILLED, cv2.LINE_AA)
            lines.append(f'{stem},oil-storage-tank,"{(x0, y0, x1, y1)}"')
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(folder / "images" / f"{stem}.jpg"), image, quality)
    (folder / "annotations.csv").write_text("\n".join(lines) + "\n")


def time_all(folder: Path, scenes: int, boxes: int, runs: int) -> None:
    """Print a row per layout, with its fastest run and its largest memory.

    Args:
        folder: Working folder.
        scenes: Number of scenes.
        boxes: Number of boxes.
        runs: Number of runs.
    """
    source = folder / "raw"
    if not source.exists():
        # In a separate process: on Linux, the peak memory of a child starts at its parent's.
        writer = multiprocessing.get_context("spawn").Process(
            target=write_set, args=(source, scenes, boxes)
        )
        writer.start()
        writer.join()
    size_mb = sum(path.stat().st_size for path in source.rglob("*") if path.is_file()) / 1e6
    print(f"{boxes} boxes over {scenes} scenes of {SIDE_PX}x{SIDE_PX} px, {size_mb:.0f} MB\n")
    print("| | wall s | CPU s | peak MiB |\n|---|---|---|---|")
    for name, options in (
        ("annotations, whole scenes copied", ("--layout", "whole")),
        ("tiles of 512 px that share 128", ("--layout", "tiles")),
        ("chips of 128 px", ("--layout", "chips")),
    ):
        found = []
        for number in range(runs):
            out = folder / f"{options[1]}{number}"
            found.append(run(prepare_command(source, out, *options)))
        wall_s, cpu_s = min(found)[:2]
        print(f"| {name} | {wall_s:.1f} | {cpu_s:.1f} | {max(row[2] for row in found):.0f} |")
    wall_s, cpu_s, peak = run(prepare_command(source, folder / "tiles0", "--layout", "tiles"))
    print(f"| tiles, the same again | {wall_s:.1f} | {cpu_s:.1f} | {peak:.0f} |")


def read_coco(path: Path) -> Any:
    """Return pycocotools' index of a file, without its output.

    Args:
        path: COCO JSON.
    """
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


def score_masks(folder: Path, scenes: int) -> None:
    """Print how well derived masks and Hough circles fit the sample's true masks.

    Args:
        folder: Working folder.
        scenes: Number of scenes.
    """
    import numpy as np
    from pycocotools import mask as tools

    sample = folder / "sample"
    command = [sys.executable, "-m", "zoo", "data", "sample", "oil_storage"]
    run([*command, "--count", str(scenes), "--out", str(sample)])
    truth = read_coco(sample / "truth" / "annotations.json")
    print("\n| masks | mean IoU with the true ones | lowest tenth below |\n|---|---|---|")
    for kind in ("ellipse", "box"):
        out = folder / kind
        shares = ("--shares", "1,0,0")
        run(prepare_command(sample, out, "--layout", "whole", "--masks", kind, *shares))
        derived = read_coco(out / "annotations" / "train.json")
        names = {Path(row["file_name"]).stem: key for key, row in derived.imgs.items()}
        scores: list[float] = []
        for key, row in truth.imgs.items():
            true = [truth.annToRLE(each) for each in truth.imgToAnns[key]]
            mine = derived.imgToAnns[names[Path(row["file_name"]).stem]]
            if true and mine:
                ious = tools.iou(true, [derived.annToRLE(each) for each in mine], [0] * len(mine))
                scores += np.asarray(ious).max(axis=1).tolist()
        print(f"| {kind} | {np.mean(scores):.3f} | {np.quantile(scores, 0.1):.3f} |")
    print(f"\nbest F1 of cv2.HoughCircles at IoU 0.5: {best_hough(sample, truth):.3f}")


def best_hough(sample: Path, truth: Any) -> float:
    """Return the best F1 over a grid of settings, chosen on the scenes that it is scored on.

    Args:
        sample: Folder of the synthetic sample.
        truth: pycocotools' index of the true masks.
    """
    import cv2
    import numpy as np
    from pycocotools import mask as tools

    best = 0.0
    total = len(truth.anns)
    for dp in (1, 1.5, 2):
        for votes in (12, 16, 20, 26, 34):
            hits = found_all = 0
            for key, row in truth.imgs.items():
                grey = cv2.imread(str(sample / "images" / row["file_name"]), cv2.IMREAD_GRAYSCALE)
                circles = cv2.HoughCircles(
                    cv2.medianBlur(grey, 3), cv2.HOUGH_GRADIENT, dp, 10,
                    param1=150, param2=votes, minRadius=3, maxRadius=54,
                )  # fmt: skip
                if circles is None:
                    continue
                x, y, radius = np.asarray(circles[0], float).T
                found = np.stack([x - radius, y - radius, 2 * radius, 2 * radius], axis=1)
                found_all += len(found)
                known = np.array([each["bbox"] for each in truth.imgToAnns[key]], float)
                if len(known):
                    ious = tools.iou(found, known, [0] * len(known))
                    hits += int((np.asarray(ious).max(axis=0) >= 0.5).sum())
            best = max(best, 2 * hits / max(found_all + total, 1))
    return best


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=98)
    parser.add_argument("--boxes", type=int, default=13_592)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the set and the results")
    parser.add_argument("--masks", action="store_true", help="score derived masks instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        if args.masks:
            score_masks(folder, min(args.scenes, 30))
        else:
            time_all(folder, args.scenes, args.boxes, args.runs)


if __name__ == "__main__":
    main()
