# SPDX-License-Identifier: Apache-2.0
"""Time a download from loopback with hash and fsync, against other downloaders.

    python benchmarks/download.py [--megabytes 1000] [--runs 5] [--folder DIR]
    python benchmarks/download.py --limit 50 --peer PYTHON

One server process sends a file with sendfile, also in ranges; ``--limit`` is the most MB/s that
one connection gets. Every run is a new process including its start, and the arms alternate.
``curl, sha256sum`` leaves the bytes in the page cache; the second curl also writes them to disk, as
zoo does. PYTHON belongs to an environment with huggingface_hub, which fetches the same bytes from
the same server by its own downloader and checks their number alone. Memory is the peak of the
downloading process.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import os
import re
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
from zoo.weights.fetching.setbacks import Patience
target, sha256, size, address, connections = sys.argv[1:]
patience = Patience(connections=int(connections))
fetch_file(Path(target), sha256, int(size), [address], patience=patience)
"""
THEIRS = """
import sys
from huggingface_hub import hf_hub_download
folder, endpoint, commit = sys.argv[1:]
hf_hub_download("acme/unet", "source", revision=commit, endpoint=endpoint, cache_dir=folder)
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOCK_BYTES = 1 << 18


class Handler(http.server.BaseHTTPRequestHandler):
    """Handler that sends one file or a range of it by sendfile, as a hub does without a CDN."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send the headers by hand and the file by sendfile."""
        with open(self.server.file, "rb") as stream:  # type: ignore[attr-defined]
            size_bytes = os.fstat(stream.fileno()).st_size
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start = int(found[1]) if found else 0
            stop = int(found[2]) + 1 if found and found[2] else size_bytes
            self.send_response(HTTPStatus.PARTIAL_CONTENT if found else HTTPStatus.OK)
            if found:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size_bytes}")
            self.send_header("Content-Length", str(stop - start))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"1"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            self.wfile.flush()
            if self.command != "HEAD":
                self._send(stream, start, stop)

    do_HEAD = do_GET

    def _send(self, stream: object, start: int, stop: int) -> None:
        limit = self.server.limit_bytes_s  # type: ignore[attr-defined]
        if limit is None:
            self.connection.sendfile(stream, start, stop - start)  # type: ignore[arg-type]
            return
        # One connection keeps its pace from one range to the next.
        due_s = max(getattr(self, "due_s", 0.0), time.monotonic())
        for begin in range(start, stop, BLOCK_BYTES):
            count = min(BLOCK_BYTES, stop - begin)
            self.connection.sendfile(stream, begin, count)  # type: ignore[arg-type]
            due_s += count / limit
            time.sleep(max(0.0, due_s - time.monotonic()))
        self.due_s = due_s

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Server of one file."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing, as a client may close a connection early."""


def serve(file: Path, limit: float | None) -> None:
    """Serve a file until stdin ends, and print the port.

    Args:
        file: The file.
        limit: The most MB/s that one connection gets, or None.
    """
    server = Server(("127.0.0.1", 0), Handler)
    server.file = file  # type: ignore[attr-defined]
    server.limit_bytes_s = None if limit is None else limit * 1e6  # type: ignore[attr-defined]
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
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        message = f"failed: {command}"
        raise RuntimeError(message)
    return time.perf_counter() - start_s, usage.ru_maxrss / 1024


def commands(
    target: Path, endpoint: str, sha256: str, size_bytes: int, peer: str | None
) -> dict[str, list[str]]:
    """Return the command of each arm.

    Args:
        target: Where the file goes.
        endpoint: Address of the server.
        sha256: Digest of the file.
        size_bytes: Size of the file.
        peer: A Python with huggingface_hub, or None.
    """
    address = f"{endpoint}/acme/unet/resolve/{COMMIT}/source"
    curl = f"curl -sSf -o {target} {address}"
    ours = [sys.executable, "-c", OURS, str(target), sha256, str(size_bytes), address]
    arms = {
        "zoo": [*ours, "8"],
        "zoo, one connection": [*ours, "1"],
        "curl, sha256sum": ["sh", "-c", f"{curl} && sha256sum {target} >{os.devnull}"],
        "curl, sync, sha256sum": [
            *("sh", "-c", f"{curl} && sync {target} && sha256sum {target} >{os.devnull}"),
        ],
    }
    if peer is not None:
        arms["huggingface_hub"] = [peer, "-c", THEIRS, str(target.parent), endpoint, COMMIT]
    return arms


def compare(
    folder: Path, size_bytes: int, runs: int, limit: float | None, peer: str | None
) -> None:
    """Run the arms alternately and print their table.

    Args:
        folder: Working folder.
        size_bytes: Size of the file.
        runs: Runs of each arm.
        limit: The most MB/s that one connection gets, or None.
        peer: A Python with huggingface_hub, or None.
    """
    source = folder / "source"
    sha256 = write_file(source, size_bytes)
    command = [sys.executable, __file__, "--serve", str(source)]
    command += [] if limit is None else ["--limit", str(limit)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    endpoint = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    target = folder / "got" / "file.safetensors"
    arms = commands(target, endpoint, sha256, size_bytes, peer)
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
    parser.add_argument("--limit", type=float, help="the most MB/s that one connection gets")
    parser.add_argument("--peer", help="a Python with huggingface_hub, to compare with")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.serve, args.limit)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        compare(Path(folder), args.megabytes * 10**6, args.runs, args.limit, args.peer)


if __name__ == "__main__":
    main()
