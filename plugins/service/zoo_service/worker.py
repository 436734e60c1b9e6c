# SPDX-License-Identifier: Apache-2.0
"""A process that holds the models and predicts what it is sent, until nobody sends any more."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo_service.asking import Asked
from zoo_service.messages import receive, send

__all__ = ["Plan", "work"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a process needs to begin.

    Args:
        specs: Name of a model -> what `zoo.load` takes.
        device: ``auto``, ``cpu``, ``cuda``, ...
        workers: Processes that share the CPUs.
        most_px: Pixels of an image.
    """

    specs: Mapping[str, str]
    device: str
    workers: int
    most_px: int


def work(connection: Connection, plan: Plan) -> None:
    """Open the models, say what they are, and predict until the connection ends.

    Args:
        connection: To the process that serves.
        plan: What to open.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the process that serves says when to end
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        served = _open(plan)
    except Exception as error:  # noqa: BLE001 - it ends the service, with this message
        send(connection, {"error": _told(error)})
        return
    send(connection, {"models": {name: _facts(one) for name, one in served.items()}})
    try:
        while True:
            job, _ = receive(connection)
            _do(connection, served[job["model"]], job)
    except (EOFError, OSError):
        return  # the process that serves has ended


def _open(plan: Plan) -> dict[str, Any]:
    import torch

    import zoo
    from zoo_service.answering import Served

    if plan.workers > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // plan.workers))
    served = {}
    for name, spec in plan.specs.items():
        predictor = zoo.load(spec, device=plan.device)
        served[name] = Served(predictor, predictor.model.identity(), plan.most_px)
    return served


def _told(error: Exception) -> dict[str, str | None]:
    """Return the message of an error for another process."""
    if isinstance(error, ZooError):
        return {"message": error.message, "where": error.where, "hint": error.hint}
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    message = f"cannot open the models: {reason}."
    hint = "`zoo doctor` says what is missing, and the command that installs it."
    return {"message": message, "where": "zoo serve", "hint": hint}


def _facts(served: Any) -> dict[str, Any]:
    """Return what clients may know of a model."""
    model = served.predictor.model
    licence = served.predictor.licence
    return {
        "task": model.task,
        "classes": list(model.classes),
        "palette": [list(color) for color in model.palette],
        "sha256": served.identity["sha256"],
        "licence": None if licence is None else str(licence),
        "notice": model.notice,
    }


def _do(connection: Connection, served: Any, job: Mapping[str, Any]) -> None:
    from zoo_service.answering import answer

    begun_s = time.monotonic()
    asked = Asked.from_json(job["asked"])
    done = answer(served, Path(job["path"]), job["name"], asked)
    head = {
        "status": done.status,
        "media_type": done.media_type,
        "seconds": time.monotonic() - begun_s,
        "memory_bytes": _memory_bytes(),
    }
    send(connection, head, done.body)


def _memory_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
