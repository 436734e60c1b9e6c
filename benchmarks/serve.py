# SPDX-License-Identifier: Apache-2.0
"""Load `zoo serve` on loopback, with hostile requests among the others, beside the bare predictor.

    python benchmarks/serve.py [--requests 10000] [--clients 1 8 64] [--hostile 0.05]
                               [--workers 1] [--model unet_lung_montgomery] [--images 20]
                               [--small]

Images are the synthetic X-rays of the plugin lung_xray. What each must give is computed before by
`zoo.Predictor` in this process: the label PNG, byte for byte. Each client is a thread with a
connection of its own, which asks again after a 429, as its header says. Hostile requests are
rubbish, truncated images, bombs, wrong types, bodies too large, headers too large, unknown models,
clients that leave, and clients that stop in the middle; each must get its problem, and the service
must go on.

With ``--small``, the model is an exported one of two convolutions and the images have 64x64 px, so
that the service itself is what takes the time.

Prints, for each number of clients: requests per second, latency of those that were answered at
once (p50, p99), lost (no answer), wrong (another answer than computed, or another status than
expected), 429; beside it images per second of the bare loop `encode_png(predictor(path).labels)`,
with as many threads; and the memory of the processes along the way.
"""

from __future__ import annotations

import argparse
import http.client
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import zoo
from zoo.data import encode_png, read_picture, resize_image

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))
ZOO = Path(sys.executable).with_name("zoo")
PNG = {"Accept": "image/png"}
MEGABYTE = 10**6
MAX_SIZE_MB = 4
TIMEOUT_S = 60


@dataclass
class Tally:
    """What became of the requests of one round."""

    latencies_s: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, fault: str = "") -> None:
        """Count a request, and keep the first faults."""
        with self.lock:
            self.counts[what] += 1
            if fault and len(self.faults) < 5:
                self.faults.append(fault)


class Client:
    """One client with a connection that it keeps."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._port, self.tally = port, tally
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, body: bytes, wanted: bytes) -> None:
        """Send an image until it is answered, and compare the answer."""
        while True:
            begun_s = time.perf_counter()
            try:
                status, answer, wait_s = self.post("/predict", body, PNG)
            except (OSError, http.client.HTTPException) as error:
                self.tally.note("lost", f"{type(error).__name__}: {error}")
                return
            if status != 429:
                break
            self.tally.note("429")
            time.sleep(min(wait_s, 0.05))  # shorter than asked for: the queue is to stay full
        if status == 200 and answer == wanted:
            with self.tally.lock:
                self.tally.latencies_s.append(time.perf_counter() - begun_s)
        else:
            self.tally.note("wrong", f"{status}: {answer[:200]!r}")

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, float]:
        """Return status, body and the seconds of Retry-After."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
            read = answer.status, answer.read(), float(answer.getheader("Retry-After") or 0)
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
        if answer.getheader("Connection") == "close":
            self._connection.close()
            self._connection = None
        return read

    def refused(self, name: str, statuses: set[int], path: str, body: bytes, **more: str) -> None:
        """Send something hostile, which must get one of some statuses, or find the queue full."""
        try:
            named = {key.replace("_", "-"): value for key, value in more.items()}
            status, answer, _ = self.post(path, body, {**PNG, **named})
        except (OSError, http.client.HTTPException) as error:
            self.tally.note("lost", f"{name}: {type(error).__name__}: {error}")
            return
        if status in statuses | {429}:
            self.tally.note("refused")
        else:
            self.tally.note("wrong", f"{name}: {status}: {answer[:200]!r}")


def bomb() -> bytes:
    """Return a small PNG of 225 million pixels."""
    side = 15000
    packed = zlib.compressobj(9)
    pixels = b"".join(packed.compress(bytes(side + 1)) for _ in range(side)) + packed.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def hostile_ways(port: int, image: bytes) -> list[Callable[[Client], None]]:
    """Return functions that send something hostile each."""
    large, explosive = bytes(MAX_SIZE_MB * MEGABYTE + 1), bomb()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(image)}\r\n\r\n".encode()

    def leave(data: bytes) -> Callable[[Client], None]:
        def act(client: Client) -> None:
            with socket.create_connection(("127.0.0.1", port)) as gone:
                gone.sendall(data)
            client.tally.note("refused")

        return act

    return [
        lambda client: client.refused("rubbish", {415}, "/predict", b"rubbish" * 100),
        lambda client: client.refused("truncated", {422}, "/predict", image[: len(image) // 2]),
        lambda client: client.refused("bomb", {413}, "/predict", explosive),
        lambda client: client.refused("large", {413}, "/predict", large),
        lambda client: client.refused("type", {415}, "/predict", image, Content_Type="x/y"),
        lambda client: client.refused("accept", {406}, "/predict", image, Accept="text/html"),
        lambda client: client.refused("path", {404}, "/v1/models/..%2f../predict", image),
        lambda client: client.refused("header", {431}, "/predict", image, X="y" * 40_000),
        lambda client: client.refused("form", {400}, "/predict", b"--", Content_Type=FORM),
        leave(head + image),  # it leaves before its answer
        leave(head + image[:1000]),  # and before the end of its body
        leave(b"\x16\x03\x01" + bytes(300)),  # it wants TLS
    ]


FORM = "multipart/form-data; boundary=x"


def load(
    port: int, images: list[tuple[bytes, bytes]], clients: int, requests: int, hostile: float
) -> tuple[Tally, float]:
    """Send requests from several clients; return what became of them, and the seconds."""
    tally = Tally()
    ways = hostile_ways(port, images[0][0])
    draws = random.Random(clients)
    plan = [draws.random() < hostile for _ in range(requests)]
    numbers: Iterator[int] = iter(range(requests))

    def work() -> None:
        client = Client(port, tally)
        while True:
            with tally.lock:
                number = next(numbers, None)
            if number is None:
                return
            if plan[number]:
                ways[number % len(ways)](client)
            else:
                client.ask(*images[number % len(images)])

    begun_s = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(work) for _ in range(clients)]:
            done.result()
    return tally, time.perf_counter() - begun_s


def metrics(port: int) -> dict[str, float]:
    """Return the memory in MB of the processes of a service, and its restarts."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    values = {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name and not name.startswith("#")
    }
    models = [value for name, value in values.items() if name.startswith("zoo_process_resident")]
    return {
        "serving MB": values["process_resident_memory_bytes"] / MEGABYTE,
        "models MB": sum(models) / MEGABYTE,
        "restarts": values["zoo_process_restarts_total"],
        "in progress": values["zoo_requests_in_progress"],
    }


def bare_loop(model: str, paths: list[Path], count: int) -> float:
    """Return the images per second of the predictor by itself."""
    predictor = zoo.load(model, device="cpu")
    predictor(paths[0])
    begun_s = time.perf_counter()
    for number in range(count):
        encode_png(predictor(paths[number % len(paths)]).labels)
    return count / (time.perf_counter() - begun_s)


def write_small(folder: Path, paths: list[Path]) -> Path:
    """Return an exported model of two convolutions, and shrink the images."""
    from onnx_models import PASSED, record_of, semantic_model

    for path in paths:
        path.write_bytes(encode_png(resize_image(read_picture(path).to_uint8(), (64, 64))))
    model = folder / "small.onnx"
    record = record_of(("background", "lung"))
    model.write_bytes(semantic_model(record, certificate=PASSED))
    return model


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="in each round")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--hostile", type=float, default=0.05)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", default="unet_lung_montgomery")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="two convolutions, 64x64 px")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        zoo.sample("lung_xray", Path(folder) / "xrays", count=options.images)
        paths = sorted((Path(folder) / "xrays/Lung Segmentation/CXR_png").iterdir())
        if options.small:
            options.model = str(write_small(Path(folder), paths))
        predictor = zoo.load(options.model, task="semantic", device="cpu")
        images = [(path.read_bytes(), encode_png(predictor(path).labels)) for path in paths]
        bare = bare_loop(options.model, paths, min(options.requests, 200))
        run(options, images, bare)


def run(options: argparse.Namespace, images: list[tuple[bytes, bytes]], bare: float) -> None:
    """Start a service and load it round by round."""
    words = ["--port", "0", "--workers", str(options.workers), "--max-size", str(MAX_SIZE_MB)]
    words += ["--timeout", str(TIMEOUT_S), "--device", "cpu"]
    command = [ZOO, "serve", f"model={options.model}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            print(f"bare predictor: {bare:.1f} images/s")
            print(
                "| clients | requests | requests/s | of bare | p50 ms | p99 ms | refused | 429 "
                "| lost | wrong |\n|---|---|---|---|---|---|---|---|---|---|"
            )
            for clients in options.clients:
                print_round(port, images, clients, options, bare)
        finally:
            process.terminate()
            process.wait(120)
    print(f"exit code {process.returncode}")


def print_round(
    port: int,
    images: list[tuple[bytes, bytes]],
    clients: int,
    options: argparse.Namespace,
    bare: float,
) -> None:
    """Load the service with some clients, and print a row."""
    before = metrics(port)
    tally, seconds = load(port, images, clients, options.requests, options.hostile)
    after = metrics(port)
    good, counts = len(tally.latencies_s), tally.counts
    cuts = statistics.quantiles(tally.latencies_s, n=100) if good > 1 else [0.0] * 99
    cells = [
        *(clients, options.requests, f"{good / seconds:.1f}", f"{good / seconds / bare:.2f}"),
        *(f"{1000 * cuts[49]:.0f}", f"{1000 * cuts[98]:.0f}"),
        *(counts[name] for name in ("refused", "429", "lost", "wrong")),
    ]
    print("| " + " | ".join(map(str, cells)) + " |")
    told = ", ".join(f"{name} {before[name]:.0f} -> {after[name]:.0f}" for name in before)
    print(f"  {clients} clients: {told}", file=sys.stderr)
    for fault in tally.faults:
        print(f"  {fault}", file=sys.stderr)


if __name__ == "__main__":
    main()
