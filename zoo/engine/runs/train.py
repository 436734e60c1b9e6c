# SPDX-License-Identifier: Apache-2.0
"""``train``: run mmengine's Runner after checking everything that can be checked before it."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.config.building import explaining
from zoo.engine.config.data_folder import root_without_training
from zoo.engine.config.data_roots import check_data_roots
from zoo.engine.config.type_names import check_type_names
from zoo.engine.config.values import check_counts, check_shape
from zoo.engine.config_files.own_configs import note_own
from zoo.engine.config_parts.bands import band_names
from zoo.engine.dataset.changed_files import check_unchanged
from zoo.engine.dataset.class_check import check_run_classes
from zoo.engine.dataset.class_order import check_class_order
from zoo.engine.dataset.history import DataUse, HistoryNote, current_use, extend_history
from zoo.engine.dataset.instance_labels import check_instance_labels
from zoo.engine.dataset.origins import OriginNote, find_origins
from zoo.engine.plugin_code import naming_plugin
from zoo.engine.processes.joining import join_processes
from zoo.engine.processes.launched import count_processes
from zoo.engine.processes.mean_losses import MeanLosses
from zoo.engine.processes.meeting import attempt
from zoo.engine.processes.same_buffers import SameBuffers
from zoo.engine.recording.provenance_file import recording_run
from zoo.engine.recording.trackers import Tracker, tracking_run
from zoo.engine.resuming.gradients import GradientNote
from zoo.engine.resuming.interrupts import saving_on_interrupt
from zoo.engine.resuming.place import Place, find_hook
from zoo.engine.resuming.same_run import RunNote, check_same_run, describe_run
from zoo.engine.resuming.schedules import ScheduleNote
from zoo.engine.resuming.shielding import shielding_workers
from zoo.engine.runs.determinism import be_deterministic, deterministic_operations
from zoo.engine.runs.first_step import FirstStep
from zoo.engine.runs.named_errors import naming_images
from zoo.engine.runs.progress import watch_runner
from zoo.engine.runs.runner import build_runner
from zoo.engine.runs.schedules import fit_warm_ups
from zoo.engine.stepping.accuracy import counting_accuracy
from zoo.engine.stepping.compiling import check_compilation
from zoo.engine.stepping.precision import allowing_mixed_precision, turn_on_amp
from zoo.engine.threads.telling import threads_text
from zoo.engine.threads.workers import slimming_workers
from zoo.engine.work_dir.lock import locked_work_dir
from zoo.engine.work_dir.no_results import leaving_no_results_out
from zoo.engine.worker_ends import ending_workers
from zoo.engine.worker_errors import explaining_workers
from zoo.errors import CheckpointError, ConfigError, DataError, TrainingError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

__all__ = ["train"]

_LOG = logging.getLogger("zoo")


def train(
    config: Config,
    *,
    resume: str | Path | None = None,
    amp: bool = False,
    launcher: str = "none",
    transfer: bool = False,
    other_data: bool = False,
    other_config: bool = False,
    deterministic: bool = False,
    hooks: Sequence[Hook] = (),
    trackers: Sequence[Tracker] = (),
) -> Path:
    """Train a config and return its work dir.

    Types, classes and weights are checked first, then mmengine's Runner does the rest. What zoo
    adds to a step (noting that it was done, telling trackers) costs microseconds and changes no
    result. The first Ctrl-C finishes the step and saves a checkpoint.

    Args:
        config: As `read_config` returns it; not changed.
        resume: ``"auto"`` for the last checkpoint in the work dir (a fresh start if there is
            none), or a checkpoint; None keeps what the config says.
        amp: Train with automatic mixed precision; needs a GPU, or a CPU with bfloat16.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        transfer: Whether ``load_from`` may have other classes of the same number. Layers whose
            shapes differ are always initialized anew, and are listed in the log.
        other_data: Whether a run may continue with other data than that of its checkpoint.
        other_config: Whether a run may continue with another config or number of processes.
        deterministic: Whether two runs end in equal weights; as ``randomness.deterministic``.
        hooks: Further hooks of the runner, called last.
        trackers: What is told of the run, as `zoo.engine.recording.trackers.parse_trackers`
            returns them.

    Returns:
        The work dir, with checkpoints, log and resolved config.

    Raises:
        UnknownNameError: No registry has a type of that name.
        ConfigError: The config cannot be built, contradicts its data, or is not that of the
            checkpoint.
        DataError: The data is missing, empty, or not that of the checkpoint.
        CheckpointError: What to start from cannot be read, or does not fit.
        TrainingError: The work dir holds checkpoints of another run than the one that is resumed;
            or another run is training there.
        InterruptedRunError: Ctrl-C stopped it, after saving.
    """
    config = copy.deepcopy(config)
    config.launcher = launcher
    with explaining(config, doing="use the config"):
        _check(config, amp=amp)
    if deterministic:
        be_deterministic(config)
    with locked_work_dir(config.work_dir, launcher):
        with explaining(config, doing="use the config"):
            _set_start(config, resume)
            meta = _meta_of_start(config)
            history = _history(config, meta, other_data=other_data)
            described = _description(config, meta, is_forced=other_config)
            _keep_seed(config, meta)
            join_processes(config)
            check_run_classes(config, "train_dataloader", transfer=transfer)
            check_class_order(config, ("train", "val"))
        return _run(config, [HistoryNote(history), RunNote(described), *hooks], trackers)


def _meta_of_start(config: Config) -> Mapping[str, Any] | None:
    """Return the ``meta`` of the checkpoint that a run starts from, or None if there is none."""
    start = config.get("load_from")
    if start is None or Path(start).suffix == ".safetensors" or not Path(start).is_file():
        return None
    return load_checkpoint(start).meta


def _history(
    config: Config, meta: Mapping[str, Any] | None, *, other_data: bool
) -> tuple[DataUse, ...]:
    """Return all data that the run will have been trained on.

    Raises:
        DataError: It is resumed with other data, or with changed files, which is not allowed.
    """
    resumes = meta is not None and bool(config.get("resume"))
    changed = check_unchanged(config, config.load_from if resumes and not other_data else None)
    if meta is None:
        return (current_use(config, changed),)
    allowed = {"resumes": resumes, "other_data": other_data}
    return extend_history(config, config.load_from, meta, changed=changed, **allowed)


def _description(
    config: Config, meta: Mapping[str, Any] | None, *, is_forced: bool
) -> dict[str, Any]:
    """Return what its checkpoints keep of a run, after comparing it with what it resumes.

    Raises:
        ConfigError: It is resumed with another config, which is not allowed.
    """
    described = describe_run(config, count_processes(config.launcher))
    if meta is not None and config.get("resume"):
        for one in check_same_run(config.load_from, meta, described, is_forced=is_forced):
            _LOG.warning("resuming with another config: %s", one)
    return described


def _keep_seed(config: Config, meta: Mapping[str, Any] | None) -> None:
    """Give a resumed run whose config states no seed the one that its first start drew."""
    seed = (meta or {}).get("seed")
    stated = (config.get("randomness") or {}).get("seed")
    if config.get("resume") and stated is None and type(seed) is int and 0 <= seed < 2**32:
        config.randomness = {**(config.get("randomness") or {}), "seed": seed}


def _run(config: Config, hooks: Sequence[Hook], trackers: Sequence[Tracker]) -> Path:
    from zoo.engine.resuming.partial_start import listing_start
    from zoo.engine.resuming.safe_loading import safe_loading
    from zoo.engine.resuming.safe_saving import safe_saving

    with (
        safe_loading(),
        safe_saving(),
        leaving_no_results_out(),
        listing_start(band_names(config._cfg_dict)),
        shielding_workers(),
        slimming_workers(),
        ending_workers(),
        _deterministic_if_asked(config),
    ):
        runner = build_runner(config)
        _note_configs(runner)
        # Gradients first: a validation with which `Place` begins may save a checkpoint.
        for kind in (GradientNote, Place, ScheduleNote):
            find_hook(runner, kind)
        origins = OriginNote(find_origins(config.get("load_from")))
        for hook in (origins, *hooks):
            runner.register_hook(hook, priority="LOWEST")
        if count_processes(config.launcher) > 1:
            for hook in (MeanLosses(), SameBuffers()):
                runner.register_hook(hook)
        with recording_run(runner), tracking_run(runner, trackers):
            _train(runner, config)
    return Path(runner.work_dir)


def _deterministic_if_asked(config: Config) -> contextlib.AbstractContextManager[None]:
    if not (config.get("randomness") or {}).get("deterministic"):
        return contextlib.nullcontext()
    return deterministic_operations(_LOG.warning)


def _train(runner: Runner, config: Config) -> None:
    _build_loops(runner, config)
    _tell_threads(runner)
    with explaining(config, doing="read the labels"):
        _check_labels(runner)
    with (
        naming_plugin(),
        _explaining_start(runner, config),
        saving_on_interrupt(runner, _LOG.warning),
        watch_runner(runner),
        explaining_workers(),
        naming_images(runner),
        counting_accuracy(),
    ):
        runner.train()


def _tell_threads(runner: Runner) -> None:
    """Log how many threads compute and read; mmengine has set OpenCV's by now."""
    import cv2
    import torch

    workers = getattr(runner.train_loop.dataloader, "num_workers", 0)
    opencv = cv2.getNumThreads()
    text = threads_text(torch.get_num_threads(), workers=workers, opencv=opencv)
    runner.logger.info("threads: %s", text)


def _check_labels(runner: Runner) -> None:
    """Count the objects of a COCO JSON before and after the pipeline, before the first step."""
    dataset = runner.train_loop.dataloader.dataset
    for count in check_instance_labels(dataset, "train_dataloader.dataset"):
        runner.logger.info("labels: %s", count.text())


def _check(config: Config, *, amp: bool) -> None:
    """Check everything that needs neither work dir nor weights; set ``amp`` in the config."""
    check_shape(config._cfg_dict)
    _check_parts(config)
    check_counts(config)
    check_type_names(config)
    check_data_roots(config, ("train", "val"))
    check_compilation(config)
    if amp:
        turn_on_amp(config)


@contextlib.contextmanager
def _explaining_start(runner: Runner, config: Config) -> Iterator[None]:
    """Explain failures up to the first step; later, only a batch that is too small."""
    step = FirstStep()
    runner.register_hook(step, priority="LOWEST")
    with explaining(config, doing="do the first step", until=lambda: step.is_done):
        yield


def _check_parts(config: Config) -> None:
    lacks = [
        key for key in ("train_dataloader", "train_cfg", "optim_wrapper") if not config.get(key)
    ]
    if lacks:
        empty = root_without_training(config)
        if lacks == ["train_dataloader"] and empty is not None:
            message = "cannot train on this data: its split 'train' is empty."
            hint = "prepare it with a share for train: --shares 0.8,0.1,0.1."
            raise DataError(message, path=empty, hint=hint)
        message = f"cannot train: the config has no {', '.join(lacks)}."
        hint = "use a complete config, or add _base_ files for data and schedule."
        raise ConfigError(message, where=config.filename, hint=hint)


def _set_start(config: Config, resume: str | Path | None) -> None:
    """Turn ``resume`` into mmengine's pair of ``load_from`` and ``resume``."""
    from zoo.engine.checkpoints.kept import choose_checkpoint, is_of_run

    if resume is None and config.get("resume"):
        resume = config.get("load_from") or "auto"
    if attempt() and choose_checkpoint(config.work_dir, prefer="last") is not None:
        # Of this run: its first attempt has begun in a work dir of its own, or resumed there.
        resume = "auto"
    if resume is None:
        _check_unused(config.work_dir)
        return
    if str(resume) != "auto":
        if not Path(resume).is_file():
            message = f"cannot resume from {str(resume)!r}: no such file."
            hint = "use --resume without a file for the last checkpoint of the work dir."
            raise CheckpointError(message, path=resume, hint=hint)
        if not is_of_run(resume, config.work_dir):
            _check_unused(config.work_dir, f"resume from {str(resume)!r}")
        config.load_from, config.resume = str(resume), True
        return
    found = choose_checkpoint(config.work_dir, prefer="last")
    config.resume = found is not None
    if found is None:
        _check_unused(config.work_dir)
        _LOG.warning("nothing to resume in %s; starting from scratch", config.work_dir)
    else:
        config.load_from = str(found)


def _check_unused(work_dir: str, doing: str = "start training") -> None:
    """Refuse a work dir whose checkpoints would later be taken for this run's, and replaced."""
    from zoo.engine.checkpoints.kept import find_best_checkpoint, find_checkpoint

    last = find_checkpoint(work_dir)
    found = last or find_best_checkpoint(work_dir)
    if found is not None:
        message = f"cannot {doing} in {work_dir!r}: found {found.name!r} of another run."
        own = "--resume" if doing == "start training" else "--resume without a file"
        hint = (
            f"use {own} to continue, or another --work-dir." if last else "use another --work-dir."
        )
        raise TrainingError(message, where=work_dir, hint=hint)


def _note_configs(runner: Runner) -> None:
    """Record the config that the runner has just written into the work dir as this user's own."""
    from mmengine.dist import is_main_process

    if is_main_process():
        name = Path(runner.cfg.filename or f"{runner.timestamp}.py").name
        note_own([Path(runner.work_dir, name), *Path(runner.log_dir).glob("vis_data/config.*")])


def _build_loops(runner: Runner, config: Config) -> None:
    """Build data sets and optimizer now, so that their errors are distinct from the run's."""
    with explaining(config), allowing_mixed_precision():
        loops: list[Any] = [runner.train_loop, runner.val_loop]
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    fit_warm_ups(runner)
    for loop, name in zip(loops, ("train_dataloader", "val_dataloader"), strict=True):
        if loop is not None and not len(loop.dataloader.dataset):
            message = f"cannot train: the data set of {name} is empty."
            hint = "check its data_root, ann_file and filters."
            raise DataError(message, where=f"{name}.dataset", hint=hint)
