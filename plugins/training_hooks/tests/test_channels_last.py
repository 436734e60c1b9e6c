# SPDX-License-Identifier: Apache-2.0
"""Convolutions in channels_last: the same losses but for rounding, and as exact a resume."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from zoo_training_hooks.channels_last import ChannelsLast

from zoo.errors import ConfigError

HOOK = {"type": "zoo.training_hooks.ChannelsLast"}
Make = Callable[..., Any]


def is_last(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is in channels_last; 1x1 kernels are in both formats."""
    return tensor.is_contiguous(memory_format=torch.channels_last)


def weights(runner: Any) -> list[torch.Tensor]:
    """Return the weights of the convolutions of a run's model."""
    return [each.weight for each in runner.model.modules() if isinstance(each, nn.Conv2d)]


def gradients(runner: Any) -> dict[str, torch.Tensor]:
    """Return the gradients of the first batch, with the same random numbers in every call.

    They are computed in float64: where a sum near 0 changes its sign by rounding, ReLU lets another
    gradient through, and in float32 that is not rare.
    """
    model = runner.model.train().double()
    torch.manual_seed(0)
    batch = model.data_preprocessor(next(iter(runner.train_dataloader)), True)
    batch["inputs"] = batch["inputs"].double()
    torch.manual_seed(0)
    loss, _ = model.parse_losses(model(**batch, mode="loss"))
    loss.backward()
    named = model.named_parameters()
    return {"loss": loss.detach()} | {n: p.grad for n, p in named if p.grad is not None}


@pytest.mark.slow
def test_step_when_in_channels_last_has_the_gradients_of_the_plain_one(
    config: dict[str, Any], make_runner: Make
) -> None:
    """Sums run in another order, and nothing else changes: loss and gradients agree closely."""
    config["train_dataloader"]["sampler"]["shuffle"] = False
    config["train_dataloader"]["dataset"]["pipeline"].pop(2)  # the random flip
    runners = {way: make_runner(config, folder=way) for way in ("plain", "last")}
    runners["last"].model.load_state_dict(runners["plain"].model.state_dict())

    ChannelsLast().before_run(runners["last"])

    plain, last = (gradients(runner) for runner in runners.values())
    assert all(is_last(weight) for weight in weights(runners["last"]))
    assert plain.keys() == last.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(last[name], gradient, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.slow
def test_run_when_resumed_ends_in_the_same_bytes(
    semantic_config: dict[str, Any],
    make_runner: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The format is the hook's, not the checkpoint's: weights and moments continue bit for bit."""
    loader = {"train_dataloader.sampler.shuffle": False, "train_cfg.max_epochs": 2}
    loader["train_cfg.val_interval"] = 9
    semantic_config["model"]["decode_head"]["dropout_ratio"] = 0
    semantic_config["train_dataloader"]["dataset"]["pipeline"].pop(2)  # the random flip
    whole = make_runner(semantic_config, HOOK, folder="whole", **loader)
    whole.train()

    again = {"resume": True, "load_from": str(tmp_path / "whole" / "epoch_1.pth")}
    resumed = make_runner(semantic_config, HOOK, folder="resumed", **loader, **again)
    # mmengine's own loading of a run's checkpoint: with the types that its message hub stores.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    resumed.train()

    pairs = zip(whole.model.state_dict().items(), resumed.model.state_dict().values(), strict=True)
    assert [name for (name, one), other in pairs if not torch.equal(one, other)] == []
    state = resumed.optim_wrapper.optimizer.state
    assert all(is_last(state[weight]["exp_avg"]) for weight in weights(resumed))


def test_averaged_weights_when_in_channels_last_are_so_too(
    semantic_config: dict[str, Any], make_runner: Make
) -> None:
    """EMAHook validates with a copy of the model, which must be as fast."""
    runner = make_runner(semantic_config, HOOK, {"type": "EMAHook"})

    runner.call_hook("before_run")

    (ema,) = (hook for hook in runner.hooks if type(hook).__name__ == "EMAHook")
    convolutions = [each for each in ema.ema_model.modules() if isinstance(each, nn.Conv2d)]
    assert all(is_last(each.weight) for each in convolutions)


def test_hook_when_the_device_is_not_listed_changes_nothing(
    semantic_config: dict[str, Any], make_runner: Make
) -> None:
    """A list without the model's device leaves the format, and so the bits of a run, alone."""
    runner = make_runner(semantic_config, {**HOOK, "devices": ["cuda"]})

    runner.call_hook("before_run")

    assert all(weight.is_contiguous() for weight in weights(runner))
    assert not all(is_last(weight) for weight in weights(runner))


class Viewing(nn.Module):
    """A model with a layer that views a map as rows, as some heads do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def train_step(self, images: torch.Tensor, optim_wrapper: Any = None) -> torch.Tensor:
        """Return a number.

        Args:
            images: ``(N, 3, H, W)``.
            optim_wrapper: Unused.
        """
        return self.convolution(images).view(len(images), -1).sum()


def test_step_when_a_layer_views_a_map_names_the_way_out() -> None:
    """The message names the key; what its hint says makes the step work."""

    class Run:
        model = Viewing()

        class logger:
            info = staticmethod(print)

    images = torch.ones(2, 3, 8, 8)
    ChannelsLast(devices=[]).before_run(Run)
    Run.model.train_step(images)

    ChannelsLast().before_run(Run)
    with pytest.raises(ConfigError, match="cannot train in channels_last") as caught:
        Run.model.train_step(images)

    assert caught.value.where == "custom_hooks"
    assert "devices=[]" in str(caught.value.hint)
