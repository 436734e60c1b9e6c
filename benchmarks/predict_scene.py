# SPDX-License-Identifier: Apache-2.0
"""`zoo predict` on one scene of 2560x2560 px with about 900 tanks: time and peak memory.

    python benchmarks/predict_scene.py --model WORK_DIR [--tile-size 512] [--overlap 128]

The scene is composed of windows of 256 px with about ten tanks each, from oil_storage's synthetic
sample. The command runs in a separate process; its peak is that of the resident set, including the
start.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART_PX, PARTS = 256, 10
TANKS_IN_PART = 10
SAMPLE = ("data", "sample", "oil_storage", "--count", "24", "--seed", "7")


def main() -> None:
    """Draw the scene, predict it, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="what `zoo predict` takes")
    parser.add_argument("--tile-size", default="512")
    parser.add_argument("--overlap", default="128")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tanks = write_scene(folder)
        command = [sys.executable, "-m", "zoo", "predict", args.model, str(folder / "scene.png")]
        command += ["--tile-size", args.tile_size, "--overlap", args.overlap]
        start = time.perf_counter()
        subprocess.run([*command, "--out", str(folder / "out")], check=True, stdout=sys.stderr)
        seconds = time.perf_counter() - start
        entry = json.loads((folder / "out" / "predictions.json").read_text())["images"][0]
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print("| tanks in the scene | found | windows | s | peak MiB |\n|---|---|---|---|---|")
    found = len(entry["instances"])
    print(f"| {tanks} | {found} | {entry['windows']} | {seconds:.0f} | {peak_mib:.0f} |")


def write_scene(folder: Path) -> int:
    """Write ``scene.png`` and return the number of tanks with their centre in it.

    Args:
        folder: Folder to write to.
    """
    import cv2
    import numpy as np

    sample = folder / "sample"
    command = [sys.executable, "-m", "zoo", *SAMPLE, "--out", str(sample)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    windows = find_windows(sample)
    scene = np.zeros((PARTS * PART_PX, PARTS * PART_PX, 3), np.uint8)
    tanks = 0
    for index in range(PARTS * PARTS):
        count, path, left, top = windows[index % min(len(windows), 20)]
        part = cv2.imread(str(path))[top : top + PART_PX, left : left + PART_PX]
        row, column = divmod(index, PARTS)
        y, x = row * PART_PX, column * PART_PX
        scene[y : y + PART_PX, x : x + PART_PX] = part
        tanks += count
    cv2.imwrite(str(folder / "scene.png"), scene)
    return tanks


def find_windows(sample: Path) -> list[tuple[int, Path, int, int]]:
    """Return count, image, left and top of each window, those with ten tanks first.

    Args:
        sample: Folder of the synthetic sample.
    """
    truth = json.loads((sample / "truth" / "annotations.json").read_text())
    found = []
    for image in truth["images"]:
        rows = [row for row in truth["annotations"] if row["image_id"] == image["id"]]
        centres = centres_of(rows)
        for top in range(0, image["height"] - PART_PX + 1, PART_PX):
            for left in range(0, image["width"] - PART_PX + 1, PART_PX):
                inside = (centres >= (left, top)) & (centres < (left + PART_PX, top + PART_PX))
                count = int(inside.all(axis=1).sum())
                found.append((count, sample / "images" / image["file_name"], left, top))

    def place(window: tuple[int, Path, int, int]) -> tuple[int, str, tuple[int, ...]]:
        return abs(window[0] - TANKS_IN_PART), str(window[1]), window[2:]

    return sorted(found, key=place)


def centres_of(rows: list[dict[str, Any]]) -> NDArray[Any]:
    """Return ``(K, 2)`` x and y of the boxes' centres.

    Args:
        rows: Annotations of COCO.
    """
    import numpy as np

    boxes = np.array([row["bbox"] for row in rows], float).reshape(-1, 4)
    return boxes[:, :2] + boxes[:, 2:] / 2


if __name__ == "__main__":
    main()
