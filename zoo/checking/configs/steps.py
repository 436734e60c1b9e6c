# SPDX-License-Identifier: Apache-2.0
"""Run a config on a sample, as ``zoo train --data`` and ``zoo test`` do; note how far it gets."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zoo.checking.configs.data import find_data
from zoo.checking.configs.small import cut, shorten, shrink
from zoo.checking.configs.watching import PHASES, Outcome, check_values, watch
from zoo.checking.expecting import Broken, Unchecked
from zoo.checking.folders import scratch_of_process
from zoo.checking.subject import Subject

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["PHASES", "Outcome", "run_config"]

_MOST_PARAMETERS = 60_000_000
_BUDGET_S = 60
_MOST_WAITED = 3
_ELSEWHERE = "run zoo train --max-steps 2 on it where there is time, or a GPU."


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
        split = measured_split(config, "test")
        values = test(config, checkpoint, split=split, hooks=[watch(outcome)])
        check_values(values, outcome)
    outcome.passed.append("test")
    if outcome.unmeasured is not None:
        outcome.phase = outcome.unmeasured
        message = "its untrained model finds no instance, of which its metrics make no values"
        raise Unchecked(message, "run zoo train and zoo test on data of its own.")


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
    """Return the number of parameters of a model, which is built without memory for them."""
    from mmengine.registry import MODELS, init_default_scope
    from torch import nn

    from zoo.engine.patching import exchanged

    register = nn.Module.register_parameter

    # Not `with torch.device("meta")`: constructors read values that are no parameters, such as the
    # rates of Swin's dropped paths.
    def register_empty(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        empty = None if param is None else nn.Parameter(param.detach().to("meta"))
        register(self, name, empty)

    init_default_scope(config.get("default_scope") or "mmengine")
    with exchanged(nn.Module, register_parameter=register_empty):
        try:
            model = MODELS.build(config.model)
        except (NotImplementedError, RuntimeError):  # a constructor reads its parameters
            return 0
    return sum(each.numel() for each in model.parameters())


def _train(config: Config, outcome: Outcome) -> Path:
    """Train for a few steps with a validation, and return the checkpoint."""
    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.runs.train import train

    folder = train(config, hooks=[watch(outcome)])
    found = find_checkpoint(folder)
    if found is None:
        message = "training leaves no checkpoint: default_hooks.checkpoint is missing"
        raise Broken(message)
    return found


class _TooLongError(BaseException):
    """A config takes too long; no Exception, which code under way may turn into another."""


@contextmanager
def _time_limit(seconds: int, outcome: Outcome) -> Iterator[None]:
    """End a block that computes for too long, where the system can.

    CPU time counts, for each thread of torch: on a busy machine, the clock would end what is short.
    The clock ends what has waited for three times as long.

    Args:
        seconds: How long it may take.
        outcome: How far the config is.

    Raises:
        _TooLongError: It took longer.
    """
    import torch

    def stop(number: int, frame: object) -> NoReturn:
        done = ", ".join(each for each in outcome.passed if each != "bind") or "nothing"
        message = f"it takes more than {seconds} s here: stopped in {outcome.phase!r}, "
        message += f"passed: {done}"
        raise _TooLongError(message)

    is_possible = (
        hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    )
    if not is_possible:
        yield
        return
    timers = {
        (signal.SIGPROF, signal.ITIMER_PROF): seconds * torch.get_num_threads(),
        (signal.SIGALRM, signal.ITIMER_REAL): seconds * _MOST_WAITED,
    }
    old = {number: signal.signal(number, stop) for number, _ in timers}
    for (_, timer), limit_s in timers.items():
        signal.setitimer(timer, limit_s)
    try:
        yield
    finally:
        for number, timer in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, old[number])
