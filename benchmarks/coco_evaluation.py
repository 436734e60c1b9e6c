# SPDX-License-Identifier: Apache-2.0
"""Time the evaluation of many instances: `instance_metrics`, pycocotools and mmdet.

    python benchmarks/coco_evaluation.py [--scenes 98] [--boxes 13592] [--rounds 3]

Writes the truth first: scenes of 2560x2560 px with one tank per box, counts and sizes as in
prepare_tanks.py, and masks that are ellipses in the boxes. Predictions are shifted and scaled true
instances, without a tenth of them, and false ones of low score, up to 1,000 per image, like a
detector that keeps everything. Every arm gets mmdet's data samples in memory, masks as run lengths,
and the path of the truth, and evaluates boxes and masks with the limits 1, 100 and 1000 and the
sizes of the tank configs (mmdet: COCO's). Each arm runs in separate processes, alternating with the
others; imports and reading the predictions are not timed. Fails unless AP and AR of pycocotools and
of the plugin are equal.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prepare_tanks import SIDE_PX, draw_boxes, share_out

ARMS = ("pycocotools", "mmdet", "instance_metrics")
CLASSES = ("oil-storage-tank",)
MOST = 1000
LIMITS = (1, 100, 1000)
SIZES = {"under12px": (0, 12), "12to24px": (12, 24), "24to48px": (24, 48), "over48px": (48, None)}


def main() -> None:
    """Run the arms alternately, compare the values, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=98)
    parser.add_argument("--boxes", type=int, default=13_592)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps(run_arm(args.arm, args.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        found = write_set(Path(name), args.scenes, args.boxes)
        print(f"{args.boxes} tanks over {args.scenes} scenes, {found} predictions\n")
        rows: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
        for _ in range(args.rounds):
            for arm in ARMS:
                rows[arm].append(run_process(arm, Path(name)))
    check_numbers(rows)
    print_table(rows)


def write_set(folder: Path, scenes: int, boxes: int) -> int:
    """Write ``truth.json`` and ``samples.pkl``; return the number of predictions.

    Args:
        folder: Folder to write to.
        scenes: Number of images.
        boxes: Number of true instances.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    samples = []
    for number, count in enumerate(share_out(scenes, boxes, rng), start=1):
        image = {"id": number, "file_name": f"{number}.jpg", "height": SIDE_PX, "width": SIDE_PX}
        images.append(image)
        true = np.array(draw_boxes(count, rng), np.float64)
        for box, mask in zip(true.tolist(), draw_masks(true), strict=True):
            x0, y0, x1, y1 = box
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            row |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": math.pi / 4 * (x1 - x0) * (y1 - y0)}
            annotations.append(row | {"segmentation": mask | {"counts": mask["counts"].decode()}})
        samples.append(predict(image, true, rng))
    categories = [{"id": 1, "name": CLASSES[0]}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "samples.pkl").write_bytes(pickle.dumps(samples))
    return sum(len(sample["pred_instances"]["scores"]) for sample in samples)


def predict(image: dict[str, Any], true: Any, rng: Any) -> dict[str, Any]:
    """Return a data sample with 90 % of the true instances, shifted, and with false ones.

    Args:
        image: Image of the COCO JSON.
        true: Its true boxes, xyxy in px.
        rng: Random generator.
    """
    import numpy as np
    import torch

    kept = true[rng.random(len(true)) < 0.9]
    sides = kept[:, 2:] - kept[:, :2]
    moved = kept + rng.normal(0, 0.06, kept.shape) * np.tile(sides, 2)
    false = np.array(draw_boxes(min(MOST - len(kept), 2 * len(true) + 50), rng), np.float64)
    scores = np.concatenate([rng.beta(6, 2, len(kept)), rng.beta(1, 6, len(false))])
    boxes = torch.tensor(np.concatenate([moved, false]), dtype=torch.float32)
    return {
        "img_id": image["id"],
        "img_path": image["file_name"],
        "ori_shape": (SIDE_PX, SIDE_PX),
        "pred_instances": {
            "bboxes": boxes,
            "scores": torch.tensor(scores, dtype=torch.float32),
            "labels": torch.zeros(len(boxes), dtype=torch.int64),
            "masks": draw_masks(boxes.double().numpy()),
        },
    }


def draw_masks(boxes: Any) -> list[dict[str, Any]]:
    """Return the ellipses in boxes as run lengths.

    Args:
        boxes: ``(K, 4)`` xyxy in px.
    """
    from pycocotools import mask as tools

    from zoo.data import ellipse_polygon

    outlines = [ellipse_polygon(tuple(box)) for box in boxes.tolist()]
    found: list[dict[str, Any]] = tools.frPyObjects(outlines, SIDE_PX, SIDE_PX)
    return found


def run_process(arm: str, folder: Path) -> dict[str, Any]:
    """Run an arm in a separate process and return its output.

    Args:
        arm: Name of the arm.
        folder: Folder of the set.
    """
    command = [sys.executable, __file__, "--arm", arm, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{arm} failed: {done.stderr[-2000:]}"
        raise SystemExit(message)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def run_arm(arm: str, folder: Path) -> dict[str, Any]:
    """Return an arm's values, its CPU and wall seconds, and its additional memory in MiB.

    Args:
        arm: Name of the arm.
        folder: Folder of the set.
    """
    evaluate = {
        "pycocotools": evaluate_by_pycocotools,
        "mmdet": evaluate_by_mmdet,
        "instance_metrics": evaluate_by_plugin,
    }[arm]
    samples = pickle.loads((folder / "samples.pkl").read_bytes())  # written by this benchmark
    with contextlib.redirect_stdout(io.StringIO()):
        run = evaluate(str(folder / "truth.json"), samples)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        values = run()
    times = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"values": values, "added_mib": (after - before) / 1024, **times}


def evaluate_by_pycocotools(truth: str, samples: list[dict[str, Any]]) -> Any:
    """Return the function that is timed: COCOeval's arrays, averaged as its summary does.

    Args:
        truth: Path of the COCO JSON.
        samples: Data samples.
    """
    import numpy as np
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def mean(values: Any) -> float:
        return float(np.mean(values[values > -1]))

    def run() -> dict[str, float]:
        values = {}
        coco = COCO(truth)
        for kind in ("bbox", "segm"):
            evaluator = COCOeval(coco, coco.loadRes(result_rows(kind, samples)), kind)
            evaluator.params.maxDets = list(LIMITS)
            areas = [[low**2, (high or 1e5) ** 2] for low, high in SIZES.values()]
            evaluator.params.areaRng = [[0, 1e10], *areas]
            evaluator.params.areaRngLbl = ["all", *SIZES]
            evaluator.evaluate()
            evaluator.accumulate()
            precision, recall = (evaluator.eval[name] for name in ("precision", "recall"))
            values[f"{kind}_mAP"] = mean(precision[..., 0, -1])
            values[f"{kind}_mAP_50"] = mean(precision[0, ..., 0, -1])
            values[f"{kind}_mAP_75"] = mean(precision[5, ..., 0, -1])
            for number, size in enumerate(SIZES, start=1):
                values[f"{kind}_mAP_{size}"] = mean(precision[..., number, -1])
            for number, limit in enumerate(LIMITS):
                values[f"{kind}_AR@{limit}"] = mean(recall[..., 0, number])
        return values

    return run


def result_rows(kind: str, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions in COCO's form of results.

    Args:
        kind: ``bbox`` or ``segm``.
        samples: Data samples.
    """
    rows = []
    for sample in samples:
        found = sample["pred_instances"]
        boxes, scores = found["bboxes"].double().tolist(), found["scores"].double().tolist()
        for box, score, mask in zip(boxes, scores, found["masks"], strict=True):
            row: dict[str, Any] = {"image_id": sample["img_id"], "category_id": 1, "score": score}
            x0, y0, x1, y1 = box
            if kind == "bbox":
                row["bbox"] = [x0, y0, x1 - x0, y1 - y0]
            else:
                row["segmentation"] = mask
            rows.append(row)
    return rows


def evaluate_by_mmdet(truth: str, samples: list[dict[str, Any]]) -> Any:
    """Return the function that is timed: mmdet's metric, whose mAP takes 100 an image.

    Args:
        truth: Path of the COCO JSON.
        samples: Data samples.
    """
    import zoo  # noqa: F401  (the substitute for mmcv._ext, before mmdet)
    from mmdet.evaluation import CocoMetric  # isort: skip

    def run() -> dict[str, float]:
        kinds = ["bbox", "segm"]
        metric = CocoMetric(ann_file=truth, metric=kinds, proposal_nums=LIMITS)
        return feed(metric, samples)

    return run


def evaluate_by_plugin(truth: str, samples: list[dict[str, Any]]) -> Any:
    """Return the function that is timed: the plugin's metric.

    Args:
        truth: Path of the COCO JSON.
        samples: Data samples.
    """
    from zoo_instance_metrics.coco import CocoMetric

    return lambda: feed(CocoMetric(ann_file=truth, sizes=SIZES), samples)


def feed(metric: Any, samples: list[dict[str, Any]]) -> dict[str, float]:
    """Return a metric's values, without their prefix.

    Args:
        metric: The metric.
        samples: Data samples.
    """
    metric.dataset_meta = {"classes": CLASSES}
    for sample in samples:
        metric.process({}, [sample])
    values = metric.evaluate(len(samples))
    return {name.partition("/")[2]: float(value) for name, value in values.items()}


def check_numbers(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Fail unless the plugin's values equal those of pycocotools.

    Args:
        rows: Results of each arm.
    """
    values = rows["pycocotools"][0]["values"]
    # The plugin omits sizes without instances.
    expected = {name: value for name, value in values.items() if not math.isnan(value)}
    for row in rows["instance_metrics"]:
        actual = {name: v for name, v in row["values"].items() if not name.startswith("count")}
        is_equal = actual.keys() == expected.keys() and all(
            abs(value - actual[name]) <= 1e-12 for name, value in expected.items()
        )
        if not is_equal:
            message = f"numbers differ: {expected} and {actual}"
            raise SystemExit(message)


def print_table(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians, and the speedup over pycocotools by CPU time.

    Args:
        rows: Results of each arm.
    """
    print("| | CPU s | wall s | times faster, CPU | adds MiB | box mAP | mask mAP |")
    print("|---|---|---|---|---|---|---|")
    medians = {
        arm: {
            key: statistics.median(row[key] for row in found) for key in found[0] if key != "values"
        }
        for arm, found in rows.items()
    }
    for arm, row in medians.items():
        values = rows[arm][0]["values"]
        ratio = medians["pycocotools"]["cpu_s"] / row["cpu_s"]
        print(
            f"| {arm} | {row['cpu_s']:.2f} | {row['wall_s']:.2f} | {ratio:.1f} | "
            f"{row['added_mib']:.0f} | {values['bbox_mAP']:.4f} | {values['segm_mAP']:.4f} |"
        )


if __name__ == "__main__":
    main()
