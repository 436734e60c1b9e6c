# SPDX-License-Identifier: Apache-2.0
"""Gradients of several batches in one step: equal to one large batch, and exact after a resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo.engine.resuming.gradients import GradientNote
from zoo.engine.resuming.place import Place, find_hook
from zoo.engine.resuming.safe_loading import safe_loading
from zoo.engine.resuming.safe_saving import safe_saving

pytestmark = pytest.mark.mm


@pytest.fixture
def run(toy_runner: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that trains the toy to its end, or up to a checkpoint of a batch."""

    def train(folder: str, batch: int, sums: int, **over: Any) -> Any:
        wrapper = {"optimizer": {"type": "SGD", "lr": 0.01}, "accumulative_counts": sums}
        runner = toy_runner(
            folder, by_epoch=False, optim_wrapper=wrapper, param_scheduler=None, **over
        )
        runner._train_dataloader = {**runner._train_dataloader, "batch_size": batch}
        find_hook(runner, GradientNote)
        find_hook(runner, Place)
        with safe_loading(), safe_saving():
            runner.train()
        return runner

    return train


def loop(batches: int) -> dict[str, Any]:
    """Return a training loop of so many batches, without a validation."""
    return {"type": "IterBasedTrainLoop", "max_iters": batches, "val_interval": 99}


def fixed_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the points of the toy what they are without noise, and let its dropout drop none."""
    import numpy as np
    import torch

    monkeypatch.setattr(np.random, "rand", lambda size: np.zeros(size))
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, p, training: x)


@pytest.mark.parametrize(("batch", "sums"), [(1, 4), (2, 2)])
def test_summed_batches_are_one_large_batch(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, batch: int, sums: int
) -> None:
    """Without norms over a batch, four images in one step are four images in one step."""
    import torch

    fixed_points(monkeypatch)
    large = run("large", 4, 1, train_cfg=loop(6))

    small = run("small", batch, sums, train_cfg=loop(6 * sums))

    for one, other in zip(large.model.parameters(), small.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("saved", [1, 2, 3, 4, 5])
def test_run_resumed_between_the_batches_of_a_step_ends_in_the_same_bytes(
    run: Callable[..., Any], tmp_path: Any, saved: int
) -> None:
    """Whether the checkpoint is between two steps or within one of three batches."""
    import torch

    every = {"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 1}}
    whole = run("whole", 2, 3, train_cfg=loop(9), default_hooks=every)

    start = str(tmp_path / "whole" / f"iter_{saved}.pth")
    again = run("again", 2, 3, train_cfg=loop(9), load_from=start, resume=True)

    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_to_start_from_bring_no_gradients(run: Callable[..., Any], tmp_path: Any) -> None:
    """A new run from another's checkpoint takes its weights alone."""
    import torch

    every = {"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 1}}
    run("whole", 2, 3, train_cfg=loop(5), default_hooks=every)
    start = tmp_path / "whole" / "iter_4.pth"
    saved = torch.load(start, weights_only=False)
    bare = {name: value for name, value in saved.items() if name != "zoo_gradients"}
    assert set(saved) - set(bare) == {"zoo_gradients"}
    torch.save(bare, tmp_path / "bare.pth")

    one = run("one", 2, 3, train_cfg=loop(3), load_from=str(start))
    other = run("other", 2, 3, train_cfg=loop(3), load_from=str(tmp_path / "bare.pth"))

    for first, second in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(first, second)
