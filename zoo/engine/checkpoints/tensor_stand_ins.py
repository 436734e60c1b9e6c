# SPDX-License-Identifier: Apache-2.0
"""Replacements for the torch names in a checkpoint: functions that return plain tensors, no more.

torch's list of safe names contains classes and functions that do what a file says: they set any
attribute of a tensor (``numel``, ``detach``), accept any codec, reserve any size, or create a
subclass. Here each name is bound to a function that checks its arguments and drops the rest: hooks,
state, subclasses, ``requires_grad``.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["NotDense", "RefusedGlobal", "plain_tensor", "torch_globals"]

_LATIN = ("latin1", "latin-1", b"latin1", b"latin-1")


class RefusedGlobal(Exception):
    """A pickle used an allowed name in a way that is not allowed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class NotDense:
    """A tensor that is sparse, nested, quantized or without values; nothing of it is built."""

    def __init__(self, *_: object) -> None:
        """Drop the arguments from the file."""


class _TensorType:
    """A class of tensors that a file names as a type; each becomes a plain tensor."""

    def __new__(cls, *_: object) -> Any:
        msg = "torch.Tensor, called with values of the file's choice"
        raise RefusedGlobal(msg)


def plain_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """Return a plain tensor with the same values, which are not copied.

    Everything else that the object has (a subclass, attributes that hide its methods, hooks, a
    gradient) is dropped.

    Args:
        tensor: Of any shape, type and class.
    """
    with torch._C.DisableTorchFunctionSubclass():
        bare = torch.Tensor.detach(tensor)
        bare = torch.Tensor.as_subclass(bare, torch.Tensor)
        return torch.Tensor.resolve_neg(torch.Tensor.resolve_conj(bare))


def _rebuilt(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: object = False,
    hooks: object = None,
    metadata: object = None,
) -> torch.Tensor:
    return _set(torch.empty(0, dtype=storage.dtype), storage, offset, size, stride, metadata)


def _rebuilt_as(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: object,
    hooks: object,
    dtype: Any,
    metadata: object = None,
) -> torch.Tensor:
    return _set(torch.empty(0, dtype=dtype), storage, offset, size, stride, metadata)


def _set(
    tensor: torch.Tensor, storage: Any, offset: Any, size: Any, stride: Any, metadata: object
) -> torch.Tensor:
    untyped = storage._untyped_storage
    tensor = tensor.to(untyped.device).set_(untyped, offset, tuple(size), tuple(stride))
    # A view of conjugates or negatives; `plain_tensor` writes them out, once the storage is read.
    known = metadata if isinstance(metadata, dict) else {}
    torch._C._set_conj(tensor, known.get("conj") is True)
    torch._C._set_neg(tensor, known.get("neg") is True)
    return tensor


def _parameter(data: object = None, *_: object) -> Any:
    if type(data) not in (torch.Tensor, NotDense):
        msg = "torch.nn.Parameter of what is no tensor"
        raise RefusedGlobal(msg)
    return data


def _from_type(rebuild: Any, kind: object, args: Any, state: object = None) -> Any:
    if rebuild not in (_rebuilt, _rebuilt_as, _parameter, NotDense):
        msg = "torch._tensor._rebuild_from_type_v2 of a foreign function"
        raise RefusedGlobal(msg)
    return rebuild(*args)


def _encode(text: object, encoding: object = "latin1") -> bytes:
    """Return the bytes that protocol 2 writes as a text; other codecs are of no use here."""
    if not isinstance(text, str) or encoding not in _LATIN:
        msg = f"_codecs.encode with {encoding!r}"
        raise RefusedGlobal(msg)
    return text.encode("latin1")


def _bytearray(data: object = b"", encoding: object = "latin1") -> bytearray:
    if isinstance(data, str):
        data = _encode(data, encoding)
    if not isinstance(data, bytes):
        msg = "builtins.bytearray of a size"
        raise RefusedGlobal(msg)
    return bytearray(data)


def _as_set(items: object = ()) -> set[Any]:
    if not isinstance(items, (list, tuple)):
        msg = "builtins.set of what is no list"
        raise RefusedGlobal(msg)
    return set(items)


def torch_globals() -> dict[str, Any]:
    """Return the names that torch itself writes into checkpoints, and what they run here."""
    from torch import _weights_only_unpickler as unpickler
    from torch.serialization import StorageType

    types = (torch.dtype, StorageType)
    own: dict[str, Any] = {
        name: value
        for name, value in unpickler._get_allowed_globals().items()
        if isinstance(value, types)
    }
    own |= {f"torch.storage.{kind}": getattr(torch.storage, kind) for kind in _STORAGES}
    own |= {f"torch._utils.{name}": function for name, function in _REBUILDERS.items()}
    own |= dict.fromkeys(_TENSOR_TYPES, _TensorType)
    own |= {str(getattr(torch, name)): getattr(torch, name) for name in _SCHEMES}
    return {
        **own,
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "torch.Size": torch.Size,
        "torch.device": torch.device,
        "torch.serialization._get_layout": torch.serialization._get_layout,
        "torch.nn.parameter.Parameter": _parameter,
        "torch._tensor._rebuild_from_type_v2": _from_type,
        "_codecs.encode": _encode,
        "builtins.bytearray": _bytearray,
        "builtins.set": _as_set,
        "builtins.complex": complex,
    }


_STORAGES = ("TypedStorage", "UntypedStorage")
_REBUILDERS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor": _rebuilt,
    "_rebuild_tensor_v2": _rebuilt,
    "_rebuild_tensor_v3": _rebuilt_as,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
    "_rebuild_qtensor": NotDense,
    "_rebuild_sparse_tensor": NotDense,
    "_rebuild_meta_tensor_no_storage": NotDense,
    "_rebuild_nested_tensor": NotDense,
}
_TENSOR_TYPES = ("torch.Tensor", "torch.nn.parameter.Buffer")
# Quantized tensors are read only so far that the refusal can name them.
_SCHEMES = (
    "per_tensor_affine",
    "per_tensor_symmetric",
    "per_channel_affine",
    "per_channel_symmetric",
    "per_channel_affine_float_qparams",
)
