# SPDX-License-Identifier: Apache-2.0
"""Use separate random numbers without changing the state of those of training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["forked_random_numbers"]


@contextmanager
def forked_random_numbers(seed: int) -> Iterator[None]:
    """Seed the generators of Python, NumPy and torch, and restore their states at the end.

    This includes the generators of every CUDA device.

    Args:
        seed: Seed of the block, from 0 to 2**32 - 1.
    """
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
