# SPDX-License-Identifier: Apache-2.0
"""Read the weights of other libraries as tensors by name, without running anything in the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.checkpoint import check_state_dict, without_wrapper
from zoo.engine.checkpoints.numpy_pickles import read_numpy_pickle
from zoo.engine.checkpoints.pickles import read_pickled
from zoo.engine.checkpoints.published import read_tensors
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_source"]

# Under which torch, timm, detectron2 and others keep the weights beside the rest of a run.
_NESTS = ("state_dict", "model", "model_state_dict", "module")
_MOST_NESTS = 3


def read_source(path: Path, form: str) -> Mapping[str, Tensor]:
    """Return the tensors of a file by name, on the CPU; they stay in the file where they can.

    A dict of weights may be inside ``{"state_dict": ...}`` or ``{"model": ...}``, and all its
    names may begin with ``module.``; both are removed.

    Args:
        path: The file; it must not change while the tensors are used.
        form: ``safetensors``; ``pth``, which torch wrote; or ``pkl``, a pickle of NumPy arrays.

    Raises:
        UnsafeCheckpointError: A pickle asks for a class or function that is not allowed.
        CheckpointError: The file is missing, broken, or has no weights.
    """
    if form == "safetensors":
        return read_tensors(path)
    tree = read_numpy_pickle(path) if form == "pkl" else read_pickled(path, mapped=True)
    weights = _unnested(path, tree)
    if form == "pkl":
        weights = {name: _tensor(value) for name, value in weights.items()}
    check_state_dict(path, weights)
    return without_wrapper(weights)


def _unnested(path: Path, tree: Any) -> dict[Any, Any]:
    for _ in range(_MOST_NESTS):
        if not isinstance(tree, dict):
            break
        inner = next((tree[key] for key in _NESTS if isinstance(tree.get(key), dict)), None)
        if inner is None:
            return tree
        tree = inner
    message = f"cannot read the weights {path.name!r}: found a {type(tree).__name__}, expected "
    message += "tensors by name."
    hint = "report it to the author of the weights row: the file holds something else."
    raise CheckpointError(message, path=path, hint=hint)


def _tensor(value: Any) -> Any:
    """Return a NumPy array of numbers as a tensor of the same memory; anything else as it is."""
    import numpy as np
    import torch

    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        return value
    native = value.dtype.newbyteorder("=")
    return torch.from_numpy(value.astype(native, copy=False))
