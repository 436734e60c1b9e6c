# SPDX-License-Identifier: Apache-2.0
"""Record the output shape of each layer while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any

import torch
from torch import nn

__all__ = ["OutputShapes"]

_SHOWN = 3  # of several outputs, such as the levels of a neck
_DEPTH = 4
_MOST = 256


class OutputShapes:
    """The output shapes of the layers inside a model, recorded until ``close``.

    Finds tensors inside lists, tuples, dicts and dataclasses. Outputs are not changed, and only
    their shapes are stored.

    Args:
        model: The model; its own output, such as losses, is not recorded.
        notes: False to record nothing.
    """

    def __init__(self, model: nn.Module, *, notes: bool = True) -> None:
        self._calls: dict[nn.Module, int] = {}
        self._first: dict[nn.Module, list[tuple[int, ...]]] = {}
        self._handles = [
            module.register_forward_hook(self._note)
            for module in (model.modules() if notes else ())
            # TorchScript refuses hooks.
            if module is not model and not isinstance(module, torch.jit.ScriptModule)
        ]

    def close(self) -> None:
        """Remove the hooks from the model."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def text(self, module: nn.Module) -> str:
        """Return a layer's first output as ``(2, 8, 16, 16), (2, 8, 8, 8) x3``, or ``""``.

        Args:
            module: A layer of the model.
        """
        shapes = self._first.get(module)
        if not shapes:
            return ""
        text = ", ".join(str(shape) for shape in shapes[:_SHOWN])
        if len(shapes) > _SHOWN:
            text += f" and {len(shapes) - _SHOWN} more"
        return text + (f" x{self._calls[module]}" if self._calls[module] > 1 else "")

    def _note(self, module: nn.Module, _: Any, output: Any) -> None:
        self._calls[module] = self._calls.get(module, 0) + 1
        if module not in self._first:
            self._first[module] = list(islice(_shapes(output, _DEPTH), _MOST))


def _shapes(value: Any, depth: int) -> Iterator[tuple[int, ...]]:
    if isinstance(value, torch.Tensor):
        if not value.is_nested:
            yield tuple(value.shape)
        return
    if depth == 0:  # an output may contain itself
        return
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, (list, tuple)):
        parts = value
    elif is_dataclass(value):
        parts = (getattr(value, field.name, None) for field in fields(value))
    for part in parts:
        yield from _shapes(part, depth - 1)
