# SPDX-License-Identifier: Apache-2.0
"""Time of an image of 512 x 512 px in a page of ``zoo export``, beside the runtime.

    python benchmarks/html_page.py PAGE.html MODEL.onnx [--images 10] [--chromium PATH]

PAGE is made from MODEL. Both take the same PNG in turns: the page in headless Chromium, from the
file to the drawn overlay, and `zoo_runtime` in Python, from the path to the labels, with
one thread and with as many as there are CPUs. Needs playwright.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright
from zoo_runtime import Predictor

from zoo.data import encode_png

PATIENCE_MS = 300_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
        paths = itertools.cycle([Path(folder, "a.png"), Path(folder, "b.png")])
        for path in itertools.islice(paths, 2):
            path.write_bytes(encode_png(pixels))
        browser = started.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        page, opened_s = open_page(browser, options.page)
        one, every = Predictor(options.model, threads=1), Predictor(options.model)
        calls: dict[str, Callable[[Path], Any]] = {
            "page, 1 thread": partial(segment, page),
            "Python, 1 thread": one,
            "Python, all threads": every,
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(options.images):
            path = next(paths)
            for name, call in calls.items():
                begun_s = time.perf_counter()
                call(path)
                times[name].append(1000 * (time.perf_counter() - begun_s))
        print(f"{options.page.stat().st_size / 1e6:.1f} MB, opened in {opened_s:.1f} s")
        for name, found in times.items():
            print(f"{name:20} median {statistics.median(found):6.0f} ms, best {min(found):6.0f} ms")
        browser.close()


def open_page(browser: Any, path: Path) -> tuple[Any, float]:
    """Return the page with its model open, and how long that took."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    begun_s = time.perf_counter()
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("#status:text('Ready')")
    return page, time.perf_counter() - begun_s


def segment(page: Any, path: Path) -> None:
    """Hand over an image of another name than the last one, and wait until it is drawn."""
    page.set_input_files("#file", str(path))
    page.wait_for_selector(f"#status:text('{path.name}: ')")


if __name__ == "__main__":
    main()
