# SPDX-License-Identifier: Apache-2.0
"""Compare a training step of `zoo train` with one of a bare mmengine Runner.

    python benchmarks/train_step.py [--steps 60] [--rounds 5]

Both train the same small U-Net of mmseg on the same images without workers, in separate alternating
processes. Prints the median seconds of a step, and the number of Python and C function calls of a
step in the training thread, which does not depend on the machine's load. Exits with 1 if the two
numbers of calls differ.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIG = """
default_scope = 'mmseg'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0] * 3, std=[60.0] * 3,
                           size=(128, 128), seg_pad_val=255),
    backbone=dict(type='UNet', base_channels=8, norm_cfg=norm_cfg),
    decode_head=dict(type='FCNHead', in_channels=8, in_index=4, channels=8, num_convs=1,
                     concat_input=False, num_classes=2, norm_cfg=norm_cfg, align_corners=False,
                     loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='BaseSegDataset', data_root='{root}', seg_map_suffix='.png',
                 data_prefix=dict(img_path='images', seg_map_path='masks'),
                 metainfo=dict(classes=['ground', 'square'], palette=[[0, 0, 0], [9, 9, 9]]),
                 pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                           dict(type='PackSegInputs')]))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters={steps})
default_hooks = dict(
    timer=dict(type='IterTimerHook'), logger=dict(type='LoggerHook', interval=100000),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=100000, save_last=False))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
work_dir = '{root}/{arm}'
"""


def main() -> int:
    """Print the table; return 1 if a step of zoo calls more functions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arm", choices=["bare", "zoo"], help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps(run_arm(args)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder))
        seconds: dict[str, list[float]] = {"bare": [], "zoo": []}
        for _ in range(args.rounds):
            for arm, found in seconds.items():
                found.append(start_arm(arm, folder, args.steps)["median_s"])
        calls = {arm: start_arm(arm, folder, 12, "--profile")["calls"] for arm in seconds}
    print(f"{'arm':<6}{'step, ms':>10}{'calls a step':>14}")
    for arm, found in seconds.items():
        print(f"{arm:<6}{1000 * statistics.median(found):>10.1f}{calls[arm]:>14}")
    return int(calls["zoo"] != calls["bare"])


def start_arm(arm: str, folder: str, steps: int, *more: str) -> dict[str, Any]:
    """Run one arm in a new process and return its measurement.

    Args:
        arm: Name of the arm.
        folder: Working folder.
        steps: Number of steps.
        *more: More options.
    """
    command = [sys.executable, __file__, "--arm", arm, "--root", folder, "--steps", str(steps)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *more], env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def write_pictures(root: Path) -> None:
    """Write eight images of 128x128 px with a bright square each.

    Args:
        root: Folder to write to.
    """
    import cv2
    import numpy as np

    for name in ("images", "masks"):
        (root / name).mkdir()
    for number in range(8):
        rng = np.random.default_rng(number)
        mask = np.zeros((128, 128), np.uint8)
        mask[30:90, 20 : 60 + 5 * number] = 1
        image = (rng.integers(0, 90, (*mask.shape, 3)) + 120 * mask[..., None]).astype(np.uint8)
        cv2.imwrite(str(root / "images" / f"{number}.jpg"), image)
        cv2.imwrite(str(root / "masks" / f"{number}.png"), mask)


def run_arm(args: argparse.Namespace) -> dict[str, Any]:
    """Train, and return the median seconds of a step or the calls in one.

    Args:
        args: The command line.
    """
    from mmengine.config import Config
    from mmengine.runner import IterBasedTrainLoop, Runner

    import zoo  # noqa: F401 - mmcv-lite has no kernels of its own, so the bare Runner needs it too

    path = args.root / f"{args.arm}.py"
    path.write_text(CONFIG.format(root=args.root, steps=args.steps, arm=args.arm))
    watch = Watch(count=args.profile)
    step = IterBasedTrainLoop.run_iter

    def run_iter(loop: IterBasedTrainLoop, data_batch: Any) -> None:
        watch.mark()
        step(loop, data_batch)

    # A mark between two steps, in both arms and outside the measured time.
    IterBasedTrainLoop.run_iter = run_iter
    if args.arm == "bare":
        Runner.from_cfg(Config.fromfile(path)).train()
    else:
        from zoo.engine.config.reading import read_config
        from zoo.engine.runs.train import train

        train(read_config(path))
    sys.setprofile(None)
    return watch.result()


class Watch:
    """Seconds, or function calls, between marks of the training thread.

    Args:
        count: Count calls rather than seconds.
    """

    def __init__(self, *, count: bool) -> None:
        self._count, self._calls = count, 0
        self._marks: list[float] = []

    def mark(self) -> None:
        """Begin the next step."""
        self._marks.append(self._calls if self._count else time.perf_counter())
        if self._count:
            sys.setprofile(self._event)

    def _event(self, frame: Any, event: str, argument: Any) -> None:
        self._calls += event in ("call", "c_call")

    def result(self) -> dict[str, Any]:
        """Return the median over the steps, the first five left out."""
        spans = [b - a for a, b in zip(self._marks[5:], self._marks[6:], strict=False)]
        median = statistics.median(spans)
        return {"calls": int(median)} if self._count else {"median_s": median}


if __name__ == "__main__":
    sys.exit(main())
