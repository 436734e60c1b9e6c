# SPDX-License-Identifier: Apache-2.0
"""Time a model in torch and its exports in onnxruntime and OpenVINO, on an image.

    python benchmarks/export.py [--model NAME] [--image FILE] [--data DIR] [--files DIR]
                                [--repeats 20] [--runs 3]

Exports the model, a semantic one with ``--data`` in 8 bits too, then starts processes in turns:
torch as `zoo.load` runs it, which is `channels_last` on a CPU, the same with weights in torch's
usual format, and each file in each engine of `zoo_runtime`, which imports neither torch nor zoo.
The image is noise, or that of ``--image``, as it is. Prints the medians over the runs: from the
start of the process to the first result (wall and CPU), an image (wall and CPU, labels or masks at
its own size), and the peak of resident memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TORCH = """
import zoo
predict = zoo.load({model!r}, device="cpu")
if {is_usual}:
    from zoo.engine.stepping.memory_format import put_channels_first
    put_channels_first(predict.model.module)
call = lambda: predict(image)
"""
_EXPORT = """
sys.path.insert(0, {runtime!r})
from zoo_runtime import Predictor
predict = Predictor({path!r}, engine={engine!r})
call = lambda: predict(image)
"""
_RUNTIME = str(Path(__file__).resolve().parents[1] / "plugins" / "runtime")
_MEASURE = """
import json, resource, sys, time
import cv2, numpy as np
image = np.random.default_rng(0).integers(0, 256, ({side}, {side}, 3), np.uint8)
if {image!r}:
    image = np.ascontiguousarray(cv2.imread({image!r})[..., ::-1])
{load}
call()
first_cpu_s = time.process_time()
first_s = time.time() - float(sys.argv[1])
walls, cpus = [], []
for _ in range({repeats}):
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    walls.append(time.perf_counter() - wall)
    cpus.append(time.process_time() - cpu)
print(json.dumps({{
    "first_s": first_s, "first_cpu_s": first_cpu_s,
    "image_ms": 1000 * sorted(walls)[len(walls) // 2],
    "image_cpu_ms": 1000 * sorted(cpus)[len(cpus) // 2],
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}}))
"""


def main() -> None:
    """Export, measure in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="unet_lung_montgomery")
    parser.add_argument("--image", default="", help="8-bit RGB, instead of noise")
    parser.add_argument("--data", type=Path, help="prepared folder, to measure 8 bits too")
    parser.add_argument("--files", type=Path, help="keep the exports there, or take those")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.files or Path(scratch)
        loads = {
            "torch, usual format": _TORCH.format(model=given.model, is_usual=True),
            "torch": _TORCH.format(model=given.model, is_usual=False),
        }
        sizes = []
        for bits, to in (("", "onnx"), (", 8 bits", "onnx_int8"))[: 1 + bool(given.data)]:
            path = _export(given.model, to, folder, given.data)
            sizes.append(f"{path.stat().st_size / 2**20:.1f} MB")
            for engine in ("onnxruntime", "openvino"):
                loads[engine + bits] = _EXPORT.format(
                    runtime=_RUNTIME, path=str(path), engine=engine
                )
        found: dict[str, list[dict[str, float]]] = {name: [] for name in loads}
        for _ in range(given.runs):
            for name, load in loads.items():
                code = _MEASURE.format(
                    side=given.side, repeats=given.repeats, load=load, image=given.image
                )
                found[name].append(_run(code))
    shown = given.image or f"{given.side}x{given.side} px"
    print(f"{given.model}, {shown}, files {', '.join(sizes)}")
    for name, runs in found.items():
        values = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(f"{name:22}" + "  ".join(f"{key} {value:8.1f}" for key, value in values.items()))


def _export(model: str, to: str, folder: Path, data: Path | None) -> Path:
    for path in folder.glob("*.onnx"):
        if path.stem.endswith(".int8") == to.endswith("_int8"):
            return path
    words = ["export", model, "--to", to, "--out", str(folder), "--json"]
    words += [] if data is None else ["--data", str(data)]
    zoo = [sys.executable, "-m", "zoo"]
    done = subprocess.run([*zoo, *words], check=True, stdout=subprocess.PIPE, text=True)
    return Path(json.loads(done.stdout)["file"])


def _run(code: str) -> dict[str, float]:
    command = [sys.executable, "-c", code, str(time.time())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


if __name__ == "__main__":
    main()
