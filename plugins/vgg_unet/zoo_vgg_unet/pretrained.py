# SPDX-License-Identifier: Apache-2.0
"""Load weights of VGG-16 from a file of torchvision, timm or Keras.

Nothing is downloaded. zoo reads pickles without running their code; HDF5 contains no code.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import zoo
from zoo.errors import CheckpointError, ConfigError, IncompatibleError

if TYPE_CHECKING:
    from zoo_vgg_unet.vgg import VGG16Encoder

__all__ = ["check_fits", "from_keras", "load_vgg16", "read_weights"]

_SHOWN = 10
_REMOTE = re.compile(r"^[a-z0-9+-]+:(//|s3:)")
_CLASSIFIER = ("classifier.", "pre_logits.", "head.")
_LAYER = re.compile(r"features\.(\d+)\.")
_KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
# Not of the optimizer, whose moments use the layers' names too.
_KERAS_LAYER = re.compile(r"(?!optimizer_weights/)(?:.*/)?(block\d+_conv\d+)(?:/.*)?")
# Errors of h5py for invalid files.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
# Input normalisation of torchvision's weights (RGB) and of Keras' (RGB here; Keras uses BGR and
# does not divide). Both from the projects' own preprocessing, in grey levels.
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_KERAS_MEAN = (123.68, 116.779, 103.939)


def load_vgg16(encoder: VGG16Encoder, checkpoint: str | Path, *, prefix: str = "") -> None:
    """Load the weights in a file into an encoder, all or none.

    Args:
        encoder: A `VGG16Encoder`.
        checkpoint: A file with torchvision's keys (``.pth``, ``.safetensors``) or written by Keras
            (``.h5``); its classifier and blocks that ``encoder`` does not have are ignored.
        prefix: Prefix of the names in the file, such as ``backbone.encoder.``.

    Raises:
        ConfigError: ``checkpoint`` is a URL.
        IncompatibleError: The file is ``.h5`` and h5py is not installed.
        CheckpointError: The file cannot be read, or holds weights of another architecture.
    """
    if _REMOTE.match(str(checkpoint)):
        message = f"cannot fetch pretrained weights {str(checkpoint)!r}: "
        message += "nothing is downloaded automatically, expected a file."
        raise ConfigError(
            message, where="init_cfg.checkpoint", hint="zoo train CONFIG --pretrained FILE."
        )
    path = Path(os.path.expanduser(checkpoint))
    if path.suffix.lower() in _KERAS_SUFFIXES:
        found = from_keras(_read_keras(path), encoder)
    else:
        found = read_weights(path, prefix=prefix)
    found = {name: found[name] for name in found if not _is_left_out(name, encoder)}
    check_fits(encoder, found, path)
    encoder.load_state_dict(found, strict=False)  # batch counters may be missing


def _is_left_out(name: str, encoder: VGG16Encoder) -> bool:
    if name.startswith(_CLASSIFIER):
        return True
    layer = _LAYER.match(name)
    if layer is None or encoder.num_blocks == 5:
        return False
    return int(layer[1]) >= len(encoder.features)


def read_weights(path: Path, *, prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors of a ``.pth`` or ``.safetensors`` file by name, on the CPU.

    Args:
        path: The file: a dict of tensors, or a dict with one under ``state_dict``.
        prefix: Return only names with this prefix, and remove it. The prefix ``module.`` of
            DistributedDataParallel is removed first.

    Raises:
        CheckpointError: The file cannot be read without running code, or holds no tensors.
    """
    tensors = zoo.load_checkpoint(path).state_dict
    found = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    if not found:
        raise _unreadable(path, f"it has no tensors whose names start with {prefix!r}")
    return found


def _unreadable(path: Path, reason: str) -> CheckpointError:
    message = f"cannot read the weights {path.name!r}: {reason}."
    return CheckpointError(message, path=path, hint="give a file of VGG-16's weights.")


def _read_keras(path: Path) -> dict[str, dict[int, Tensor]]:
    """Return kernel ``(H, W, in, out)`` and bias of each convolution, by layer and dimensions."""
    try:
        import h5py
    except ImportError as error:
        message = f"cannot read the weights {path.name!r}: h5py is not installed."
        hint = 'pip install "h5py>=3.11" (the extra keras of mmzoo-vgg-unet).'
        raise IncompatibleError(
            message, requirement="h5py>=3.11", found=None, plugin="vgg_unet", hint=hint
        ) from error
    layers: dict[str, dict[int, Tensor]] = {}

    def visit(name: str, node: Any) -> None:
        layer = _KERAS_LAYER.fullmatch(name)
        if layer and isinstance(node, h5py.Dataset):
            value = torch.from_numpy(node[()]).float()
            layers.setdefault(layer[1], {})[value.ndim] = value

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)  # follows no links to other files
    except _FAULTS as error:
        raise _unreadable(path, str(error).rstrip(".")) from error
    if not layers:
        reason = "it has no layers named block1_conv1 and so on, as Keras 1 and 2 write them"
        raise _unreadable(path, reason)
    return layers


def from_keras(
    layers: Mapping[str, Mapping[int, Tensor]], encoder: VGG16Encoder
) -> dict[str, Tensor]:
    """Return Keras' layers under this encoder's names.

    The first convolution is converted to torchvision's input, RGB minus the mean, divided by the
    standard deviation, so that both use the same ``data_preprocessor``. At the border, where the
    padding is the mean, the difference of the two means (under 0.5 grey levels) remains.

    Args:
        layers: By name (``block1_conv1``, ...) and number of dimensions: 4 for the kernel
            ``(H, W, in, out)``, 1 for the bias ``(out,)``.
        encoder: A `VGG16Encoder`.

    Source:
        ``preprocess_input`` of ``keras.applications.vgg16``, and the ``transforms`` of
        ``torchvision.models.VGG16_Weights.IMAGENET1K_V1``.
    """
    places = _keras_places(encoder)
    found: dict[str, Tensor] = {}
    for layer, values in layers.items():
        if int(layer[len("block") :].partition("_")[0]) > encoder.num_blocks:
            continue
        place = places.get(layer, layer)
        for dimensions, value in values.items():
            if dimensions == 4:
                found[f"{place}.weight"] = value.permute(3, 2, 0, 1).contiguous()
            else:
                found[f"{place}.bias"] = value
    kernel, bias = found.get("features.0.weight"), found.get("features.0.bias")
    if kernel is not None and bias is not None and kernel.shape[1] == 3:
        rgb = kernel.flip(1)
        shift = torch.tensor(_MEAN) - torch.tensor(_KERAS_MEAN)
        found["features.0.weight"] = rgb * torch.tensor(_STD)[:, None, None]
        found["features.0.bias"] = bias + (rgb.sum((2, 3)) * shift).sum(1)
    return found


def _keras_places(encoder: VGG16Encoder) -> dict[str, str]:
    """Return our name of each convolution by Keras' name; blocks end at poolings."""
    places, block, number = {}, 1, 1
    for at, layer in enumerate(encoder.features):
        if isinstance(layer, nn.MaxPool2d):
            block, number = block + 1, 1
        elif isinstance(layer, nn.Conv2d):
            places[f"block{block}_conv{number}"] = f"features.{at}"
            number += 1
    return places


def check_fits(module: nn.Module, found: Mapping[str, Tensor], where: str | Path) -> None:
    """Raise unless ``found`` holds exactly the weights of ``module``, with their shapes.

    Args:
        module: The module to load into.
        found: Tensors by name.
        where: Their file, for the message.

    Raises:
        CheckpointError: Names are missing, unexpected or have wrong shapes; the message lists the
            first ten of each kind.
    """
    own = module.state_dict()
    kinds = {
        "missing": [
            name for name in own if name not in found and not name.endswith("num_batches_tracked")
        ],
        "unexpected": [name for name in found if name not in own],
        "mis-shaped": [
            f"{name} {tuple(found[name].shape)}, expected {tuple(value.shape)}"
            for name, value in own.items()
            if name in found and found[name].shape != value.shape
        ],
    }
    wrong = {kind: names for kind, names in kinds.items() if names}
    if not wrong:
        return
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in wrong.items())
    message = f"weights do not fit {type(module).__name__}: {counts} of {len(own)} entries."
    for kind, names in wrong.items():
        more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        message += f"\n{kind}: {'; '.join(names[:_SHOWN])}{more}"
    raise CheckpointError(message, path=where, hint=_hint(own, found))


def _hint(own: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return which of VGG-16's two kinds of weights to use, or how to build for those found."""
    has_norm, is_normed = (
        any(name.endswith("running_mean") for name in names) for names in (own, found)
    )
    if has_norm and not is_normed:
        return (
            "they have no batch norm: use those of vgg16_bn, or set norm_cfg=None in the encoder."
        )
    if is_normed and not has_norm:
        return (
            "they have batch norm: use those of vgg16, or set norm_cfg=dict(type='BN') in the "
            "encoder."
        )
    return "give VGG-16 weights with batch norm if norm_cfg is set, and without it otherwise."
