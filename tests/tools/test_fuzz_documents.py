# SPDX-License-Identifier: Apache-2.0
"""Documents broken on purpose, in small numbers: everything that `make fuzz` breaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
CHECKED = ("CheckedManifest", "CheckedProject", "CheckedConfig", "CheckedCode")
LIGHT = ("Manifest", "Index", "Lock", "EntryPoints", "Coco", *CHECKED)
PLUGINS = TOOLS.parent / "plugins"


def fuzz(*words: str, kept: Path) -> tuple[int, list[list[str]], str]:
    """Run the tool in a process of its own; gives its exit code, its rows and what it kept."""
    command = [sys.executable, TOOLS / "fuzz_documents.py", *words, "--keep", kept]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    reasons = [path.read_text() for path in sorted(kept.glob("*.txt"))[:5]]
    return done.returncode, rows, "\n".join([done.stdout, done.stderr, *reasons])


def test_documents_that_zoo_lists_end_in_no_traceback(tmp_path: Path) -> None:
    """200 broken documents: each is taken or refused, in two seconds, and no plugin's code runs."""
    words = ("--count", "200", "--seed", "3", "--only", *LIGHT)

    code, rows, told = fuzz(*words, kept=tmp_path / "kept")

    assert code == 0, f"{words}\n{told}"
    assert [row[0] for row in rows] == [*LIGHT, "all"]
    assert sum(int(row[1]) for row in rows[:-1]) == int(rows[-1][1]) >= 196
    assert int(rows[-1][3]) > 50, "most of what was broken must be refused"


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.mm
def test_documents_of_all_kinds_end_in_no_traceback(tmp_path: Path) -> None:
    """1,500 broken documents of every kind, as a small run of the whole."""
    if not (PLUGINS / "lung_xray").is_dir():
        pytest.skip("data folders are prepared by plugins of the checkout")

    code, rows, told = fuzz("--count", "1500", "--seed", "7", kept=tmp_path / "kept")

    assert code == 0, told
    assert len(rows) == 16
    assert int(rows[-1][1]) >= 1_490
    for row in rows[:-1]:
        assert int(row[3]) > 0, f"no {row[0]} was refused: the mutator is too tame"


BROKEN_TOOL = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tools!r})
import fuzz_documents
from document_reading import Kind

class Fake(Kind):
    seed, file = {{"a": 1}}, "a.json"

    def read(self, chance):
        number = chance.random()
        if number < 0.3:
            raise KeyError("a")
        if number < 0.4:
            until = time.process_time() + 0.05
            while time.process_time() < until:
                pass
        return True

fuzz_documents.MOST_S = 0.04
root = Path({root!r})
print(dict(fuzz_documents.fuzz(Fake(root), 60, 0, root / "kept")))
"""


def test_fuzzer_sees_a_traceback_and_a_slow_document(tmp_path: Path) -> None:
    """A tool that cannot fail would prove nothing."""
    code = BROKEN_TOOL.format(tools=str(TOOLS), root=str(tmp_path))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )

    counts: dict[str, Any] = eval(done.stdout)
    assert set(counts) == {"taken", "failed", "slow"}
    assert 5 < counts["failed"] < 40
    kept = list((tmp_path / "kept").glob("failed-*.txt"))
    assert len(kept) == counts["failed"]
    assert "KeyError: 'a'" in kept[0].read_text()
