# SPDX-License-Identifier: Apache-2.0
"""Make mmengine load its checkpoints through zoo, wherever it loads one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from zoo.engine.checkpoints.fit import check_fits
from zoo.engine.checkpoints.kept import is_of_run
from zoo.engine.checkpoints.pickles import read_pickled
from zoo.engine.patching import exchanged
from zoo.engine.resuming.gradients import GradientNote
from zoo.engine.resuming.place import Place, find_hook
from zoo.engine.resuming.schedules import ScheduleNote
from zoo.errors import CheckpointError
from zoo.files import expand_home

__all__ = ["load_for_mmengine", "safe_loading"]

_log = logging.getLogger("zoo")
_SCHEME = re.compile(r"(?:[\w.+-]+:)?[\w.+-]+://")


@contextmanager
def safe_loading() -> Iterator[None]:
    """Run mmengine, mmdet and mmseg with zoo's reader instead of theirs.

    Inside, every way in which they load a checkpoint (`Runner.resume`, ``load_from``, ``init_cfg``,
    `load_checkpoint`, `CheckpointLoader`) reads local files through `read_pickled`, refuses every
    remote scheme with one message, and never runs a config text from a checkpoint. `Runner.resume`
    also refuses a file that cannot be resumed or does not fit the model. May be nested.

    Example:
        >>> with safe_loading():  # doctest: +SKIP
        ...     runner.train()
    """
    with (
        exchanged(CheckpointLoader, load_checkpoint=classmethod(_load_checkpoint)),
        exchanged(Runner, resume=_checked(Runner.resume)),
    ):
        yield


def load_for_mmengine(filename: str, map_location: Any = None) -> Any:
    """Return the whole content of a checkpoint for mmengine, read safely.

    ``meta['config']`` is left out: `Runner.resume` would run it as Python.

    Args:
        filename: A local ``.pth`` or ``.safetensors``; ``~`` is the home folder.
        map_location: As for `torch.load`.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: A remote address, or a file that is missing or broken.
    """
    text = str(filename)
    scheme = _SCHEME.match(text)
    if scheme:
        msg = f"cannot load weights from {text!r}: found {scheme.group()}, expected a local file."
        hint = "download it and use --pretrained FILE, or replace the address by its path."
        raise CheckpointError(msg, path=text, hint=hint)
    path = expand_home(text)
    if path.suffix == ".safetensors":
        from zoo.engine.checkpoints.published import read_tensors

        return {"state_dict": read_tensors(path)}
    tree = read_pickled(path, map_location=map_location)
    meta = tree.get("meta") if isinstance(tree, dict) else None
    if isinstance(meta, dict):
        meta.pop("config", None)
    return tree


def _load_checkpoint(
    cls: type, filename: str, map_location: Any = None, logger: Any = "current"
) -> Any:
    _log.info("reading checkpoint %s", filename)
    return load_for_mmengine(filename, map_location)


def _checked(resume: Callable[..., None]) -> Callable[..., None]:
    def checked(self: Runner, filename: str, *args: Any, **kwargs: Any) -> None:
        hook = _ResumeCheck(filename)
        schedule = find_hook(self, ScheduleNote)
        schedule.take(self)
        # Lowest: after the hooks that rearrange what was loaded, such as EMAHook.
        self.register_hook(hook, priority="LOWEST")
        try:
            with _explaining_groups(filename):
                resume(self, filename, *args, **kwargs)
        finally:
            self._hooks.remove(hook)
        schedule.follow(self, hook.checkpoint)

    return checked


class _ResumeCheck(Hook):
    """Compares what was loaded with what resuming needs, before anything is used."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.checkpoint: dict[str, Any] = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        found = checkpoint if isinstance(checkpoint, dict) else {}
        meta = found.get("meta")
        steps = meta if isinstance(meta, dict) else {}
        lacks = [key for key in ("state_dict", "optimizer", "message_hub") if key not in found]
        lacks += [f"meta.{key}" for key in ("epoch", "iter") if type(steps.get(key)) is not int]
        if lacks:
            name = Path(self.path).name
            msg = f"cannot resume from {name!r}: it has no {', '.join(lacks)}."
            hint = "resume from epoch_N.pth or iter_N.pth, or start a new run with load_from=FILE."
            raise CheckpointError(msg, path=self.path, hint=hint)
        check_fits(runner.model, found["state_dict"], self.path)
        _drop_empty_scaler(found["optimizer"])
        find_hook(runner, Place).resume(found)
        find_hook(runner, GradientNote).resume(found)
        _relocate(found["message_hub"], Path(runner.work_dir), Path(self.path))
        self.checkpoint = {key: found[key] for key in found if key != "state_dict"}


def _drop_empty_scaler(optimizer: Any) -> None:
    """Let a run that scales its losses follow one that did not: on a GPU after a CPU, with --amp.

    torch refuses the empty state of a scaler that was turned off; without one, mmengine begins with
    a new scaler.
    """
    if isinstance(optimizer, dict) and optimizer.get("loss_scaler") == {}:
        del optimizer["loss_scaler"]


def _relocate(message_hub: Any, work_dir: Path, resumed: Path) -> None:
    """Let a run in a copied work dir use its own best checkpoint, not that of the original.

    mmengine keeps absolute paths, and removes that file when it finds a better one. Where a
    checkpoint of another work dir is resumed, a file of that name here is of another run.
    """
    is_own = is_of_run(resumed, work_dir)
    info: Any = message_hub.get("runtime_info") if isinstance(message_hub, dict) else None
    for key, value in list(info.items()) if isinstance(info, dict) else ():
        if key != "last_ckpt" and not key.startswith("best_ckpt"):
            continue
        noted = Path(str(value))
        if is_own and (work_dir / noted.name).is_file():
            info[key] = str(work_dir / noted.name)
        elif (noted.parent / "last_checkpoint").is_file():
            info[key] = None  # another work dir's


@contextmanager
def _explaining_groups(path: str) -> Iterator[None]:
    """Explain torch's error if the optimizer is not that of the checkpoint."""
    try:
        yield
    except (KeyError, ValueError) as error:
        if "param" not in str(error) and "group" not in str(error):
            raise
        name = Path(path).name
        msg = f"cannot resume from {name!r}: its optimizer is not the config's."
        hint = "keep the optimizer and its paramwise_cfg, or start a new run with load_from=FILE."
        raise CheckpointError(msg, path=path, hint=hint) from error
