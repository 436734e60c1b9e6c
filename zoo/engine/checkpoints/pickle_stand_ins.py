# SPDX-License-Identifier: Apache-2.0
"""Inert stand-ins for what mmengine's checkpoints pickle beside tensors.

torch's restricted unpickler calls everything on its list of safe globals, with arguments that the
file chooses. mmengine's checkpoints need ``builtins.getattr`` (each ``HistoryBuffer`` pickles its
four statistics through it) and NumPy's arrays, scalars and dtypes. Calling the real ones is not
safe: ``getattr`` reaches anything, and ``numpy.dtype.__setstate__`` accepts forged flags that make
NumPy read plain bytes as object pointers. So the names are bound to the classes below, which only
check and keep their arguments; `restored` then builds the real objects.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from zoo.engine.checkpoints.tensor_stand_ins import (
    NotDense,
    RefusedGlobal,
    plain_tensor,
    torch_globals,
)

__all__ = ["restored", "safe_globals"]

_DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6})")
_DICTS = (dict, OrderedDict, Counter)
_PLAIN = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, bytearray, slice),
        *(torch.dtype, torch.device, torch.Size, torch.layout),
    }
)
_STATISTICS = frozenset({"min", "max", "mean", "current"})


class _Dtype:
    """`numpy.dtype` of plain numbers and strings; objects and records are refused."""

    dtype: np.dtype[Any] | None = None

    def __init__(self, code: object, align: object = False, copy: object = False) -> None:
        text = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not _DTYPE.fullmatch(text):
            msg = f"numpy.dtype({code!r})"
            raise RefusedGlobal(msg)
        self.dtype = np.dtype(text)

    def __setstate__(self, state: object) -> None:
        # (version, byte order, sub-dtype, names, fields, item size, alignment, flags, ...)
        if not isinstance(state, tuple) or len(state) < 5 or any(x is not None for x in state[2:5]):
            msg = "numpy.dtype.__setstate__"
            raise RefusedGlobal(msg)
        order = state[1].decode("ascii", "replace") if isinstance(state[1], bytes) else state[1]
        if self.dtype is None or order not in ("<", ">", "|", "="):
            msg = "numpy.dtype.__setstate__"
            raise RefusedGlobal(msg)
        self.dtype = np.dtype(f"{order}{self.dtype.str[1:]}")


class _Array:
    """`numpy.ndarray`, filled by its state as NumPy pickles it."""

    array: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            msg = "numpy.ndarray.__setstate__"
            raise RefusedGlobal(msg)
        _, shape, dtype, fortran, data = state
        if isinstance(data, str):  # of Python 2, read as latin1
            data = data.encode("latin1")
        if not (isinstance(dtype, _Dtype) and isinstance(data, bytes) and _is_shape(shape)):
            msg = "numpy.ndarray.__setstate__"
            raise RefusedGlobal(msg)
        flat = np.frombuffer(data, dtype.dtype)
        # reshape checks that the bytes are as many as the shape says, so nothing huge is allocated.
        self.array = flat.reshape(shape, order="F" if fortran else "C").copy("K")


def _is_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    if kind is not _Array:
        msg = "numpy._core.multiarray._reconstruct of a foreign type"
        raise RefusedGlobal(msg)
    return _Array()


def _scalar(dtype: object, data: object = b"") -> Any:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        msg = "numpy._core.multiarray.scalar of a foreign type"
        raise RefusedGlobal(msg)
    return np.frombuffer(data, dtype.dtype).reshape(())[()]


def _empty_bytes(*args: object) -> bytes:
    """`bytes()`, as protocol 2 writes the data of an empty array; `bytes(n)` could be huge."""
    if args:
        msg = "builtins.bytes with arguments"
        raise RefusedGlobal(msg)
    return b""


class _HistoryBuffer:
    """`mmengine.logging.HistoryBuffer`: two arrays of numbers and a length."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def build(self) -> Any:
        from mmengine.logging import HistoryBuffer

        state = self.state if isinstance(self.state, dict) else {}
        logs, counts = state.get("_log_history"), state.get("_count_history")
        length = state.get("max_length")
        if not (isinstance(logs, _Array) and isinstance(counts, _Array) and type(length) is int):
            msg = "mmengine.logging.history_buffer.HistoryBuffer.__setstate__"
            raise RefusedGlobal(msg)
        buffer = HistoryBuffer(max_length=length)
        buffer._log_history = logs.array
        buffer._count_history = counts.array
        return buffer


class _OneCycle:
    """`OneCycleParamScheduler`, whose state holds one of its two static methods."""


class _PlainDict:
    """mmengine's `ConfigDict` and addict's `Dict`, read as plain dicts."""

    def __new__(cls, *args: Any) -> Any:
        return dict(*args)


def _restricted_getattr(owner: object, name: object) -> object:
    """Return what mmengine's own objects ask `getattr` for, and nothing else."""
    if owner is _HistoryBuffer and name in _STATISTICS:
        return name  # HistoryBuffer() sets the four methods by itself
    if owner is _OneCycle and name in ("_annealing_cos", "_annealing_linear"):
        from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

        return getattr(OneCycleParamScheduler, str(name))
    msg = f"builtins.getattr({_shown(owner)}, {name!r})"
    raise RefusedGlobal(msg)


def _shown(owner: object) -> str:
    """Return what a file calls the object that it asks an attribute of."""
    for name, value in {**torch_globals(), **safe_globals()}.items():
        if value is owner:
            return name
    return repr(owner)[:80] if isinstance(owner, str) else type(owner).__name__


def safe_globals() -> dict[str, Callable[..., Any]]:
    """Return the names that may stand in a checkpoint beside torch's own, and what they run."""
    table: dict[str, Callable[..., Any]] = {
        "builtins.getattr": _restricted_getattr,
        "builtins.slice": slice,
        "builtins.bytes": _empty_bytes,
        "numpy.ndarray": _Array,
        "numpy.dtype": _Dtype,
        "mmengine.logging.history_buffer.HistoryBuffer": _HistoryBuffer,
        "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": _OneCycle,
        "mmengine.config.config.ConfigDict": _PlainDict,
        "addict.addict.Dict": _PlainDict,
    }
    for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
        table[f"{core}.multiarray._reconstruct"] = _reconstruct
        table[f"{core}.multiarray.scalar"] = _scalar
    return table


def restored(tree: Any) -> Any:
    """Return ``tree`` with real objects for the stand-ins, and new ones for what can be changed.

    Tensors are plain ones, dicts are dicts: nothing is left of what the file did to its objects.
    An `OrderedDict` keeps ``_metadata``, the versions that modules write beside their weights.

    Args:
        tree: What unpickling gave: plain values and stand-ins, nested.

    Raises:
        RefusedGlobal: A stand-in was left half built, or a value is of no plain type.
        RecursionError: The tree is nested deeper than Python's recursion limit.
    """
    return _restore(tree, {})


def _restore(node: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    # `done` keeps the original beside its replacement, so that no id is used twice.
    if id(node) in done:
        return done[id(node)][1]
    if isinstance(node, torch.Tensor):
        done[id(node)] = (node, plain_tensor(node))
    elif isinstance(node, (_Array, _Dtype, _HistoryBuffer)):
        done[id(node)] = (node, _built(node))
    elif type(node) in _DICTS:
        done[id(node)] = (node, _restored_dict(node, done))
    elif type(node) is list:
        done[id(node)] = (node, parts := [])
        parts += [_restore(value, done) for value in node]
    elif type(node) in (tuple, set):
        done[id(node)] = (node, type(node)([_restore(value, done) for value in node]))
    elif type(node) in _PLAIN or isinstance(node, (np.generic, NotDense)) or _is_schedule(node):
        return node
    else:
        msg = f"{type(node).__module__}.{type(node).__qualname__}"
        raise RefusedGlobal(msg)
    return done[id(node)][1]


def _restored_dict(node: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    kind = type(node)
    found: Any = kind()
    done[id(node)] = (node, found)
    # Unbound: an OrderedDict of the file's may have an attribute `items`.
    for key, value in kind.items(node):
        found[_restore(key, done)] = _restore(value, done)
    metadata = vars(node).get("_metadata") if kind is OrderedDict else None
    if type(metadata) in _DICTS:
        found._metadata = _restore(metadata, done)
    return found


def _is_schedule(node: Any) -> bool:
    """Return whether it is a function that `_restricted_getattr` gave of a schedule."""
    return getattr(node, "__module__", "") == "mmengine.optim.scheduler.param_scheduler"


def _built(node: _Array | _Dtype | _HistoryBuffer) -> Any:
    if isinstance(node, _HistoryBuffer):
        return node.build()
    built = node.array if isinstance(node, _Array) else node.dtype
    if built is None:
        msg = f"numpy.{type(node).__name__.strip('_').lower()} without its state"
        raise RefusedGlobal(msg)
    return built
