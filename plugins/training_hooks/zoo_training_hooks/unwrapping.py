# SPDX-License-Identifier: Apache-2.0
"""The model itself, where several devices train it inside a wrapper."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper

__all__ = ["unwrap"]


def unwrap(model: Any) -> Any:
    """Return the model that a data parallel wrapper holds, or what is no wrapper itself."""
    return model.module if is_model_wrapper(model) else model
