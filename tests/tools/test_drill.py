# SPDX-License-Identifier: Apache-2.0
"""The drill, small: everything that `make drill` breaks, with fewer downloads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).resolve().parent.parent.parent / "tools" / "drill.py"


@pytest.mark.slow
@pytest.mark.release
def test_drill_when_small_holds_in_every_row() -> None:
    words = [sys.executable, str(DRILL), "--downloads", "8", "--kills", "2", "--seed", "3"]

    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)

    rows = [line for line in done.stdout.splitlines() if line.endswith(("| yes |", "**NO** |"))]
    assert done.returncode == 0, done.stdout + done.stderr
    # A tmpfs cannot be mounted everywhere; where it cannot, a row says so.
    assert len(rows) + done.stdout.count("| not tried |") == 10
    assert "2 times kill -9" in done.stdout
