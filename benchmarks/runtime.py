# SPDX-License-Identifier: Apache-2.0
"""Cold start of the runtime: from a new process to the first label map of a 512 x 512 image.

    python benchmarks/runtime.py [MODEL.onnx] [--python PYTHON] [--rounds 7]

Without a model, one of two convolutions of 64 channels is written. ``--python`` is that of an
environment with ``mmzoo-runtime`` alone; the default is this one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
_CODE = """if True:
    import sys, time
    start = time.perf_counter()
    from zoo_runtime import Predictor
    predictor = Predictor(sys.argv[1])
    opened = time.perf_counter()
    predictor(sys.argv[2])
    first = time.perf_counter()
    for _ in range(5):
        predictor(sys.argv[2])
    warm = (time.perf_counter() - first) / 5
    print(opened - start, first - opened, warm, predictor.threads)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or _write_model(Path(folder) / "two_convolutions.onnx")
        image = _write_image(Path(folder) / "image.png")
        rows = [_one(options.python, model, image) for _ in range(options.rounds)]
        size_mb = model.stat().st_size / 1e6
    names = ("process to first label", "import and open", "first image", "each later image")
    print(f"{model.name}, {size_mb:.1f} MB, {rows[0][4]:.0f} threads, 512x512 px")
    for name, values in zip(names, list(zip(*rows, strict=True))[:4], strict=True):
        print(f"{name:24} median {statistics.median(values):6.3f} s, best {min(values):6.3f} s")


def _one(python: str, model: Path, image: Path) -> list[float]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "plugins" / "runtime")}
    start = time.perf_counter()
    command = [python, "-c", _CODE, str(model), str(image)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - start
    opened, first, warm, threads = map(float, done.stdout.split())
    return [whole - 5 * warm, opened, first, warm, threads]


def _write_model(path: Path) -> Path:
    from onnx_models import record_of, semantic_model

    path.write_bytes(semantic_model(record_of(("background", "lung")), width=64))
    return path


def _write_image(path: Path) -> Path:
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).normal(size=(512, 512, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 8)
    cv2.imwrite(str(path), np.rint((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8))
    return path


if __name__ == "__main__":
    main()
