# SPDX-License-Identifier: Apache-2.0
"""End the data workers of a run with the run.

A runner and its loaders refer to each other, so only the garbage collector frees an iterator that
is not at its end. Called from there, torch's ``_shutdown_workers`` waits 5 s for each worker.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from torch.utils.data import DataLoader

from zoo.engine.patching import exchanged

__all__ = ["ending_workers"]


@contextmanager
def ending_workers() -> Iterator[None]:
    """End, on leaving the block, all workers of loaders that were iterated inside it.

    Persistent ones too: a loader that is iterated again starts new workers.

    Source:
        ``DataLoader._get_iterator`` and ``_MultiProcessingDataLoaderIter`` of torch 2.13.
    """
    begun: list[tuple[weakref.ref[Any], weakref.ref[Any]]] = []
    begin = DataLoader._get_iterator

    def noted(loader: DataLoader[Any]) -> Any:
        iterator = begin(loader)
        if hasattr(iterator, "_shutdown_workers"):
            begun.append((weakref.ref(loader), weakref.ref(iterator)))
        return iterator

    try:
        with exchanged(DataLoader, _get_iterator=noted):
            yield
    finally:
        for loader, iterator in ((one(), other()) for one, other in begun):
            if iterator is not None:
                with suppress(RuntimeError):  # one was killed, which the loader has told already
                    iterator._shutdown_workers()
            if loader is not None and loader._iterator is iterator:
                loader._iterator = None
