# SPDX-License-Identifier: Apache-2.0
"""Limit a model to the size of the weights that come with it, whatever its record asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["no_larger_than"]

# Constructors make some parameters twice, and leave some out of what they save.
_SPARE_SHARE, _SPARE_VALUES, _SPARE_TENSORS = 4, 10_000_000, 1000


@contextmanager
def no_larger_than(state_dict: Mapping[str, Tensor] | None, where: str | Path) -> Iterator[None]:
    """Refuse to build a model far larger than its weights, before it fills the memory.

    A few bytes of a config can ask for more values than a machine can hold; the weights that
    come with it cannot. What other threads build meanwhile does not count.

    Args:
        state_dict: The weights; None for no limit.
        where: The file of the weights, for the message.

    Raises:
        CheckpointError: A parameter or buffer exceeds the limit.
    """
    if state_dict is None:
        yield
        return
    from torch.nn.modules.module import (
        register_module_buffer_registration_hook,
        register_module_parameter_registration_hook,
    )

    held = sum(value.numel() for value in state_dict.values())
    limit = _SPARE_SHARE * held + _SPARE_VALUES
    # Layers without end are small each, and would take hours to fill the memory.
    limit_tensors = _SPARE_SHARE * len(state_dict) + _SPARE_TENSORS
    thread, made, tensors = threading.get_ident(), 0, 0

    def count(_: Module, __: str, value: Any) -> None:
        nonlocal made, tensors
        if value is None or threading.get_ident() != thread:
            return
        made, tensors = made + value.numel(), tensors + 1
        if made > limit or tensors > limit_tensors:
            msg = f"cannot build the model: it asks for more than {made:,} values in "
            msg += f"{tensors:,} tensors, its file has {held:,} values in {len(state_dict):,}."
            raise CheckpointError(
                msg, path=where, hint="do not use this file, or download it again."
            )

    handles = (
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
