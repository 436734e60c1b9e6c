# SPDX-License-Identifier: Apache-2.0
"""Measure time and memory of `zoo data prepare lung_xray`, against a bare loop over the files.

    python benchmarks/prepare.py [--source RAW] [--runs 5] [--copies 4]

RAW is the public chest X-ray set, by default that of ZOO_REAL_DATA, otherwise the plugin's
synthetic sample (300 pairs of 512x512 px). Every run is a new process, including the start of
Python; runs of zoo and of the loop alternate. The loop works like conversion scripts: it reads,
thresholds and writes with OpenCV's defaults, one file after the other, without checks. Memory is
the peak of a run on the set and on several copies of it. Finally, PNG settings are compared for
images and masks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOOP = """
import sys
from pathlib import Path
import cv2
root, out = Path(sys.argv[1]), Path(sys.argv[2])
for folder in ("images", "masks"):
    (out / folder).mkdir(parents=True)
for path in sorted(root.rglob("masks/*.png")):
    stem = path.stem.removesuffix("_mask")
    image = path.parent.parent / "CXR_png" / f"{stem}.png"
    if image.exists():
        cv2.imwrite(str(out / "images" / f"{stem}.png"), cv2.imread(str(image), 0))
        mask = (cv2.imread(str(path), 0) > 127).astype("uint8")
        cv2.imwrite(str(out / "masks" / f"{stem}.png"), mask)
"""
LEVELS = (1, 3, 6)


def run(command: list[str]) -> tuple[float, float, float]:
    """Return a command's wall clock and CPU time in seconds, and its peak memory in MiB.

    Args:
        command: The command.
    """
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"failed: {' '.join(command)}"
        raise SystemExit(message)
    wall_s = time.perf_counter() - begin
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def prepare_command(source: Path, out: Path) -> list[str]:
    """Return the command of zoo, as a user types it.

    Args:
        source: Raw set.
        out: Folder to write.
    """
    return [
        *(sys.executable, "-m", "zoo", "data", "prepare", "lung_xray"),
        *("--source", str(source), "--out", str(out)),
    ]


def time_all(source: Path, folder: Path, runs: int) -> dict[str, list[tuple[float, ...]]]:
    """Return the measurements of zoo, of zoo on its own result, and of the loop.

    Args:
        source: Raw set.
        folder: Working folder.
        runs: Number of runs.
    """
    names = ("zoo data prepare", "the same again", "bare loop")
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for number in range(runs):
        ours, loop = folder / f"ours{number}", folder / f"loop{number}"
        times["zoo data prepare"].append(run(prepare_command(source, ours)))
        times["the same again"].append(run(prepare_command(source, ours)))
        times["bare loop"].append(run([sys.executable, "-c", LOOP, str(source), str(loop)]))
        shutil.rmtree(ours)
        shutil.rmtree(loop)
    return times


def multiply(source: Path, folder: Path, copies: int) -> Path:
    """Return a set with several copies of each image, under numbers of other patients.

    Args:
        source: Raw set.
        folder: Folder to write to.
        copies: Number of copies.
    """
    root = next(path.parent for path in source.rglob("CXR_png"))
    for name in ("CXR_png", "masks"):
        (folder / name).mkdir(parents=True)
        for path in (root / name).glob("*.png"):
            prefix, number, rest = path.name.split("_", 2)
            for copy in range(copies):
                target = folder / name / f"{prefix}_{int(number) + 1000 * copy:04d}_{rest}"
                target.symlink_to(path.resolve())
    return folder


def time_png(source: Path) -> list[str]:
    """Return a line per setting of OpenCV's PNG writer, for 40 images and 40 masks.

    Args:
        source: Raw set.
    """
    import cv2
    import numpy as np

    images = [cv2.imread(str(p), 0) for p in sorted(source.rglob("CXR_png/*.png"))[:40]]
    masks = [cv2.imread(str(p), 0) for p in sorted(source.rglob("masks/*.png"))[:40]]
    sets = {"image": images, "mask": [(mask > 127).astype(np.uint8) for mask in masks]}
    strategies = {"default": cv2.IMWRITE_PNG_STRATEGY_DEFAULT, "rle": cv2.IMWRITE_PNG_STRATEGY_RLE}
    lines = []
    for level in LEVELS:
        for name, strategy in strategies.items():
            options = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, strategy]
            parts = [f"| {level} | {name} |"]
            for pictures in sets.values():
                begin = time.process_time()
                sizes = [len(cv2.imencode(".png", picture, options)[1]) for picture in pictures]
                spent_ms = (time.process_time() - begin) / len(pictures) * 1000
                parts.append(f" {spent_ms:.1f} | {sum(sizes) / len(sizes) / 1000:.1f} |")
            lines.append("".join(parts))
    return lines


def find_source(given: Path | None, folder: Path) -> Path:
    """Return the raw set to read, or the sample without a real one.

    Args:
        given: Folder from the command line, or None.
        folder: Working folder.
    """
    if given is not None:
        return given
    real = os.environ.get("ZOO_REAL_DATA")
    if real:
        return Path(real) / "chest_xray_masks_and_labels"
    command = [sys.executable, "-m", "zoo", "data", "sample", "lung_xray"]
    run([*command, "--count", "300", "--out", str(folder / "sample")])
    return folder / "sample"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="the public chest X-ray set")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--copies", type=int, default=4, help="for the memory of a larger set")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = find_source(args.source, folder)
        times = time_all(source, folder, args.runs)
        print("| | median s | fastest s | CPU s |\n|---|---|---|---|")
        for what, runs in times.items():
            wall, cpu, _ = zip(*runs, strict=True)
            median = statistics.median(wall)
            print(f"| {what} | {median:.2f} | {min(wall):.2f} | {statistics.median(cpu):.2f} |")
        large = multiply(source, folder / "large", args.copies)
        _, _, small_mib = run(prepare_command(source, folder / "small_out"))
        _, _, large_mib = run(prepare_command(large, folder / "large_out"))
        print(f"\npeak memory: {small_mib:.0f} MiB")
        print(f"of {args.copies} times the files: {large_mib:.0f} MiB")
        print("\n| level | strategy | image ms | kB | mask ms | kB |\n|---|---|---|---|---|---|")
        print("\n".join(time_png(source)))


if __name__ == "__main__":
    main()
