# SPDX-License-Identifier: Apache-2.0
"""What a user needs to know about a run: a few lines before it, one with each validation."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop

from zoo.engine.config_parts.parts import iterate_leaves
from zoo.engine.processes.joining import unwrap_model
from zoo.engine.processes.meeting import is_first
from zoo.engine.runs.progress import recent_loss
from zoo.engine.runs.quiet import quiet_console, write_line
from zoo.progress import clock

if TYPE_CHECKING:
    from mmengine.runner import Runner
    from torch import nn

__all__ = ["RunReport", "showing_run"]

_MOST_CLASSES, _MOST_METRICS = 12, 6
_PARTS = ("backbone", "neck", "rpn_head", "decode_head", "bbox_head", "mask_head", "panoptic_head")


class RunReport(Hook):
    """Prints data, model and plan before the first step, and the result of each validation.

    Attributes:
        steps: Iterations when the run ended, including those before a resume.
        metrics: Results of the last validation.
        stopped: Why a hook ended the run early, or None.

    Args:
        say: Called with each line, on the main process only.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._is_introduced = False
        self._started_s = time.monotonic()
        self._first = 0
        self._kept: str | None = None
        self.steps = 0
        self.metrics: dict[str, float] = {}
        self.stopped: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Report what will be trained, how, and where.

        Args:
            runner: The runner that calls the hook.
        """
        self._introduce(runner)

    def before_val(self, runner: Runner) -> None:
        """Report the same before a validation with which a resumed run begins.

        Args:
            runner: The runner that calls the hook.
        """
        self._introduce(runner)

    def before_test(self, runner: Runner) -> None:
        """Report what will be measured.

        Args:
            runner: The runner that calls the hook.
        """
        loader = runner.test_loop.dataloader
        self._tell(f"testing {_name(runner)} on {_device(runner)}")
        self._tell(f"data: {_place(runner, 'test')}{len(loader.dataset):,} images")
        self._tell_common(runner, loader.dataset)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, float] | None = None) -> None:
        """Report the results of a validation, and whether it was the best.

        Args:
            runner: The runner that calls the hook.
            metrics: Results of the validation by name; values that are not finite numbers are
                ignored.
        """
        metrics = metrics or {}
        self.metrics = {name: float(metrics[name]) for name in metrics if _is_number(metrics[name])}
        keeper = _keeper(runner)
        keys = list(getattr(keeper, "key_indicators", None) or [])
        best = getattr(keeper, "best_ckpt_path", None)
        is_best = best is not None and best != self._kept
        self._kept = best
        shown = _metrics_text(self.metrics, keys)
        loss = recent_loss(runner)
        text = _at(runner) + (f": loss {loss:.4g}" if loss is not None else "")
        label = "validation, the best so far" if is_best else "validation"
        self._tell(f"{text}; {label}: {shown}" if shown else text)

    def after_train(self, runner: Runner) -> None:
        """Report the duration, and why the run ended early if it did.

        Args:
            runner: The runner that calls the hook.
        """
        self.steps = runner.iter
        done = runner.iter - self._first
        self._tell(f"trained {done:,} steps in {clock(time.monotonic() - self._started_s)}")
        if getattr(runner.train_loop, "stop_training", False):
            # Hooks that stop a run, such as EarlyStopping, say why in mmengine's message hub.
            self.stopped = str(runner.message_hub.runtime_info.get("stop_reason") or "by a hook")
            self._tell(f"stopped early, {_at(runner)}: {self.stopped}")

    def _introduce(self, runner: Runner) -> None:
        if self._is_introduced:
            return
        self._is_introduced = True
        self._started_s, self._first = time.monotonic(), runner.iter
        self._kept = getattr(_keeper(runner), "best_ckpt_path", None)  # of a run that is resumed
        train, val = runner.train_loop.dataloader.dataset, None
        if runner.val_loop is not None:
            val = runner.val_loop.dataloader.dataset
        self._tell(f"training {_name(runner)} on {_device(runner)}")
        counts = f"{len(train):,} images to train on"
        counts += f", {len(val):,} to validate" if val is not None else ", none to validate"
        self._tell(f"data: {_place(runner, 'train')}{counts}")
        self._tell(f"run: {_plan(runner)}")
        self._tell(f"start: {_start(runner)}")
        self._tell_common(runner, train)

    def _tell_common(self, runner: Runner, dataset: Any) -> None:
        classes = list((getattr(dataset, "metainfo", None) or {}).get("classes") or ())
        if classes:
            more = ", ..." if len(classes) > _MOST_CLASSES else ""
            names = ", ".join(map(str, classes[:_MOST_CLASSES]))
            self._tell(f"classes: {len(classes)} ({names}{more})")
        self._tell(f"model: {_model(unwrap_model(runner.model))}")
        self._tell(f"log: {Path(runner.log_dir) / f'{runner.timestamp}.log'}")

    def _tell(self, text: str) -> None:
        if is_main_process():
            self._say(text)


@contextmanager
def showing_run(*, verbose: bool) -> Iterator[RunReport]:
    """Let a run show the essentials, or mmengine's whole log, on stderr; the file always has it.

    Args:
        verbose: Whether to show the whole log.

    Yields:
        The hook that the run needs.
    """
    verbose = verbose and is_first()
    with redirect_stdout(sys.stderr) if verbose else quiet_console():
        yield RunReport(_keep_to_itself if verbose else write_line)


def _keep_to_itself(_: str) -> None:
    """Show nothing: the log on the terminal has it."""


def _keeper(runner: Runner) -> CheckpointHook | None:
    return next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)


def _name(runner: Runner) -> str:
    return Path(runner.cfg.filename or runner.experiment_name).stem


def _device(runner: Runner) -> str:
    import torch

    device = next((p.device for p in runner.model.parameters()), torch.device("cpu"))
    text = str(device)
    if device.type == "cuda":
        text += f" ({torch.cuda.get_device_name(device)})"
    count = get_world_size()
    return f"{count} processes, this one on {text}" if count > 1 else text


def _place(runner: Runner, split: str) -> str:
    """Return the folder of a split's data, or nothing if its config does not state it."""
    loader = runner.cfg.get(f"{split}_dataloader") or {}
    dataset = loader.get("dataset")
    if not isinstance(dataset, Mapping):
        return ""
    root = next(iterate_leaves(dict(dataset), ""))[1].get("data_root")
    return f"{root}: " if root else ""


def _plan(runner: Runner) -> str:
    loop: Any = runner.train_loop
    size = (runner.cfg.get("train_dataloader") or {}).get("batch_size") or 1
    is_by_epoch = isinstance(loop, EpochBasedTrainLoop)
    unit = "epoch" if is_by_epoch else "step"
    text = f"{loop.max_epochs:,} epochs, " if is_by_epoch else ""
    size *= get_world_size()
    text += f"{loop.max_iters:,} steps of {size} image{'s' if size > 1 else ''}"
    if not is_by_epoch:
        text += f" ({loop.max_iters * size / len(loop.dataloader.dataset):.3g} epochs)"
    if runner.val_loop is not None:
        every = loop.val_interval
        text += f", validated every {f'{every:,} {unit}s' if every > 1 else unit}"
    optimizer = getattr(runner.optim_wrapper, "optimizer", None)
    if optimizer is not None:
        text += f"; {type(optimizer).__name__}, lr {optimizer.defaults.get('lr', 0):.4g}"
    return text


def _start(runner: Runner) -> str:
    if runner._resume and runner._load_from:
        return f"resumed from {runner._load_from}, after {runner.iter:,} steps"
    if runner._load_from:
        return f"from the weights {runner._load_from}"
    return "a new run"


def _model(model: nn.Module) -> str:
    # In a two-stage detector the heads are one level deeper.
    owners = [model, getattr(model, "roi_head", None), getattr(model, "detector", None)]
    parts = [getattr(owner, name, None) for owner in owners for name in _PARTS]
    names = list(dict.fromkeys(type(part).__name__ for part in parts if part is not None))
    count = sum(parameter.numel() for parameter in model.parameters())
    inner = f" ({', '.join(names)})" if names else ""
    return f"{type(model).__name__}{inner}, {count:,} parameters"


def _at(runner: Runner) -> str:
    loop: Any = runner.train_loop
    if isinstance(loop, EpochBasedTrainLoop):
        return f"epoch {runner.epoch:,} of {loop.max_epochs:,}"
    return f"step {runner.iter:,} of {loop.max_iters:,}"


def _metrics_text(metrics: Mapping[str, Any], keys: list[str]) -> str:
    """Return a few metrics as text: those that choose the checkpoint, then the log's first."""
    first = [name for name in metrics if name in keys]
    names = [*first, *(name for name in metrics if name not in first)]
    more = ", ..." if len(names) > _MOST_METRICS else ""
    return ", ".join(f"{name} {metrics[name]:.4g}" for name in names[:_MOST_METRICS]) + more


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and math.isfinite(value)
