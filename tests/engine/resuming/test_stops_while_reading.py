# SPDX-License-Identifier: Apache-2.0
"""A run that is stopped while it reads a batch has drawn for it, and draws again when resumed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm


@contextlib.contextmanager
def stopped_at(runner: Any, image: int) -> Iterator[None]:
    """Have Ctrl-C pressed twice after an image was read, counted from the start; 0 is never."""
    kind = type(runner.train_loop.dataloader.dataset)
    read, images = kind.__getitem__, []

    def reading(self: Any, index: int) -> Any:
        item = read(self, index)
        if runner.train_loop.dataloader.dataset is self:
            images.append(index)
        if len(images) == image:
            images.append(-1)
            for pause_s in (0.6, 0):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(pause_s)
        return item

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__getitem__", reading)
        yield


@pytest.fixture
def run(toy_runner: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that trains the toy of 4 steps an epoch and gives its last weights."""
    from zoo.engine.resuming.interrupts import InterruptedRunError, saving_on_interrupt
    from zoo.engine.resuming.place import Place, find_hook
    from zoo.engine.resuming.safe_loading import safe_loading
    from zoo.engine.resuming.safe_saving import safe_saving

    def train(folder: str, *, image: int = 0, resume: Path | None = None, **over: Any) -> Any:
        runner = toy_runner(
            folder, **over, **({"load_from": str(resume), "resume": True} if resume else {})
        )
        find_hook(runner, Place)
        caught: list[InterruptedRunError] = []
        with safe_loading(), safe_saving(), stopped_at(runner, image):
            assert runner.train_loop
            assert runner.val_loop
            try:
                with saving_on_interrupt(runner, lambda _: None):
                    runner.train()
            except InterruptedRunError as error:
                caught.append(error)
        weights = {key: value.tolist() for key, value in runner.model.state_dict().items()}
        return caught[0] if caught else weights

    return train


@pytest.mark.parametrize(
    ("by_epoch", "image"),
    [(True, 3), (True, 9), (True, 10), (True, 17), (False, 10)],
)
def test_run_stopped_while_it_reads_ends_as_the_run_left_alone(
    run: Callable[..., Any], by_epoch: bool, image: int
) -> None:
    """Before the first batch of a later epoch, and within a batch of which one image is read."""
    whole = run("whole", by_epoch=by_epoch)

    stop = run("again", by_epoch=by_epoch, image=image)
    again = run("again", by_epoch=by_epoch, resume=stop.checkpoint)

    assert stop.step == (image - 1) // 2
    assert again == whole


def test_loop_by_iterations_stopped_where_its_sampler_begins_anew_ends_as_the_run_left_alone(
    run: Callable[..., Any], toy_runner: Callable[..., Any]
) -> None:
    """A finite sampler shuffles anew then, which draws in this process whoever reads."""
    data = toy_runner("unused", by_epoch=False)._train_dataloader["dataset"]
    loader = {"batch_size": 2, "num_workers": 0, "dataset": data}
    loader["sampler"] = {"type": "DefaultSampler", "shuffle": True}
    over = {"by_epoch": False, "train_dataloader": loader}
    whole = run("whole", **over)

    stop = run("again", image=9, **over)
    again = run("again", resume=stop.checkpoint, **over)

    assert stop.step == 4
    assert again == whole
