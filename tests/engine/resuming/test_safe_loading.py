# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, UnsafeCheckpointError

pytestmark = pytest.mark.mm


@pytest.mark.parametrize(("by_epoch", "name"), [(True, "epoch_2.pth"), (False, "iter_4.pth")])
def test_resume_after_a_stop_continues_bit_for_bit(
    toy_runner: Callable[..., Any], tmp_path: Path, by_epoch: bool, name: str
) -> None:
    """Weights, optimizer, schedule and history end equal to those of a run without a stop."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.pickles import read_pickled
    from zoo.engine.resuming.safe_loading import safe_loading
    from zoo.engine.resuming.safe_saving import safe_saving

    last = "epoch_4.pth" if by_epoch else "iter_8.pth"
    # A new best score writes the last checkpoint again, in the midst of validating.
    saving = {"by_epoch": by_epoch, "interval": 1 if by_epoch else 2, "save_best": "acc"}
    hooks = {"checkpoint": {"type": "CheckpointHook", **saving}}
    with safe_loading(), safe_saving():
        toy_runner("whole", by_epoch=by_epoch, default_hooks=hooks).train()
    begun = tmp_path / "whole" / name
    with safe_loading(), safe_saving():
        start = {"load_from": str(begun), "resume": True}
        toy_runner("resumed", by_epoch=by_epoch, default_hooks=hooks, **start).train()

    whole, again = (read_pickled(tmp_path / run / last) for run in ("whole", "resumed"))

    for key, value in whole["state_dict"].items():
        assert torch.equal(value, again["state_dict"][key]), key
    assert repr(whole["optimizer"]) == repr(again["optimizer"])
    assert whole["param_schedulers"] == again["param_schedulers"]
    losses = [tree["message_hub"]["log_scalars"]["train/loss"].data[0] for tree in (whole, again)]
    assert losses[0].tolist() == losses[1].tolist()
    assert len(losses[0]) == (16 if by_epoch else 8)
    assert torch.equal(whole["random_state"]["torch"], again["random_state"]["torch"])
    assert load_checkpoint(begun).resumable


def test_resume_of_a_config_text_never_runs_it(
    toy_runner: Callable[..., Any], tmp_path: Path
) -> None:
    """mmengine runs ``meta['config']`` as Python; within safe_loading it does not."""
    import torch

    from zoo.engine.resuming.safe_loading import safe_loading

    canary = tmp_path / "canary"
    with safe_loading():
        toy_runner("run", train_cfg={"by_epoch": True, "max_epochs": 1}).train()
    path = tmp_path / "run" / "epoch_1.pth"
    tree = torch.load(path, weights_only=False)
    text = f"open({str(canary)!r}, 'w').close()\ngpu_ids = [0]\n"
    tree["meta"] |= {"config": text, "cfg": text}
    torch.save(tree, path)

    with safe_loading():
        toy_runner("again", load_from=str(path), resume=True).train()

    assert not canary.exists()


def test_resume_of_a_foreign_pickle_is_refused_before_anything_runs(
    toy_runner: Callable[..., Any], tmp_path: Path
) -> None:
    import os

    import torch

    from zoo.engine.resuming.safe_loading import safe_loading

    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {canary}",)

    path = tmp_path / "evil.pth"
    torch.save({"state_dict": {}, "meta": Evil()}, path)

    runner = toy_runner("run", load_from=str(path), resume=True)
    with safe_loading(), pytest.raises(UnsafeCheckpointError, match=r"asks for 'posix\.system'"):
        runner.train()

    assert not canary.exists()


def test_resume_from_weights_alone_says_what_is_missing(
    toy_runner: Callable[..., Any], tmp_path: Path
) -> None:
    import torch

    from zoo.engine.resuming.safe_loading import safe_loading

    path = tmp_path / "best.pth"
    runner = toy_runner("run", load_from=str(path), resume=True)
    torch.save({"state_dict": runner.model.state_dict(), "meta": {"epoch": 1, "iter": 4}}, path)

    with safe_loading(), pytest.raises(CheckpointError) as raised:
        runner.train()

    assert raised.value.message == (
        "cannot resume from 'best.pth': it has no optimizer, message_hub."
    )
    assert "HINT: resume from epoch_N.pth" in str(raised.value)


def test_resume_of_another_model_lists_what_does_not_fit(
    toy_runner: Callable[..., Any], tmp_path: Path
) -> None:
    from zoo.engine.resuming.safe_loading import safe_loading

    with safe_loading():
        toy_runner("run", train_cfg={"by_epoch": True, "max_epochs": 1}).train()
        runner = toy_runner("run", width=3, resume=True)
        with pytest.raises(CheckpointError) as raised:
            runner.train()

    assert "1 mis-shaped of 2 entries" in raised.value.message
    assert "mis-shaped: layer.weight (1, 4), expected (1, 3)" in raised.value.message
    assert raised.value.path == str(tmp_path / "run" / "epoch_1.pth")


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.pth",
        "torchvision://resnet50",
        "modelzoo://resnet50",
        "open-mmlab://resnet50_v1c",
        "openmmlab://resnet50_v1c",
        "mmcls://mobilenet_v2",
        "s3://bucket/a.pth",
        "cluster:s3://bucket/a.pth",
        "petrel://bucket/a.pth",
        "pavi://a",
        "ftp://example.org/a.pth",
    ],
)
def test_load_of_a_remote_address_is_refused_without_fetching(address: str) -> None:
    """Every scheme that mmengine knows ends in one message; nothing is downloaded."""
    from mmengine.runner.checkpoint import _load_checkpoint

    from zoo.engine.resuming.safe_loading import safe_loading

    with safe_loading(), pytest.raises(CheckpointError) as raised:
        _load_checkpoint(address)

    assert raised.value.message.startswith(f"cannot load weights from {address!r}: found ")
    assert "--pretrained FILE" in str(raised.value)


def test_safe_loading_when_left_puts_everything_back() -> None:
    from mmengine.runner import Runner
    from mmengine.runner.checkpoint import CheckpointLoader

    from zoo.engine.resuming.safe_loading import safe_loading

    loader, resume = vars(CheckpointLoader)["load_checkpoint"], Runner.resume
    with safe_loading(), safe_loading():
        assert vars(CheckpointLoader)["load_checkpoint"] is not loader

    assert vars(CheckpointLoader)["load_checkpoint"] is loader
    assert Runner.resume is resume


def test_init_cfg_of_a_published_file_loads_its_tensors(tmp_path: Path) -> None:
    """`init_cfg` and `load_from` take .safetensors as they take .pth."""
    import torch
    from mmengine.model import BaseModule
    from safetensors.torch import save_file

    from zoo.engine.resuming.safe_loading import safe_loading

    save_file({"weight": torch.full((1, 2), 7.0)}, tmp_path / "a.safetensors")
    path = str(tmp_path / "a.safetensors")

    class Layer(BaseModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(init_cfg={"type": "Pretrained", "checkpoint": path})
            self.weight = torch.nn.Parameter(torch.zeros(1, 2))

    layer = Layer()
    with safe_loading():
        layer.init_weights()

    assert layer.weight.tolist() == [[7.0, 7.0]]


def test_find_checkpoint_in_a_moved_work_dir_finds_the_one_noted(tmp_path: Path) -> None:
    from zoo.engine.checkpoints.checkpoint import find_checkpoint

    old = tmp_path / "old"
    old.mkdir()
    for step in (2, 10, 3):
        (old / f"epoch_{step}.pth").write_bytes(b"x")
    (old / "last_checkpoint").write_text(str(old / "epoch_3.pth"))
    new = tmp_path / "new"
    shutil.move(old, new)

    assert new / "epoch_3.pth" == find_checkpoint(new)
    (new / "last_checkpoint").unlink()
    assert new / "epoch_10.pth" == find_checkpoint(new)
    assert find_checkpoint(tmp_path) is None
