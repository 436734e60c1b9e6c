# SPDX-License-Identifier: Apache-2.0
"""Time a new plugin: from `zoo plugin new` to a passing check and the first steps of a training.

    python benchmarks/plugin_new.py [--task semantic] [--all] [--runs 3]

Types the lines that `zoo plugin new` prints, one after the other, in a temporary folder and without
an edit. `pip install` is left out, and so are the plugin's tests: zoo finds the folder through
ZOO_PLUGIN_PATH. `--all` adds every part that a plugin may have. Prints the wall time of each line
and its CPU time, which other work on the machine does not change much.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARTS = ("model", "loss", "hook", "metric", "transform", "command", "converter")
LEFT_OUT = ("cd ", "pip ", "python ")


def run(line: str, folder: Path, plugin: Path) -> tuple[str, float, float]:
    """Run a line of a shell; return its output, and its wall and CPU time in seconds.

    Args:
        line: The line.
        folder: Where to run it.
        plugin: Folder of the plugin, which may not exist yet.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    if plugin.is_dir():
        environment["ZOO_PLUGIN_PATH"] = str(plugin)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True
    )
    wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{line}\n{done.stdout}{done.stderr}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, wall_s, cpu_s


def measure(words: str) -> dict[str, tuple[float, float]]:
    """Return what was typed -> its wall and CPU time in seconds, for one new plugin.

    Args:
        words: Options of ``zoo plugin new``.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, plugin = Path(temporary), Path(temporary, "pond_tiles")
        line = f"zoo plugin new pond_tiles {words}".strip()
        printed, *taken = run(line, folder, plugin)
        times = {line: (taken[0], taken[1])}
        for line in printed.splitlines():
            if not line.startswith(LEFT_OUT):
                _, wall_s, cpu_s = run(line, plugin, plugin)
                times[line] = (wall_s, cpu_s)
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="semantic", choices=["semantic", "instance"])
    parser.add_argument("--all", action="store_true", help="with every part")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    words = f"--dataset {options.task}"
    if options.all:
        words += "".join(f" --{part}" for part in PARTS)
    runs = [measure(words) for _ in range(options.runs)]
    print("| line | wall s, median | CPU s, median |\n|---|---|---|")
    for line in runs[0]:
        wall_s, cpu_s = (statistics.median(each[line][i] for each in runs) for i in (0, 1))
        print(f"| `{line}` | {wall_s:.1f} | {cpu_s:.1f} |")
    totals = [[sum(each[line][i] for line in each) for each in runs] for i in (0, 1)]
    print(f"| all | {statistics.median(totals[0]):.1f} | {statistics.median(totals[1]):.1f} |")


if __name__ == "__main__":
    main()
