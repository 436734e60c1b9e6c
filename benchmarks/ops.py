# SPDX-License-Identifier: Apache-2.0
"""Time zoo's substitutes for mmcv's kernels against compiled mmcv, and compare the results.

    python benchmarks/ops.py --peer /path/to/venv-with-compiled-mmcv/bin/python

Processes of both alternate. Each returns the median of several runs of a case with one thread
(compiled mmcv uses one here); the table shows the median CPU time of the processes, and the largest
difference of the results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Timing = dict[str, float]


def main() -> None:
    """Run both sides alternately, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="the python of an environment with compiled mmcv")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5, help="timings of one case in one turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=("zoo", "compiled"), help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(_time_cases(args.side, args.repeats, args.threads, args.results)))
        return
    if not args.peer:
        parser.error("--peer is required")
    with tempfile.TemporaryDirectory() as folder:
        print(_table(*_take_turns(args, Path(folder))))


def _take_turns(args: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], Timing]:
    times: dict[str, defaultdict[str, list[float]]] = {
        "zoo": defaultdict(list),
        "compiled": defaultdict(list),
    }
    for turn in range(args.turns):
        for side, python in (("compiled", args.peer), ("zoo", sys.executable)):
            command = [python, "-W", "ignore", __file__, "--side", side]
            command += ["--repeats", str(args.repeats), "--threads", str(args.threads)]
            command += ["--results", str(folder / f"{side}.pt")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            for case, seconds in json.loads(done.stdout).items():
                times[side][case].append(seconds)
        print(f"turn {turn + 1} of {args.turns}", file=sys.stderr)
    return times, _differences(folder)


def _differences(folder: Path) -> Timing:
    import torch

    ours, peers = (torch.load(folder / f"{side}.pt") for side in ("zoo", "compiled"))
    differences = {}
    for case, ours_value in ours.items():
        same_shape = ours_value.shape == peers[case].shape
        gap = (ours_value.double() - peers[case].double()).abs().max() if same_shape else "shape"
        differences[case] = float(gap)
    return differences


def _table(times: dict[str, Any], differences: Timing) -> str:
    lines = [
        "| case | compiled mmcv, ms | zoo.ops, ms | zoo / compiled | largest difference |",
        "|---|---|---|---|---|",
    ]
    for case in times["zoo"]:
        ours, peer = (statistics.median(times[side][case]) for side in ("zoo", "compiled"))
        lines.append(
            f"| {case} | {peer * 1e3:.1f} | {ours * 1e3:.1f} | {ours / peer:.2f} "
            f"| {differences[case]:.1e} |"
        )
    return "\n".join(lines)


def _time_cases(side: str, repeats: int, threads: int, results: Path) -> Timing:
    import torch

    if side == "zoo":
        import zoo  # noqa: F401  mmcv's ops
    torch.set_num_threads(threads)
    times: Timing = {}
    values: dict[str, Tensor] = {}
    for name, (low_px, high_px), ratio in (
        ("boxes 16-112 px, adaptive", (16, 112), 0),
        ("boxes 16-256 px, adaptive", (16, 256), 0),
        ("boxes 16-256 px, 2 samples", (16, 256), 2),
    ):
        _time_roi_align(name, _boxes(512, low_px, high_px, 512), ratio, repeats, times, values)
    for name, (low_px, high_px), span_px, threshold in (
        ("small boxes, few overlap", (8, 64), 1300, 0.5),
        ("proposals, threshold 0.7", (32, 400), 1300, 0.7),
        ("crowd, half struck out", (16, 256), 512, 0.5),
    ):
        boxes = _boxes(2000, low_px, high_px, span_px)
        _time_nms(name, boxes, threshold, repeats, times, values)
    torch.save(values, results)
    return times


def _boxes(count: int, low_px: float, high_px: float, span_px: float) -> Tensor:
    """Return ``(count, 4)`` boxes of random size and centre, the same on every call."""
    import torch

    generator = torch.Generator().manual_seed(0)
    size = low_px + (high_px - low_px) * torch.rand(count, 2, generator=generator)
    centre = span_px * torch.rand(count, 2, generator=generator)
    return torch.cat((centre - size / 2, centre + size / 2), 1)


def _time_roi_align(
    name: str, boxes: Tensor, ratio: int, repeats: int, times: Timing, values: dict[str, Tensor]
) -> None:
    """512 RoIs, 256 channels, 7x7 bins, one map of 128x128 at a quarter of the image's size."""
    import torch
    from mmcv.ops import roi_align

    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 256, 128, 128, generator=generator).requires_grad_()
    weight = torch.randn(len(boxes), 256, 7, 7, generator=generator)
    rois = torch.cat((torch.zeros(len(boxes), 1), boxes), 1)
    pooled = roi_align(features, rois, (7, 7), 0.25, ratio)

    def backward() -> None:
        features.grad = None
        pooled.backward(weight, retain_graph=True)

    forward_name, backward_name = f"RoIAlign forward, {name}", f"RoIAlign backward, {name}"
    times[forward_name] = _median_s(lambda: roi_align(features, rois, (7, 7), 0.25, ratio), repeats)
    times[backward_name] = _median_s(backward, repeats)
    values[forward_name] = pooled.detach()
    if features.grad is None:
        message = f"no gradient: {name}"
        raise SystemExit(message)
    values[backward_name] = features.grad


def _time_nms(
    name: str,
    boxes: Tensor,
    threshold: float,
    repeats: int,
    times: Timing,
    values: dict[str, Tensor],
) -> None:
    """2,000 boxes with distinct scores."""
    import torch
    from mmcv.ops import nms

    scores = torch.randperm(len(boxes), generator=torch.Generator().manual_seed(0)) / len(boxes)
    name = f"nms, {name}"
    times[name] = _median_s(lambda: nms(boxes, scores, threshold), repeats * 3)
    values[name] = nms(boxes, scores, threshold)[1]


def _median_s(call: Callable[[], object], repeats: int) -> float:
    call()
    seconds = []
    for _ in range(repeats):
        start_s = time.process_time()
        call()
        seconds.append(time.process_time() - start_s)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
