# SPDX-License-Identifier: Apache-2.0
"""Write a ``.safetensors`` tensor by tensor, so that memory never holds the whole file.

The library's own functions copy every tensor first. The format is small and fixed: the length of a
header, the header as JSON, and the tensors one after another.

Source:
    The format's description in the README of huggingface/safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError
from zoo.files import open_atomically

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WrittenFile", "write_tensors"]

_RESERVED = "__metadata__"  # where the header keeps its texts
_ALIGNED_BYTES = 8
_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written.

    Attributes:
        path: The file.
        sha256: Digest of its bytes, 64 hex digits.
        size_bytes: Its size.
    """

    path: Path
    sha256: str
    size_bytes: int


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, str]
) -> WrittenFile:
    """Write tensors and texts as one file, atomically; equal input gives equal bytes.

    Args:
        path: The file to write.
        tensors: Tensors by name, of any layout in memory; tensors that share memory are written
            one by one.
        note: Texts for the header.

    Raises:
        CheckpointError: A name or type cannot be stored, or the file cannot be written.
    """
    # Wide types first, so that every tensor is aligned to its own type.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header = _header(path, {name: tensors[name] for name in names}, note)
    digest, size_bytes = hashlib.sha256(header), len(header)
    with open_atomically(path) as stream:
        stream.write(header)
        for name in names:
            data = _bytes_of(tensors[name])
            digest.update(data)
            size_bytes += stream.write(data)
    return WrittenFile(path, digest.hexdigest(), size_bytes)


def _bytes_of(tensor: Tensor) -> Any:
    """Return the bytes of a tensor, without a copy if it is contiguous on the CPU."""
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else b""


def _header(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {_RESERVED: dict(note)}
    end = 0
    for name, tensor in tensors.items():
        kind = _NAMES.get(str(tensor.dtype).removeprefix("torch."))
        if kind is None or name == _RESERVED:
            what = f"the type {tensor.dtype}" if kind is None else f"the name {name!r}"
            raise _no_place(path, what)
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": kind, "shape": [*tensor.shape], "data_offsets": [start, end]}
    try:
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeError as error:
        raise _no_place(path, "a name that is no text") from error
    text += b" " * (-len(text) % _ALIGNED_BYTES)
    return len(text).to_bytes(8, "little") + text


def _no_place(path: Path, what: str) -> CheckpointError:
    message = f"cannot write {path.name!r}: .safetensors cannot store {what}."
    return CheckpointError(message, path=path, hint="convert it with the code that wrote it.")
