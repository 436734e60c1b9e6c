# SPDX-License-Identifier: Apache-2.0
"""The published form: one ``.safetensors`` file that holds the weights and the model's record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_metadata", "read_tensors"]

_HEADER_LIMIT_BYTES = 8 * 2**20


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file by name, on the CPU.

    Raises:
        CheckpointError: The file is missing, truncated, or its header does not hold.
    """
    file = Path(path)
    _check_header(file)
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _broken(file, str(error)) from error


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the texts in a ``.safetensors`` file's header, without its tensors.

    Raises:
        CheckpointError: The file is missing, truncated, or its header does not hold.
    """
    file = Path(path)
    metadata = _check_header(file).get("__metadata__", {})
    if not isinstance(metadata, Mapping):
        raise _broken(file, f"its metadata is a {type(metadata).__name__}")
    return {str(key): str(value) for key, value in metadata.items()}


def _check_header(file: Path) -> dict[str, Any]:
    """Return the header, whose size and JSON are checked; the offsets are safetensors' to check."""
    if not file.is_file():
        msg = f"cannot read the weights {file.name!r}: found no such file."
        raise CheckpointError(msg, path=file, hint="check the path.")
    size_bytes = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size_bytes - 8:
            raise _broken(file, f"it is truncated, or no .safetensors file ({size_bytes} bytes)")
        if length > _HEADER_LIMIT_BYTES:
            reason = f"its header declares {length} bytes, at most {_HEADER_LIMIT_BYTES} are read"
            raise _broken(file, reason)
        raw = stream.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _broken(file, "its header is no JSON") from error
    if not isinstance(header, dict):
        raise _broken(file, "its header is no table")
    return header


def _broken(file: Path, reason: str) -> CheckpointError:
    msg = f"cannot read the weights {file.name!r}: {reason}."
    hint = "copy or download the file again, and compare its size and sha256 with the source's."
    return CheckpointError(msg, path=file, hint=hint)
