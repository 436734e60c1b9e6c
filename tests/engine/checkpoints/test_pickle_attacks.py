# SPDX-License-Identifier: Apache-2.0
"""Hundreds of hostile ``.pth`` files, read in a process of their own: nothing of them runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ATTACKS = Path(__file__).with_name("pickle_attacks.py")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what came of each file; the last row is what the watch hears of a call of ours."""
    folder = tmp_path_factory.mktemp("attacks")

    done = subprocess.run(
        [sys.executable, str(ATTACKS), str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert {path.name for path in folder.iterdir()} == {"hostile.pth", "control"}
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_of_at_least_350_hostile_files_none_runs_anything(rows: list[dict[str, Any]]) -> None:
    """No process, socket, import, compiled code or file written; no canary."""
    ran = [row for row in rows[:-1] if row["heard"] or row["canary"]]

    assert len({row["what"] for row in rows[:-1]}) == len(rows) - 1 >= 350
    assert ran == []


def test_each_hostile_file_is_refused_by_one_message(rows: list[dict[str, Any]]) -> None:
    """Neither read nor a traceback, and no Python of ours or torch's in what is said."""
    other = [row for row in rows[:-1] if not row["outcome"].startswith(("unsafe ", "broken "))]
    words = ("<class", "operand", "__new__", "object at 0x", "stand_ins", "positional")

    assert other == []
    for row in rows[:-1]:
        assert not any(word in row["outcome"] for word in words), row


def test_no_hostile_file_takes_much_time_or_memory(rows: list[dict[str, Any]]) -> None:
    assert max(row["seconds"] for row in rows[:-1]) < 20
    assert max(row["grown"] for row in rows[:-1]) < 400 * 2**20


def test_the_watch_hears_what_a_file_may_not_do(rows: list[dict[str, Any]]) -> None:
    """So its silence above says something."""
    assert [heard.partition(" ")[0] for heard in rows[-1]["heard"]] == ["os.system", "os.mkdir"]
