# SPDX-License-Identifier: Apache-2.0
"""`.pth` files, read without running anything that they ask for."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import struct
import threading
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.engine.stand_ins import RefusedGlobal, restored, safe_globals
from zoo.errors import CheckpointError, UnsafeCheckpointError

__all__ = ["read_pickled"]

_LOCK = threading.RLock()
_PICKLE_LIMIT_BYTES = 256 * 2**20
_FOREIGN = re.compile(r"GLOBAL (\S+) was not an allowed|unsupported GLOBAL (\S+) whose module")
_CALLED = re.compile(r"Trying to call reduce for unrecognized function ([^\n]+)")
# What a truncated or forged file makes the reader raise. Not `Exception`: a fault of ours shows.
_BROKEN = (
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
_TORCH_NAMES = ("torch.", "collections.OrderedDict", "collections.Counter", "_codecs.encode")
_BUILTIN_TYPES = ("builtins.set", "builtins.bytearray", "builtins.complex")


def read_pickled(path: Path, *, map_location: Any = "cpu") -> Any:
    """Return what ``path`` holds: tensors, plain Python and NumPy values, mmengine's histories.

    torch's restricted unpickler does the reading, always with ``weights_only=True``; nothing falls
    back to the open one. Names that other code has marked as safe do not count here.

    Args:
        path: A file written by `torch.save`, in its zip or its older form.
        map_location: As for `torch.load`.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: The file is missing, truncated, or no checkpoint at all.
    """
    import torch

    _check_file(path)
    try:
        with _only_our_globals(), warnings.catch_warnings():
            # torch warns of pickle protocols other than 2, and of TorchScript, before it refuses.
            warnings.simplefilter("ignore")
            tree = torch.load(path, map_location=map_location, weights_only=True)
        return restored(tree)
    except RefusedGlobal as error:
        raise _unsafe(path, error.name) from None
    except RecursionError as error:
        raise _broken(path, "its values are nested too deep") from error
    except _BROKEN as error:
        name = _foreign_global(path, error)
        if name is not None:
            raise _unsafe(path, name) from None
        raise _broken(path, _reason(error)) from error


@contextmanager
def _only_our_globals() -> Iterator[None]:
    """Let torch's restricted unpickler see our stand-ins, and nothing that others allowed.

    torch keeps one set for the whole process, and onedl-mmengine adds the real `getattr` to it.
    """
    from torch import serialization

    with _LOCK:
        others = serialization.get_safe_globals()
        serialization.clear_safe_globals()
        try:
            pairs: list[Any] = [(value, name) for name, value in safe_globals().items()]
            with serialization.safe_globals(pairs):
                yield
        finally:
            serialization.clear_safe_globals()
            serialization.add_safe_globals(others)


def _check_file(path: Path) -> None:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        msg = f"cannot read the checkpoint {path.name!r}: found {kind}, expected a file."
        hint = "check the path; training writes checkpoints into its work dir."
        raise CheckpointError(msg, path=path, hint=hint)
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
        size_bytes = path.stat().st_size
    except OSError as error:
        raise _broken(path, f"{error.strerror or error}") from error
    if not start:
        raise _broken(path, "it is empty (0 bytes)")
    if start.lstrip()[:1] == b"<":
        raise _broken(path, "it is a web page, not a checkpoint; the download went wrong")
    if start.startswith(b"version https://git-lfs"):
        raise _broken(path, "it is a Git LFS pointer, not the file itself")
    if start.startswith(b"PK"):
        _check_archive(path, size_bytes)


def _check_archive(path: Path, size_bytes: int) -> None:
    """Refuse archives that unpack to more than they are: torch stores, it never compresses."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _broken(path, f"its archive is damaged or truncated: {error}") from error
    total_bytes = sum(entry.file_size for entry in entries)
    if total_bytes > size_bytes:
        reason = f"its archive declares {total_bytes} bytes, the file has {size_bytes}"
        raise _broken(path, reason)


def _reason(error: BaseException) -> str:
    """Return the cause alone: torch goes on to recommend the unsafe way of loading."""
    _, _, cause = str(error).rpartition("WeightsUnpickler error: ")
    first = cause.strip().split("\n")[0].split(". ")[0].rstrip(".")
    return first[:200] or type(error).__name__


def _broken(path: Path, reason: str) -> CheckpointError:
    msg = f"cannot read the checkpoint {path.name!r}: {reason}."
    hint = "copy or download the file again, and compare its size and sha256 with the source's."
    return CheckpointError(msg, path=path, hint=hint)


def _unsafe(path: Path, name: str) -> UnsafeCheckpointError:
    msg = (
        f"cannot load the checkpoint {path.name!r}: it asks for {name!r}, expected tensors, "
        "plain values and mmengine's own records only. Nothing of it was run."
    )
    hint = "do not load it otherwise; ask its author for the weights alone (.safetensors)."
    return UnsafeCheckpointError(msg, global_name=name, path=path, hint=hint)


def _foreign_global(path: Path, error: BaseException) -> str | None:
    """Return the first name that ``path`` asks for and may not have, read without running it."""
    if not isinstance(error, pickle.UnpicklingError):
        return None
    found = _FOREIGN.search(str(error))
    if found:
        name = found.group(1) or found.group(2)
        # torch leaves "builtins." out.
        return _modern(name if "." in name else f"builtins.{name}")
    called = _CALLED.search(str(error))
    if called:
        return called.group(1).strip()
    for name in _globals_in(path):
        allowed = name in safe_globals() or name in _BUILTIN_TYPES or name.startswith(_TORCH_NAMES)
        if not allowed:
            return name
    return None


def _modern(name: str) -> str:
    """Return a global's name of today; protocol 2 writes those of Python 2."""
    module, _, attribute = name.rpartition(".")
    if (module, attribute) in NAME_MAPPING:
        return ".".join(NAME_MAPPING[module, attribute])
    return f"{IMPORT_MAPPING.get(module, module)}.{attribute}"


def _globals_in(path: Path) -> list[str]:
    names: list[str] = []
    try:
        for stream in _pickles(path):
            names += _globals_of(stream)
    except (ValueError, OSError, zipfile.BadZipFile, KeyError, IndexError, RuntimeError):
        return names  # a message with a name less; the file is refused either way
    return names


def _pickles(path: Path) -> Iterator[io.BufferedIOBase]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".pkl") and entry.file_size <= _PICKLE_LIMIT_BYTES:
                    yield io.BytesIO(archive.read(entry))
        return
    with path.open("rb") as stream:
        while stream.peek(1)[:1] == b"\x80":  # torch's older form: five pickles in a row
            yield stream


def _globals_of(stream: io.BufferedIOBase) -> list[str]:
    names: list[str] = []
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
        if opcode.name in ("GLOBAL", "INST"):
            names.append(_modern(str(argument).replace(" ", ".")))
        elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
            names.append(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return names
