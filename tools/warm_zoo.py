# SPDX-License-Identifier: Apache-2.0
"""The command ``zoo`` without the seconds of its imports: forks of a process that has made them.

Each start of ``zoo train`` imports torch and OpenMMLab for three seconds, and the tests start it
hundreds of times. Here a server imports them once; a small program named ``zoo`` sends it words,
folder, variables, umask and its three open files, and ends as the fork ends.

A fork is a process of its own, with the modules of zoo still to be imported. What it does not prove
is the start itself: variables that Python, OpenMP or matplotlib read as they are loaded, limits
and process groups of the caller, and keys pressed in a terminal. Tests of those start the real one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["WarmZoo"]

_IMPORTED = (
    *("torch", "cv2", "mmengine.runner", "mmcv.transforms"),
    *("mmseg.models", "mmseg.datasets", "mmseg.evaluation", "mmseg.engine", "mmseg.visualization"),
    *("mmdet.models", "mmdet.datasets", "mmdet.evaluation", "mmdet.engine", "mmdet.visualization"),
)
_LENGTH_BYTES = 4

# Isolated and without site-packages, it starts in 20 ms.
_CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
mask = os.umask(0)
os.umask(mask)
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), mask]).encode()
def read():
    answer = answers.read({size})
    if not answer:
        sys.exit("the server of warm forks has ended")
    return int.from_bytes(answer, "big", signed=True)
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(asked).to_bytes({size}, "big")], [0, 1, 2])
    server.sendall(asked)
    with server.makefile("rb") as answers:
        fork = read()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda number, _: os.kill(fork, number))
        code = read()
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


class WarmZoo:
    """A server of forks, and the program that asks it for one.

    Args:
        folder: Where the program and the socket are written; its path must be short.
        env: Variables of the server: what is read when libraries are loaded.
        python: Of the environment whose ``zoo`` it is; None for this one.

    Attributes:
        program: Takes the words of ``zoo``; its folder may stand first in ``PATH``.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], *, python: Path | None = None) -> None:
        """Start to import; the first use of the program waits for it."""
        self.program = folder / "bin" / "zoo"
        self.program.parent.mkdir(parents=True)
        address = str(folder / "socket")
        text = _CLIENT.format(python=sys.executable, address=address, size=_LENGTH_BYTES)
        self.program.write_text(text, encoding="utf-8")
        self.program.chmod(0o755)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()
        self._server = subprocess.Popen(
            [python or sys.executable, __file__, str(listener.fileno())],
            env=dict(env),
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()

    @staticmethod
    def is_possible() -> bool:
        """Return whether the system has forks, and descriptors of processes."""
        return hasattr(os, "fork") and hasattr(os, "pidfd_open")

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Stop the server; forks that still run go on."""
        self._server.communicate()  # which closes its stdin


def serve(listener: socket.socket) -> None:
    """Answer until stdin ends; returns in each fork, which is then to run ``zoo``.

    Args:
        listener: Where the programs connect.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while True:
        ready, _, _ = select.select([listener.fileno(), 0], [], [])
        if 0 in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection)
            return
        connection.close()


def _answer(connection: socket.socket) -> None:
    """Return in a fork that has become what the program asks for; else end with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(connection, _LENGTH_BYTES, 3)
    with connection.makefile("rb") as stream:
        asked = stream.read(int.from_bytes(head, "big"))
    fork = os.fork()
    if fork == 0:
        connection.close()
        _become(files, *json.loads(asked))
        return
    for file in files:
        os.close(file)
    connection.sendall(fork.to_bytes(_LENGTH_BYTES, "big"))
    ended = os.pidfd_open(fork)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:  # the program was killed
        os.kill(fork, signal.SIGKILL)
    _, status = os.waitpid(fork, 0)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(OSError):
        connection.sendall(code.to_bytes(_LENGTH_BYTES, "big", signed=True))
    os._exit(0)


def _become(
    files: list[int], words: list[str], folder: str, env: dict[str, str], mask: int
) -> None:
    """Take over the three files, the words, the folder and the variables of the program."""
    os.chdir(folder)
    os.umask(mask)
    os.environ.clear()
    os.environ.update(env)
    script = Path(sys.executable).with_name("zoo")
    sys.argv[:] = [str(script), *words]
    places = [*env.get("PYTHONPATH", "").split(os.pathsep), str(script.parent)]
    sys.path[:1] = [place for place in places if place]
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.dup2(files[number], number)
        os.close(files[number])
        mode, buffering = ("w" if number else "r"), (1 if number == 2 else -1)
        errors = getattr(sys, name).errors  # by the locale
        stream = open(number, mode, buffering, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if "numpy" in sys.modules:  # Python's own generator is seeded anew in each fork
        sys.modules["numpy"].random.seed()


def _run() -> None:
    """Run the script, and end as Python does but for freeing what the server has imported."""
    code: int = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def _load() -> None:
    """Import what takes long; what is missing is told by the command that needs it."""
    importlib.import_module("zoo")  # makes mmcv importable
    for name in _IMPORTED:
        with contextlib.suppress(ImportError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)


if __name__ == "__main__":
    asked_at = socket.socket(fileno=int(sys.argv[1]))
    _load()
    gc.freeze()  # else the first collection of each fork copies all memory
    serve(asked_at)
    _run()
