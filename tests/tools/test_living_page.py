# SPDX-License-Identifier: Apache-2.0
"""``docs/living.md`` shows every living row of the shipped plugins as the manifests state it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "living.md"


def test_page_is_what_the_tool_writes_today() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "living_page.py"), "--check"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_page_names_every_row_of_every_shelf() -> None:
    """Read here from the files, not through zoo."""
    text = PAGE.read_text("utf-8")
    rows = [
        row
        for path in (ROOT / "plugins").glob("*/zoo_*/*.json")
        if '"weights"' in path.read_text("utf-8")
        for row in json.loads(path.read_text("utf-8")).get("weights", [])
    ]

    assert rows
    for row in rows:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{row['name']}` |"))
        assert row["licence"] in line
        assert ("non-commercial" in line) == (row.get("non_commercial") is True)
