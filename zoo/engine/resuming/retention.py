# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints of a run stay: the best and the last k, whenever the run is killed.

mmengine removes an older checkpoint before it writes the newer one. Here the order is: the new
file, then ``last_checkpoint``, then the removals. Each checkpoint lists the files that it makes
superfluous, so that a run that was killed before it removed them does so when it is resumed.

A stop writes a checkpoint beside those of the interval. It is only there to resume from, so the
next checkpoint of any kind replaces it, however many of the others are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from zoo.engine.patching import exchanged
from zoo.engine.resuming.branch import (
    best_paths,
    forget_best,
    forget_lost_best,
    note_last,
    note_left_behind,
    numbering_best,
)
from zoo.engine.resuming.place import Place, find_hook

__all__ = ["keeping_last", "save_stop"]

# In mmengine's message hub, which every checkpoint contains.
_SUPERSEDED = "zoo_superseded"
_IS_STOP = "zoo_is_stop"
_STOPPED = "zoo_stopped_at"  # attribute of the hook: the checkpoint of a stop, which it never lists


@contextmanager
def keeping_last() -> Iterator[None]:
    """Run mmengine with a `CheckpointHook` that never leaves a run without a checkpoint."""
    changes = {
        "before_train": _tidying(CheckpointHook.before_train),
        "_save_checkpoint_with_step": _removing_last(
            _replacing_stop(CheckpointHook._save_checkpoint_with_step)
        ),
        "_save_best_checkpoint": _removing_last(CheckpointHook._save_best_checkpoint),
        "before_val": _step_first(CheckpointHook.before_val),
    }
    with ExitStack() as stack:
        for name, method in changes.items():
            stack.enter_context(exchanged(CheckpointHook, **{name: method}))
        numbering = numbering_best(Runner.save_checkpoint)
        stack.enter_context(exchanged(Runner, save_checkpoint=numbering))
        yield


def save_stop(runner: Runner) -> Path:
    """Save a run between two steps, as its last checkpoint, and return the file.

    The checkpoint of an earlier stop is removed: without that, runs that are often stopped would
    fill the disk.

    Args:
        runner: The run.
    """
    step, folder, hub = int(runner.iter), Path(runner.work_dir), runner.message_hub
    path = folder / f"iter_{step}.pth"
    hooks = _saving_hooks(runner)
    earlier = [Path(stop) for hook in hooks if (stop := getattr(hook, _STOPPED, None))]
    earlier = [stop for stop in earlier if stop.name != path.name]
    _list(hub, [*_listed(hub), *(stop.name for stop in earlier)])
    if not any(Path(str(hook.last_ckpt)) == path for hook in hooks):
        hub.update_info(_IS_STOP, True)  # else it replaces one of the interval, and stays as long
    meta = {"epoch": runner.epoch, "iter": step}
    runner.save_checkpoint(str(folder), path.name, meta=meta, by_epoch=False)
    if is_main_process():
        note_last(folder, path)
        for stop in earlier:
            stop.unlink(missing_ok=True)
    return path


class _LaterRemovals:
    """A file backend that defers removals, and lists their files for the checkpoint."""

    def __init__(self, backend: Any, hub: Any) -> None:
        self.backend = backend
        self.hub = hub
        self.removals: list[tuple[Callable[[str], None], str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self._defer(self.backend.remove, path)

    def rmtree(self, path: str) -> None:
        self._defer(self.backend.rmtree, path)

    def _defer(self, remove: Callable[[str], None], path: str) -> None:
        self.removals.append((remove, path))
        _list(self.hub, [*_listed(self.hub), Path(path).name])


def _removing_last(method: Callable[..., None]) -> Callable[..., None]:
    """Wrap a saving method of `CheckpointHook` so that it removes after it has written."""

    def saving(self: CheckpointHook, runner: Any, *args: Any, **kwargs: Any) -> None:
        backend, hub = self.file_backend, runner.message_hub
        self.file_backend = later = _LaterRemovals(backend, hub)
        try:
            method(self, runner, *args, **kwargs)
        finally:
            self.file_backend = backend
        hooks = _saving_hooks(runner) or [self]
        if is_main_process():
            note_left_behind(hooks)
        in_use = {str(self.last_ckpt), *(path for hook in hooks for path in best_paths(hook))}
        for remove, path in later.removals:
            if path not in in_use and backend.exists(path):
                remove(path)
        if not isinstance(backend, _LaterRemovals):
            _list(hub, [])

    return saving


def _replacing_stop(save: Callable[..., None]) -> Callable[..., None]:
    """Wrap the method that saves a step so that it also removes the checkpoint of a stop."""

    def saving(self: CheckpointHook, runner: Any, *args: Any, **kwargs: Any) -> None:
        hooks = _saving_hooks(runner) or [self]
        stops = {str(stop) for hook in hooks if (stop := getattr(hook, _STOPPED, None))}
        for stop in stops if is_main_process() else ():
            self.file_backend.remove(stop)
        for hook in hooks:
            setattr(hook, _STOPPED, None)
        save(self, runner, *args, **kwargs)

    return saving


def _step_first(before_val: Callable[..., None]) -> Callable[..., None]:
    """Save before a validation that may choose a best, if the run has no checkpoint yet.

    A best one alone could not be resumed: it has no optimizer. And before the validation, because
    what counts validations (a plateau, an early stop) would count this one twice after a resume.
    """

    def validating(self: CheckpointHook, runner: Any) -> None:
        before_val(self, runner)
        is_training = hasattr(self, "file_backend")
        if not is_training or not self.save_best or self.last_ckpt or self.interval <= 0:
            return
        place = find_hook(runner, Place)
        place.is_validation_due = True
        steps = runner.epoch if self.by_epoch else runner.iter
        meta = {"epoch": runner.epoch, "iter": runner.iter}
        try:
            self._save_checkpoint_with_step(runner, steps, meta=meta)
        finally:
            place.is_validation_due = False

    return validating


def _tidying(before_train: Callable[..., None]) -> Callable[..., None]:
    def starting(self: CheckpointHook, runner: Any) -> None:
        resumed = Path(runner._load_from) if runner._resume and runner._load_from else None
        hooks = _saving_hooks(runner) or [self]
        if resumed is None:
            before_train(self, runner)
            return
        if self is hooks[0]:
            _forget_what_is_lost(runner, hooks, resumed)
        before_train(self, runner)
        own = _own_folder(self, runner, resumed)
        if own is not None:
            self.last_ckpt = str(own / resumed.name)  # mmengine forgets it
            if runner.message_hub.runtime_info.get(_IS_STOP):
                setattr(self, _STOPPED, self.last_ckpt)
        if self is hooks[-1]:
            runner.message_hub.runtime_info.pop(_IS_STOP, None)
            if is_main_process():
                _tidy(runner, hooks, resumed)

    return starting


def _forget_what_is_lost(runner: Any, hooks: list[CheckpointHook], resumed: Path) -> None:
    """Forget files that are not those of the run as it goes on.

    What a checkpoint of another work dir lists is in that one: files of these names here are not
    the run's, and the files there stay with it.
    """
    if any(_own_folder(hook, runner, resumed) for hook in hooks):
        forget_lost_best(runner.message_hub)
        return
    forget_best(runner.message_hub)
    for key in (_SUPERSEDED, _IS_STOP, "keep_ckpt_ids", "last_ckpt"):
        runner.message_hub.runtime_info.pop(key, None)


def _tidy(runner: Any, hooks: list[CheckpointHook], resumed: Path) -> None:
    """Finish what a kill prevented, and write down what belongs to the run."""
    own = next((f for hook in hooks if (f := _own_folder(hook, runner, resumed))), None)
    if own is not None:
        note_last(Path(runner.work_dir), own / resumed.name)
    _remove_listed(hooks, runner.message_hub)
    note_left_behind(hooks, is_start=True)


def _own_folder(hook: CheckpointHook, runner: Any, resumed: Path) -> Path | None:
    """Return the folder of the run that has the resumed checkpoint; None if it is another's."""
    work_dir = Path(runner.work_dir)
    folder = work_dir if hook.out_dir is None else Path(hook.out_dir)
    if folder != work_dir and not hasattr(hook, "file_backend"):
        folder /= work_dir.name  # as mmengine's before_train does
    found = (folder, work_dir)  # a stop saves in the second
    return next((f for f in found if f.resolve() == resumed.resolve().parent), None)


def _remove_listed(hooks: list[CheckpointHook], hub: Any) -> None:
    """Remove the files that the resumed checkpoint lists: a kill came before their removal."""
    in_use = _in_use(hooks)
    numbered = {name for hook in hooks for name in _numbered(hook)}
    for path in [Path(hook.out_dir, Path(name).name) for hook in hooks for name in _listed(hub)]:
        if path.suffix == ".pth" and str(path) not in in_use and path.name not in numbered:
            path.unlink(missing_ok=True)
    _list(hub, [])


def _saving_hooks(runner: Any) -> list[CheckpointHook]:
    return [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]


def _in_use(hooks: list[CheckpointHook]) -> set[str]:
    paths = (path for hook in hooks for path in (hook.last_ckpt, *best_paths(hook)))
    return {str(path) for path in paths if path is not None}


def _numbered(hook: CheckpointHook) -> set[str]:
    """Return the names of the last k checkpoints that the hook keeps."""
    return {hook.filename_tmpl.format(step) for step in getattr(hook, "keep_ckpt_ids", ())}


def _listed(hub: Any) -> list[str]:
    names = hub.runtime_info.get(_SUPERSEDED)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _list(hub: Any, names: list[str]) -> None:
    if names or _SUPERSEDED in hub.runtime_info:
        hub.update_info(_SUPERSEDED, names)
