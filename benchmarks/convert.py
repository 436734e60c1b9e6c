# SPDX-License-Identifier: Apache-2.0
"""Convert living weights, against the time of reading their file and its size.

    python benchmarks/convert.py [--megabytes 200] [--rounds 3] [--folder DIR]

Writes sources of random values: a backbone of that size as ``.pth``, as ``.safetensors`` and as a
pickle of arrays, whose converter only renames; and detectron2's Mask R-CNN R50-FPN, a pickle of 178
MB, which the plugin ``detectron2_weights`` converts and which is compared with mmdet's model. Each
measurement is a process of its own, which has imported everything before the clock starts. *Read*
is what zoo does with any file before it uses it: verify its sha256, and load its tensors into
memory. *Convert* is all of an adoption after the download: read the source, convert, compare with
the model of the config, write, compute the digest of the result, flush to disk. Times are of the
CPU, so that other work on the machine counts little; the wall clock stands beside them. *Peak* is
what the process holds at most, mapped pages of files included, above what it held when the clock
started. Files are read from the cache of the system.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MANIFEST = """\
[plugin]
name = "renamed"
version = "0.1.0"
api = 1
summary = "weights of the benchmark"
license = "Apache-2.0"

[[converter]]
name = "renamer"
version = 1
target = "zoo_renamed.converters:convert"

[[shelf]]
file = "shelf.json"
"""
CONVERTER = """\
def convert(state_dict):
    return {name.removeprefix("net."): value for name, value in state_dict.items()}
"""
CHILD = """\
import json, resource, sys, time
from pathlib import Path
import torch
from zoo.engine.adoption.conversion import convert_source
from zoo.engine.adoption.converters import find_converter
from zoo.engine.checkpoints.source_file import read_source
from zoo.files import digest_of_file
from zoo.weights import find_weights
from zoo.weights.fetching.sources import FetchedSource

def peak_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

what, name, path, target = sys.argv[1:]
found = find_weights(name)
source = FetchedSource(Path(path), "0" * 64, "0" * 32, Path(path).stat().st_size, None)
find_converter(found).load()
if found.row.config:
    from zoo.engine.adoption.model_record import describe_model
    from zoo.engine.adoption.skeleton import build_skeleton
    build_skeleton(describe_model(found, trained=None, provenance={}))
Path("/proc/self/clear_refs").write_text("5")
before_kb, started, started_cpu = peak_kb(), time.perf_counter(), time.process_time()
if what == "read":
    digest_of_file(source.path)
    tensors = read_source(source.path, found.row.format)
    tensors = {key: value.clone() for key, value in tensors.items()}
else:
    convert_source(found, found.row, source, Path(target))
seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
print(json.dumps({"s": seconds, "cpu": cpu, "mb": (peak_kb() - before_kb) * 1024 / 1e6}))
"""


def write_backbone(folder: Path, size_bytes: int) -> dict[str, Path]:
    """Write one backbone in each form; return form -> file."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    count, width = 50, 256
    rows = size_bytes // 4 // count // width
    tensors = {f"net.layer{number}.weight": torch.randn(rows, width) for number in range(count)}
    paths = {form: folder / f"backbone.{form}" for form in ("pth", "safetensors", "pkl")}
    torch.save({"state_dict": tensors}, paths["pth"])
    save_file(tensors, paths["safetensors"])
    arrays = {name: value.numpy() for name, value in tensors.items()}
    paths["pkl"].write_bytes(pickle.dumps({"model": arrays, "__author__": "nobody"}, 4))
    return paths


def write_detectron(folder: Path) -> Path:
    """Write random values of detectron2's Mask R-CNN R50-FPN, as detectron2 would."""
    import numpy as np

    from zoo.catalog import read_catalog
    from zoo.loading import load_target

    convert: Any = load_target(read_catalog().find("converter", "mask_rcnn_r50_fpn"))
    generator = np.random.default_rng(0)
    arrays = {
        entry.source: generator.random(entry.shape, np.float32) for entry in convert.entries()
    }
    path = folder / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "nobody"}, 4))
    return path


def write_plugin(folder: Path) -> None:
    """Write the plugin of the backbone, with a row for each form."""
    package = folder / "zoo_renamed"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Renamed."""\nimport zoo\n')
    (package / "zoo_plugin.toml").write_text(MANIFEST)
    (package / "converters.py").write_text(CONVERTER)
    row = {"task": "backbone", "sha256": "0" * 64, "converter": "renamer"}
    row |= {"licence": "CC0-1.0", "data_licence": "CC0-1.0"}
    rows = [
        {**row, "name": f"backbone_{form}", "urls": [f"https://example.org/a.{form}"]}
        | {"format": form}
        for form in ("pth", "safetensors", "pkl")
    ]
    document = {"format": 1, "class_lists": {}, "weights": rows}
    (package / "shelf.json").write_text(json.dumps(document))


def measure(what: str, name: str, path: Path, target: Path) -> dict[str, float]:
    """Return the seconds and the megabytes of one process."""
    command = [sys.executable, "-c", CHILD, what, name, str(path), str(target)]
    run = subprocess.run(command, capture_output=True, text=True)
    target.unlink(missing_ok=True)
    if run.returncode:
        raise SystemExit(run.stderr[-3000:])
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Write, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        write_plugin(folder / "plugins")
        places = [str(folder / "plugins"), os.environ.get("ZOO_PLUGIN_PATH", "")]
        os.environ["ZOO_PLUGIN_PATH"] = os.pathsep.join(filter(None, places))
        backbones = write_backbone(folder, options.megabytes * 10**6)
        cases = {f"backbone_{form}": path for form, path in backbones.items()}
        cases["d2_mask_rcnn_r50_fpn_3x_coco"] = write_detectron(folder)
        print("| source | MB | read, CPU s | convert, CPU s | times | wall s | peak |")
        print("|---|---|---|---|---|---|---|")
        for name, path in cases.items():
            _print_row(name, path, folder, options.rounds)


def _print_row(name: str, path: Path, folder: Path, rounds: int) -> None:
    megabytes = path.stat().st_size / 1e6
    runs = {
        what: [measure(what, name, path, folder / "out.safetensors") for _ in range(rounds)]
        for what in ("read", "convert")
    }
    cpu, wall = (
        {what: statistics.median(run[key] for run in found) for what, found in runs.items()}
        for key in ("cpu", "s")
    )
    peak = max(run["mb"] for run in runs["convert"]) / megabytes
    print(
        f"| {name}, `{path.suffix}` | {megabytes:.0f} | {cpu['read']:.2f} | {cpu['convert']:.2f} "
        f"| {cpu['convert'] / cpu['read']:.1f} | {wall['read']:.1f} and {wall['convert']:.1f} "
        f"| {peak:.2f} x the file |",
        flush=True,
    )


if __name__ == "__main__":
    main()
