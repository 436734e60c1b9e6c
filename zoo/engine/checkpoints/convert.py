# SPDX-License-Identifier: Apache-2.0
"""Convert an upstream ``.pth`` to one ``.safetensors`` with equal tensors and a description.

The optimizer, the schedule, the log and the config text are left out. Equal input gives equal
bytes, so a digest that one user pinned is the digest that another gets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint
from zoo.engine.checkpoints.published import CONVERTED, read_tensors
from zoo.errors import CheckpointError
from zoo.files import open_atomically

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Converted", "convert_checkpoint", "is_parameter"]

# Buffers of floats that modules of torch, mmcv, mmseg and mmdet save; a checkpoint alone does not
# tell them from parameters. Tested against built models of upstream's configs.
_BUFFERS = frozenset(
    {
        *("running_mean", "running_var"),  # batch norm
        *("weight_gamma", "weight_beta"),  # mmcv's ConvAWS2d
        "cum_samples",  # mmdet's SeesawLoss
        *("edges", "acc_sum"),  # mmdet's GHM losses
        "bases",  # mmseg's LightHamHead
        "laplacian_kernel",  # mmseg's STDC head
        "project",  # mmdet's Integral of the GFL heads
    }
)
_RESERVED = "__metadata__"  # where the header of a .safetensors keeps its texts


@dataclass(frozen=True, slots=True)
class Converted:
    """The result of a conversion.

    Attributes:
        path: The ``.safetensors``.
        sha256: Digest of its bytes.
        size_bytes: Its size.
        tensors: Number of tensors.
        parameters: Number of values of its parameters, without buffers.
        dropped: Other contents of the checkpoint, such as ``optimizer``.
    """

    path: Path
    sha256: str
    size_bytes: int
    tensors: int
    parameters: int
    dropped: tuple[str, ...]


def convert_checkpoint(
    source: Path, target: Path, *, facts: Mapping[str, str], data: bytes | None = None
) -> Converted:
    """Write the tensors of a checkpoint as one ``.safetensors``, and check them by reading back.

    Args:
        source: A ``.pth``; not changed. Read under the rules of `load_checkpoint`.
        target: The file to write, completely or not at all.
        facts: Plain texts for its metadata, such as the source's sha256.
        data: The source's bytes, if already read.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: It has no weights, or the written file does not equal it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save

    checkpoint = load_checkpoint(source, data=data)
    items = sorted(checkpoint.state_dict.items())
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in items}
    if _RESERVED in tensors:
        raise _no_place(source, f"the name {_RESERVED!r}")
    note = {**facts, **_dataset_meta(checkpoint)}
    text = json.dumps(note, sort_keys=True, separators=(",", ":"))
    try:
        # One key only: safetensors writes several in a random order.
        written = save(tensors, metadata={CONVERTED: text})
    except (
        KeyError,
        UnicodeError,
        SafetensorError,
    ) as error:  # a dtype or name that the format lacks
        raise _no_place(source, str(error)) from error
    with open_atomically(target) as stream:
        stream.write(written)
    _check_equal(target, tensors)
    return Converted(
        path=target,
        sha256=hashlib.sha256(written).hexdigest(),
        size_bytes=len(written),
        tensors=len(tensors),
        parameters=sum(value.numel() for name, value in items if is_parameter(name, value)),
        dropped=checkpoint.rest,
    )


def is_parameter(name: str, value: Tensor) -> bool:
    """Return whether a tensor of a checkpoint is a parameter, by its name and kind alone.

    Args:
        name: Of the tensor, as ``backbone.conv1.weight``.
        value: The tensor, of any shape.
    """
    return value.is_floating_point() and name.rpartition(".")[2] not in _BUFFERS


def _no_place(source: Path, what: str) -> CheckpointError:
    msg = f"cannot convert {source.name!r}: .safetensors cannot store {what}."
    return CheckpointError(msg, path=source, hint="convert it with the code that wrote it.")


def _dataset_meta(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the classes and colours that the weights were trained with, as far as known."""
    known: dict[str, Any] = {}
    if checkpoint.classes:
        known["classes"] = list(checkpoint.classes)
    if checkpoint.palette:
        known["palette"] = [list(color) for color in checkpoint.palette]
    return known


def _check_equal(path: Path, tensors: Mapping[str, Tensor]) -> None:
    read = read_tensors(path)
    if read.keys() == tensors.keys() and all(
        _is_equal(value, read[name]) for name, value in tensors.items()
    ):
        return
    path.unlink()
    msg = f"cannot convert to {path.name!r}: the written file differs from the source."
    raise CheckpointError(msg, path=path, hint="check the disk and try again.")


def _is_equal(left: Tensor, right: Tensor) -> bool:
    import torch

    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    # Compared as bytes, so that NaN equals itself.
    first, second = (value.reshape(-1).view(torch.uint8) for value in (left, right))
    return torch.equal(first, second)
