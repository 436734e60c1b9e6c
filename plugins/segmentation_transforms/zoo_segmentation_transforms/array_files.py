# SPDX-License-Identifier: Apache-2.0
"""One file for a dict of arrays and plain values, whose arrays are mapped and not read.

A line of JSON states the values, and where in the file each array is; no code is in it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["NotPlainError", "read_arrays", "write_arrays"]

_ALIGNED_BYTES = 64
_MAX_HEADER_BYTES = 64 * 2**20
_PLAIN = (str, int, float, bool, type(None))
_KINDS = "biufc"  # numbers of NumPy: their bytes are their values


class NotPlainError(ValueError):
    """A value is none that the file can hold."""


def write_arrays(path: Path, note: str, values: Mapping[str, Any]) -> None:
    """Write a file, whole or not at all.

    Args:
        path: Of the file; its folder exists.
        note: Kept with the values; `read_arrays` wants the same.
        values: Arrays of numbers, numbers, text, None, and lists, tuples and dicts of them.

    Raises:
        NotPlainError: A value is something else; nothing is written.
        OSError: The file cannot be written.
    """
    arrays: list[np.ndarray[Any, Any]] = []
    stated = _stated(dict(values), arrays)
    header = json.dumps([note, stated, sum(_padded(array.nbytes) for array in arrays)])
    first = header.encode() + b"\n"
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with open(number, "wb") as file:
            file.write(first.ljust(_padded(len(first)), b"\0"))
            for array in arrays:
                file.write(np.ascontiguousarray(array).data)
                file.write(b"\0" * (_padded(array.nbytes) - array.nbytes))
        os.replace(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def read_arrays(path: Path, note: str) -> dict[str, Any] | None:
    """Return the values of a file; its arrays may be written to, and the file stays as it is.

    Args:
        path: Of the file.
        note: That it was written with.

    Returns:
        The values, or None if there is no such file, or it is of another note or damaged.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(_MAX_HEADER_BYTES)
            found, stated, size_bytes = json.loads(first)
            start = _padded(len(first))
            if found != note or os.fstat(file.fileno()).st_size != start + size_bytes:
                return None
            mapped = np.memmap(file, np.uint8, "c") if size_bytes else np.empty(0, np.uint8)
        values = _value(stated, np.asarray(mapped)[start:])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNED_BYTES) * _ALIGNED_BYTES


def _stated(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """Return a value as JSON, and append its arrays."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in _KINDS:
        place = sum(_padded(array.nbytes) for array in arrays)
        arrays.append(np.asarray(value))
        kind = "number" if isinstance(value, np.generic) else "array"
        return {kind: [value.dtype.str, list(value.shape), place]}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_stated(one, arrays) for one in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": [[key, _stated(one, arrays)] for key, one in value.items()]}
    raise NotPlainError(type(value).__name__)


def _value(stated: Any, content: np.ndarray[Any, Any]) -> Any:
    if type(stated) in _PLAIN:
        return stated
    ((kind, inner),) = stated.items()
    if kind in ("array", "number"):
        dtype, shape, place = np.dtype(inner[0]), inner[1], inner[2]
        if dtype.kind not in _KINDS:
            raise ValueError(dtype)
        size_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        array = content[place : place + size_bytes].view(dtype).reshape(shape)
        return array[()] if kind == "number" else array
    if kind == "dict":
        return {key: _value(one, content) for key, one in inner}
    values = [_value(one, content) for one in inner]
    return tuple(values) if kind == "tuple" else values
