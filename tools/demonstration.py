# SPDX-License-Identifier: Apache-2.0
"""Shared by the demonstrations: run zoo as a user would, and show the results."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["QUIET", "print_report", "run", "source_images", "start_over"]

QUIET = ("--cfg-options", "log_level=WARNING")


def run(*words: str | Path) -> float:
    """Run one command of zoo as a user would, show it, and return the seconds it took."""
    line = [str(word) for word in words]
    shown = " ".join(f"'{word}'" if " " in word else word for word in line[:12])
    print(f"\n$ {shown}{' ...' if len(line) > 12 else ''}", flush=True)
    start = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "zoo", *line[1:]], check=False).returncode
    if code:
        raise SystemExit(code)
    return time.monotonic() - start


def source_images(raw: Path, data: Path, split: str = "test") -> list[Path]:
    """Return the raw images of a split, each once, as named in the prepared folder.

    Args:
        raw: Raw set.
        data: Prepared folder.
        split: Name of the split.
    """
    record = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    found = {row["source_image"] for row in record["files"] if row["split"] == split}
    return [raw / name for name in sorted(found)]


def start_over(doc: str | None, out: str, is_ours: Callable[[Path], bool]) -> Path:
    """Read ``--out`` from the command line, empty that folder and return it.

    Args:
        doc: Text of ``--help``.
        out: Default folder.
        is_ours: Whether an existing folder is from the same demonstration.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--out", type=Path, default=Path(out), help="made anew")
    folder: Path = parser.parse_args().out
    if folder.exists():
        if any(folder.iterdir()) and not is_ours(folder):
            message = f"{folder} is there and is not a demo's folder. Name another with --out."
            raise SystemExit(message)
        shutil.rmtree(folder)
    return folder


def print_report(out: Path, steps: Mapping[str, float], places: Mapping[str, str]) -> None:
    """Print the seconds of each step, and the places of the results.

    Args:
        out: Folder of the demonstration.
        steps: Seconds of each step.
        places: Description and path of each result.
    """
    print("seconds  " + "  ".join(f"{name} {seconds:.0f}" for name, seconds in steps.items()))
    for name, what in places.items():
        print(f"  {out / name!s:24} {what}")
