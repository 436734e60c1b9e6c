# SPDX-License-Identifier: Apache-2.0
"""Random scenes as data samples and as COCO JSON, and what pycocotools makes of them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from zoo_instance_metrics.coco import CocoMetric

CLASSES = ("tank", "tower")
# Ids of categories and images as other tools give them: neither from 0 nor without gaps.
CATEGORY_IDS = {"tank": 7, "tower": 3}
Scene = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]


def draw_disc(box: Any, size: tuple[int, int]) -> Any:
    """Return ``size`` uint8: the ellipse in a box x, y, width, height."""
    x, y, width, height = box
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    inside = ((columns - x - width / 2) / (width / 2)) ** 2
    inside += ((rows - y - height / 2) / (height / 2)) ** 2
    return np.asfortranarray(inside <= 1, np.uint8)


def encode(mask: Any) -> dict[str, Any]:
    rle = rle_tools.encode(np.asfortranarray(mask))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def draw_boxes(count: int, size: tuple[int, int], rng: np.random.Generator) -> Any:
    sides = rng.integers(2, 14, (count, 2))
    corners = rng.integers(0, np.array(size)[::-1] - 14, (count, 2))
    return np.concatenate([corners, sides], axis=1).astype(np.float64)


def make_scene(
    number: int, rng: np.random.Generator, *, least: int = 0, most: int = 12, wrong: int = 4
) -> Scene:
    """Return an image, its annotations without ids, and a data sample with predictions.

    Predictions are the true ones, moved and scaled or left out, and some that are nowhere. Scores
    have few values, so that there are ties.
    """
    size = (int(rng.integers(30, 50)), int(rng.integers(30, 50)))
    boxes = draw_boxes(int(rng.integers(least, most + 1)), size, rng)
    labels = rng.integers(0, len(CLASSES), len(boxes))
    is_crowd = rng.random(len(boxes)) < 0.15
    masks = [draw_disc(box, size) for box in boxes]
    image = {
        "id": 10 * number + 3,
        "file_name": f"{number}.png",
        "height": size[0],
        "width": size[1],
    }
    annotations = [
        {
            "image_id": image["id"],
            "category_id": CATEGORY_IDS[CLASSES[label]],
            "bbox": box.tolist(),
            "area": float(mask.sum()),
            "iscrowd": int(crowd),
            "segmentation": encode(mask),
        }
        for box, label, crowd, mask in zip(boxes, labels, is_crowd, masks, strict=True)
    ]
    kept = rng.random(len(boxes)) < 0.8
    shift = rng.integers(-2, 3, (len(boxes), 4))
    moved = np.maximum(boxes + shift, [0, 0, 1, 1])[kept]
    false = draw_boxes(int(rng.integers(0, wrong)), size, rng)
    found = np.concatenate([moved, false])
    found_labels = np.concatenate([labels[kept], rng.integers(0, len(CLASSES), len(false))])
    return (
        image,
        annotations,
        sample_of(image, found, found_labels, rng.integers(0, 11, len(found)) / 10),
    )


def sample_of(image: dict[str, Any], boxes: Any, labels: Any, scores: Any) -> dict[str, Any]:
    """Return mmdet's data sample of predictions with boxes x, y, width, height."""
    size = (image["height"], image["width"])
    masks = [draw_disc(box, size) for box in boxes]
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    return {
        "img_id": image["id"],
        "img_path": f"images/{image['file_name']}",
        "ori_shape": size,
        "pred_instances": {
            "bboxes": torch.tensor(corners, dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "scores": torch.tensor(scores, dtype=torch.float32),
            "masks": torch.tensor(np.array(masks).reshape(-1, *size), dtype=torch.bool),
        },
    }


def with_truth(scene: Scene, outlines: list[list[float]] | None = None) -> dict[str, Any]:
    """Return a scene's sample with its annotations in mmdet's structures, crowds as ignored.

    Args:
        scene: As ``make_scene`` gives it.
        outlines: Polygons that are every instance's mask, in place of the scene's masks.
    """
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    image, annotations, sample = scene
    size = (image["height"], image["width"])
    names = {number: name for name, number in CATEGORY_IDS.items()}
    parts = []
    for crowd in (0, 1):
        rows = [row for row in annotations if row["iscrowd"] == crowd]
        boxes = np.array([row["bbox"] for row in rows]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        if outlines is None:
            bits = [rle_tools.decode(row["segmentation"]) for row in rows]
            masks = BitmapMasks(np.array(bits, np.uint8).reshape(-1, *size), *size)
        else:
            masks = PolygonMasks([[np.array(one) for one in outlines] for _ in rows], *size)
        labels = [CLASSES.index(names[row["category_id"]]) for row in rows]
        parts.append(
            {
                "bboxes": HorizontalBoxes(torch.tensor(boxes, dtype=torch.float32)),
                "labels": torch.tensor(labels, dtype=torch.int64),
                "masks": masks,
            }
        )
    return sample | {"gt_instances": parts[0], "ignored_instances": parts[1]}


def make_scenes(seed: int, count: int = 5, **options: Any) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [make_scene(number, rng, **options) for number in range(count)]


def write_coco(path: Path, scenes: list[Scene]) -> Path:
    """Write the COCO JSON of scenes; categories stand in the order of the classes."""
    rows = [row for _, annotations, _ in scenes for row in annotations]
    content = {
        "images": [image for image, _, _ in scenes],
        "categories": [{"id": CATEGORY_IDS[name], "name": name} for name in CLASSES],
        "annotations": [row | {"id": number} for number, row in enumerate(rows, start=1)],
    }
    path.write_text(json.dumps(content))
    return path


def evaluate(samples: list[dict[str, Any]], **options: Any) -> tuple[dict[str, float], CocoMetric]:
    metric = CocoMetric(**options)
    metric.dataset_meta = {"classes": CLASSES}
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples)), metric


def run_pycocotools(
    path: Path,
    samples: list[dict[str, Any]],
    kind: str,
    areas: list[tuple[float, float]],
    max_dets: tuple[int, ...] = (1, 100, 1000),
) -> COCOeval:
    """Return pycocotools' evaluation of the samples' predictions by a COCO JSON."""
    rows = []
    for sample in samples:
        found = sample["pred_instances"]
        corners = found["bboxes"].double().numpy()
        for index, (x0, y0, x1, y1) in enumerate(corners.tolist()):
            row = {
                "image_id": sample["img_id"],
                "category_id": CATEGORY_IDS[CLASSES[int(found["labels"][index])]],
                "score": float(found["scores"][index]),
            }
            if kind == "bbox":
                row["bbox"] = [x0, y0, x1 - x0, y1 - y0]
            else:
                row["segmentation"] = encode(found["masks"][index].numpy().astype(np.uint8))
            rows.append(row)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(path)
        found = truth.loadRes(rows) if rows else COCO()  # loadRes takes no empty list
        evaluator = COCOeval(truth, found, kind)
        evaluator.params.maxDets = list(max_dets)
        evaluator.params.areaRng = [[0, 1e10], *map(list, areas)]
        evaluator.params.areaRngLbl = list(range(len(areas) + 1))
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


@pytest.fixture(scope="session")
def lab() -> SimpleNamespace:
    """The functions above, as tests cannot import this file."""
    return SimpleNamespace(
        classes=CLASSES,
        evaluate=evaluate,
        make_scenes=make_scenes,
        run_pycocotools=run_pycocotools,
        sample_of=sample_of,
        with_truth=with_truth,
        write_coco=write_coco,
    )
