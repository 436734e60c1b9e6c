# SPDX-License-Identifier: Apache-2.0
"""Get the model out of the wrapper that trains it on several devices."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper

__all__ = ["unwrap"]


def unwrap(model: Any) -> Any:
    """Return the model inside a data parallel wrapper, or the model itself.

    Args:
        model: A model or a wrapper.
    """
    return model.module if is_model_wrapper(model) else model
