# SPDX-License-Identifier: Apache-2.0
"""Random numbers of one's own, without moving those of training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["forked_random_numbers"]


@contextmanager
def forked_random_numbers(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's generators, and put all back at the end.

    The generators of every CUDA device are among them.

    Args:
        seed: What the block begins with, from 0 to 2**32 - 1.
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
