# SPDX-License-Identifier: Apache-2.0
"""What the drill of downloads works with: a server, clients of their own, and the table."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faulty_server import Asked, FaultyServer, Handler

__all__ = ["SIZE", "Drill", "asked", "ended", "is_right", "slowly"]

CLIENT = """
import sys
from pathlib import Path
from zoo.errors import DownloadError
from zoo.weights import fetch_file
from zoo.weights.fetching.setbacks import Patience
target, sha256, size, *addresses = sys.argv[1:]
patience = Patience(tries=8, first_wait_s=0.02, longest_wait_s=2, stall_s=2, least_bytes_s=1000)
try:
    fetch_file(Path(target), sha256, int(size), addresses, patience=patience)
except DownloadError as error:
    sys.exit(str(error))
"""
SIZE = 1_000_000
SLOW_BYTES_S = 1_000_000.0


@dataclass
class Drill:
    """A working folder, a server, and the rows of the table so far."""

    folder: Path
    server: FaultyServer
    rng: random.Random
    rows: list[tuple[str, str, bool]] = field(default_factory=list)

    def file(self, name: str) -> tuple[Path, bytes]:
        """Serve new random bytes under a name; return the target path and the bytes.

        Args:
            name: Path on the server, without the slash.
        """
        data = self.rng.randbytes(SIZE)
        self.server.files[f"/{name}"] = data
        return self.folder / name / f"{name}.safetensors", data

    def start(
        self,
        target: Path,
        data: bytes,
        *names: str,
        before: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a process that downloads a file.

        Args:
            target: Path to write.
            data: Expected bytes.
            *names: Paths on the server, in the order to try them.
            before: Called in the new process before it starts.
        """
        addresses = [f"{self.server.address}/{name}" for name in names]
        words = [str(target), hashlib.sha256(data).hexdigest(), str(len(data)), *addresses]
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, *words],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )

    def row(self, what: str, outcome: str, *, held: bool) -> None:
        """Add a row and print it.

        Args:
            what: The fault.
            outcome: The outcome.
            held: Whether the outcome is as required.
        """
        self.rows.append((what, outcome, held))
        print(f"| {what} | {outcome} | {'yes' if held else '**NO**'} |", flush=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process; return its exit code and its stderr.

    Args:
        process: The process.
    """
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def is_right(target: Path, data: bytes) -> bool:
    """Return whether a file exists with the expected bytes.

    Args:
        target: The file.
        data: Expected bytes.
    """
    return target.exists() and target.read_bytes() == data


def asked(drill: Drill, name: str) -> list[Asked]:
    """Return the requests for a name so far.

    Args:
        drill: The drill.
        name: Path on the server, without the slash.
    """
    return [request for request in list(drill.server.asked) if request.path == f"/{name}"]


def slowly(handler: Handler) -> None:
    """Serve slowly enough to kill a process in the middle.

    Args:
        handler: Handler of the request.
    """
    body, sent = handler.data, 0
    handler.head(200, {"Content-Length": str(len(body)), "ETag": handler.etag})
    while sent < len(body):
        handler.wfile.write(body[sent : sent + 20_000])
        sent += 20_000
        if handler.server.owner.stopped.wait(20_000 / SLOW_BYTES_S):
            return
