# SPDX-License-Identifier: Apache-2.0
"""Recompute lung Dice from the images on disk, in NumPy, without zoo.

Compares the label PNG of `zoo predict` with the raw mask for every image of the split, at the
image's own resolution. Prints the mean over all images and per source.

    python benchmarks/lung_dice.py --data PREPARED --source RAW --predictions OUT [--split test]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

SOURCES = {"CHNCXR": "Shenzhen", "MCUCXR": "Montgomery"}


def read_mask(paths: list[Path]) -> np.ndarray:
    """Return the union of raw 8-bit masks as (H, W) bool: lung above 127.5.

    Args:
        paths: Mask files of an image.
    """
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    return np.logical_or.reduce([mask > 127.5 for mask in masks])


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return 2 |A and B| / (|A| + |B|) of two (H, W) bool arrays; NaN if both are empty.

    Args:
        prediction: ``(H, W)`` bool.
        truth: ``(H, W)`` bool.
    """
    total = int(prediction.sum()) + int(truth.sum())
    return 2.0 * int((prediction & truth).sum()) / total if total else float("nan")


def pair_labels(predictions: Path) -> dict[Path, Path]:
    """Return image -> label PNG; images that have moved are matched by name.

    Args:
        predictions: Output folder of `zoo predict`.

    Raises:
        SystemExit: Two predictions are of the same image.
    """
    written = json.loads((predictions / "predictions.json").read_text())
    labels: dict[Path, Path] = {}
    for row in written["images"]:
        file = Path(row["file"])
        image = file.resolve() if file.is_file() else Path(file.name)
        if image in labels:
            message = f"{predictions} holds two predictions of {image}."
            raise SystemExit(message)
        labels[image] = predictions / row["label"]
    return labels


def score(data: Path, source: Path, predictions: Path, split: str) -> dict[str, float]:
    """Return stem -> lung Dice for every image of the split.

    Args:
        data: Prepared folder.
        source: Raw set.
        predictions: Output folder of `zoo predict`.
        split: Name of the split.
    """
    record = json.loads((data / "dataset.json").read_text())
    labels = pair_labels(predictions)
    scores = {}
    for row in record["files"]:
        if row["split"] != split:
            continue
        image = (source / row["source_image"]).resolve()
        path = labels.pop(image, None) or labels.pop(Path(image.name), None)
        if path is None:
            message = f"{predictions} holds no prediction of {image}."
            raise SystemExit(message)
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        truth = read_mask([source / mask for mask in row["source_masks"]])
        scores[row["stem"]] = dice(label == 1, truth)
    return scores


def main() -> None:
    """Print the table, and write it if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the prepared folder")
    parser.add_argument("--source", type=Path, required=True, help="what it was prepared from")
    parser.add_argument("--predictions", type=Path, required=True, help="zoo predict's --out")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path, help="a JSON file for the scores")
    args = parser.parse_args()

    scores = score(args.data, args.source, args.predictions, args.split)
    groups = {"all": list(scores.values())}
    for prefix, name in SOURCES.items():
        groups[name] = [value for stem, value in scores.items() if stem.startswith(prefix)]
    for name, values in groups.items():
        if values:
            print(
                f"{name:12} n={len(values):3}  lung Dice mean {np.nanmean(values):.4f}"
                f"  median {np.nanmedian(values):.4f}  min {np.nanmin(values):.4f}"
            )
    if args.out:
        args.out.write_text(json.dumps({"split": args.split, "dice_lung": scores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
