# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as values: the weights and their metadata."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.engine.checkpoints.kept import find_checkpoint
from zoo.engine.checkpoints.pickles import read_pickled
from zoo.engine.checkpoints.tensor_stand_ins import NotDense
from zoo.errors import CheckpointError
from zoo.files import expand_home
from zoo.texts import shown

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Checkpoint",
    "as_colors",
    "check_state_dict",
    "find_checkpoint",
    "load_checkpoint",
    "without_wrapper",
]

# Tensors that share their values are stored once; nobody ties all weights so often.
_LARGEST_SHARE = 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The contents of a checkpoint file.

    Attributes:
        path: The file.
        state_dict: Weights by parameter name, by default on the CPU.
        meta: What mmengine stores beside them: ``epoch``, ``iter``, ``seed``, ``dataset_meta``,
            ``cfg`` (a text, never run), ``mmengine_version``. Empty for bare weights.
        resumable: Whether the file also has optimizer and history.
        rest: What else is in the file beside ``state_dict``, by name: ``optimizer``, ...
        copies: The copies ``ema_*`` that EMA hooks of mmcv 1.x and mmdet 2.x left beside the
            weights, by the name of the weight; empty without such a hook.
    """

    path: Path
    state_dict: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)
    resumable: bool = False
    rest: tuple[str, ...] = ()
    copies: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names that the weights were trained with, if the file states them."""
        dataset = self.meta.get("dataset_meta")
        # Files of the 0.x generation keep CLASSES in the meta itself.
        found = dataset.get("classes") if isinstance(dataset, Mapping) else None
        found = found if found is not None else self.meta.get("CLASSES")
        if not isinstance(found, (list, tuple)):
            return None
        # Names or numbers only: the text of anything else could exceed the memory.
        if not all(isinstance(name, (str, int, float)) for name in found):
            return None
        return tuple(str(name) for name in found)

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...] | None:
        """The colour of each class, if the file states one for each."""
        dataset = self.meta.get("dataset_meta")
        found = dataset.get("palette") if isinstance(dataset, Mapping) else None
        return as_colors(found if found is not None else self.meta.get("PALETTE"), self.classes)


def as_colors(
    palette: Any, classes: Sequence[str] | None
) -> tuple[tuple[int, int, int], ...] | None:
    """Return a palette as RGB triples in 0..255, or None if it is not one for these classes.

    Args:
        palette: What a file states: a list of ``(red, green, blue)``, or anything else.
        classes: The names of the classes; None if unknown.
    """
    if not isinstance(palette, (list, tuple)) or len(palette) != len(classes or ()):
        return None
    for color in palette:
        if not isinstance(color, (list, tuple)) or len(color) != 3:
            return None
        if not all(
            isinstance(value, (int, float, np.number)) and 0 <= value <= 255 for value in color
        ):
            return None
    return tuple((int(red), int(green), int(blue)) for red, green, blue in palette)


def load_checkpoint(
    path: str | Path,
    *,
    map_location: Any = "cpu",
    data: bytes | None = None,
    mapped: bool = False,
) -> Checkpoint:
    """Return the checkpoint at ``path``, read without running anything in it.

    Reads what mmengine writes, bare state dicts as ``.pth``, and ``.safetensors``. A prefix
    ``module.`` that data parallel training leaves before every name is dropped, and the copies
    ``ema_*`` of every weight that mmdet 2.x left beside it are kept apart.

    Args:
        path: A local file.
        map_location: As for `torch.load`.
        data: The bytes of a ``.pth``, if already read.
        mapped: Whether tensors may stay in the file until they are used, if its format allows it;
            then it must not change meanwhile.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: The file is missing, broken, or has no weights.
    """
    _check_path(path)
    file = expand_home(path)
    if file.suffix == ".safetensors":
        from zoo.engine.checkpoints.published import find_dataset_meta, read_tensors

        known = find_dataset_meta(file)
        weights, _ = _without_averages(read_tensors(file))
        return Checkpoint(file, weights, {"dataset_meta": known} if known else {})
    tree = read_pickled(file, map_location=map_location, data=data, mapped=mapped)
    if not isinstance(tree, dict):
        raise _no_weights(file, f"a {type(tree).__name__}")
    wrapped = isinstance(tree.get("state_dict"), dict)
    state_dict = tree["state_dict"] if wrapped else tree
    check_state_dict(file, state_dict)
    meta = tree.get("meta") if wrapped else None
    weights, copies = _without_averages(without_wrapper(state_dict))
    rest = tuple(str(key) for key in tree if key != "state_dict") if wrapped else ()
    return Checkpoint(
        path=file,
        state_dict=weights,
        meta=meta if isinstance(meta, dict) else {},
        resumable=wrapped and "optimizer" in tree and "message_hub" in tree,
        rest=(*rest, f"{len(copies)} ema_*") if copies else rest,
        copies=copies,
    )


def check_state_dict(file: Path, state_dict: Mapping[Any, Any]) -> None:
    """Raise unless all values are dense tensors by name, and no more than the file can hold.

    Args:
        file: The file they were read from.
        state_dict: What it holds.

    Raises:
        CheckpointError: A name or a value is something else; or there are none.
    """
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


def _check_path(value: object) -> None:
    """Raise if a caller from Python passes something else than a path."""
    if not isinstance(value, (str, os.PathLike)):
        message = f"cannot load the checkpoint {shown(value)}: expected the path of a file, "
        message += f"got {type(value).__name__}."
        hint = "torch.load with weights_only=True reads open files."
        raise CheckpointError(message, hint=hint)


def _no_weights(file: Path, found: str) -> CheckpointError:
    msg = f"cannot read the checkpoint {file.name!r}: found {found}, expected tensors by name."
    hint = "give a checkpoint that training wrote, or a file of bare weights."
    return CheckpointError(msg, path=file, hint=hint)


def without_wrapper(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return weights without the ``module.`` that data parallel training puts before every name.

    Args:
        state_dict: Weights by name.
    """
    prefix = "module."
    if not all(name.startswith(prefix) for name in state_dict):
        return state_dict
    return {name.removeprefix(prefix): value for name, value in state_dict.items()}


def _without_averages(
    state_dict: Mapping[str, Tensor],
) -> tuple[Mapping[str, Tensor], dict[str, Tensor]]:
    """Return the weights without their copies ``ema_<name>``, and the copies by weight.

    The EMA hooks of mmcv 1.x and mmdet 2.x keep a second value of each weight as a buffer of the
    model, with ``_`` for ``.`` in its name. They swap both before they save, so that the average is
    under the weight's own name, and training continues from the copy.

    Source:
        ``mmdet/core/hook/ema.py`` of mmdet 2.28, ``mmcv/runner/hooks/ema.py`` of mmcv 1.7.
    """
    expected = {f"ema_{name.replace('.', '_')}": name for name in state_dict}
    found = expected.keys() & state_dict.keys()
    if not found:
        return state_dict, {}
    copies = {expected[copy]: state_dict[copy] for copy in sorted(found)}
    kept = OrderedDict((name, value) for name, value in state_dict.items() if name not in found)
    if hasattr(state_dict, "_metadata"):  # the versions of modules, which decide how some are read
        kept._metadata = state_dict._metadata  # type: ignore[attr-defined]
    return kept, copies
