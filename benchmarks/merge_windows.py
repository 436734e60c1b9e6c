# SPDX-License-Identifier: Apache-2.0
"""Time the merging of windows of a drawn scene of 2560x2560 px.

    python benchmarks/merge_windows.py [--instances 1000]

Discs of 12 to 70 px in windows of 512 px with an overlap of 128 px, each view shifted by about half
a pixel. Prints the smallest CPU time of seven runs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from zoo.data import Window, parse_tiling, tile_windows
from zoo.engine.scenes.merging import Detection, merge_windows
from zoo.engine.scenes.roi_mask import RoiMask

SIDE = 2560
RUNS = 7


def main() -> None:
    """Draw, merge, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=1000)
    args = parser.parse_args()
    found = draw(args.instances)
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        merged = merge_windows(found, SIDE, SIDE)
        times.append(time.process_time() - start)
    seen = sum(len(detections) for _, detections in found)
    print("| drawn | seen | windows | merged | ms |\n|---|---|---|---|---|")
    ms = 1000 * min(times)
    print(f"| {args.instances} | {seen} | {len(found)} | {len(merged)} | {ms:.0f} |")


def draw(instances: int) -> list[tuple[Window, list[Detection]]]:
    """Return the windows and their detections of discs at random places.

    Args:
        instances: Number of discs.
    """
    rng = np.random.default_rng(0)
    windows = list(tile_windows(SIDE, SIDE, parse_tiling("tiles", 512, 128)))
    found: list[tuple[Window, list[Detection]]] = [(window, []) for window in windows]
    for _ in range(instances):
        radius, (x, y) = rng.uniform(6, 35), rng.uniform(40, SIDE - 40, 2)
        for window, detections in found:
            view = look(window, *(np.array([x, y, radius]) + rng.normal(0, 0.5, 3)))
            if view is not None:
                x1, y1, x2, y2 = view.box
                detections.append(Detection((x1, y1, x2, y2), rng.uniform(0.1, 1), 0, view))
    return found


def look(window: Window, x: float, y: float, radius: float) -> RoiMask | None:
    """Return the part of a disc inside a window, or None.

    Args:
        window: The window.
        x: Centre of the disc in px of the scene.
        y: Centre of the disc in px of the scene.
        radius: Radius in px.
    """
    left, top, right, bottom = (int(side) for side in window.box)
    x1, y1 = max(left, int(x - radius)), max(top, int(y - radius))
    x2, y2 = min(right, int(x + radius) + 1), min(bottom, int(y + radius) + 1)
    if x1 >= x2 or y1 >= y2:
        return None
    rows, columns = np.mgrid[y1:y2, x1:x2] + 0.5
    return RoiMask.cut((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, x1, y1)


if __name__ == "__main__":
    main()
