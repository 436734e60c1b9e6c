# SPDX-License-Identifier: Apache-2.0
"""A sweep from end to end: settings drawn, trials run, each end written down at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo.errors import ConfigError, DataError, TrainingError, ZooError
from zoo_ray_runs.curve import measured
from zoo_ray_runs.planning import Request, begin, resumed
from zoo_ray_runs.record import TRIALS, SweepRecord, TrialRecord, find_record, write_record
from zoo_ray_runs.starting import Cluster, check_installed, started
from zoo_ray_runs.texts import option_words, setting_text, value_text
from zoo_ray_runs.trial_process import wait_for_end

__all__ = ["StoppedSweepError", "sweep"]

_OWN_OPTIONS = ("--work-dir", "--resume", "--data", "--json", "--launcher")

Say = Callable[[str], None]


class StoppedSweepError(KeyboardInterrupt):
    """The user stopped a sweep; its trials have saved their steps.

    Args:
        done: Trials that have ended.
        total: Trials in all.
        signal_number: The signal that stopped it.
    """

    is_resumable = True

    def __init__(self, done: int, total: int, *, signal_number: int) -> None:
        super().__init__(f"stopped after {done} of {total} trials; the others have saved a step.")
        self.signal_number = signal_number


def sweep(request: Request, say: Say) -> SweepRecord:
    """Run the trials of a sweep, and return what became of them.

    Args:
        request: What the user asks for.
        say: Shows a line.

    Raises:
        ConfigError: Config or space cannot be read, or do not fit each other.
        DataError: The data cannot be read, no validation measures the metric, or what is resumed
            is another sweep.
        PluginError: Ray is not installed.
        TrainingError: The work dir holds a sweep already, or one is running in it; or Ray ended
            in the middle.
        StoppedSweepError: Ctrl-C.
    """
    _check_words(request.train_words)
    found = find_record(request.work_dir)
    if found is not None and not request.resume:
        message = "cannot sweep into this work dir: it holds a sweep already."
        hint = "add --resume to continue it, or give another --work-dir."
        raise TrainingError(message, where=request.work_dir, hint=hint)
    record, is_anew = (begin(request), False) if found is None else resumed(found, request)
    check_installed()
    request.work_dir.mkdir(parents=True, exist_ok=True)
    with _alone(request.work_dir):
        if is_anew:
            _set_aside(request.work_dir, say)
        write_record(request.work_dir, record)
        if not all(trial.has_ended for trial in record.trials):
            record = _run(request, record, say)
    return record


def _check_words(words: Sequence[str]) -> None:
    for word in words:
        if word.partition("=")[0] in _OWN_OPTIONS:
            message = f"cannot pass {word!r} to the trials: a sweep sets it for each of them."
            raise ConfigError(message, hint="leave it out after --.")


def _alone(work_dir: Path) -> FileLock:
    lock = FileLock(work_dir / ".sweep.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        message = "cannot sweep here: another sweep is running in this work dir."
        raise TrainingError(message, where=work_dir, hint="wait for its end, or stop it.") from None
    lock.release()
    return lock


def _set_aside(work_dir: Path, say: Say) -> None:
    """Keep the folders of trials that begin anew with another config out of their way."""
    number = 1
    while (aside := work_dir / f"{TRIALS}_{number}").exists():
        number += 1
    if (work_dir / TRIALS).is_dir():
        (work_dir / TRIALS).rename(aside)
        say(f"the trials begin anew; what there was of them is in {aside}")


def _run(request: Request, record: SweepRecord, say: Say) -> SweepRecord:
    """Run what has not ended, and return the sweep; whatever happens, it is written down."""
    from zoo_ray_runs.tuning import run_trials

    keeper = _Keeper(request.work_dir, record, say)
    orders: list[Any] = []
    try:
        with started() as cluster:
            cpus, gpus = _resources(request, cluster)
            orders = _orders(request.work_dir, record, cpus)
            say(_head(record, cluster, cpus, gpus))
            folder = request.work_dir / ".tune"
            run_trials(orders, keeper.told, cpus=cpus, gpus=gpus, asha=record.asha, folder=folder)
    except KeyboardInterrupt as error:
        _wait(orders, say)
        number = getattr(error, "signal_number", signal.SIGINT)
        ended = sum(trial.has_ended for trial in keeper.record.trials)
        raise StoppedSweepError(ended, len(record.trials), signal_number=number) from error
    except ZooError:
        if orders:  # else nothing was started
            _wait(orders, say)
        raise
    if keeper.fault:
        _wait(orders, say)
        message, _, hint = keeper.fault.partition("\nHINT: ")
        raise DataError(message.partition("\nwhere: ")[0], path=request.work_dir, hint=hint or None)
    return keeper.record


def _resources(request: Request, cluster: Cluster) -> tuple[int, float]:
    """Return CPUs and GPUs of a trial, or refuse more than there are."""
    gpus = request.gpus if request.gpus is not None else float(min(1, cluster.gpus))
    share = cluster.cpus // cluster.gpus if gpus and cluster.gpus else 1
    cpus = request.cpus if request.cpus is not None else max(1, share)
    for what, asked, there in (("CPU", cpus, cluster.cpus), ("GPU", gpus, cluster.gpus)):
        if asked > there:
            message = f"cannot give a trial {asked:g} {what}s: found {there}."
            hint = f"give at most --{what.lower()}s-per-trial {there}."
            raise ConfigError(message, hint=hint)
    return cpus, gpus


def _orders(work_dir: Path, record: SweepRecord, cpus: int) -> list[Any]:
    """Return what is to run; ended trials come first, if the others are compared with them."""
    from zoo_ray_runs.trial import TrialOrder

    ended = [trial for trial in record.trials if trial.has_ended and record.asha]
    waiting = [trial for trial in record.trials if not trial.has_ended]
    data = [] if record.data is None else ["--data", record.data]
    orders = []
    for trial in [*ended, *waiting]:
        folder = work_dir.absolute() / TRIALS / trial.name
        words = ["train", record.config, *data, "--work-dir", str(folder), *record.train_words]
        orders.append(
            TrialOrder(
                name=trial.name,
                work_dir=folder,
                words=(*words, *option_words(trial.options)),
                metric=record.metric,
                direction=record.direction,
                cwd=Path.cwd(),
                threads=cpus,
                has_ended=trial.has_ended,
            )
        )
    return orders


def _head(record: SweepRecord, cluster: Cluster, cpus: int, gpus: float) -> str:
    left = sum(not trial.has_ended for trial in record.trials)
    at_once = (
        cluster.cpus // cpus if not gpus else min(cluster.cpus // cpus, int(cluster.gpus / gpus))
    )
    with_gpus = f" and {gpus:g} GPU" if gpus else ""
    of_all = "" if left == len(record.trials) else f" of {len(record.trials)}"
    return (
        f"sweep: {left}{of_all} trials, {min(at_once, left)} at a time, "
        f"each with {cpus} CPU{'s' * (cpus > 1)}{with_gpus}"
    )


def _wait(orders: Sequence[Any], say: Say) -> None:
    """Wait until the runs of all trials have saved their step."""
    say("stopping: the trials save their steps")
    for order in orders:
        wait_for_end(order.lock)


class _Keeper:
    """Writes down each end, and says it.

    Args:
        work_dir: Folder of the sweep.
        record: The sweep.
        say: Shows a line.
    """

    def __init__(self, work_dir: Path, record: SweepRecord, say: Say) -> None:
        self._work_dir, self._say = work_dir, say
        self.record = record
        self.fault = ""

    def told(self, name: str, said: dict[str, Any]) -> bool:
        """Take what a trial reports; return whether the sweep cannot go on.

        Args:
            name: The trial.
            said: A validation, or its end.
        """
        trial = next(each for each in self.record.trials if each.name == name)
        if "state" not in said:
            if self.record.metric is None or self.record.direction is None:
                self._take_metric(said)
            return False
        if trial.has_ended:  # it was only told again
            return False
        if said.get("is_of_all"):
            self.fault = said["error"]
            return True
        trial = replace(trial, state=said["state"], error=said["error"] or None)
        trial = measured(self._work_dir, self.record, trial)
        self.record = self.record.with_trial(trial)
        write_record(self._work_dir, self.record)
        self._say(self._line(trial))
        return False

    def _take_metric(self, said: dict[str, Any]) -> None:
        """Note what the first validation says of the metric, and say what nobody states."""
        name, direction = said["metric"], said["direction"]
        self.record = replace(self.record, metric=name, direction=direction)
        write_record(self._work_dir, self.record)
        if said["is_assumed"]:
            other = "lower" if direction == "higher" else "higher"
            better = "a value nearer to 0" if direction == "zero" else f"a {direction} value"
            self._say(
                f"assumed: {better} of {name} is better, for neither its plugin nor a rule in the "
                f"config says so; --direction {other} ranks the other way"
            )

    def _line(self, trial: TrialRecord) -> str:
        ended = sum(each.has_ended for each in self.record.trials)
        what = {"stopped": "stopped early"}.get(trial.state, trial.state)
        if trial.error:
            what += f": {trial.error.splitlines()[0]}"
        elif trial.value is not None:
            what += f": {self.record.metric} {value_text(trial.value)} at step {trial.step}"
        setting = setting_text(trial.options)
        return f"{ended}/{len(self.record.trials)} {trial.name} {what} ({setting})"
