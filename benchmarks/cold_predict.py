# SPDX-License-Identifier: Apache-2.0
"""Time `zoo predict` of one image from a cold start, and list what its process imports.

    python benchmarks/cold_predict.py [--runs 7] [--model unet_lung_montgomery]

Every run is a new process, alternating between importing all of OpenMMLab before opening the model,
as its registries do ("all"), and zoo's way ("light"). The image is a phantom of 512x512 px. Fails
unless both write the same bytes. Prints medians of wall time and CPU time, the peak memory, and the
number of modules of each package.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RUN = "import sys; sys.argv = {argv!r}; from zoo.cli import main; {before}main()"
EVERYTHING = "import zoo, mmseg.models, mmseg.datasets, mmdet.models, mmdet.datasets; "
COUNT = """
import atexit, json, sys
@atexit.register
def _count():
    open({path!r}, "w").write(json.dumps(list(sys.modules)))
"""


def timed(command: list[str]) -> tuple[float, float, float]:
    """Run one command; return its wall and CPU seconds, and its peak MiB.

    Args:
        command: The command.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def write_phantom(path: Path) -> None:
    """Write an image of two bright ellipses on noise.

    Args:
        path: Image to write.
    """
    import cv2
    import numpy as np

    image = np.random.default_rng(0).normal(90, 12, (512, 512))
    for x_px in (160, 350):
        cv2.ellipse(image, (x_px, 260), (70, 150), 0, 0, 360, 170, -1)
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))


def main() -> None:
    """Time both ways alternately, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--model", default="unet_lung_montgomery")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantom(folder / "phantom.png")
        commands, modules = {}, {}
        for way, before in (("light", ""), ("all", EVERYTHING)):
            argv = ["zoo", "predict", arguments.model, str(folder / "phantom.png")]
            argv += ["--out", str(folder / way), "--device", "cpu"]
            code = RUN.format(argv=argv, before=before)
            commands[way] = [sys.executable, "-c", code]
            counted = COUNT.format(path=str(folder / f"{way}.json")) + code
            subprocess.run([sys.executable, "-c", counted], check=True, capture_output=True)
            modules[way] = json.loads((folder / f"{way}.json").read_text())
        times: dict[str, list[tuple[float, float, float]]] = {"light": [], "all": []}
        for _ in range(arguments.runs):
            for way, command in commands.items():
                times[way].append(timed(command))
        same = all(
            path.read_bytes() == (folder / "all" / path.name).read_bytes()
            for path in (folder / "light").iterdir()
        )
    if not same:
        sys.exit("the two ways differ")
    print(f"{os.cpu_count()} cores, {arguments.runs} runs, load {os.getloadavg()[0]:.1f}")
    for way in times:
        wall_s, cpu_s, peak = (
            statistics.median(column) for column in zip(*times[way], strict=True)
        )
        print(f"{way}: {wall_s:.2f} s, CPU {cpu_s:.2f} s, peak {peak:.0f} MiB")
    counts = {
        way: Counter(one.partition(".")[0] for one in found) for way, found in modules.items()
    }
    fewer = sorted(counts["all"], key=lambda top: counts["light"][top] - counts["all"][top])
    print(f"modules: {len(modules['all'])} -> {len(modules['light'])}")
    for top in fewer[:12]:
        print(f"  {top}: {counts['all'][top]} -> {counts['light'][top]}")


if __name__ == "__main__":
    main()
