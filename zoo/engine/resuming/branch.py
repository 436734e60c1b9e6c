# SPDX-License-Identifier: Apache-2.0
"""Which of a work dir's checkpoints belong to the run that goes on: its last one and its best.

A run that is resumed from an earlier checkpoint leaves the steps after it behind, but not their
files. The notes ``last_checkpoint`` and ``left_behind`` say which files are its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.kept import LEFT_BEHIND, find_checkpoint, read_left_behind
from zoo.engine.checkpoints.pickles import read_pickled
from zoo.errors import ZooError
from zoo.files import open_atomically

if TYPE_CHECKING:
    from mmengine.hooks import CheckpointHook

__all__ = [
    "best_paths",
    "forget_best",
    "forget_lost_best",
    "note_last",
    "note_left_behind",
    "numbering_best",
]

_PATH, _SCORE = "best_ckpt", "best_score"  # as mmengine calls them, with a metric's name after it
# Name of a best checkpoint -> random digits. The file has them too, since it holds the hub.
_NUMBERS = "zoo_best_numbers"


def best_paths(hook: CheckpointHook) -> list[str]:
    """Return the best checkpoints that a hook keeps: one of each metric that it looks at.

    Args:
        hook: The hook; training has begun.
    """
    several = getattr(hook, "best_ckpt_path_dict", {}).values()
    return [str(path) for path in (getattr(hook, "best_ckpt_path", None), *several) if path]


def numbering_best(save: Callable[..., None]) -> Callable[..., None]:
    """Wrap `Runner.save_checkpoint` so that each best checkpoint gets random digits of its own.

    Another branch of the run may replace the file by its own best of the same step and name.

    Args:
        save: The method; mmengine notes the path of a best checkpoint before it saves it.
    """

    def saving(self: Any, out_dir: Any, filename: str, *args: Any, **kwargs: Any) -> None:
        info, path = self.message_hub.runtime_info, Path(out_dir, filename)
        best = [Path(str(info[key])) for key in _best_keys(info) if info[key]]
        if path in best:
            kept = {other.name for other in best}
            numbers = {name: own for name, own in _numbers(info).items() if name in kept}
            numbers[path.name] = secrets.token_hex(8)
            self.message_hub.update_info(_NUMBERS, numbers)
        save(self, out_dir, filename, *args, **kwargs)

    return saving


def forget_lost_best(hub: Any) -> None:
    """Let a resumed run choose its best anew if the file of the best so far is not there.

    It may have been replaced by one of the steps that are left behind, or by the best of another
    branch. Nothing would be kept until a later validation is better than what no file holds.

    Args:
        hub: mmengine's message hub, as the checkpoint has left it.
    """
    info = hub.runtime_info
    numbers = _numbers(info)
    for key in _best_keys(info):
        path = str(info[key] or "")
        if "://" not in path and not _is_there(Path(path), numbers.get(Path(path).name)):
            _forget(info, key)


def forget_best(hub: Any) -> None:
    """Let a run that goes on in another work dir choose its best anew.

    Args:
        hub: mmengine's message hub, as the checkpoint has left it.
    """
    info = hub.runtime_info
    for key in _best_keys(info):
        _forget(info, key)


def _forget(info: dict[str, Any], key: str) -> None:
    del info[key]
    info.pop(f"{_SCORE}{key.removeprefix(_PATH)}", None)


def _best_keys(info: dict[str, Any]) -> list[str]:
    return [key for key in info if key == _PATH or key.startswith(f"{_PATH}_")]


def _numbers(info: Any) -> dict[str, Any]:
    found = info.get(_NUMBERS) if isinstance(info, dict) else None
    return found if isinstance(found, dict) else {}


def _is_there(path: Path, number: Any) -> bool:
    """Return whether a file is the best one of that number; without one, its name decides."""
    if number is None or not os.path.isfile(path):
        return os.path.isfile(path)
    try:
        tree = read_pickled(path, mapped=True)
    except ZooError:
        return False
    hub = tree.get("message_hub") if isinstance(tree, dict) else None
    info = hub.get("runtime_info") if isinstance(hub, dict) else None
    return bool(_numbers(info).get(path.name) == number)


def note_last(work_dir: Path, checkpoint: Path) -> None:
    """Write down the checkpoint from which a run goes on, if that has changed.

    Args:
        work_dir: The run's folder.
        checkpoint: The file.
    """
    if find_checkpoint(work_dir) != checkpoint or not (work_dir / "last_checkpoint").is_file():
        with open_atomically(work_dir / "last_checkpoint", "w") as stream:
            stream.write(str(checkpoint))


def note_left_behind(hooks: Sequence[CheckpointHook], *, is_start: bool = False) -> None:
    """Write down which best checkpoints are not those of the run, if that has changed.

    Args:
        hooks: All that save checkpoints of the run; training has begun.
        is_start: Whether the run is being resumed: all that it does not know are left behind.
    """
    own = {Path(path).name for hook in hooks for path in best_paths(hook)}
    for folder in dict.fromkeys(Path(hook.out_dir) for hook in hooks if hook.out_dir):
        if folder.is_dir():
            _note_in(folder, own, is_start=is_start)


def _note_in(folder: Path, own: set[str], *, is_start: bool) -> None:
    noted = read_left_behind(folder)
    found = [path.name for path in folder.glob("best_*.pth")] if is_start else noted
    left = sorted(name for name in found if name not in own)
    if left == noted:
        return
    if left:
        with open_atomically(folder / LEFT_BEHIND, "w") as stream:
            stream.write("".join(f"{name}\n" for name in left))
    else:
        (folder / LEFT_BEHIND).unlink(missing_ok=True)
