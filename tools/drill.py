# SPDX-License-Identifier: Apache-2.0
"""Break downloads on purpose, from a dead host to kill -9, and print a table of the outcomes.

    python tools/drill.py [--downloads 200] [--kills 50] [--seed 0]

Servers and clients are real: HTTP on loopback and a new process per download, except for the matrix
of faults, which uses threads of this process. Exits with 1 if a requirement is not met.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import download_faults
import http_faults as bad
from drill_disks import drill_full_disk, drill_read_only, drill_small_disk
from drilling import SIZE, Drill, asked, ended, is_right, slowly
from faulty_server import Fault, FaultyServer

MANIFEST = """
[plugin]
name = "drill"
version = "0.1.0"
api = 1
summary = "weights of the drill"
license = "Apache-2.0"

[[weights]]
name = "unet"
task = "semantic"
config = "none"
urls = ["https://127.0.0.1:{port}/unet.safetensors"]
sha256 = "{sha256}"
size_bytes = {size_bytes}
format = "safetensors"
licence = "Apache-2.0"
data_licence = "CC0-1.0"
parameters = 1
metrics = [{{ name = "m", value = 0, dataset = "d", split = "s", labels = "true", protocol = "p" }}]
"""


def drill_dead_host(drill: Drill) -> None:
    """Run the command of a user with a host that is gone, without and with a mirror.

    Args:
        drill: The drill.
    """
    target, data = drill.file("dead")
    drill.server.files["/unet.safetensors"] = data
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    package = target.parent / "zoo_drill"
    package.mkdir(parents=True)
    sha256 = hashlib.sha256(data).hexdigest()
    text = MANIFEST.format(port=port, sha256=sha256, size_bytes=SIZE)
    (package / "zoo_plugin.toml").write_text(text)
    kept = {"ZOO_PLUGIN_PATH": str(package.parent), "ZOO_CACHE": str(target.parent / "cache")}
    words = [sys.executable, "-m", "zoo", "download", "unet"]
    codes = []
    for mirrors in ("", drill.server.address):
        environment = {**os.environ, **kept, "ZOO_MIRRORS": mirrors}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        codes.append(done.returncode)
    path = Path(done.stdout.strip() or "nothing")
    outcome = f"exit {codes[0]} without ZOO_MIRRORS, exit {codes[1]} with it"
    drill.row("the host is gone", outcome, held=codes[1] == 0 != codes[0] and is_right(path, data))


def drill_broken(drill: Drill, what: str, fault: Fault) -> None:
    """Interrupt a download in the middle; it must then request only the rest.

    Args:
        drill: The drill.
        what: What happens to the connection, for the table.
        fault: The fault of the server.
    """
    name = what.replace(" ", "_")
    target, data = drill.file(name)
    drill.server.faults[f"/{name}"] = [fault]
    code, _ = ended(drill.start(target, data, name))
    starts = [request.start for request in asked(drill, name)]
    held = code == 0 and is_right(target, data) and len(starts) == 2 and starts[1] > 0
    drill.row(f"the connection {what}", f"resumed at byte {starts[-1]:,}", held=held)


def drill_many(drill: Drill, downloads: int, kills: int) -> None:
    """Download many files in parallel with faults, and kill some of the processes.

    Args:
        drill: The drill.
        downloads: Number of files.
        kills: Number of kills.
    """
    totals: list[dict[str, int]] = []
    seeds = [drill.rng.randrange(10**9) for _ in range(downloads)]
    every = downloads / kills if kills else downloads + 1
    killed = {round(number * every) for number in range(kills)}
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(fetch_one, drill, number, random.Random(seed), kill=number in killed)
            for number, seed in enumerate(seeds)
        ]
        totals = [job.result() for job in jobs]
    total = {key: sum(each[key] for each in totals) for key in totals[0]}
    what = f"{downloads} downloads, {total['faults']} faults, {total['kills']} times kill -9"
    outcome = f"{total['right']} right, {total['wrong']} wrong under a final name, "
    outcome += (
        f"{total['kept']:,} bytes kept across kills, {total['again']:,} of them downloaded again"
    )
    held = total["right"] == downloads and total["kills"] >= kills and total["kept"] > 0
    drill.row(what, outcome, held=held and not total["wrong"] and not total["again"])


def fetch_one(drill: Drill, number: int, rng: random.Random, *, kill: bool) -> dict[str, int]:
    """Download a file to its end, with faults or kills; return the counts.

    Args:
        drill: The drill.
        number: Number of the file.
        rng: Random generator.
        kill: Whether to kill the process.
    """
    name, spare = f"many{number}", f"spare{number}"
    target, data = drill.file(name)
    drill.server.files[f"/{spare}"] = data
    total = dict.fromkeys(("faults", "kills", "kept", "again", "right", "wrong"), 0)
    if kill:
        kill_once(drill, target, data, name, rng, total)
    else:
        faults = [rng.choice(FAULTS)(rng.randrange(SIZE)) for _ in range(rng.randint(1, 3))]
        drill.server.faults[f"/{name}"] = list(faults)
        total["faults"] = len(faults)
    code, told = ended(drill.start(target, data, name, spare))
    if code:
        print(told, file=sys.stderr)
    total["right"] += is_right(target, data)
    total["wrong"] += target.exists() and not is_right(target, data)
    for path in (f"/{name}", f"/{spare}"):
        drill.server.files.pop(path)
    shutil.rmtree(target.parent)
    return total


def kill_once(
    drill: Drill,
    target: Path,
    data: bytes,
    name: str,
    rng: random.Random,
    total: dict[str, int],
) -> None:
    """Kill a download after a share of its bytes, and count what the next one keeps.

    Args:
        drill: The drill.
        target: Path to write.
        data: Expected bytes.
        name: Path on the server.
        rng: Random generator.
        total: Counts to update.
    """
    part = target.with_name(f"{target.name}.part")
    wanted = rng.randrange(1, SIZE * 2 // 3)
    drill.server.faults[f"/{name}"] = [slowly]
    process = drill.start(target, data, name)
    end_s = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end_s:
        if part.exists() and part.stat().st_size >= wanted:
            break
        time.sleep(0.005)
    process.kill()
    process.communicate()
    total["kills"] += process.returncode == -9
    total["wrong"] += target.exists() and not is_right(target, data)
    kept = part.stat().st_size if part.exists() else 0
    before = len(asked(drill, name))
    ended(drill.start(target, data, name))
    resumed = asked(drill, name)[before:]
    total["kept"] += kept
    total["again"] += kept - resumed[0].start if resumed else 0


FAULTS: list[Callable[[int], Fault]] = [
    bad.cuts,
    bad.resets,
    bad.stalls,
    bad.chunked,
    lambda _: bad.answers(500),
    lambda _: bad.answers(503, Retry_After="0"),
    lambda _: bad.answers(429, Retry_After="1"),
    lambda _: bad.answers(404),
    lambda _: bad.answers(416),
    lambda _: bad.ignores_ranges,
    lambda _: bad.gives_other_bytes,
    lambda _: bad.sends_a_page,
    lambda _: bad.encodes,
    lambda at: bad.states_range(f"bytes {at}-{SIZE - 1}/{SIZE}", at),
    lambda at: bad.states_length(SIZE, b"x" * at),
    lambda at: bad.states_length(at, b"x" * at),
    lambda _: bad.redirects("ftp://127.0.0.1/x"),
]


def drill_eight(drill: Drill) -> None:
    """Let eight processes request the same file at once.

    Args:
        drill: The drill.
    """
    target, data = drill.file("eight")
    drill.server.faults["/eight"] = [slowly]
    codes = [ended(process)[0] for process in [drill.start(target, data, "eight") for _ in "8" * 8]]
    count = len(asked(drill, "eight"))
    held = codes == [0] * 8 and count == 1 and is_right(target, data)
    drill.row("8 processes at once", f"{codes.count(0)} succeeded, {count} request", held=held)


def drill_matrix(drill: Drill) -> None:
    """Run every fault at every moment, after every state that an earlier run may leave.

    Args:
        drill: The drill.
    """
    folder = drill.folder / "matrix"
    wanted = list(download_faults.cells())
    with ThreadPoolExecutor(8) as pool:
        jobs = []
        for number, cell in enumerate(wanted):
            own = folder / str(number)
            own.mkdir(parents=True)
            jobs.append(pool.submit(download_faults.run_cell, cell, drill.server, own))
        outcomes = [job.result() for job in jobs]
    for outcome in outcomes:
        if outcome.wrong:
            print(f"{outcome.cell}: {outcome.wrong}", file=sys.stderr)
    right = sum(outcome.is_right for outcome in outcomes)
    most = max(outcome.asked for outcome in outcomes)
    longest_s = max(outcome.seconds for outcome in outcomes)
    what = f"{len(download_faults.FAULTS)} kinds of faults in {len(wanted)} situations"
    told = f"{right} right, {len(wanted) - right} ended with one error; at most {most} requests "
    told += f"and {longest_s:.1f} s"
    drill.row(what, told, held=not any(outcome.wrong for outcome in outcomes))


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--downloads", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.getLogger("zoo").setLevel(logging.ERROR)  # the matrix retries very often
    started_s = time.monotonic()
    print("| fault | outcome | as required |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, FaultyServer() as server:
        drill = Drill(Path(folder), server, random.Random(args.seed))
        drill_dead_host(drill)
        drill_broken(drill, "is closed", bad.cuts(300_000))
        drill_broken(drill, "is reset", bad.resets(300_000))
        drill_broken(drill, "stalls", bad.stalls(300_000))
        drill_many(drill, args.downloads, args.kills)
        drill_eight(drill)
        drill_full_disk(drill)
        drill_small_disk(drill)
        drill_read_only(drill)
        drill_matrix(drill)
    print(f"\nseed {args.seed}, {time.monotonic() - started_s:.0f} s")
    if not all(held for _, _, held in drill.rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
