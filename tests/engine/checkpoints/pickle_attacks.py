# SPDX-License-Identifier: Apache-2.0
"""Hostile ``.pth`` files by the hundred: every way in which a pickle calls, times what it calls.

Run as a program it writes each of them and reads it with zoo, under limits of memory and time and
an audit hook that notes what a pickle may never bring about; one line of JSON a file::

    python tests/engine/checkpoints/pickle_attacks.py FOLDER
"""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MEMORY_BYTES = 8 * 2**30  # of addresses; torch alone maps three
GROWTH_BYTES = 400 * 2**20  # of what is really used
LIMIT_S = 20.0

# What to call, and with which text: each would leave a mark, reach the network, or load code.
CALLED = {
    "os.system": "touch CANARY",
    "posix.system": "touch CANARY",
    "nt.system": "echo > CANARY",
    "os.popen": "touch CANARY",
    "os.remove": "CANARY",
    "os.mkdir": "CANARY",
    "os.putenv": "CANARY",
    "subprocess.call": "touch CANARY",
    "subprocess.Popen": "touch CANARY",
    "subprocess.getoutput": "touch CANARY",
    "builtins.eval": "open('CANARY','w')",
    "builtins.exec": "open('CANARY','w')",
    "builtins.compile": "open('CANARY','w')",
    "builtins.open": "CANARY",
    "builtins.__import__": "antigravity",
    "builtins.getattr": "system",
    "builtins.breakpoint": "",
    "__builtin__.eval": "open('CANARY','w')",
    "__builtin__.execfile": "CANARY",
    "commands.getoutput": "touch CANARY",
    "importlib.import_module": "antigravity",
    "runpy.run_path": "CANARY",
    "runpy._run_code": "open('CANARY','w')",
    "shutil.rmtree": "CANARY",
    "pip.main": "install",
    "webbrowser.open": "http://127.0.0.1:9/",
    "urllib.request.urlopen": "http://127.0.0.1:9/",
    "socket.create_connection": "127.0.0.1",
    "ctypes.CDLL": "libc.so.6",
    "code.interact": "",
    "pty.spawn": "touch CANARY",
    "timeit.timeit": "open('CANARY','w')",
    "cProfile.run": "open('CANARY','w')",
    "pickle.loads": "cos\nsystem\n(S'touch CANARY'\ntR.",
    "functools.partial": "CANARY",
    "operator.attrgetter": "system",
    "operator.methodcaller": "system",
    "types.FunctionType": "CANARY",
    "multiprocessing.process.BaseProcess": "CANARY",
    "logging.config.dictConfig": "CANARY",
    "numpy.load": "CANARY",
    "numpy.fromfile": "CANARY",
    "torch.load": "CANARY",
    "torch.save": "CANARY",
    "torch.hub.load": "CANARY",
    "torch.jit.load": "CANARY",
    "torch.ops.load_library": "CANARY",
    "torch._utils._import_dotted_name": "os.system",
    "torch._dynamo.repro.after_aot.run": "CANARY",
    "torch.nn.modules.module.Module": "CANARY",
    "mmengine.config.config.Config.fromstring": "import os",
    "mmengine.config.config.Config": "CANARY",
    "mmengine.utils.misc.import_modules_from_strings": "antigravity",
    "mmengine.registry.utils.build_from_cfg": "os.system",
}
TENSORS = ("torch.Tensor", "torch.FloatTensor", "torch.nn.parameter.Parameter", "torch.Generator")
REBUILD = "torch._utils._rebuild_tensor_v2"


def text(value: str) -> bytes:
    """Return the opcode of a text."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(dotted: str) -> bytes:
    """Return the opcode of a global, in the form of protocol 2."""
    module, _, attribute = dotted.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def stacked(dotted: str) -> bytes:
    """Return the opcodes of a global, in the form of protocol 4."""
    module, _, attribute = dotted.rpartition(".")
    return text(module) + text(attribute) + b"\x93"


def number(value: int) -> bytes:
    """Return the opcode of a whole number."""
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + data


def storage(count: int = 2, *, kind: str = "torch.FloatStorage", key: str = "0") -> bytes:
    """Return the opcodes of a storage of torch's, by its persistent id."""
    named = text("storage") + name(kind) + text(key) + text("cpu") + number(count)
    return b"(" + named + b"tQ"


def tensor(count: int = 2, *sizes: int, stride: int = 1, offset: int = 0) -> bytes:
    """Return the opcodes of a tensor as torch writes them."""
    shape = b"(" + b"".join(map(number, sizes or (count,))) + b"t"
    strides = b"(" + number(stride) * len(sizes or (1,)) + b"t"
    rest = b"\x89" + name("collections.OrderedDict") + b")R"
    return name(REBUILD) + b"(" + storage(count) + number(offset) + shape + strides + rest + b"tR"


def calls() -> Iterator[tuple[str, bytes]]:
    """Yield each way of calling each name, as the opcodes of one value."""
    for called, argument in CALLED.items():
        one = text(argument)
        module, _, attribute = called.rpartition(".")
        yield f"REDUCE {called}", name(called) + one + b"\x85R"
        yield f"STACK_GLOBAL {called}", stacked(called) + one + b"\x85R"
        yield f"NEWOBJ {called}", name(called) + one + b"\x85\x81"
        quoted = argument.replace("'", '"').replace("\n", " ")
        yield f"INST {called}", f"(S'{quoted}'\ni{module}\n{attribute}\n".encode()
        yield f"OBJ {called}", b"(" + name(called) + one + b"o"


def rarities() -> Iterator[tuple[str, bytes]]:
    """Yield opcodes that torch never writes, and persistent ids that name no storage."""
    system, touch = name("os.system"), text("touch CANARY")
    huge = struct.pack("<Q", 2**62)
    yield "NEWOBJ_EX", system + touch + b"\x85}\x92"
    yield "EXT1", b"\x82\x01" + touch + b"\x85R"
    yield "EXT4", b"\x84\x01\x00\x00\x00" + touch + b"\x85R"
    yield "PERSID", b"Pos.system\n"
    yield "BINPERSID of a text", touch + b"Q"
    yield "BINPERSID of a call", b"(" + text("module") + system + touch + b"tQ"
    yield "BINPERSID of a module", b"(" + text("module") + system + text("a") + touch + b"tQ"
    yield "storage of a foreign kind", storage(kind="os.system")
    yield "storage key outside", storage(key="../../../../etc/passwd")
    yield "storage key absolute", storage(key="/etc/passwd")
    yield "memo, then called", system + b"q\x050h\x05" + touch + b"\x85R"
    yield "FROZENSET", b"(" + system + b"\x91"
    yield "LONG4", b"\x8b" + struct.pack("<i", 2**31 - 1)
    yield "LONG4 below nothing", b"\x8b" + struct.pack("<i", -5)
    for what, code in (("BYTEARRAY8", 0x96), ("BINBYTES8", 0x8E), ("BINUNICODE8", 0x8D)):
        yield what, bytes([code]) + huge
    yield "FRAME", b"\x95" + huge
    yield "NEXT_BUFFER", b"\x97"
    yield "READONLY_BUFFER", touch + b"\x98"
    for module in ("sys", "os", "posix", "nt", "gc", "inspect", "builtins"):
        yield f"blocked {module}", name(f"{module}.modules") + b")R"


def sizes() -> Iterator[tuple[str, bytes]]:
    """Yield what would reserve, copy or show more than the file holds."""
    for codec in ("zlib_codec", "bz2_codec", "idna", "punycode", "unicode_escape", "os"):
        arguments = b"(" + text("x" * 50) + text(codec) + b"tR"
        yield f"codec {codec}", name("_codecs.encode") + arguments
    for kind in ("bytearray", "bytes", "set", "memoryview", "range", "list"):
        yield f"{kind} of a size", name(f"builtins.{kind}") + number(10**12) + b"\x85R"
    for kind in TENSORS:
        yield f"{kind} of a size", name(kind) + number(10**12) + b"\x85R"
        yield f"{kind} made new", name(kind) + number(10**12) + b"\x85\x81"
    for kind in ("torch.storage.UntypedStorage", "torch.storage.TypedStorage"):
        yield f"{kind} of a size", name(kind) + number(10**14) + b"\x85R"
    yield "storage for a value", storage()
    yield "tensor past its storage", tensor(2, 10**9)
    yield "tensor before its storage", tensor(2, 2, offset=-8)
    yield "tensor with a negative stride", tensor(2, 2, stride=-1)
    yield "tensor of a negative size", tensor(2, -2)
    yield "more numbers than stored", tensor(10**9)


def abuses() -> Iterator[tuple[str, bytes]]:
    """Yield names that are allowed, with arguments and states that are not."""
    system, touch = name("os.system"), text("touch CANARY")
    hiding = b"}(" + text("numel") + system + b"u"
    kept = b"(" + system + name("torch.Tensor") + touch + b"\x85}tR"
    yield "rebuild of a foreign type", name("torch._tensor._rebuild_from_type_v2") + kept
    for what in ("_rebuild_wrapper_subclass", "_rebuild_device_tensor_from_numpy"):
        yield what, name(f"torch._utils.{what}") + b"(" + system + touch + b"tR"
    parameter = name("torch._utils._rebuild_parameter")
    yield "parameter of a function", parameter + b"(" + system + b"\x88NtR"
    yield "function as a value", name(REBUILD)
    yield "class as a value", name("torch.Tensor")
    yield "BUILD of a function", system + hiding + b"b"
    yield "BUILD of a dtype", name("torch.float32") + hiding + b"b"
    yield "BUILD of a dict", b"}" + hiding + b"b"
    yield "SETITEM of a tensor", tensor() + text("a") + touch + b"s"
    yield "APPEND to a tensor", tensor() + touch + b"a"
    for owner, attribute in (
        ("mmengine.logging.history_buffer.HistoryBuffer", "__init__"),
        ("mmengine.logging.history_buffer.HistoryBuffer", "__subclasses__"),
        ("_codecs.encode", "__self__"),
        ("collections.OrderedDict", "mro"),
        ("torch.Size", "__class__"),
        ("numpy.dtype", "newbyteorder"),
    ):
        found = name("builtins.getattr") + b"(" + name(owner) + text(attribute) + b"tR"
        yield f"getattr {attribute} of {owner}", found
        again = name("builtins.getattr") + b"(" + found + text("__globals__") + b"tR"
        yield f"getattr __globals__ of {attribute} of {owner}", again
    empty = b"(" + name("numpy.ndarray") + b"(" + number(0) + b"t" + text("b") + b"tR"
    shape, objects = b"(" + number(1) + b"t", name("numpy.dtype") + text("O8") + b"\x85R"
    state = b"(" + number(1) + shape + objects + b"\x89" + text("AAAAAAAA") + b"t"
    yield "ndarray of objects", name("numpy._core.multiarray._reconstruct") + empty + state + b"b"


def wrapped(value: bytes) -> bytes:
    """Return a pickle of a checkpoint that has one weight, and this value as its ``meta``."""
    weight = b"}" + text("w") + tensor() + b"s"
    return b"\x80\x02}(" + text("state_dict") + weight + text("meta") + value + b"u."


def archive(pickled: bytes, **more: bytes) -> bytes:
    """Return torch's zip of a pickle and two numbers."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("a/data.pkl", pickled)
        target.writestr("a/byteorder", "little")
        target.writestr("a/data/0", struct.pack("<2f", 1, 2))
        for entry, data in more.items():
            target.writestr(f"a/{entry}", data)
        target.writestr("a/version", "3\n")
    return stream.getvalue()


def places(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield where else a call may stand: containers, keys, states, and torch's older form."""
    key = text("k")
    yield "as a weight", b"\x80\x02}" + text("w") + value + b"s."
    yield "as a key", b"\x80\x02}" + value + key + b"s."
    yield "in a list", wrapped(b"](" + value + b"e")
    yield "in a tuple", wrapped(value + b"\x85")
    yield "in a set", wrapped(name("builtins.set") + b"](" + value + b"e\x85R")
    yield "in a counter", wrapped(name("collections.Counter") + b"}" + key + value + b"s\x85R")
    yield (
        "as metadata",
        wrapped(name("collections.OrderedDict") + b")R}" + text("_metadata") + value + b"sb"),
    )
    yield "as hooks", wrapped(tensor().replace(name("collections.OrderedDict") + b")R", value))
    yield "as the whole", b"\x80\x02" + value + b"."
    yield "popped", wrapped(value + b"0N")
    state = b"}" + text("numel") + value + b"s"
    rebuild = name("torch._utils._rebuild_parameter_with_state")
    yield "as state", wrapped(rebuild + b"(" + tensor() + b"\x88N" + state + b"tR")


# torch's older form: magic, protocol, system, value and keys.
_LEGACY = [
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    b"\x80\x02M\xe9\x03.",
    b"\x80\x02}.",
    b"\x80\x02}.",
    b"\x80\x02].",
]


def _raw_zip(pickled: bytes, change: Callable[[bytearray], None]) -> bytes:
    data = bytearray(archive(pickled))
    change(data)
    return bytes(data)


def _flip(at: bytes, add: int, value: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[data.rindex(at) + add] ^= value

    return change


def tricks() -> Iterator[tuple[str, bytes]]:
    """Yield files whose zip, and not whose pickle, is what is wrong; each holds a hostile call."""
    system = wrapped(name("os.system") + text("touch CANARY") + b"\x85R")
    good = wrapped(b"}")
    central, end = b"PK\x01\x02", b"PK\x05\x06"
    one, minus_one = struct.pack("<f", 1), struct.pack("<f", -1)
    yield "a flipped sign", archive(good).replace(one, minus_one, 1)
    yield "encrypted", _raw_zip(good, _flip(central, 8, 1))
    yield "a method that is none", _raw_zip(good, _flip(central, 10, 99))
    yield "compressed by its word", _raw_zip(good, _flip(central, 10, 8))
    yield "sizes that overlap", _raw_zip(good, _flip(central, 22, 0xFF))
    yield "offset past the end", _raw_zip(good, _flip(central, 44, 0x7F))
    yield "directory past the end", _raw_zip(good, _flip(end, 18, 0x7F))
    yield "count of records forged", _raw_zip(good, _flip(end, 10, 0xFF))
    yield "a name that is no UTF-8", _raw_zip(good, lambda d: _no_utf8(d))
    yield "hostile and whole", archive(system)
    yield "a list of 200 MB", _raw_zip(good, lambda data: _state_list(data, 200 * 2**20))
    yield "cut short", archive(system)[:-30]
    yield "bytes before", b"#!/bin/sh\ntouch CANARY\n" + archive(system)
    yield "bytes after", archive(system) + b"\0" * 100
    yield "zip in a zip", archive(system, inner=archive(good))
    yield "two pickles", _two(good, system)
    yield "two pickles, the other way", _two(system, good)
    yield "pickle of another folder", archive(system).replace(b"a/data.pkl", b"b/data.pkl", 1)
    yield "TorchScript", archive(system, **{"constants.pkl": b"\x80\x02)."})
    yield "bare pickle", system
    yield "bare pickle of protocol 0", b"cos\nsystem\n(S'touch CANARY'\ntR."
    for place in range(5):
        call = b"\x80\x02" + name("os.system") + text("touch CANARY") + b"\x85R."
        pickles = [*_LEGACY[:place], call, *_LEGACY[place + 1 :]]
        yield f"older form, pickle {place}", b"".join(pickles)


def _state_list(data: bytearray, size_bytes: int) -> None:
    struct.pack_into("<L", data, data.rindex(b"PK\x05\x06") + 12, size_bytes)


def _no_utf8(data: bytearray) -> None:
    at = data.rindex(b"PK\x01\x02")
    data[at + 9] |= 0x08
    data[at + 46] = 0xFF


def _two(first: bytes, second: bytes) -> bytes:
    import warnings

    stream = io.BytesIO(archive(first))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(stream, "a") as target:
            target.writestr("a/data.pkl", second)
    return stream.getvalue()


def files() -> Iterator[tuple[str, bytes]]:
    """Yield every hostile file, as its name and its bytes; CANARY is still to be replaced."""
    for what, value in (*calls(), *rarities(), *sizes(), *abuses()):
        yield what, archive(wrapped(value))
    value = name("os.system") + text("touch CANARY") + b"\x85R"
    for what, whole in places(value):
        yield f"{what}: os.system", archive(whole)
    yield from tricks()


class Watch:
    """Notes what an audit hook hears while it is on."""

    NEVER = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "webbrowser.", "pty.")
    MAYBE = ("os.listdir", "os.scandir", "os.getxattr")

    def __init__(self) -> None:
        self.on = False
        self.heard: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = (*arguments, None, None)[:3]
            writes = isinstance(flags, int) and flags & 3  # O_WRONLY, O_RDWR
            if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
                self.heard.append(f"open {path!r} {mode}")
        elif (
            event == "pickle.find_class"
            or event in ("exec", "compile", "import")
            or (event.startswith(self.NEVER) and event not in self.MAYBE)
        ):
            self.heard.append(f"{event} {str(arguments)[:80]}")


def _used_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _read(path: Path, watch: Watch) -> dict[str, Any]:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.errors import CheckpointError, UnsafeCheckpointError

    before, since_s = _used_bytes(), time.monotonic()
    watch.heard, watch.on = [], True
    try:
        found = load_checkpoint(path)
        outcome = f"read {sorted(found.state_dict)}"
    except UnsafeCheckpointError as error:
        outcome = f"unsafe {error.global_name}"
    except CheckpointError as error:
        outcome = f"broken {error.message}"
    except BaseException as error:  # noqa: BLE001 - what a user would see as a traceback
        outcome = f"traceback {type(error).__name__}: {error}"
    finally:
        watch.on = False
    grown = max(0, _used_bytes() - before)
    return {"outcome": outcome[:300], "heard": watch.heard, "grown": grown,
            "seconds": round(time.monotonic() - since_s, 2)}  # fmt: skip


def main(folder: Path) -> None:
    """Write and read every file; print a line for each."""
    import torch

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    watch, canary = Watch(), folder / "canary"
    # Once without a watch: what torch and we import on the way is no doing of a file's.
    for warm_up in (archive(wrapped(b"}")), archive(wrapped(name("os.system") + b")R")), b"\x80"):
        (folder / "warm.pth").write_bytes(warm_up)
        _read(folder / "warm.pth", watch)
    torch.save({"w": torch.ones(1)}, folder / "warm.pth", _use_new_zipfile_serialization=False)
    _read(folder / "warm.pth", watch)
    (folder / "warm.pth").unlink()
    path = folder / "hostile.pth"
    for what, data in files():
        path.write_bytes(data)
        row = _read(path, watch)
        row |= {"what": what, "canary": canary.exists() or Path("CANARY").exists()}
        sys.stdout.write(f"{json.dumps(row)}\n")
    # Last, what a file may never do, done by us: the watch does hear it.
    watch.heard, watch.on = [], True
    os.system("true")
    (folder / "control").mkdir()
    watch.on = False
    sys.stdout.write(f"{json.dumps({'what': 'control', 'heard': watch.heard})}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
