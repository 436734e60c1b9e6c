# SPDX-License-Identifier: Apache-2.0
"""No data worker outlives a run, and none is waited for."""

from __future__ import annotations

import gc
import time
from multiprocessing import active_children
from typing import Any

import pytest

pytestmark = pytest.mark.mm

_LONG = 2.5
"""Seconds: half of what torch waits for one worker that does not end."""


def _loader(*, persistent: bool) -> Any:
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(torch.arange(8.0), 2, num_workers=2, persistent_workers=persistent)
    loader.itself = loader  # type: ignore[attr-defined]  # as a runner and its loaders are tied
    return loader


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("read", [1, 4])
def test_workers_end_with_the_block_at_once(persistent: bool, read: int) -> None:
    """In the middle of an epoch and after it; the loader works on."""
    from zoo.engine.worker_ends import ending_workers

    loader = _loader(persistent=persistent)
    with ending_workers():
        iterator = iter(loader)
        for _ in range(read):
            next(iterator)
        assert len(active_children()) == 2
    assert active_children() == []
    del iterator
    with ending_workers():
        assert len(list(loader)) == 4

    begun = time.monotonic()
    del loader
    gc.collect()
    assert time.monotonic() - begun < _LONG


def test_error_of_the_block_is_raised_though_a_worker_was_killed() -> None:
    """Nothing that ending the others says takes its place."""
    from zoo.engine.worker_ends import ending_workers

    def run() -> None:
        with ending_workers():
            next(iter(_loader(persistent=True)))
            for child in active_children():
                child.kill()
            message = "of the run"
            raise ValueError(message)

    with pytest.raises(ValueError, match="of the run"):
        run()
    assert active_children() == []
