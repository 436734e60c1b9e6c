# SPDX-License-Identifier: Apache-2.0
"""The published format: one ``.safetensors`` file that holds the weights and the model's record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from zoo.documents import DocumentError, parse_json
from zoo.engine.records.checks import check_record
from zoo.engine.records.record import ModelRecord, parse_record
from zoo.errors import CheckpointError
from zoo.files import open_atomically
from zoo.weights.row_check import HEADER_LIMITS

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CONVERTED",
    "RECORD",
    "find_dataset_meta",
    "find_record",
    "read_published",
    "read_record",
    "read_tensors",
    "write_published",
]

CONVERTED = "zoo_converted"
"""Key of the metadata of a file that `zoo.engine.checkpoints.convert` wrote, a text of JSON."""
RECORD = "zoo"
"""Key of the metadata under which a published file keeps its record."""


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file by name, on the CPU.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is missing, truncated, or its header is invalid.
    """
    file = Path(path)
    _check_header(file)
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _broken(file, str(error)) from error


def read_record(path: str | Path) -> ModelRecord:
    """Return the record in a published file's header, without checking types or reading tensors.

    Args:
        path: A ``.safetensors``.

    Raises:
        CheckpointError: The file is missing or broken, or was not published by zoo.
    """
    record = find_record(path)
    if record is None:
        msg = f"cannot use {Path(path).name!r} as a model: it has weights but no record."
        hint = "publish it with `zoo publish`, or give CONFIG,CHECKPOINT."
        raise CheckpointError(msg, path=path, hint=hint)
    return record


def find_record(path: str | Path) -> ModelRecord | None:
    """Return the record as `read_record` does, or None for a file of bare weights.

    Args:
        path: A ``.safetensors``.
    """
    text = _find_text(Path(path), RECORD)
    return None if text is None else parse_record(text, path)


def find_dataset_meta(path: str | Path) -> dict[str, Any] | None:
    """Return the classes, and the palette if known, with which a file's weights were trained.

    The record of a published model and the note in a converted one state them; bare weights do
    not, and return None. Every other value of a note is left out.

    Args:
        path: A ``.safetensors``.
    """
    record = find_record(path)
    if record is not None:
        return {"classes": record.classes, "palette": record.palette}
    text = _find_text(Path(path), CONVERTED)
    try:
        note = None if text is None else parse_json(text.encode(errors="replace"), HEADER_LIMITS)
    except DocumentError as error:
        raise _broken(Path(path), f"the note of its conversion cannot be read: {error}") from error
    known = note if isinstance(note, dict) else {}
    classes = known.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return None
    return {"classes": tuple(classes), "palette": known.get("palette")}


def _find_text(file: Path, key: str) -> str | None:
    metadata = _check_header(file).get("__metadata__")
    text = metadata.get(key) if isinstance(metadata, Mapping) else None
    return text if isinstance(text, str) else None


def read_published(path: str | Path) -> tuple[ModelRecord, dict[str, Tensor]]:
    """Return a published model's record, checked for building, and its weights.

    Args:
        path: A ``.safetensors``.

    Raises:
        UnsafeCheckpointError: The record names a type or a text that could run code.
        UnknownNameError: The record needs a plugin that is not installed.
        CheckpointError: The file is missing or broken, or was not published by zoo.
    """
    record = read_record(path)
    check_record(record, path)
    return record, read_tensors(path)


def write_published(
    path: str | Path, state_dict: Mapping[str, Tensor], record: ModelRecord
) -> Path:
    """Write weights and record as one file, atomically; equal input gives equal bytes.

    Args:
        path: The file, ``*.safetensors``.
        state_dict: Weights by name; stored dense, without device or shared memory.
        record: What `make_record` returned.

    Raises:
        CheckpointError: The record would be refused when read, or the file cannot be written.
    """
    from safetensors.torch import save

    file = Path(path)
    if file.suffix != ".safetensors":
        msg = f"cannot publish as {file.name!r}: expected a name that ends in .safetensors."
        raise CheckpointError(msg, path=file, hint="name it NAME.safetensors.")
    check_record(record, file)
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {
        name: value.detach().cpu().contiguous().clone() for name, value in state_dict.items()
    }
    # One key only: safetensors writes several in a random order.
    data = save(tensors, metadata={RECORD: record.to_json()})
    with open_atomically(file) as stream:
        stream.write(data)
    return file


def _check_header(file: Path) -> dict[str, Any]:
    """Return the header, whose size and JSON are checked; the offsets are safetensors' to check."""
    if not os.path.isfile(file):
        msg = f"cannot read the weights {file.name!r}: found no such file."
        raise CheckpointError(msg, path=file, hint="check the path.")
    size_bytes = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size_bytes - 8:
            raise _broken(file, f"it is truncated, or not a .safetensors file ({size_bytes} bytes)")
        if length > HEADER_LIMITS.size_bytes:
            most_bytes = HEADER_LIMITS.size_bytes
            reason = f"its header declares {length} bytes, at most {most_bytes} are read"
            raise _broken(file, reason)
        raw = stream.read(length)
    try:
        header = parse_json(raw, HEADER_LIMITS)
    except DocumentError as error:
        raise _broken(file, f"its header cannot be read: {error}") from error
    if not isinstance(header, dict):
        raise _broken(file, "its header is not a table")
    return header


def _broken(file: Path, reason: str) -> CheckpointError:
    msg = f"cannot read the weights {file.name!r}: {reason}."
    hint = "copy or download the file again, and compare its size and sha256 with the source's."
    return CheckpointError(msg, path=file, hint=hint)
