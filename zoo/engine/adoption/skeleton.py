# SPDX-License-Identifier: Apache-2.0
"""Build a model for its names and shapes alone, without memory for its parameters."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.engine.config.building import without_advice
from zoo.engine.imports.light import light_imports
from zoo.engine.patching import exchanged
from zoo.engine.records.confining import registries_alone

if TYPE_CHECKING:
    from zoo.engine.records.record import ModelRecord

__all__ = ["build_skeleton"]


def build_skeleton(record: ModelRecord) -> nn.Module:
    """Return the model of a record, under the rules for a record, with parameters on ``meta``.

    Args:
        record: A checked record.
    """
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS, init_default_scope

    model = ConfigDict(copy.deepcopy(dict(record.model)))  # detectors write into their config
    init_default_scope(record.scope)
    with light_imports(model, record.scope), registries_alone(), without_advice():
        with _weightless():
            try:
                built: nn.Module = MODELS.build(copy.deepcopy(model))
            except (NotImplementedError, RuntimeError):  # a constructor reads its parameters
                built = _build_really(model)
        return built


def _build_really(model: Any) -> nn.Module:
    from mmengine.registry import MODELS

    with exchanged(nn.Module, register_parameter=_REGISTER):
        built: nn.Module = MODELS.build(copy.deepcopy(model))
    return built


_REGISTER: Callable[..., None] = nn.Module.register_parameter


@contextmanager
def _weightless() -> Iterator[None]:
    """Move each parameter to ``meta`` as it is registered, so that filling it does nothing.

    Only parameters: other tensors, whose values constructors read, stay real. Models that other
    threads build meanwhile stay real, too.
    """
    thread = threading.get_ident()

    def register(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        is_ours = threading.get_ident() == thread
        if is_ours and param is not None and param.device.type != "meta":
            values = torch.empty_like(param, device="meta")
            param = nn.Parameter(values, requires_grad=param.requires_grad)
        _REGISTER(self, name, param)

    with exchanged(nn.Module, register_parameter=register):
        yield
