# SPDX-License-Identifier: Apache-2.0
"""Count the bytes that `zoo rescue` reads from old checkpoints, against their size.

    python benchmarks/rescue.py [--gigabytes 10] [--folder DIR]

Writes toy checkpoints as mmengine does (weights, Adam's two moments, message hub, meta) into DIR,
which temporarily needs 1.5 times the size: seven eighths in files of 250 MB, alternately named,
renamed, and in no index; then one file of an eighth, named. Linux counts what a process reads
(`rchar` of `/proc/self/io`). The count excludes what the same command reads to adopt one small
checkpoint, and the new files, which are read back once for the cache. Runs twice, then removes
everything.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS = """
import atexit, pathlib, resource, sys
counted = pathlib.Path(sys.argv.pop(1))
@atexit.register
def tell():
    counts = dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted.write_text(f"{counts['rchar']} {peak_kb}")
from zoo.cli import main
main()
"""
MANIFEST = """\
[plugin]
name = "toys"
version = "0.1.0"
api = 1
summary = "old checkpoints of the benchmark"
license = "Apache-2.0"

[[legacy_index]]
file = "index.json"
"""
COLUMNS = (
    *("name", "task", "tasks", "config", "architecture", "datasets"),
    *("metrics", "memory_gb", "url", "sha256_prefix", "note"),
)
FILE_BYTES = 250_000_000


def write_checkpoint(path: Path, size_bytes: int, seed: int) -> str:
    """Write a checkpoint as mmengine does, of about this size; return its sha256.

    Args:
        path: File to write.
        size_bytes: Approximate size.
        seed: Seed of the weights.
    """
    import torch
    from mmengine.logging import MessageHub

    torch.manual_seed(seed)
    layers = {f"layer{number}.weight": torch.randn(size_bytes // 12 // 8) for number in range(8)}
    moments = {n: {"exp_avg": w * 0.1, "exp_avg_sq": w * w} for n, w in enumerate(layers.values())}
    hub = MessageHub.get_instance("rescue")
    hub.update_scalar("train/loss", float(seed))
    tree = {
        "meta": {"epoch": 12, "iter": 9000, "dataset_meta": {"classes": ("road", "car")}},
        "state_dict": layers,
        "message_hub": hub.state_dict(),
        "optimizer": {"state": moments, "param_groups": []},
    }
    torch.save(tree, path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_all(folder: Path, total_bytes: int) -> Iterator[tuple[str, str]]:
    """Write the checkpoints; yield name and sha256 of those for the index.

    Args:
        folder: Folder to write to.
        total_bytes: Total size.
    """
    folder.mkdir()
    large = total_bytes // 8
    sizes = [FILE_BYTES] * ((total_bytes - large) // FILE_BYTES) + [large]
    for number, size_bytes in enumerate(sizes):
        path, name = folder / "new.pth", f"toy{number:03}"
        sha256 = write_checkpoint(path, size_bytes, number)
        kind = "named" if size_bytes == large else ("named", "renamed", "unlisted")[number % 3]
        own = f"{name}-{sha256[:8]}.pth" if kind == "named" else f"{kind} {number}.pth"
        path.rename(folder / own)
        if kind != "unlisted":
            yield name, sha256


def write_index(folder: Path, listed: list[tuple[str, str]]) -> None:
    """Write the plugin whose index lists the checkpoints.

    Args:
        folder: Folder to write to.
        listed: Name and sha256 of each checkpoint.
    """
    package = folder / "toys" / "zoo_toys"
    package.mkdir(parents=True)
    rows: list[list[Any]] = []
    for name, sha256 in listed:
        digits = sha256[:8]
        url = f"https://example.org/{name}-{digits}.pth"
        facts = ["semantic", ["semantic"], None, [], [], [], None, url, digits, None]
        rows.append([name, *facts])
    index = {"format": 1, "sources": ["none"], "licence": "Apache-2.0", "data_licence": "none"}
    index |= {"columns": list(COLUMNS), "rows": rows}
    (package / "__init__.py").write_text('"""Toys."""\n')
    (package / "zoo_plugin.toml").write_text(MANIFEST)
    (package / "index.json").write_text(json.dumps(index))


def rescue(folder: Path, source: Path, home: str) -> tuple[int, float, float, list[Any]]:
    """Run the command in a new process; return bytes read, seconds, peak MB, and its rows.

    Args:
        folder: Working folder.
        source: Folder of the checkpoints.
        home: Name of the folder for the new files.
    """
    counted = folder / "counted"
    kept = {"ZOO_CACHE": folder / home, "ZOO_LOCK": folder / home / "zoo.lock"}
    words = [sys.executable, "-c", OURS, str(counted), "rescue", str(source), "--json"]
    environment = {**os.environ, "ZOO_PLUGIN_PATH": str(folder)}
    environment |= {key: str(path) for key, path in kept.items()}
    start_s = time.perf_counter()
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True)
    taken_s = time.perf_counter() - start_s
    rchar, peak_kb = map(int, counted.read_text().split())
    return rchar, taken_s, peak_kb / 1024, json.loads(done.stdout)


def show(what: str, folder: Path, started_bytes: int) -> None:
    """Run the command on the checkpoints, and print one row.

    Args:
        what: Name of the row.
        folder: Working folder.
        started_bytes: Bytes read for one small checkpoint.
    """
    source = folder / "old"
    files_bytes = sum(path.stat().st_size for path in source.iterdir())
    rchar, taken_s, peak_mb, rows = rescue(folder, source, "home")
    new = {row["sha256"]: row["converted_bytes"] for row in rows if row["sha256"]}
    new_bytes = sum(new.values())
    states = [row["state"] for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    read_bytes = rchar - started_bytes - new_bytes
    sizes = " | ".join(f"{size / 1e6:,.1f}" for size in (files_bytes, read_bytes))
    share = read_bytes / files_bytes
    print(f"| {what} | {counts} | {sizes} | {share:.4f} | {taken_s:.0f} | {peak_mb:,.0f} |")


def main() -> None:
    """Write the checkpoints, rescue them twice, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--folder", type=Path, help="where the files go; default: a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        (folder / "small").mkdir()
        small = write_checkpoint(folder / "small" / "a.pth", 10_000, 1000)
        listed = [("small", small), *write_all(folder / "old", int(args.gigabytes * 1e9))]
        write_index(folder, listed)
        rescue(folder, folder / "small", "warm")  # compiles the bytecode
        started_bytes = rescue(folder, folder / "small", "cold")[0]
        print("| run | checkpoints | they have, MB | read of them, MB | times | s | peak MB |")
        print("|---|---|---|---|---|---|---|")
        show("first", folder, started_bytes)
        show("again", folder, started_bytes)


if __name__ == "__main__":
    main()
