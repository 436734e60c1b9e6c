# SPDX-License-Identifier: Apache-2.0
"""Time a download from loopback with hash and fsync, against curl followed by sha256sum.

    python benchmarks/download.py [--megabytes 1000] [--runs 5] [--folder DIR]

One server process sends a file with sendfile. Every run is a new process including its start, and
the arms alternate. ``curl, sha256sum`` leaves the bytes in the page cache; the second peer also
writes them to disk, as zoo does. Memory is the peak of the downloading process.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import os
import shutil
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http import HTTPStatus
from pathlib import Path

OURS = """
import sys
from pathlib import Path
from zoo.weights import fetch_file
target, sha256, size, address = sys.argv[1:]
fetch_file(Path(target), sha256, int(size), [address])
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Handler that sends one file by sendfile."""

    def do_GET(self) -> None:
        """Send the headers by hand and the file by sendfile."""
        with open(self.server.file, "rb") as stream:  # type: ignore[attr-defined]
            size_bytes = os.fstat(stream.fileno()).st_size
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(size_bytes))
            self.end_headers()
            self.wfile.flush()
            self.connection.sendfile(stream)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Server of one file."""

    daemon_threads = True


def serve(file: Path) -> None:
    """Serve a file until stdin ends, and print the port.

    Args:
        file: The file.
    """
    server = Server(("127.0.0.1", 0), Handler)
    server.file = file  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


def write_file(path: Path, size_bytes: int) -> str:
    """Write bytes that do not compress, and return their sha256.

    Args:
        path: The file to write.
        size_bytes: Its size.
    """
    digest, block_bytes = hashlib.sha256(), 1 << 20
    with path.open("wb") as stream:
        for start in range(0, size_bytes, block_bytes):
            block = os.urandom(min(block_bytes, size_bytes - start))
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command in a new process; return its seconds and its peak memory in MB.

    Args:
        command: The command.
    """
    start_s = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        message = f"failed: {command}"
        raise RuntimeError(message)
    return time.perf_counter() - start_s, usage.ru_maxrss / 1024


def compare(folder: Path, size_bytes: int, runs: int) -> None:
    """Run the arms alternately and print their table.

    Args:
        folder: Working folder.
        size_bytes: Size of the file.
        runs: Runs of each arm.
    """
    source = folder / "source"
    sha256 = write_file(source, size_bytes)
    command = [sys.executable, __file__, "--serve", str(source)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = f"http://127.0.0.1:{server.stdout.readline().strip()}/source"
    target = folder / "got" / "file.safetensors"
    curl = f"curl -sSf -o {target} {address}"
    arms = {
        "zoo: hashed, fsynced": [
            *(sys.executable, "-c", OURS),
            *(str(target), sha256, str(size_bytes), address),
        ],
        "curl, sha256sum": ["sh", "-c", f"{curl} && sha256sum {target} >{os.devnull}"],
        "curl, sync, sha256sum": [
            *("sh", "-c", f"{curl} && sync {target} && sha256sum {target} >{os.devnull}"),
        ],
    }
    taken: dict[str, list[tuple[float, float]]] = {arm: [] for arm in arms}
    for _ in range(runs):
        for arm, command in arms.items():
            shutil.rmtree(target.parent, ignore_errors=True)
            target.parent.mkdir()
            os.sync()
            taken[arm].append(timed(command))
    server.communicate("")
    show(taken, size_bytes)


def show(taken: dict[str, list[tuple[float, float]]], size_bytes: int) -> None:
    """Print the table of medians.

    Args:
        taken: Seconds and peak MB of each run, by arm.
        size_bytes: Size of the file.
    """
    medians = {arm: statistics.median(s for s, _ in runs) for arm, runs in taken.items()}
    ours = next(iter(medians.values()))
    print(f"{size_bytes / 1e6:,.0f} MB\n")
    print("| arm | median s | fastest s | MB/s | speed of zoo over it | peak MB |")
    print("|---|---|---|---|---|---|")
    for arm, runs in taken.items():
        fastest = min(s for s, _ in runs)
        rate, peak = size_bytes / 1e6 / medians[arm], max(mb for _, mb in runs)
        ratio = medians[arm] / ours
        cells = f"{medians[arm]:.2f} | {fastest:.2f} | {rate:.0f} | {ratio:.2f} | {peak:.0f}"
        print(f"| {arm} | {cells} |")


def main() -> None:
    """Parse the arguments and compare, or serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files go; default: a temporary one")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.serve)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        compare(Path(folder), args.megabytes * 10**6, args.runs)


if __name__ == "__main__":
    main()
