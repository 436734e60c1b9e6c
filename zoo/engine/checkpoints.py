# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as values: weights and what is known about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.kept_checkpoints import find_checkpoint
from zoo.engine.tensor_stand_ins import NotDense
from zoo.engine.unpickling import read_pickled
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint", "as_colors", "find_checkpoint", "load_checkpoint"]

# Tensors that share their values are stored once; nobody ties all weights so often.
_LARGEST_SHARE = 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        path: The file.
        state_dict: Weights by parameter name, on the CPU unless asked otherwise.
        meta: What mmengine keeps beside them: ``epoch``, ``iter``, ``seed``, ``dataset_meta``,
            ``cfg`` (a text, never run), ``mmengine_version``. Empty for bare weights.
        resumable: Whether optimizer and history are in the file too.
        rest: What else the file holds beside ``state_dict``, by name: ``optimizer``, ...
    """

    path: Path
    state_dict: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)
    resumable: bool = False
    rest: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names that the weights were trained with, if the file says."""
        dataset = self.meta.get("dataset_meta")
        # Files of the 0.x generation keep CLASSES in the meta itself.
        found = dataset.get("classes") if isinstance(dataset, Mapping) else None
        found = found if found is not None else self.meta.get("CLASSES")
        if not isinstance(found, (list, tuple)):
            return None
        # Names, or numbers; the text of anything else could be longer than any memory.
        if not all(isinstance(name, (str, int, float)) for name in found):
            return None
        return tuple(str(name) for name in found)

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...] | None:
        """The colour of each class, if the file says and they are as many."""
        dataset = self.meta.get("dataset_meta")
        found = dataset.get("palette") if isinstance(dataset, Mapping) else None
        return as_colors(found if found is not None else self.meta.get("PALETTE"), self.classes)


def as_colors(
    palette: Any, classes: Sequence[str] | None
) -> tuple[tuple[int, int, int], ...] | None:
    """Return a palette as RGB triples in 0..255, or None if it is none for these classes."""
    if not isinstance(palette, (list, tuple)) or len(palette) != len(classes or ()):
        return None
    for color in palette:
        if not isinstance(color, (list, tuple)) or len(color) != 3:
            return None
        if not all(isinstance(value, Real) and 0 <= float(value) <= 255 for value in color):
            return None
    return tuple((int(red), int(green), int(blue)) for red, green, blue in palette)


def load_checkpoint(
    path: str | Path, *, map_location: Any = "cpu", data: bytes | None = None
) -> Checkpoint:
    """Return the checkpoint at ``path``, read without running anything in it.

    Takes what mmengine writes, bare state dicts as ``.pth``, and ``.safetensors``. A prefix
    ``module.`` that data parallel training leaves before every name is dropped.

    Args:
        path: A local file.
        map_location: As for `torch.load`.
        data: The bytes of a ``.pth``, where they were read already.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: The file is missing, broken, or holds no weights.
    """
    file = Path(path).expanduser()
    if file.suffix == ".safetensors":
        from zoo.engine.published import find_dataset_meta, read_tensors

        known = find_dataset_meta(file)
        return Checkpoint(file, read_tensors(file), {"dataset_meta": known} if known else {})
    tree = read_pickled(file, map_location=map_location, data=data)
    if not isinstance(tree, dict):
        raise _no_weights(file, f"a {type(tree).__name__}")
    wrapped = isinstance(tree.get("state_dict"), dict)
    state_dict = tree["state_dict"] if wrapped else tree
    _check_state_dict(file, state_dict)
    meta = tree.get("meta") if wrapped else None
    return Checkpoint(
        path=file,
        state_dict=_without_wrapper(state_dict),
        meta=meta if isinstance(meta, dict) else {},
        resumable=wrapped and "optimizer" in tree and "message_hub" in tree,
        rest=tuple(str(key) for key in tree if key != "state_dict") if wrapped else (),
    )


def _check_state_dict(file: Path, state_dict: Mapping[Any, Any]) -> None:
    import torch

    if not state_dict:
        raise _no_weights(file, "an empty dict")
    declared_bytes = 0
    for name, value in state_dict.items():
        if isinstance(name, str) and isinstance(value, NotDense):
            raise _no_weights(file, f"no dense, plain tensor under {name[:200]!r}")
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            shown = repr(name[:200]) if isinstance(name, str) else f"a {type(name).__name__}"
            raise _no_weights(file, f"a {type(value).__name__} under {shown}")
        is_dense = value.layout is torch.strided and not value.is_nested and not value.is_meta
        if not is_dense or value.is_quantized:
            raise _no_weights(file, f"no dense, plain tensor under {name!r}")
        declared_bytes += value.numel() * value.element_size()
    # A view repeats what is stored: a few bytes may stand for terabytes once they are copied.
    limit_bytes = _LARGEST_SHARE * file.stat().st_size
    if declared_bytes > limit_bytes:
        raise _no_weights(file, f"{declared_bytes:,} bytes of tensors, at most {limit_bytes:,} fit")


def _no_weights(file: Path, found: str) -> CheckpointError:
    msg = f"cannot read the checkpoint {file.name!r}: found {found}, expected tensors by name."
    hint = "give a checkpoint that training wrote, or a file of bare weights."
    return CheckpointError(msg, path=file, hint=hint)


def _without_wrapper(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    prefix = "module."
    if not all(name.startswith(prefix) for name in state_dict):
        return state_dict
    return {name.removeprefix(prefix): value for name, value in state_dict.items()}
