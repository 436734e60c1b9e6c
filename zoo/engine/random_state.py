# SPDX-License-Identifier: Apache-2.0
"""Keep a run's random state in its checkpoints, so that resuming continues with the same numbers.

mmengine stores none. Workers of a DataLoader are not restored: mmengine seeds them anew whenever
they start, which is the same after resuming unless ``persistent_workers`` is on. Of several
processes, each has a state of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from zoo.errors import CheckpointError

__all__ = [
    "kept_random_state",
    "loading_random_state",
    "random_state",
    "set_random_state",
    "training_random_state",
]

_KEPT: list[dict[str, Any]] = []


def random_state() -> dict[str, Any]:
    """Return the state of Python's, NumPy's and torch's global generators, as plain values."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    words_of_numpy = np.asarray(keys).tolist()
    return {
        "python": (version, list(words), gauss),
        "numpy": (name, words_of_numpy, int(position), int(has_gauss), float(cached)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def loading_random_state(*, is_read_here: bool) -> dict[str, Any]:
    """Return the state of what draws while the next batch is read, quickly and not as plain values.

    With workers only torch's generator does, when an iterator begins: 2 us instead of some 100.

    Args:
        is_read_here: Whether this process reads, and so draws what augmentation does.
    """
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "cuda": []}
    if is_read_here:
        state |= {"python": random.getstate(), "numpy": np.random.get_state(legacy=True)}
    return state


def set_random_state(state: dict[str, Any], *, torch_only: bool = False) -> None:
    """Put the generators into ``state``, as `random_state` returned it.

    Args:
        state: What a checkpoint holds under ``random_state``.
        torch_only: Leave Python's and NumPy's generators as they are.

    Raises:
        CheckpointError: ``state`` is not such a state.
    """
    try:
        _set(state, torch_only)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        msg = f"cannot restore the random state of the checkpoint: {error!r}."
        hint = "resume from another checkpoint, or start a new run with load_from=FILE."
        raise CheckpointError(msg, hint=hint) from error


def _set(state: dict[str, Any], torch_only: bool) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])
    if torch_only:
        return
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, cached))


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Run something, such as a validation, that must not move the generators."""
    state = random_state()
    _KEPT.append(state)
    try:
        yield
    finally:
        _KEPT.pop()
        set_random_state(state)


def training_random_state() -> dict[str, Any]:
    """Return the state that training continues with: within `kept_random_state`, the kept one."""
    return _KEPT[0] if _KEPT else random_state()
