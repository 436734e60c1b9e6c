# SPDX-License-Identifier: Apache-2.0
"""Let convolutions compute with the channels of a pixel side by side, which CPUs do faster."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import nn

from zoo.errors import ConfigError
from zoo_training_hooks.unwrapping import unwrap

__all__ = ["ChannelsLast"]

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
# What torch says where code asks for the memory of another layout.
_MARK = "view size is not compatible"


class ChannelsLast(Hook):
    """Keep the weights of 2D convolutions in torch's memory format ``channels_last``.

    torch then computes convolutions, and all layers between them, in that format, which saves the
    reordering of each map. The values of the weights stay the same; sums run in another order, so a
    run differs from one without the hook as it does from one on another machine. A run with the
    hook is as exact as one without: it resumes bit for bit.

    Args:
        devices: The kinds of devices on which it is done; empty for none. On a GPU, it helps with
            mixed precision only.

    Raises:
        ConfigError: A layer of the model cannot compute in this format.
    """

    # Before EMAHook (NORMAL) copies the model in before_run.
    priority = "HIGH"

    def __init__(self, devices: Sequence[str] = ("cpu",)) -> None:
        self._devices = tuple(devices)

    def before_run(self, runner: Any) -> None:
        """Change the format of the weights.

        Args:
            runner: The runner.
        """
        model = unwrap(runner.model)
        weights = list(_weights(model))
        if not weights or weights[0].device.type not in self._devices:
            return
        for weight in weights:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        runner.logger.info("%d convolutions compute in channels_last", len(weights))
        for name in ("train_step", "val_step"):
            if hasattr(runner.model, name):
                setattr(runner.model, name, _explained(getattr(runner.model, name)))


def _weights(model: nn.Module) -> Iterable[torch.Tensor]:
    for module in model.modules():
        if isinstance(module, _CONVOLUTIONS):
            yield module.weight


def _explained(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return step(*args, **kwargs)
        except RuntimeError as error:
            if _MARK not in str(error):
                raise
            message = "cannot train in channels_last: a layer of this model reads the memory of a "
            message += "map as if its channels came first (it calls Tensor.view)."
            hint = "remove zoo.training_hooks.ChannelsLast from custom_hooks, or set devices=[]."
            raise ConfigError(message, where="custom_hooks", hint=hint) from error

    return explained
