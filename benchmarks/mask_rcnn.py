# SPDX-License-Identifier: Apache-2.0
"""Time a training step and inference of Mask R-CNN R50-FPN with zoo's ops and with compiled mmcv.

    python benchmarks/mask_rcnn.py --peer /path/to/venv-with-compiled-mmcv/bin/python [--turns 3]
    python benchmarks/mask_rcnn.py --profile

mmdetection's own model on one image of 512x512 px with 20 objects, and the same weights, targets
and random numbers on both sides. Processes of both alternate; each times a case several times after
a warm-up. The table shows the median of the processes, and the differences of losses and boxes.
Inference keeps the 100 best boxes at any score, so that the mask head runs. --profile prints the
time of a training step by operator.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIDE_PX, OBJECTS, CLASSES = 512, 20, 80
MODEL = "_base_/models/mask-rcnn_r50_fpn.py"


def main() -> None:
    """Run both sides alternately and print a Markdown table, or print a profile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="the python of an environment with compiled mmcv")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="timings of a case in one turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--side", choices=("zoo", "compiled"), help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args.side, args.weights, args.repeats, args.threads)))
    elif args.profile:
        print(profile(args.threads))
    elif args.peer:
        print(format_table(take_turns(args)))
    else:
        parser.error("--peer or --profile is required")


def take_turns(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the measurements of each process of each side.

    Args:
        args: The command line.
    """
    found: dict[str, list[dict[str, Any]]] = {"compiled": [], "zoo": []}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pth"
        save_weights(weights)
        for turn in range(args.turns):
            for side, python in (("compiled", args.peer), ("zoo", sys.executable)):
                command = [python, "-W", "ignore", __file__, "--side", side]
                command += ["--weights", str(weights), "--threads", str(args.threads)]
                command += ["--repeats", str(args.repeats)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"turn {turn + 1} of {args.turns}", file=sys.stderr)
    return found


def format_table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Return medians over the turns, their ratio, and the differences of the results.

    Args:
        found: Measurements of each process, by side.
    """
    lines = [
        "| case | compiled mmcv, s | zoo.ops, s | zoo / compiled | CPU s, zoo / compiled |",
        "|---|---|---|---|---|",
    ]
    for case in ("training step", "inference"):
        wall, cpu = (
            [statistics.median(turn[kind][case] for turn in found[side]) for side in found]
            for kind in ("wall_s", "cpu_s")
        )
        lines.append(
            f"| {case} | {wall[0]:.2f} | {wall[1]:.2f} | {wall[1] / wall[0]:.2f} "
            f"| {cpu[1] / cpu[0]:.2f} |"
        )
    peer, ours = (found[side][0]["results"] for side in found)
    losses = max(abs(ours["losses"][key] - peer["losses"][key]) for key in peer["losses"])
    boxes = max(
        abs(a - b)
        for one, other in zip(ours["boxes"], peer["boxes"], strict=True)
        for a, b in zip(one, other, strict=True)
    )
    lines.append(f"\nLargest difference of a loss {losses:.1e}, of a box {boxes:.1e} px.")
    return "\n".join(lines)


def measure(side: str, weights: Path, repeats: int, threads: int) -> dict[str, Any]:
    """Return seconds and results of both cases in this environment.

    Args:
        side: Name of the side.
        weights: File of the weights.
        repeats: Number of runs.
        threads: Number of threads.
    """
    if side == "zoo":
        import zoo  # noqa: F401  mmcv's ops
    import torch

    torch.set_num_threads(threads)
    model = build_model()
    model.load_state_dict(torch.load(weights, weights_only=True))
    train, infer = make_step(model), make_inference(model)
    seconds: dict[str, Any] = {"wall_s": {}, "cpu_s": {}}
    results: dict[str, Any] = {"boxes": infer()}
    results["losses"] = train()
    for case, run in (("training step", train), ("inference", infer)):
        times = [time_once(run) for _ in range(repeats)]
        seconds["wall_s"][case] = statistics.median(wall for wall, _ in times)
        seconds["cpu_s"][case] = statistics.median(cpu for _, cpu in times)
    return {**seconds, "results": results}


def time_once(run: Callable[[], Any]) -> tuple[float, float]:
    """Return wall seconds and this process's CPU seconds.

    Args:
        run: The function to time.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def save_weights(path: Path) -> None:
    """Write random weights, equal for both sides.

    Args:
        path: File to write.
    """
    logging.disable(logging.INFO)  # mmengine logs the initialisation of each
    import zoo  # noqa: F401  mmcv's ops

    import torch  # isort: skip

    torch.manual_seed(0)
    model = build_model()
    model.init_weights()
    torch.save(model.state_dict(), path)


def build_model() -> Any:
    """Return mmdetection's model without loaded weights."""
    import mmdet
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    register_all_modules()
    folder = Path(mmdet.__file__).parent / ".mim" / "configs"
    config = Config.fromfile(folder / MODEL).model
    config.backbone.init_cfg = None
    config.test_cfg.rcnn.score_thr = 0.0
    return MODELS.build(config)


def make_batch() -> dict[str, Any]:
    """Return one image of noise with squares as objects, as a data loader returns it."""
    import numpy as np
    import torch
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    rng = np.random.default_rng(0)
    sides = rng.integers(16, 128, OBJECTS)
    corners = np.stack([rng.integers(0, SIDE_PX - side, 2) for side in sides])
    masks = np.zeros((OBJECTS, SIDE_PX, SIDE_PX), np.uint8)
    for mask, (left, top), side in zip(masks, corners, sides, strict=True):
        mask[top : top + side, left : left + side] = 1
    boxes = np.concatenate([corners, corners + sides[:, None]], 1)
    shape = (SIDE_PX, SIDE_PX)
    sample = DetDataSample(
        metainfo={"img_shape": shape, "ori_shape": shape, "scale_factor": (1.0, 1.0)}
    )
    sample.gt_instances = InstanceData(
        bboxes=HorizontalBoxes(torch.tensor(boxes, dtype=torch.float32)),
        labels=torch.tensor(rng.integers(0, CLASSES, OBJECTS)),
        masks=BitmapMasks(masks, *shape),
    )
    image = torch.from_numpy(rng.integers(0, 256, (3, *shape), np.uint8))
    return {"inputs": [image], "data_samples": [sample]}


def make_step(model: Any) -> Callable[[], dict[str, float]]:
    """Return a function that runs one training step and returns its losses.

    Args:
        model: The model.
    """
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    batch = make_batch()

    def step() -> dict[str, float]:
        torch.manual_seed(1)
        model.train()
        optimizer.zero_grad()
        data = model.data_preprocessor(batch, True)
        losses = model(**data, mode="loss")
        total, parts = model.parse_losses(losses)
        total.backward()
        optimizer.step()
        return {key: float(value) for key, value in parts.items()}

    return step


def make_inference(model: Any) -> Callable[[], list[list[float]]]:
    """Return a function that predicts the image and returns its boxes.

    Args:
        model: The model.
    """
    import torch

    batch = make_batch()

    def infer() -> list[list[float]]:
        model.eval()
        with torch.inference_mode():
            found = model.test_step(batch)[0].pred_instances
        boxes: list[list[float]] = found.bboxes.tolist()
        return boxes

    return infer


def profile(threads: int) -> str:
    """Return the operators of a training step, by descending CPU time.

    Args:
        threads: Number of threads.
    """
    import zoo  # noqa: F401  mmcv's ops

    import torch  # isort: skip

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    step = make_step(build_model())
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        step()
    rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
    whole_us = sum(row.self_cpu_time_total for row in rows)
    lines = ["| operator | calls | share of the CPU's time |", "|---|---|---|"]
    lines += [
        f"| `{row.key}` | {row.count} | {row.self_cpu_time_total / whole_us:.1%} |"
        for row in rows[:14]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
