# SPDX-License-Identifier: Apache-2.0
"""Restore the original message of errors raised in a DataLoader's worker.

torch puts the worker's traceback into the message and raises the same class with it; a class that
needs more than a message becomes a bare ``RuntimeError``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from zoo import errors
from zoo.errors import ZooError

__all__ = [
    "caught_name",
    "dead_worker",
    "explaining_workers",
    "is_of_loader",
    "original_message",
]

_DEAD = re.compile(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\)[^.]*")
_LOADER = "torch.utils.data.dataloader"
# What it is made of: queues, pipes, threads and shared memory.
_MACHINERY = frozenset({"torch", "multiprocessing", "queue", "threading", "selectors", "socket"})
_CAUGHT = re.compile(r"^Caught (?P<name>\w+) in DataLoader worker process \d+\.")


@contextmanager
def explaining_workers() -> Iterator[None]:
    """Raise errors of zoo that come from a worker as the worker raised them.

    Raises:
        ZooError: With the worker's message, place and hint; of its class where torch could make
            that class from a text.
    """
    try:
        yield
    except ZooError as error:
        message = original_message(error.message)
        if message is None:
            raise
        error.message, error.where, error.hint = _parts(message)
        raise
    except RuntimeError as error:
        message = original_message(str(error))
        if message is None or caught_name(str(error)) not in errors.__all__:
            raise
        text, where, hint = _parts(message)
        raise ZooError(text, where=where, hint=hint) from error


def dead_worker(error: BaseException) -> str | None:
    """Return torch's words for a worker that died, or None where an error is of something else.

    Args:
        error: What a data loader raised.
    """
    found = _DEAD.search(str(error)) if isinstance(error, RuntimeError) else None
    return None if found is None else found.group().strip()


def is_of_loader(error: BaseException) -> bool:
    """Return whether torch's data loader failed by itself, as when its workers are gone.

    Its messages vary: a closed pipe, a missing file of shared memory, a thread that ended. An error
    of a data set passes through the loader too, but names its own place.

    Args:
        error: Any error.
    """
    if caught_name(str(error)) is not None:
        return False
    names: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        names.append(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    if _LOADER not in names:
        return False
    inner = names[len(names) - names[::-1].index(_LOADER) :]
    return all(name.partition(".")[0] in _MACHINERY for name in inner)


def original_message(text: str) -> str | None:
    """Return the text of the worker's own error, or None if this is not one of a worker.

    Args:
        text: Of torch's error.
    """
    name = caught_name(text)
    if name is None:
        return None
    return re.split(rf"\n[\w.]*\b{name}(?:: |\s*$)", text)[-1].strip()


def caught_name(text: str) -> str | None:
    """Return the class of the worker's own error, or None if this is not one of a worker.

    Args:
        text: Of torch's error.
    """
    caught = _CAUGHT.match(text)
    return None if caught is None else caught["name"]


def _parts(message: str) -> tuple[str, str | None, str | None]:
    """Take the three parts of an error's text apart."""
    text, _, hint = message.partition("\nHINT: ")
    text, _, where = text.partition("\nwhere: ")
    return text, where or None, hint or None
