# SPDX-License-Identifier: Apache-2.0
"""Time `zoo list` from a cold start with 50 plugins and 3 sources, and a peer's command.

    python benchmarks/cold_list.py [--plugins 50] [--weights 1] [--sources 3] [--rows 5000]
                                   [--runs 15] [--peer "mim list"]
    python benchmarks/cold_list.py --scale 10 100 200 1000 [--weights 1] [--runs 15]
    python benchmarks/cold_list.py --scale 200 --weights 25     # 5,000 rows of weights

Also times `zoo list --legacy` with the 1,210 old checkpoints of the plugin openmmlab_index, if it
is installed, and with sources `zoo search` over all rows, `zoo list --source` and
`zoo source update`, whose server on loopback answers that nothing has changed. `--scale` times
`zoo list` and `zoo plugin list` with some numbers of plugins instead: the first start, which reads
all manifests and keeps what they said, and later ones, which find it. Every run is a new process;
the commands alternate. Prints the medians of wall time
and CPU time (other work on the machine only affects wall time), and the heavy packages that zoo
imported, which must be none.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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
"""
WEIGHTS = """
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


def write_plugins(folder: Path, count: int, weights: int = 1) -> None:
    """Write plugins, each with a manifest, a data set, a loss and rows of weights.

    Args:
        folder: Folder to write to.
        count: Number of plugins.
        weights: Rows of weights of each.
    """
    for number in range(count):
        name = f"bench_{number:03}"
        package = folder / name / f"zoo_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('"""A plugin."""\n')
        (package / "dataset.py").write_text("class Dataset: ...\n")
        (package / "loss.py").write_text("class Loss: ...\n")
        text = MANIFEST.format(name=name, number=number)
        for row in range(weights):
            digest = f"{number * weights + row:064x}"
            text += WEIGHTS.format(number=f"{number}_{row}", digest=digest)
        (package / "zoo_plugin.toml").write_text(text)


def write_source(folder: Path, name: str, rows: int, key: Path) -> None:
    """Write a signed index as its publisher does.

    Args:
        folder: Folder of the source.
        name: Its name.
        rows: Number of rows.
        key: Private key.
    """
    from zoo.weights.sources.publishing import IndexChange, write_index

    metric = {"name": "mIoU", "value": 0.5, "dataset": "d", "split": "val"}
    metric |= {"labels": "true", "protocol": "README"}
    common = {"task": "semantic", "config": "unet_small_lung-512", "format": "safetensors"}
    common |= {"licence": "Apache-2.0", "data_licence": "CC0-1.0", "metrics": [metric]}
    common |= {"parameters": 1800000, "size_bytes": 7000000, "classes": ["background", "road"]}
    listed = [
        {
            "name": f"weights_{number:05}",
            "urls": [f"https://example.org/{name}/weights_{number:05}.safetensors"],
            "sha256": hashlib.sha256(f"{name} {number}".encode()).hexdigest(),
            **common,
        }
        for number in range(rows)
    ]
    write_index(folder, IndexChange(rows=listed, name=name), key)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; yield its address.

    Args:
        folder: The folder.
    """

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing."""

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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


def add_sources(
    zoo: str, folder: Path, address: str, environment: dict[str, str], args: argparse.Namespace
) -> dict[str, list[str]]:
    """Publish and add the sources, print how long adding takes; return the commands to time.

    Args:
        zoo: Path of the command.
        folder: Folder of the benchmark.
        address: Address of its folder ``served``.
        environment: Environment of the commands.
        args: Options of the benchmark.
    """
    from zoo.weights.sources.signing import make_key

    make_key(folder / "key")
    for number in range(args.sources):
        name = f"source{number}"
        write_source(folder / "served" / name, name, args.rows, folder / "key")
        wall, cpu = timed([zoo, "source", "add", f"{address}/{name}/"], environment)
        print(f"zoo source add, {args.rows:,} rows: {wall:.2f} s, CPU {cpu:.2f} s")
    return {
        f"zoo search weights_{args.rows - 1:05}": [zoo, "search", f"weights_{args.rows - 1:05}"],
        "zoo list --source source0": [zoo, "list", "--source", "source0"],
        "zoo source update": [zoo, "source", "update"],
    }


def read_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--weights", type=int, default=1, help="rows of weights of each plugin")
    parser.add_argument("--scale", type=int, nargs="+", help="time these numbers of plugins")
    parser.add_argument("--sources", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5000, help="of each source")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--peer", help="a command to time in the same run")
    return parser.parse_args()


def print_scale(args: argparse.Namespace) -> None:
    """Print how long listings take with some numbers of plugins.

    Args:
        args: Options of the benchmark.
    """
    zoo = str(Path(sys.executable).with_name("zoo"))
    print("| plugins | rows | command | first start: wall s | CPU s | ", end="")
    print("later: wall s, median | wall s, min | CPU s, median | CPU s, min |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in args.scale:
        with tempfile.TemporaryDirectory() as folder:
            write_plugins(Path(folder, "plugins"), count, args.weights)
            environment = {**os.environ, "ZOO_PLUGIN_PATH": str(Path(folder, "plugins"))}
            environment |= {"XDG_STATE_HOME": str(Path(folder, "state"))}
            environment |= {"ZOO_CACHE": str(Path(folder, "cache"))}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            for words in (["list"], ["plugin", "list"]):
                timed([zoo, *words], environment)  # compiles the bytecode
                shutil.rmtree(Path(folder, "cache"))
                first = " | ".join(f"{each:.3f}" for each in timed([zoo, *words], environment))
                taken = [timed([zoo, *words], environment) for _ in range(args.runs)]
                cells = [
                    f(each) for each in zip(*taken, strict=True) for f in (statistics.median, min)
                ]
                shown = " | ".join(f"{cell:.3f}" for cell in cells)
                rows = count * (2 + args.weights)
                print(f"| {count:,} | {rows:,} | `zoo {' '.join(words)}` | {first} | {shown} |")


def main() -> None:
    """Print the table."""
    args = read_options()
    if args.scale:
        print_scale(args)
        return
    zoo = str(Path(sys.executable).with_name("zoo"))
    commands = {"zoo list": [zoo, "list"], "zoo list --legacy": [zoo, "list", "--legacy"]}
    if args.peer:
        commands[args.peer] = shlex.split(args.peer)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder, "served")) as address:
        write_plugins(Path(folder, "plugins"), args.plugins, args.weights)
        environment = {**os.environ, "ZOO_PLUGIN_PATH": str(Path(folder, "plugins"))}
        environment |= {"XDG_STATE_HOME": str(Path(folder, "state"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if args.sources:
            commands |= add_sources(zoo, Path(folder), address, environment, args)
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
    print(f"\n{args.plugins} plugins, {args.sources} sources of {args.rows:,} rows, ", end="")
    print(f"{listed} rows with --legacy; ", end="")
    print(f"heavy packages imported: {', '.join(heavy) or 'none'}")


if __name__ == "__main__":
    main()
