# SPDX-License-Identifier: Apache-2.0
"""Where the CPU time of training and of validation goes: each part of a step, by name.

    python benchmarks/step_profile.py CONFIG --data DIR [--steps 30] [--cfg-options KEY=VALUE ...]

Trains as `zoo train` does, without data workers, so that reading images is seen too, and validates
once at the end. CPU time of the process is taken where one part calls another: each second counts
once, for the innermost part. Prints Markdown tables: ms of CPU a step, and of an image.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WARM_UP = 3  # steps that are not counted


class Clock:
    """CPU seconds of each part; what runs inside another part counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._open = ["between the parts"]
        self._since = time.process_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block under a name.

        Args:
            name: The part.
        """
        self._switch()
        self._open.append(name)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def wrap(self, owner: Any, method: str, name: str) -> None:
        """Count a method of an object, or of a class, under a name; absent ones are left out.

        Args:
            owner: The object or class.
            method: The method's name.
            name: The part.
        """
        inner: Callable[..., Any] | None = getattr(owner, method, None)
        if inner is None:
            return

        @functools.wraps(inner)
        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return inner(*args, **kwargs)

        setattr(owner, method, counted)

    def reset(self) -> None:
        """Forget what was counted so far."""
        self._switch()
        self.seconds.clear()

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now


def main() -> None:
    """Train, validate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cfg-options", nargs="+", default=[])
    args = parser.parse_args()
    from functools import partial

    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.options import RunOptions, set_run_options
    from zoo.engine.runs.train import train

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        run = RunOptions(max_steps=args.steps + WARM_UP)
        config = read_config(
            args.config,
            data=args.data,
            work_dir=folder,
            cfg_options=args.cfg_options,
            adjust=partial(set_run_options, run),
        )
        config.train_cfg.val_interval = args.steps + WARM_UP
        for name in ("train_dataloader", "val_dataloader"):
            config[name].num_workers = 0
            config[name].persistent_workers = False
        train(config, hooks=[make_hook(clock, args.steps)])


def make_hook(clock: Clock, steps: int) -> Any:
    """Return a hook that wraps the parts of a runner, and prints the tables.

    Args:
        clock: Counts.
        steps: Steps that are counted.
    """
    from mmengine.hooks import Hook

    class Tables(Hook):
        def before_train(self, runner: Any) -> None:
            wrap_runner(clock, runner)

        def after_train_iter(self, runner: Any, batch_idx: int, *_: Any, **__: Any) -> None:
            if batch_idx == WARM_UP - 1:
                clock.reset()

        def before_val(self, runner: Any) -> None:
            print_table("a training step", clock, steps)
            clock.reset()

        def after_val(self, runner: Any) -> None:
            images = len(runner.val_loop.dataloader.dataset)
            print_table(f"validation, an image of {images}", clock, images)

    return Tables()


def wrap_runner(clock: Clock, runner: Any) -> None:
    """Count what a step consists of.

    Args:
        clock: Counts.
        runner: Of mmengine, with its loops built.
    """
    for loop in (runner.train_loop, runner.val_loop):
        wrap_loader(clock, loop.dataloader)
    model = runner.model
    clock.wrap(model.data_preprocessor, "forward", "model: preprocess")
    clock.wrap(model, "forward", "model: rest")
    for name, part in model.named_children():
        if name != "data_preprocessor":
            wrap_part(clock, name, part)
    clock.wrap(model, "parse_losses", "model: parse losses")
    for method in ("backward", "step", "zero_grad"):
        clock.wrap(runner.optim_wrapper, method, f"optimizer: {method}")
    for hook in runner.hooks:
        # A hook's call is rarely worth a row, but their sum is.
        kind = type(hook).__name__
        for method in ("before_train_iter", "after_train_iter", "before_val_iter",
                       "after_val_iter", "before_val_epoch", "after_val_epoch"):  # fmt: skip
            if method in vars(type(hook)) and kind != "Tables":
                clock.wrap(hook, method, f"hook: {kind}")
    clock.wrap(runner.val_loop.evaluator, "process", "evaluator: process")
    clock.wrap(runner.val_loop.evaluator, "evaluate", "evaluator: evaluate")


def wrap_loader(clock: Clock, loader: Any) -> None:
    """Count the transforms of a data set, and its collation.

    Args:
        clock: Counts.
        loader: A loader without workers.
    """
    dataset = loader.dataset
    while hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    pipeline = dataset.pipeline
    for place, step in enumerate(pipeline.transforms):
        name = f"data: {type(step).__name__}"

        def counted(results: Any, step: Any = step, name: str = name) -> Any:
            with clock.part(name):
                return step(results)

        pipeline.transforms[place] = counted
    clock.wrap(dataset, "get_data_info", "data: row of the data set")
    clock.wrap(loader, "collate_fn", "data: collate")


def wrap_part(clock: Clock, name: str, part: Any) -> None:
    """Count a part of a model: its network, its targets and losses, its predictions.

    Args:
        clock: Counts.
        name: The attribute of the model.
        part: A module.
    """
    clock.wrap(part, "forward", f"{name}: forward")
    for method in ("loss", "predict", "loss_by_feat", "predict_by_feat", "loss_and_predict"):
        clock.wrap(part, method, f"{name}: {method}")
    for child, module in part.named_children():
        if child.endswith(("_head", "_extractor")):
            wrap_part(clock, f"{name}.{child}", module)
    for method in ("loss_and_target", "get_targets"):
        clock.wrap(part, method, f"{name}: {method}")


def print_table(title: str, clock: Clock, count: int) -> None:
    """Print the parts, the largest first.

    Args:
        title: What the numbers are of.
        clock: Counts.
        count: Steps or images.
    """
    whole = sum(clock.seconds.values())
    print(f"\n| {title} | CPU ms | share |\n|---|---|---|")
    for name, seconds in clock.seconds.most_common():
        if seconds >= 0.001 * whole:
            print(f"| {name} | {1000 * seconds / count:.1f} | {100 * seconds / whole:.1f} % |")
    print(f"| all | {1000 * whole / count:.1f} | |", flush=True)


if __name__ == "__main__":
    main()
