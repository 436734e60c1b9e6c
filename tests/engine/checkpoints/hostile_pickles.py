# SPDX-License-Identifier: Apache-2.0
"""Writers of hostile ``.pth`` files: what makes the canary when it is loaded without care."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Writer = Callable[[Path, Path], Any]


class Calls:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.parts = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.parts


def code(canary: Path) -> str:
    """Return Python that makes the canary."""
    return f"open({str(canary)!r}, 'w').close()"


def shell(canary: Path) -> str:
    """Return a command that makes the canary."""
    return f"touch '{canary}'"


def save(path: Path, meta: Any, **options: Any) -> None:
    """Write a checkpoint of one tensor with this ``meta``; options as for `torch.save`."""
    import torch

    torch.save({"state_dict": {"w": torch.ones(2)}, "meta": meta}, path, **options)


def saved(make: Callable[[Path], Any], **options: Any) -> Writer:
    """Return a writer of a checkpoint whose ``meta`` is hostile."""
    return lambda path, canary: save(path, make(canary), **options)


def zipped(*entries: tuple[str, bytes], **options: Any) -> Writer:
    """Return a writer of torch's archive with these entries; CANARY becomes the canary's path."""

    def write(path: Path, canary: Path) -> None:
        with zipfile.ZipFile(path, "w", **options) as archive:
            for name, data in entries:
                archive.writestr(name, data.replace(b"CANARY", str(canary).encode()))

    return write


def pickled(data: bytes) -> Writer:
    """Return a writer of torch's archive whose pickle is ``data``."""
    return zipped(("archive/data.pkl", data), ("archive/version", b"3\n"))


BOMB = zipped(("a/data.pkl", b"\0" * 10_000_000), compression=zipfile.ZIP_DEFLATED)
DEEP = pickled(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
TORCH_SCRIPT = zipped(
    ("a/data.pkl", b"\x80\x02}."), ("a/constants.pkl", b"\x80\x02)."), ("a/version", b"3\n")
)


def _doubled(times: int) -> bytes:
    """Return opcodes of a tuple that holds the one before it twice, so many times."""
    start = b")q\x00"
    return start + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(times))


def _doubled_lists(times: int) -> bytes:
    """Return opcodes of such lists, of which each is filled after it went into the next."""
    made = b"".join(b"]q%c0" % n for n in range(times + 1))
    filled = (b"h%c(h%ch%ce0" % (n, n - 1, n - 1) for n in range(times, 0, -1))
    return made + b"".join(filled) + b"h%c" % times


_PROTO = b"\x80\x02"
DOUBLED = {
    "doubled: key": pickled(_PROTO + b"}(" + _doubled(40) + b"K\x01u."),
    "doubled: counted": pickled(_PROTO + b"ccollections\nCounter\n" + _doubled(40) + b"\x85R."),
    "doubled: size": pickled(_PROTO + b"ctorch\nSize\n" + _doubled(40) + b"\x85R."),
    "doubled: value": pickled(_PROTO + _doubled(40) + b"."),
    "doubled: codec": pickled(
        _PROTO + b"c_codecs\nencode\nX\x01\0\0\0a" + _doubled_lists(40) + b"\x86R."
    ),
    "doubled: storage": pickled(_PROTO + _doubled_lists(40) + b"K\x01\x86Q."),
    "doubled: function": pickled(_PROTO + _doubled_lists(40) + b")R."),
    "doubled: then damaged": pickled(_PROTO + b"}(" + _doubled(40) + b"K\x01u\xff"),
    "doubled by DUP": pickled(_PROTO + b")" + b"2\x86" * 40 + b"."),
    "holds itself": pickled(_PROTO + b"]q\x00h\x00a."),
}
"""Small files whose values take years to hash or to show; nothing can interrupt that."""


def tar(path: Path, canary: Path) -> None:
    """Write torch's oldest form, a tar of pickles."""
    data = pickle.dumps(Calls(os.system, shell(canary)), protocol=2)
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def forged_size(path: Path, canary: Path) -> None:
    """Declare ten million numbers where ten are stored."""
    import torch

    stream = io.BytesIO()
    torch.save({"w": torch.arange(10.0)}, stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                data = data.replace(b"K\x0a", b"J" + (10_000_000).to_bytes(4, "little"))
            target.writestr(name, data)


def huge_array(path: Path, canary: Path) -> None:
    """Write an array of a million million numbers, of which one is there."""
    state = (1, (10**12,), np.dtype("f8"), False, b"\0" * 8)
    reconstruct = np.zeros(1).__reduce__()[0]
    save(path, Calls(reconstruct, np.ndarray, (0,), b"b", state=state))


def history_buffer() -> Any:
    """Return mmengine's class of histories, which its checkpoints pickle."""
    from mmengine.logging import HistoryBuffer

    return HistoryBuffer
