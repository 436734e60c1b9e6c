# SPDX-License-Identifier: Apache-2.0
"""Thousands of mutated headers: each is refused in one message, or read as others read it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("rasterio")
pytest.importorskip("simplejpeg")


def _fuzz(count: int, seed: int) -> dict[str, Any]:
    script = Path(__file__).parent / "header_fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), str(count), str(seed)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("count", "seed"), [(400, 0), pytest.param(5000, 1, marks=pytest.mark.slow)]
)
def test_picture_when_its_header_is_mutated_then_refused_or_equal(count: int, seed: int) -> None:
    """No traceback, no crash, no hang, and no pixels that another decoder does not see."""
    found = _fuzz(count, seed)

    assert found["failed"] == []
    assert sum(found["outcomes"].values()) == count
    assert found["outcomes"]["equal"] > count // 5
    assert found["outcomes"]["refused"] > count // 5
