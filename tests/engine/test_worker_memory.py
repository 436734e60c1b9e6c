# SPDX-License-Identifier: Apache-2.0
"""How many data workers fit, when one was killed for lack of memory."""

from __future__ import annotations

import multiprocessing
import re
from typing import Any

import pytest

from zoo.engine.worker_memory import advise_workers, fitting_workers


@pytest.mark.parametrize(
    ("wanted", "each", "free", "expected"),
    [
        (4, 100, 400, 3),  # nine tenths of what is free
        (8, 100, 400, 3),
        (2, 100, 10_000, 1),  # fewer than those that did not fit
        (4, 100, 100, 0),
        (1, 100, 10_000, 0),
        (4, 100, 0, 0),
    ],
)
def test_count_is_what_fits_and_less_than_before(
    wanted: int, each: int, free: int, expected: int
) -> None:
    assert expected == fitting_workers(wanted, each, free)


def _hold(size_bytes: int, ready: Any) -> None:
    kept = bytearray(size_bytes)
    kept[::4096] = b"x" * len(kept[::4096])
    ready.send(len(kept))
    ready.recv()


def test_advice_measures_the_living_workers() -> None:
    """A worker of 150 MB; what it shares with its parent does not count."""
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=_hold, args=(150 * 10**6, theirs))
    worker.start()
    try:
        ours.recv()
        text = advise_workers("train_dataloader", 3)
    finally:
        ours.send(None)
        worker.join()

    each = re.search(r"a worker takes about ([\d.]+) GB", text)
    assert each is not None, text
    assert 0.1 < float(each[1]) < 0.5
    assert re.search(r"--cfg-options train_dataloader\.num_workers=\d", text)


def test_advice_without_a_living_worker_is_to_use_none() -> None:
    """In a process of its own: a loader of another test may have workers yet."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        text = pool.apply(advise_workers, ("train_dataloader", 2))

    assert text.endswith(
        "--cfg-options train_dataloader.num_workers=0 train_dataloader.persistent_workers=False"
    )
