# SPDX-License-Identifier: Apache-2.0
"""Time zoo's Dice loss against those of mmseg, MONAI and segmentation_models.pytorch.

    pip download --no-deps segmentation-models-pytorch==0.6.0
    python benchmarks/dice_loss.py --smp segmentation_models_pytorch-0.6.0-py3-none-any.whl

Forward and backward pass of softmax and batch Dice on the CPU, from float32 logits and int64 ids.
Each loss runs in separate processes, alternating with the others; a process returns the median of
several repeats, and the table shows the median of the processes. Memory is the peak that one
forward and backward pass adds to the resident set of a fresh process, with the largest number of
threads; it includes the gradient of the logits, but not logits and target.
segmentation_models.pytorch requires torchvision, but its losses only need torch, so they are
imported from the wheel without installing it. Without ``--smp`` it is skipped. Memory requires
Linux.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Loss = Callable[[Tensor, Tensor], Tensor]

SHAPES = ("8x2x512x512", "2x21x512x512")
ARMS = ("mmseg", "monai", "smp", "zoo")


def main() -> None:
    """Run the losses alternately, and print a Markdown table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smp", type=Path, help="wheel of segmentation_models.pytorch")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=9, help="timings in one turn")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), metavar="NxCxHxW")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--what", choices=("time", "memory", "error"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps(run_arm(args)))
        return
    rows = [row for shape in args.shapes for row in compare(args, shape)]
    print(as_table(rows))
    print()
    print(json.dumps(rows))


def compare(args: argparse.Namespace, shape: str) -> list[dict[str, Any]]:
    """Return one row per number of threads and loss.

    Args:
        args: The command line.
        shape: ``NxCxHxW`` of the logits.
    """
    arms = [arm for arm in ARMS if arm != "smp" or args.smp]
    most = max(args.threads)
    peaks = {arm: start_arm(args, arm, shape, "memory", most)["peak_bytes"] for arm in arms}
    error = start_arm(args, "zoo", shape, "error", 1)["gradient_error"]
    rows = []
    for threads in args.threads:
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
        for turn in range(args.turns):
            for arm in arms:
                found[arm].append(start_arm(args, arm, shape, "time", threads))
            print(f"{shape}, {threads} threads: turn {turn + 1} of {args.turns}", file=sys.stderr)
        for arm in arms:
            row = {
                key: statistics.median(one[key] for one in found[arm])
                for key in ("wall_s", "cpu_s")
            }
            row |= {"shape": shape, "threads": threads, "loss": arm, "peak_bytes": peaks[arm]}
            rows.append(row | ({"gradient_error": error} if arm == "zoo" else {}))
    return rows


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown, each with the best peer of its group.

    Args:
        rows: Of ``compare``.
    """
    lines = [
        "| logits | threads | loss | ms | CPU ms | peak MiB | time / fastest peer "
        "| memory / leanest peer |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        peers = [
            peer
            for peer in rows
            if peer["loss"] != "zoo"
            and (peer["shape"], peer["threads"]) == (row["shape"], row["threads"])
        ]
        time_ratio, peak_ratio = (
            row[key] / min(peer[key] for peer in peers) for key in ("wall_s", "peak_bytes")
        )
        lines.append(
            f"| {row['shape']} | {row['threads']} | {row['loss']} | {1e3 * row['wall_s']:.1f} "
            f"| {1e3 * row['cpu_s']:.1f} | {row['peak_bytes'] / 2**20:.1f} | {time_ratio:.2f} "
            f"| {peak_ratio:.2f} |"
        )
    errors = {row["shape"]: row["gradient_error"] for row in rows if "gradient_error" in row}
    lines += ["", "Largest difference of zoo's gradient from autograd's of the plain formula in"]
    lines += ["float64, as a share of the largest gradient:"]
    lines += [f"{shape} {error:.1e}." for shape, error in errors.items()]
    return "\n".join(lines)


def start_arm(
    args: argparse.Namespace, arm: str, shape: str, what: str, threads: int
) -> dict[str, float]:
    """Run one loss in a new process and return what it measured.

    Args:
        args: The command line.
        arm: Name of the loss.
        shape: ``NxCxHxW`` of the logits.
        what: What to measure.
        threads: Number of threads.
    """
    command = [sys.executable, "-W", "ignore", __file__, "--arm", arm, "--what", what]
    command += ["--shapes", shape, "--threads", str(threads), "--repeats", str(args.repeats)]
    command += ["--smp", str(args.smp)] if args.smp else []
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_arm(args: argparse.Namespace) -> dict[str, float]:
    """Measure one loss in this process.

    Args:
        args: The command line.
    """
    import torch

    torch.set_num_threads(args.threads[0])
    loss = load_loss(args.arm, args.smp)
    shape = tuple(int(part) for part in args.shapes[0].split("x"))
    logits, target = make_batch(shape)
    if args.what == "memory":
        return {"peak_bytes": peak_bytes(loss, logits, target)}
    if args.what == "error":
        return {"gradient_error": gradient_error(loss, logits, target)}
    return median_times(loss, logits, target, args.repeats)


def load_loss(arm: str, smp: Path | None) -> Loss:
    """Return the loss as a function of logits and ids, with our formula if possible.

    Args:
        arm: Whose.
        smp: Wheel of segmentation_models.pytorch.
    """
    if arm == "monai":
        from monai.losses import DiceLoss

        monai = DiceLoss(to_onehot_y=True, softmax=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)
        return lambda logits, target: monai(logits, target.unsqueeze(1))
    if arm == "smp":
        # A parent without content: the real one imports timm and torchvision.
        name = "segmentation_models_pytorch"
        parent = types.ModuleType(name)
        parent.__path__ = [f"{smp}/{name}"]
        sys.modules[name] = parent
        losses: Any = importlib.import_module(f"{name}.losses.dice")
        return losses.DiceLoss("multiclass", smooth=1.0)
    import zoo  # noqa: F401  the substitute for mmcv's kernels, before mmseg; the plugins' folder

    if arm == "mmseg":
        from mmseg.models.losses.dice_loss import DiceLoss as PeerLoss

        # With an ignored id it copies all channels; without one it is fastest.
        return PeerLoss(use_sigmoid=False, naive_dice=True, eps=1.0, ignore_index=None)
    from mmengine.registry import MODELS

    return MODELS.build({"type": "zoo.dice_loss.DiceLoss"})


def make_batch(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return normal logits and uniform ids, the same on every call.

    Args:
        shape: ``(N, C, H, W)``.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits, target


def median_times(loss: Loss, logits: Tensor, target: Tensor, repeats: int) -> dict[str, float]:
    """Return the median wall and CPU seconds of a forward and backward pass.

    Args:
        loss: The loss.
        logits: ``(N, C, H, W)``.
        target: ``(N, H, W)`` ids.
        repeats: Number of runs.
    """
    wall_s, cpu_s = [], []
    for _ in range(repeats + 2):
        logits.grad = None
        wall, cpu = time.perf_counter(), time.process_time()
        loss(logits, target).backward()
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.process_time() - cpu)
    return {"wall_s": statistics.median(wall_s[2:]), "cpu_s": statistics.median(cpu_s[2:])}


def peak_bytes(loss: Loss, logits: Tensor, target: Tensor) -> int:
    """Return the growth of the resident set in the first full pass, in bytes.

    Args:
        loss: The loss.
        logits: ``(N, C, H, W)``.
        target: ``(N, H, W)`` ids.
    """
    # Run once to load everything that loads on first use.
    small = logits.detach()[:1, :, :8, :8].clone().requires_grad_()
    loss(small, target[:1, :8, :8].clone()).backward()
    # Return freed memory, so that the pass does not reuse memory counted before.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    loss(logits, target).backward()
    return _status_bytes("VmHWM") - before


def _status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    message = f"no {key} in /proc/self/status"
    raise SystemExit(message)


def gradient_error(loss: Loss, logits: Tensor, target: Tensor) -> float:
    """Return the largest difference from autograd's gradient, relative to the largest gradient.

    Args:
        loss: The loss.
        logits: ``(N, C, H, W)``.
        target: ``(N, H, W)`` ids.
    """
    import torch

    loss(logits, target).backward()
    plain = logits.detach().double().requires_grad_()
    one_hot = torch.nn.functional.one_hot(target).movedim(-1, 1)
    chances = plain.softmax(1)
    total = (chances + one_hot).sum((0, 2, 3))
    dice = (2 * (chances * one_hot).sum((0, 2, 3)) + 1) / (total + 1)
    (1 - dice).mean().backward()
    if logits.grad is None or plain.grad is None:
        message = "no gradient"
        raise SystemExit(message)
    return float((logits.grad - plain.grad).abs().max() / plain.grad.abs().max())


if __name__ == "__main__":
    main()
