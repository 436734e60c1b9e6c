# SPDX-License-Identifier: Apache-2.0
"""Threads of data workers: one each, because there are as many workers as the config wants.

torch sets its own threads in each worker to one. OpenCV and NumPy's linear algebra would start as
many as the machine has CPUs, in every spawned worker; mmengine sets OpenCV's for the main process,
and only a forked worker inherits that.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import process

from zoo.engine.patching import exchanged
from zoo.engine.threads.defaults import stated

__all__ = ["slimming_workers"]

_ALGEBRA = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def slimming_workers() -> Iterator[None]:
    """Let processes spawned inside the block start one thread a library, unless the user sets more.

    OpenCV gets as many threads as this process has, which ``env_cfg.mp_cfg.opencv_num_threads`` of
    the config states. Pixels do not depend on it.
    """
    with exchanged(process.BaseProcess, start=_slimmed(process.BaseProcess.start)):
        yield


def _slimmed(start: Callable[..., None]) -> Callable[..., None]:
    def slimmed(self: process.BaseProcess) -> None:
        method = getattr(self, "_start_method", None) or multiprocessing.get_start_method()
        if method == "fork":  # it inherits libraries that are loaded
            start(self)
            return
        before = dict(os.environ)
        os.environ.update(_variables())
        try:
            start(self)
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)

    return slimmed


def _variables() -> dict[str, str]:
    """Return the variables of a worker that the user has not set."""
    import cv2

    wanted = {"OPENCV_FOR_THREADS_NUM": str(cv2.getNumThreads())}
    if stated("OMP_NUM_THREADS") is None:  # one set by the user holds for these libraries too
        wanted |= dict.fromkeys(("OMP_NUM_THREADS", *_ALGEBRA), "1")
    return {name: value for name, value in wanted.items() if stated(name) is None}
