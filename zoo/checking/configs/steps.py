# SPDX-License-Identifier: Apache-2.0
"""Run a config on a sample, as ``zoo train --data`` and ``zoo test`` do; note how far it gets."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from zoo.checking.configs.data import find_data
from zoo.checking.configs.small import cut, shorten, shrink
from zoo.checking.expecting import Broken, Unchecked
from zoo.checking.folders import scratch_of_process
from zoo.checking.subject import Subject

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["PHASES", "Outcome", "run_config"]

PHASES = ("bind", "build", "train", "validate", "test")
_MOST_PARAMETERS = 60_000_000
_BUDGET_S = 60
_ELSEWHERE = "run zoo train --max-steps 2 on it where there is time, or a GPU."


@dataclass(slots=True)
class Outcome:
    """How far a config came.

    Attributes:
        phase: The phase that it was in last, of `PHASES`.
        error: What ended it there; None if all phases passed.
        data: What it was bound to, for messages.
        passed: Phases that passed.
    """

    phase: str = PHASES[0]
    error: BaseException | None = None
    data: str = ""
    passed: list[str] = field(default_factory=list)

    def enter(self, phase: str) -> None:
        """Note that a phase begins, and that those before it passed.

        Args:
            phase: One of `PHASES`.
        """
        self.passed += [each for each in PHASES[: PHASES.index(phase)] if each not in self.passed]
        self.phase = phase


def run_config(subject: Subject, name: str) -> Outcome:
    """Return how far a config comes; it runs once in a process.

    Args:
        subject: The plugin.
        name: Name of the config in it.
    """
    return _run_once(_Key(subject, name))


@dataclass(frozen=True, slots=True)
class _Key:
    subject: Subject = field(compare=False)
    name: str


@cache
def _run_once(key: _Key) -> Outcome:
    outcome = Outcome()
    try:
        with _time_limit(_BUDGET_S, outcome):
            _run(key.subject, key.name, outcome)
    except KeyboardInterrupt:
        raise
    except _TooLongError as error:
        outcome.error = Unchecked(str(error), _ELSEWHERE)
    except BaseException as error:  # noqa: BLE001 - whatever the plugin and upstream raise
        outcome.error = error
    return outcome


def _run(subject: Subject, name: str, outcome: Outcome) -> None:
    """Run a config with small images; if it cannot, with those that it states."""
    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.quiet import quiet_console

    full = f"{subject.name}.{name}"
    data = find_data(subject, read_config(full, pretrained="none"))
    outcome.data = data.parent.name.removeprefix("made_data_")
    for is_last in (False, True):
        work_dir = str(scratch_of_process().mktemp("run"))
        config = read_config(full, data=data, pretrained="none", work_dir=work_dir, adjust=shorten)
        cut(config)
        is_smaller = not is_last and shrink(config)
        outcome.enter("build")
        try:
            with quiet_console():
                _run_phases(config, outcome)
        except Unchecked:
            raise
        except Exception:  # some networks take images of certain sizes alone
            if not is_smaller:
                raise
        else:
            return


def _run_phases(config: Config, outcome: Outcome) -> None:
    from zoo.engine.measuring.test import measured_split, test

    _check_size(config)
    checkpoint = _train(config, outcome)
    outcome.enter("test")
    if config.get("test_dataloader") or config.get("val_dataloader"):
        values = test(config, checkpoint, split=measured_split(config, "test"))
        _check_values(values, "the test")
    outcome.passed.append("test")


def _check_size(config: Config) -> None:
    """Leave out a model that would need minutes or a GPU for a step.

    Raises:
        Unchecked: It has too many parameters.
    """
    count = _count_parameters(config)
    if count > _MOST_PARAMETERS:
        message = f"its model has {count / 1e6:.0f} million parameters, and more than "
        message += f"{_MOST_PARAMETERS / 1e6:.0f} take too long here: it is built and not run"
        raise Unchecked(message, _ELSEWHERE)


def _count_parameters(config: Config) -> int:
    """Return the number of parameters of a model that is built without memory for them."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(config.get("default_scope") or "mmengine")
    with torch.device("meta"):
        try:
            model = MODELS.build(config.model)
        except (NotImplementedError, RuntimeError):  # a constructor reads its parameters
            return 0
    return sum(each.numel() for each in model.parameters())


def _train(config: Config, outcome: Outcome) -> Path:
    """Train for a few steps with a validation, and return the checkpoint."""
    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.runs.train import train

    folder = train(config, hooks=[_watch(outcome)])
    found = find_checkpoint(folder)
    if found is None:
        message = "training leaves no checkpoint: default_hooks.checkpoint is missing"
        raise Broken(message)
    return found


class _TooLongError(BaseException):
    """A config takes too long; no Exception, which code under way may turn into another."""


@contextmanager
def _time_limit(seconds: int, outcome: Outcome) -> Iterator[None]:
    """End a block that takes too long, where the system can.

    Args:
        seconds: How long it may take.
        outcome: How far the config is.

    Raises:
        _TooLongError: It took longer.
    """

    def stop(number: int, frame: object) -> NoReturn:
        done = ", ".join(each for each in outcome.passed if each != "bind") or "nothing"
        message = f"it takes more than {seconds} s here: stopped in {outcome.phase!r}, "
        message += f"passed: {done}"
        raise _TooLongError(message)

    is_possible = (
        hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    )
    old = signal.signal(signal.SIGALRM, stop) if is_possible else None
    if is_possible:
        signal.alarm(seconds)
    try:
        yield
    finally:
        if is_possible:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, old)


def _watch(outcome: Outcome) -> Any:
    from mmengine.hooks import Hook

    class Watch(Hook):
        """Notes the phase of the run, and looks at losses and metrics."""

        def before_train(self, runner: Any) -> None:
            """Note that everything is built.

            Args:
                runner: The run.
            """
            outcome.enter("train")

        def after_train_iter(
            self,
            runner: Any,
            batch_idx: int,
            data_batch: Any = None,
            outputs: Mapping[str, Any] | None = None,
        ) -> None:
            """Check that the loss of a step is finite.

            Args:
                runner: The run.
                batch_idx: Index of the step.
                data_batch: Images.
                outputs: Losses.
            """
            for name, value in (outputs or {}).items():
                number = float(value)
                if "loss" in name and not math.isfinite(number):
                    message = f"{name} is {number} in step {batch_idx + 1} of training"
                    raise Broken(message)

        def before_val(self, runner: Any) -> None:
            """Note that training passed.

            Args:
                runner: The run.
            """
            outcome.enter("validate")

        def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
            """Check that a validation gives values.

            Args:
                runner: The run.
                metrics: Values by name.
            """
            _check_values(metrics or {}, "the validation")

    return Watch()


def _check_values(values: Mapping[str, Any], what: str) -> None:
    if not values:
        message = f"{what} gives no values, expected those of a metric"
        raise Broken(message)
