# SPDX-License-Identifier: Apache-2.0
"""Time `zoo list` from a cold start with 50 plugins, and a peer's command.

    python benchmarks/cold_list.py [--plugins 50] [--runs 15] [--peer "mim list"]

Also times `zoo list --legacy` with the 1,210 old checkpoints of the plugin openmmlab_index, if it
is installed. Every run is a new process; the commands alternate. Prints the medians of wall time
and CPU time (other work on the machine only affects wall time), and the heavy packages that zoo
imported, which must be none.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = ("torch", "numpy", "mmengine", "mmcv", "cv2", "yaml", "rich", "pydantic", "pandas")
MANIFEST = """\
[plugin]
name = "{name}"
version = "0.1.0"
api = 1
summary = "Plugin number {number} of the benchmark"
license = "Apache-2.0"

[[dataset]]
name = "Dataset{number}"
task = "semantic"
target = "zoo_{name}.dataset:Dataset"
classes = ["background", "thing"]
licence = "CC0-1.0"

[[loss]]
name = "Loss{number}"
target = "zoo_{name}.loss:Loss"

[[weights]]
name = "weights_{number}"
task = "semantic"
config = "unet_small_lung-512"
urls = ["https://example.org/weights_{number}.safetensors"]
sha256 = "{digest}"
size_bytes = 7000000
format = "safetensors"
licence = "Apache-2.0"
data_licence = "CC0-1.0"
parameters = 1800000
metrics = [{{ name = "dice", value = 0.9, dataset = "d", split = "test", labels = "true", \
protocol = "README#evaluation" }}]
"""


def write_plugins(folder: Path, count: int) -> None:
    """Write plugins, each with a manifest and an empty package.

    Args:
        folder: Folder to write to.
        count: Number of plugins.
    """
    for number in range(count):
        name = f"bench_{number:03}"
        package = folder / name / f"zoo_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('"""A plugin."""\n')
        text = MANIFEST.format(name=name, number=number, digest=f"{number:064x}")
        (package / "zoo_plugin.toml").write_text(text)


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run one command in a new process; return its wall and CPU seconds.

    Args:
        command: The command.
        environment: Its environment.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    taken = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def count_rows(command: list[str], environment: dict[str, str]) -> int:
    """Return the number of rows that a listing prints.

    Args:
        command: The command.
        environment: Its environment.
    """
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return len(done.stdout.splitlines()) - 1


def heavy_imports(environment: dict[str, str]) -> list[str]:
    """Return which of the heavy packages `zoo list --legacy` imports.

    Args:
        environment: Environment of the command.
    """
    code = (
        "import sys; from zoo.cli import main; main(['list', '--legacy'], standalone_mode=False);"
        f"print('HEAVY', *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1].split()[1:]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--peer", help="a command to time in the same run")
    args = parser.parse_args()
    zoo = str(Path(sys.executable).with_name("zoo"))
    commands = {"zoo list": [zoo, "list"], "zoo list --legacy": [zoo, "list", "--legacy"]}
    if args.peer:
        commands[args.peer] = shlex.split(args.peer)
    with tempfile.TemporaryDirectory() as folder:
        write_plugins(Path(folder), args.plugins)
        environment = {**os.environ, "ZOO_PLUGIN_PATH": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in commands.values():
            timed(command, environment)  # compiles the bytecode, fills the disk's cache
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(args.runs):
            for name, command in commands.items():
                seconds[name].append(timed(command, environment))
        heavy = heavy_imports(environment)
        listed = count_rows(commands["zoo list --legacy"], environment)
    print(f"| command | median of {args.runs}, s | min, s | CPU s, median | CPU s, min |")
    print("|---|---|---|---|---|")
    for name, values in seconds.items():
        cells = [f(each) for each in zip(*values, strict=True) for f in (statistics.median, min)]
        print(f"| `{name}` | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    print(f"\n{args.plugins} plugins, {listed} rows with --legacy; ", end="")
    print(f"heavy packages imported: {', '.join(heavy) or 'none'}")


if __name__ == "__main__":
    main()
