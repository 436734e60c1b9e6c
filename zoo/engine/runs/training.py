# SPDX-License-Identifier: Apache-2.0
"""``zoo.train``: what ``zoo train`` does, for Python."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, TrainingError

if TYPE_CHECKING:
    from zoo.engine.runs.report import RunReport

__all__ = ["TrainingResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a run.

    Attributes:
        work_dir: Its folder: checkpoints, log and resolved config.
        best_checkpoint: The best by validation, or None if none was chosen.
        last_checkpoint: The one written last, or None if none was written.
        metrics: Validation values of the best checkpoint, else of the last validation, by name;
            empty if nothing was validated.
        steps: Iterations of the whole run, including those before a resume.
        seconds: Duration of this call, in s.
        stopped: Why a hook, such as EarlyStopping, ended the run early; None if it ran to its end.
    """

    work_dir: Path
    best_checkpoint: Path | None
    last_checkpoint: Path | None
    metrics: Mapping[str, float]
    steps: int
    seconds: float
    stopped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a metric without a result is None."""
        return {
            "work_dir": str(self.work_dir),
            "best_checkpoint": _text(self.best_checkpoint),
            "last_checkpoint": _text(self.last_checkpoint),
            "metrics": {k: v if math.isfinite(v) else None for k, v in self.metrics.items()},
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
        }


def train(
    config: str | Path,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
    max_steps: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    accumulate: int | None = None,
    ema: bool = False,
    work_dir: str | Path | None = None,
    cfg_options: Mapping[str, Any] | Sequence[str] = (),
    pretrained: str | Path | None = None,
    resume: bool | str | Path = False,
    other_data: bool = False,
    other_config: bool = False,
    amp: bool = False,
    deterministic: bool = False,
    launcher: str = "none",
    verbose: bool = False,
    track: Sequence[str] = (),
    fetch: Callable[[str, str], Path] | None = None,
    obtain: Callable[[str], Path] | None = None,
) -> TrainingResult:
    """Train a config, as ``zoo train`` does, and return the result.

    With another length, the whole schedule of the config is stretched or shortened; see
    :mod:`zoo.engine.runs.length`.

    Args:
        config: A file, a name of ``zoo config list``, or ``mmseg::folder/file.py``.
        data: A folder that ``zoo data prepare`` wrote.
        epochs: Passes over the training images, instead of the config's length.
        max_steps: Iterations, instead of the config's length.
        batch_size: Images per training step and process.
        lr: Learning rate.
        accumulate: Batches whose gradients are added up for one step of the optimizer.
        ema: Validate and save an average of the weights of the last steps.
        work_dir: Output folder; default ``work_dirs/<config name>``.
        cfg_options: Dotted key -> value, or ``key=value`` strings, to override the config.
        pretrained: A weights file, a folder, a URL with its digest, or ``"none"``.
        resume: True for the last checkpoint of the work dir, or a checkpoint.
        other_data: Whether a run may continue with other data than that of its checkpoint.
        other_config: Whether a run may continue with another config or number of processes than
            that of its checkpoint; the log lists the differences.
        amp: Train with automatic mixed precision; needs a GPU, or a CPU with bfloat16.
        deterministic: Whether two runs of one command, on one machine, end in equal weights; see
            :mod:`zoo.engine.runs.determinism`.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        verbose: Show mmengine's whole log on stderr, instead of a few lines; its file has it.
        track: ``tensorboard``, ``wandb``, ``mlflow`` or ``mlflow=ADDRESS``: who is told of losses,
            metrics and some validation pictures.
        fetch: Downloads ``pretrained`` if it is a URL; default
            :func:`zoo.weights.fetch_address`.
        obtain: Downloads ``pretrained`` if it is a name of weights; default :func:`zoo.download`.

    Returns:
        Work dir, checkpoints, metrics, steps and seconds.

    Raises:
        UnknownNameError: No config has that name, or no registry has a type that it names.
        ConfigError: The config cannot be read or built, or options contradict each other.
        DataError: The data is missing, empty, or not that of the checkpoint.
        CheckpointError: What to start from cannot be read, or does not fit.
        TrainingError: The work dir holds checkpoints of another run, another run trains there,
            a script trains without ``if __name__ == "__main__":``, or no launcher has started
            this process as ``launcher`` says.
    """
    _check_not_imported_again()
    from mmengine.dist import barrier

    from zoo.engine.adoption.obtaining import download
    from zoo.engine.config.reading import read_config
    from zoo.engine.processes.launched import count_processes
    from zoo.engine.processes.meeting import meet
    from zoo.engine.recording.trackers import parse_trackers
    from zoo.engine.runs.options import RunOptions, set_run_options
    from zoo.engine.runs.report import showing_run
    from zoo.engine.runs.train import train as train_config
    from zoo.engine.work_dir.run_facts import note_command
    from zoo.weights import fetch_address

    started_s = time.monotonic()
    meet(launcher)
    trackers = parse_trackers(track)
    run = RunOptions(
        epochs, max_steps, batch_size, lr, accumulate, ema, processes=count_processes(launcher)
    )
    pretrained = None if pretrained is None else str(pretrained)
    with showing_run(verbose=verbose) as report:
        resolved = read_config(
            config,
            cfg_options=cfg_options,
            data=data,
            pretrained=pretrained,
            work_dir=work_dir,
            fetch=fetch or fetch_address,
            obtain=obtain or download,
            adjust=partial(set_run_options, run),
        )
        note_command(
            resolved,
            str(config),
            cfg_options=_as_words(cfg_options),
            pretrained=pretrained,
            has_data=data is not None,
            amp=amp,
            run_words=[*run.words(), *["--deterministic"] * deterministic],
        )
        folder = train_config(
            resolved,
            resume="auto" if resume is True else resume or None,
            amp=amp,
            launcher=launcher,
            transfer=pretrained not in (None, "none"),
            other_data=other_data,
            other_config=other_config,
            deterministic=deterministic,
            hooks=[report],
            trackers=trackers,
        )
        barrier()  # the main process writes what the others read
    return _result(folder, report, time.monotonic() - started_s)


def _check_not_imported_again() -> None:
    """Refuse to train while a new process, such as a data worker, imports the script again."""
    # What Python itself asks before it starts a process; there is no public way.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        message = "cannot train: this process loads images for a run that has begun, and imports "
        message += "the script of that run again."
        hint = 'put zoo.train(...) under `if __name__ == "__main__":` in the script.'
        raise TrainingError(message, hint=hint)


def _result(folder: Path, report: RunReport, seconds: float) -> TrainingResult:
    from zoo.engine.checkpoints.kept import find_best_checkpoint, find_checkpoint

    best, last = find_best_checkpoint(folder), find_checkpoint(folder)
    metrics = _metrics(folder, report)
    return TrainingResult(folder, best, last, metrics, report.steps, seconds, report.stopped)


def _metrics(folder: Path, report: RunReport) -> dict[str, float]:
    """Return the log's values of the best step, or those of the last validation."""
    from zoo.engine.work_dir.scalars import read_run

    try:
        log = read_run(folder)
    except DataError:  # the config writes no scalars
        return report.metrics
    curves = {**log.metrics, **{f"val/{name}": curve for name, curve in log.val_losses.items()}}
    last = max((step for curve in curves.values() for step in curve), default=0)
    step = log.best.step if log.best is not None and log.best.is_kept else last
    return {name: curve[step] for name, curve in curves.items() if step in curve}


def _as_words(cfg_options: Mapping[str, Any] | Sequence[str]) -> list[str]:
    if isinstance(cfg_options, Mapping):
        return [f"{key}={value}" for key, value in cfg_options.items()]
    return list(cfg_options)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
