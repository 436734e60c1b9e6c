# SPDX-License-Identifier: Apache-2.0
"""A work dir, before a fit begins there."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import TrainingError
from zoo_auto_fit.planning import Request
from zoo_auto_fit.record import find_record

__all__ = ["check_work_dir", "find_checkpoint"]

_CHECKPOINTS = ("last_checkpoint", "iter_*.pth", "epoch_*.pth", "best_*.pth")


def check_work_dir(request: Request) -> None:
    """Refuse a work dir where no fit can begin, before time is spent on planning.

    Args:
        request: What the user asks for.

    Raises:
        TrainingError: It holds a fit or another run, or what to fit is not said.
    """
    work_dir = request.work_dir
    if find_record(work_dir) is not None:
        message = "cannot fit into this work dir: it holds a fit already."
        hint = "add --resume to continue it, or give another --work-dir."
        raise TrainingError(message, where=work_dir, hint=hint)
    found = find_checkpoint(work_dir)
    if found is not None:
        message = f"cannot fit into this work dir: it holds {found.name!r} of another run, which "
        message += "would be taken for the fit's."
        raise TrainingError(message, where=work_dir, hint="give another --work-dir.")
    if request.data is None or request.budget_s is None:
        message = "cannot continue the fit: none has begun in this work dir."
        hint = f"begin one with zoo fit DATA --budget TIME --work-dir {work_dir}"
        raise TrainingError(message, where=work_dir, hint=hint)


def find_checkpoint(work_dir: Path) -> Path | None:
    """Return a file that a run of `zoo train` left, or None; weights of other names are none.

    Args:
        work_dir: Any folder.
    """
    return next((path for name in _CHECKPOINTS for path in sorted(work_dir.glob(name))), None)
