# SPDX-License-Identifier: Apache-2.0
"""The benchmark of instance metrics, on a small set: it fails where numbers differ."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.release]

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coco_evaluation.py"


def test_benchmark_of_few_scenes_prints_a_row_for_each_arm() -> None:
    """Every arm evaluates the same predictions: AP of boxes is the same in two of them."""
    pytest.importorskip("zoo_instance_metrics")
    command = [sys.executable, str(_SCRIPT), "--scenes", "2", "--boxes", "60", "--rounds", "1"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert names[1:] == ["pycocotools", "mmdet", "instance_metrics"]
    assert rows[1][-2:] == rows[3][-2:]
