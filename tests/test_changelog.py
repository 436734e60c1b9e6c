# SPDX-License-Identifier: Apache-2.0
"""The notes of the next release: each fragment is of a kind that exists, and is rendered."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FRAGMENTS = sorted((ROOT / "changelog.d").iterdir()) if (ROOT / "changelog.d").is_dir() else []


def _kinds() -> dict[str, str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {kind["directory"]: kind["name"] for kind in settings["tool"]["towncrier"]["type"]}


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_fragment_says_what_a_user_notices(path: Path) -> None:
    """towncrier leaves out, without a word, a file whose name it does not understand."""
    word, kind, suffix = path.name.rsplit(".", 2)
    text = path.read_text(encoding="utf-8")

    assert word.startswith("+")
    assert kind in _kinds()
    assert suffix == "md"
    assert text.strip().endswith(".")
    assert text == f"{text.strip()}\n"


def test_release_notes_hold_every_fragment() -> None:
    """What a release would write, from towncrier itself."""
    pytest.importorskip("towncrier")
    words = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9"]

    notes = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "## 9.9 (" in notes
    for path in FRAGMENTS:
        first = path.read_text(encoding="utf-8").strip().splitlines()[0]
        assert first in notes
        assert f"### {_kinds()[path.name.rsplit('.', 2)[1]]}" in notes
