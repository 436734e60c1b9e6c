# SPDX-License-Identifier: Apache-2.0
"""Choose the checkpoint of a work dir: one rule for everything that reads a run."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from zoo.engine.checkpoints.file_bytes import is_whole
from zoo.errors import CheckpointError

__all__ = [
    "LEFT_BEHIND",
    "choose_checkpoint",
    "find_best_checkpoint",
    "find_checkpoint",
    "is_of_run",
    "read_left_behind",
]

LEFT_BEHIND = "left_behind"
"""File of a work dir with the names of best checkpoints that are of other steps, one in a line."""

_OF_A_RUN = ("last_checkpoint", "run.json")
_LOG = logging.getLogger("zoo")
_LONGEST = 4096  # characters of last_checkpoint: no path is longer
_MOST_LEFT = 1_000_000  # characters of left_behind, which has one name for each metric and branch


def find_checkpoint(work_dir: str | Path) -> Path | None:
    """Return the checkpoint that a run in ``work_dir`` wrote last, or None; it is not read.

    The file ``last_checkpoint`` decides. It contains an absolute path, which is wrong in a copied
    or moved work dir, so the file of that name in ``work_dir`` itself comes first; without one,
    the highest ``epoch_N.pth`` or ``iter_N.pth``.

    Args:
        work_dir: The run's folder.
    """
    return next(iter(_last(Path(work_dir))), None)


def find_best_checkpoint(work_dir: str | Path) -> Path | None:
    """Return the best checkpoint that a run in ``work_dir`` kept, or None; it is not read.

    Of several ``best_<metric>_..._<step>.pth``, it is the one of the latest step, which was better
    than those before it. Those that the file ``left_behind`` names do not count: they are of steps
    that a run left behind when it was resumed from an earlier checkpoint.

    Args:
        work_dir: The run's folder.
    """
    return next(iter(_best(Path(work_dir))), None)


def choose_checkpoint(work_dir: str | Path, *, prefer: Literal["best", "last"]) -> Path | None:
    """Return the checkpoint of a run to use, or None if there is none.

    This is the only rule: measuring, predicting and publishing prefer the best, resuming the last.
    The candidates in order (the best ones, latest step first, then the last ones) are checked, and
    the first that is not corrupted is returned; the log reports each corrupted one.

    Args:
        work_dir: The run's folder.
        prefer: ``best``: the best checkpoint, else the last; ``last``: only the last.

    Raises:
        CheckpointError: There are checkpoints, but each is damaged.
    """
    folder = Path(work_dir)
    best = _best(folder) if prefer == "best" else []
    return _first_whole(folder, list(dict.fromkeys([*best, *_last(folder)])))


def is_of_run(checkpoint: str | Path, work_dir: str | Path) -> bool:
    """Return whether a checkpoint is a run's own: in its work dir, or where its run keeps them.

    A subfolder counts, such as one of copies that a user keeps, unless it is in a work dir of its
    own.

    Args:
        checkpoint: Its file.
        work_dir: The run's folder.
    """
    own, folder = Path(work_dir).resolve(), Path(checkpoint).resolve().parent
    last = find_checkpoint(own)
    if last is not None and folder == last.resolve().parent:
        return True
    inner = [each for each in (folder, *folder.parents) if own in each.parents]
    is_below = folder == own or own in folder.parents
    return is_below and not any((each / name).exists() for each in inner for name in _OF_A_RUN)


def read_left_behind(folder: Path) -> list[str]:
    """Return the names of the best checkpoints that are not of the run as it went on.

    Args:
        folder: The run's folder.
    """
    note = folder / LEFT_BEHIND
    if note.is_file():
        with suppress(OSError), note.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_MOST_LEFT).split("\n")[:-1]
    return []


def _first_whole(folder: Path, found: list[Path]) -> Path | None:
    damaged: list[Path] = []
    for path in found:
        if is_whole(path):
            for other in damaged:
                _LOG.warning("%s is damaged; using %s instead", other, path.name)
            return path
        damaged.append(path)
    if not damaged:
        return None
    names = ", ".join(path.name for path in damaged)
    message = f"cannot use a checkpoint of {str(folder)!r}: each one is damaged ({names})."
    hint = "copy one there from a backup; or remove them and train from scratch."
    raise CheckpointError(message, path=folder, hint=hint)


def _last(folder: Path) -> list[Path]:
    """Return the checkpoints of each step, the one noted first, then the later before the older."""
    numbered = [*folder.glob("epoch_*.pth"), *folder.glob("iter_*.pth")]
    found = sorted((path for path in numbered if _step(path) >= 0), key=_step, reverse=True)
    noted = _noted(folder)
    if noted is None:
        return found
    own = folder / noted.name
    if not os.path.isfile(own):  # unlike Path.is_file, this takes any text
        # The hook may keep checkpoints in another folder; in this one there are none then. A folder
        # with a note of its own is the work dir that this one is a copy of.
        is_apart = os.path.isfile(noted) and not (noted.parent / "last_checkpoint").is_file()
        return found or [noted] * is_apart
    older = [path for path in found if path != own and _step(path) < _step(own)]
    return [own, *older, *(path for path in found if path not in (own, *older))]


def _noted(folder: Path) -> Path | None:
    text = ""
    note = folder / "last_checkpoint"
    if note.is_file():
        with suppress(OSError), note.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_LONGEST).strip()
    return Path(text) if text and text.isprintable() and Path(text).name else None


def _best(folder: Path) -> list[Path]:
    left = read_left_behind(folder)
    found = (path for path in folder.glob("best_*.pth") if path.is_file())
    found = (path for path in found if path.name not in left)
    return sorted(found, key=lambda path: (_step(path), path.name), reverse=True)


def _step(path: Path) -> int:
    last = path.stem.rpartition("_")[2]
    return int(last) if last.isdecimal() and len(last) < 20 else -1
