# SPDX-License-Identifier: Apache-2.0
"""Read `.pth` files without running anything that they ask for.

This module itself finds the names that a refused file asks for, because torch's
`get_unsafe_globals_in_checkpoint` reads neither the older format nor TorchScript, returns names in
no fixed order, and treats as safe whatever other code has marked so.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import pickletools
import re
import struct
import threading
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from zoo.engine.checkpoints.file_bytes import (
    broken_checkpoint,
    check_bytes,
    is_mappable,
    open_bytes,
)
from zoo.engine.checkpoints.pickle_sizes import check_sizes
from zoo.engine.checkpoints.pickle_stand_ins import restored, safe_globals
from zoo.engine.checkpoints.tensor_stand_ins import RefusedGlobal, torch_globals
from zoo.engine.config_files.strangers import is_foreign_code_refused
from zoo.engine.patching import exchanged
from zoo.errors import CheckpointError, UnsafeCheckpointError

__all__ = ["read_pickled", "trusted_digests", "trusting"]

_LOG = logging.getLogger("zoo")
_TRUSTED: ContextVar[frozenset[str]] = ContextVar("trusted", default=frozenset())
_LOCK = threading.RLock()
# A damaged name may contain anything.
_FOREIGN = re.compile(r"(?s)GLOBAL (.+?) was not an allowed|unsupported GLOBAL (.+?) whose module")
_CALLED = re.compile(r"Trying to call reduce for unrecognized function ([^\n]+)")
_INTERNAL = re.compile(
    r"operand|<class|\(\)|__|to unpack|deserialized_objects|%ld|codec can't|safe_globals"
)
# What the reader raises for a truncated or forged file. Not `Exception`, which would hide our bugs.
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


def trusted_digests() -> frozenset[str]:
    """Return the digests of the files that may run what they ask for, as `trusting` names them."""
    return _TRUSTED.get()


@contextmanager
def trusting(digests: Iterable[str]) -> Iterator[None]:
    """Let only files of these digests run what they ask for; this is the only override.

    Args:
        digests: Full sha256 of each file, 64 hex digits, lower case.

    Raises:
        CheckpointError: ``ZOO_NO_FOREIGN_CODE`` refuses code from outside.
    """
    if is_foreign_code_refused():
        message = "cannot trust a checkpoint: ZOO_NO_FOREIGN_CODE refuses the code of others."
        hint = "leave --trust out, or set ZOO_NO_FOREIGN_CODE=0 for this run."
        raise CheckpointError(message, where="--trust", hint=hint)
    token = _TRUSTED.set(_TRUSTED.get() | frozenset(digests))
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def read_pickled(
    path: Path, *, map_location: Any = "cpu", data: bytes | None = None, mapped: bool = False
) -> Any:
    """Return what ``path`` has: tensors, plain Python and NumPy values, mmengine's histories.

    torch's restricted unpickler reads it, always with ``weights_only=True``; the unrestricted one
    is only used for a file that `trusting` names. Names that other code has marked as safe do not
    count here.

    Args:
        path: A file written by `torch.save`, in its zip or its older format.
        map_location: As for `torch.load`.
        data: Its bytes, if already read; then the file is not opened.
        mapped: Whether tensors may stay in the file until they are used, if its format allows it;
            then it must not change meanwhile.

    Raises:
        UnsafeCheckpointError: The pickle asks for a class or function that is not allowed.
        CheckpointError: The file is missing, truncated, or not a checkpoint.
    """
    try:
        return _read_restricted(path, map_location, data, mapped=mapped)
    except UnsafeCheckpointError as error:
        if not _TRUSTED.get():
            raise
        # The bytes that are hashed are the bytes that run: a file could be exchanged in between.
        data = path.read_bytes() if data is None else data
        digest = hashlib.sha256(data).hexdigest()
        if digest not in _TRUSTED.get():
            error.hint = f"--trust names another file: the sha256 of this one is {digest}."
            raise
        _LOG.warning(
            "running the code that %s asks for, allowed by --trust: %s", path, error.global_name
        )
    return _read_trusted(path, map_location, data)


def _read_restricted(path: Path, map_location: Any, data: bytes | None, *, mapped: bool) -> Any:
    import torch

    check_bytes(path, data)
    _check_pickles(path, data)
    try:
        with _only_our_globals(), warnings.catch_warnings():
            # torch warns of pickle protocols other than 2, and of TorchScript, before it refuses.
            warnings.simplefilter("ignore")
            source = path if data is None else io.BytesIO(data)
            mmap = mapped and data is None and is_mappable(path)
            tree = torch.load(source, map_location=map_location, weights_only=True, mmap=mmap)
        return restored(tree)
    except RefusedGlobal as error:
        raise _unsafe(path, error.name) from None
    except RecursionError as error:
        raise broken_checkpoint(path, "its values are nested too deeply") from error
    except _BROKEN as error:
        name = _foreign_global(path, data, error)
        if name is not None:
            raise _unsafe(path, name) from None
        raise broken_checkpoint(path, _reason(error)) from error


def _check_pickles(path: Path, data: bytes | None) -> None:
    """Refuse values that take too long to hash or to print; torch and Python do both."""
    try:
        for stream in _pickles(path, data):
            check_sizes(stream)
    except ValueError as error:
        raise broken_checkpoint(path, str(error)) from error
    except _BROKEN:
        return  # torch's reader finds it too, and says what it is


def _read_trusted(path: Path, map_location: Any, data: bytes) -> Any:
    import torch

    try:
        return torch.load(io.BytesIO(data), map_location=map_location, weights_only=False)
    except (*_BROKEN, RecursionError) as error:
        raise broken_checkpoint(path, _reason(error)) from error


@contextmanager
def _only_our_globals() -> Iterator[None]:
    """Show torch's restricted unpickler our stand-ins only, and nothing that it or others allow.

    torch keeps one set for the whole process, and onedl-mmengine adds the real `getattr` to it.
    """
    from torch import _weights_only_unpickler as unpickler
    from torch import serialization

    with _LOCK:
        table = _allowed()
        others = serialization.get_safe_globals()
        serialization.clear_safe_globals()
        try:
            with exchanged(unpickler, _get_allowed_globals=lambda: table):
                yield
        finally:
            serialization.clear_safe_globals()
            serialization.add_safe_globals(others)


@lru_cache(maxsize=1)
def _allowed() -> dict[str, Any]:
    return {**torch_globals(), **safe_globals()}


def _reason(error: BaseException) -> str:
    """Return only the cause: torch's message also recommends the unsafe way of loading."""
    foreign = "it is not a file written by torch, or damaged"
    if isinstance(error, (AttributeError, LookupError, TypeError)):  # of Python's, not the file's
        return foreign
    _, _, cause = str(error).rpartition("WeightsUnpickler error: ")
    cause = cause.strip().removeprefix("Weights only load failed. ")
    first = cause.split("\n")[0].split(". ")[0].rstrip(".")
    if "weights_only" in first:
        form = "TorchScript" if "TorchScript" in first else "torch's first tar format"
        return f"it is {form}, which can only be read by running it"
    if _INTERNAL.search(first):
        return foreign
    return first[:200] or type(error).__name__


def _unsafe(path: Path, name: str) -> UnsafeCheckpointError:
    msg = (
        f"cannot load the checkpoint {path.name!r}: it asks for {name!r}, expected tensors, "
        "plain values and mmengine's own records only. Nothing in it was run."
    )
    hint = "do not load it; ask its author for only the weights (.safetensors)."
    return UnsafeCheckpointError(msg, global_name=name, path=path, hint=hint)


def _foreign_global(path: Path, data: bytes | None, error: BaseException) -> str | None:
    """Return the first forbidden name that ``path`` asks for, found without running the file."""
    if not isinstance(error, pickle.UnpicklingError):
        return None
    found = _FOREIGN.search(str(error))
    if found:
        name = found.group(1) or found.group(2)
        # torch leaves "builtins." out.
        return _modern(name if "." in name else f"builtins.{name}")
    called = _CALLED.search(str(error))
    if called:
        name = called.group(1).strip()
        return "a call of what is no function" if name.startswith("<") else name
    return next((name for name in _globals_in(path, data) if name not in _allowed()), None)


def _modern(name: str) -> str:
    """Return the Python 3 name of a global; protocol 2 writes the names of Python 2."""
    module, _, attribute = name.rpartition(".")
    if (module, attribute) in NAME_MAPPING:
        return ".".join(NAME_MAPPING[module, attribute])
    return f"{IMPORT_MAPPING.get(module, module)}.{attribute}"


def _globals_in(path: Path, data: bytes | None) -> list[str]:
    names: list[str] = []
    try:
        for stream in _pickles(path, data):
            names += _globals_of(stream)
    except _BROKEN:
        return names  # the message lacks a name; the file is refused either way
    return names


def _pickles(path: Path, data: bytes | None) -> Iterator[BinaryIO]:
    with open_bytes(path, data) as stream:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as archive:
                for entry in archive.infolist():
                    if entry.filename.endswith(".pkl"):
                        yield io.BytesIO(archive.read(entry))
            return
        stream.seek(0)
        while _starts_pickle(stream):  # torch's older form: five pickles in a row
            yield stream


def _starts_pickle(stream: BinaryIO) -> bool:
    start = stream.read(1)
    stream.seek(-len(start), io.SEEK_CUR)
    return start == b"\x80"


def _globals_of(stream: BinaryIO) -> list[str]:
    names: list[str] = []
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("GLOBAL", "INST"):
            names.append(_modern(str(argument).replace(" ", ".")))
        elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
            names.append(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return names
