# SPDX-License-Identifier: Apache-2.0
"""A config spoilt at random trains or ends in one message, never in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.release]

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "mutate_configs.py"
_RUNS = 30


@pytest.mark.usefixtures("squares")
def test_mutated_configs_end_in_messages(
    squares_config: Path, squares_data: Path, tmp_path: Path
) -> None:
    """The unspoilt one comes to its first step, and so do some that are spoilt where none looks."""
    out = tmp_path / "out.jsonl"

    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", _SCRIPT, "--out", out, "--each", str(_RUNS)),
            *("--step", "--data-semantic", squares_data, squares_config),
        ],
        env={**os.environ, "ZOO_PLUGINS": "squares"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert (rows[0]["mutation"], rows[0]["end"]) == ("none", "step")
    assert [row for row in rows if row["end"] == "traceback"] == []
    ends = [row["end"] for row in rows]
    assert len(ends) == _RUNS + 1
    assert min(ends.count("message"), ends.count("step")) > 4
    for row in rows:
        if row["end"] == "message":
            assert "\nHINT: " in row["error"], row
            assert "Traceback" not in row["error"], row
