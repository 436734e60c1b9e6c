# SPDX-License-Identifier: Apache-2.0
"""The command that follows ``zoo data prepare --init``: the same line, completed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.data import Draft

__all__ = ["next_command"]

_DROPPED = ("--init", "--json", "--debug")


def next_command(words: Sequence[str], source: Path, draft: Draft) -> str:
    """Return the line to type next.

    Args:
        words: Arguments of ``zoo data prepare``.
        source: The raw data.
        draft: The file that was written.
    """
    kept = [word for word in words if word not in _DROPPED]
    for option, value in draft.options.items():
        if not any(word == option or word.startswith(f"{option}=") for word in kept):
            kept += [option, value]
    if not any(word == "--out" or word.startswith("--out=") for word in kept):
        kept += ["--out", str(_suggest_out(source))]
    return shlex.join(["zoo", "data", "prepare", *kept])


def _suggest_out(source: Path) -> Path:
    """Return a folder for prepared data outside the source."""
    real = source.resolve()
    out = Path("data", real.stem or "mine")
    inside = real in out.resolve().parents or out.resolve() == real
    return real.parent / f"{real.stem}_prepared" if inside else out
