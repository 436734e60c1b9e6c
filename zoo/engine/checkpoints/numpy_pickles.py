# SPDX-License-Identifier: Apache-2.0
"""Read bare pickles of NumPy arrays, as detectron2 publishes weights, without running their code.

torch's restricted unpickler reads neither such files nor protocols after 2. This one knows only the
opcodes that plain values and arrays need, and calls only the inert stand-ins of
`zoo.engine.checkpoints.pickle_stand_ins`, as that one does.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

from zoo.engine.checkpoints.file_bytes import broken_checkpoint, check_bytes
from zoo.engine.checkpoints.pickle_sizes import check_sizes
from zoo.engine.checkpoints.pickle_stand_ins import restored, safe_globals
from zoo.engine.checkpoints.tensor_stand_ins import RefusedGlobal, torch_globals
from zoo.errors import UnsafeCheckpointError

__all__ = ["read_numpy_pickle"]

# Of plain values and containers, and of the calls that make arrays. No NEWOBJ, INST or OBJ, which
# create instances of any class, no EXT, which names what this process registered, no PERSID.
_OPCODES = (
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "GLOBAL", "STACK_GLOBAL"),
    *("REDUCE", "BUILD", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
    *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE"),
    *("SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND"),
    *("APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
)
_CODES = [getattr(pickle, name)[0] for name in _OPCODES]
_KNOWN = {code: pickle._Unpickler.dispatch[code] for code in _CODES}
_BROKEN = (
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)


class _Reader(pickle._Unpickler):
    """Python's unpickler, with few opcodes and no calls but those of stand-ins."""

    dispatch = _KNOWN
    stack: list[Any]  # of the base class, which no stub declares

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin1")  # as NumPy writes arrays under Python 2
        self._table = {**_torch_codec(), **_numpy_globals()}

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return the stand-in for a name, or refuse it.

        Args:
            module_name: The module that the file names.
            global_name: What it asks for in it.
        """
        name = f"{_MODERN.get(module_name, module_name)}.{global_name}"
        if name not in self._table:
            raise RefusedGlobal(name)
        return self._table[name]

    def load_reduce(self) -> None:
        """Call a stand-in with the arguments on the stack."""
        function, args = self.stack[-2], self.stack[-1]
        if not any(function is each for each in self._table.values()) or type(args) is not tuple:
            name = "a call of what is no function of NumPy's arrays"
            raise RefusedGlobal(name)
        self.stack[-2:] = [function(*args)]

    def load_build(self) -> None:
        """Give a stand-in the state on the stack."""
        state = self.stack.pop()
        if not any(type(self.stack[-1]) is each for each in self._table.values()):
            name = "the state of what is no array"
            raise RefusedGlobal(name)
        self.stack[-1].__setstate__(state)

    dispatch[pickle.REDUCE[0]] = load_reduce  # type: ignore[assignment]
    dispatch[pickle.BUILD[0]] = load_build  # type: ignore[assignment]


_PLAIN = {"collections.OrderedDict": OrderedDict}  # what modules of torch give
_MODERN = {"__builtin__": "builtins"}


def _torch_codec() -> dict[str, Any]:
    return {"_codecs.encode": torch_globals()["_codecs.encode"]}


def _numpy_globals() -> dict[str, Any]:
    named = safe_globals()
    kept = {name: value for name, value in named.items() if name.startswith("numpy.")}
    cores = ("numpy.core", "numpy._core")
    buffers = {f"{core}.numeric._frombuffer": _array_of_buffer for core in cores}  # protocol 5
    return {**kept, **buffers, **_PLAIN, "builtins.bytes": named["builtins.bytes"]}


def _array_of_buffer(data: object, dtype: object, shape: object, order: object) -> Any:
    named = safe_globals()
    array = named["numpy._core.multiarray._reconstruct"](named["numpy.ndarray"], (0,), b"b")
    whole = bytes(data) if isinstance(data, bytearray) else data
    array.__setstate__((1, shape, dtype, order == "F", whole))
    return array


def read_numpy_pickle(path: Path) -> Any:
    """Return what a bare pickle holds: plain values, and NumPy arrays of numbers and texts.

    Text of Python 2 is read as latin1, so that its bytes are kept.

    Args:
        path: A file that ``pickle.dump`` wrote, of any protocol.

    Raises:
        UnsafeCheckpointError: It asks for a class or function other than those of arrays.
        CheckpointError: It is missing, truncated, or not a pickle.
    """
    check_bytes(path)
    try:
        with path.open("rb") as stream:
            check_sizes(stream)
            stream.seek(0)
            return restored(_Reader(stream).load())
    except RefusedGlobal as error:
        raise _unsafe(path, error.name) from None
    except RecursionError as error:
        raise broken_checkpoint(path, "its values are nested too deeply") from error
    except OSError as error:
        raise broken_checkpoint(path, f"{error.strerror or error}") from error
    except _BROKEN as error:
        raise broken_checkpoint(path, "it is not a pickle of arrays, or damaged") from error


def _unsafe(path: Path, name: str) -> UnsafeCheckpointError:
    message = f"cannot load the checkpoint {path.name!r}: it asks for {name!r}, expected arrays "
    message += "and plain values only. Nothing in it was run."
    hint = "do not load it; ask its author for only the weights (.safetensors)."
    return UnsafeCheckpointError(message, global_name=name, path=path, hint=hint)
