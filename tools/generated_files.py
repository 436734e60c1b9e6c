# SPDX-License-Identifier: Apache-2.0
"""The command line of the tools that write files from the code: write them, or compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["write_or_check"]


def write_or_check(
    files: Callable[[], Mapping[Path, str]], about: str, words: Sequence[str] | None = None
) -> int:
    """Write files, or compare them with ``--check``; return the exit code, 1 if one differs.

    Args:
        files: Returns path -> text, of all that the tool writes.
        about: Docstring of the tool; its first line is the help.
        words: Words of the command line; None means ``sys.argv[1:]``.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    is_check = parser.parse_args(words).check
    texts = files()
    differing = [
        path
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in differing:
        if is_check:
            sys.stdout.write(f"{path} differs: run python {sys.argv[0]}\n")
        else:
            path.write_text(texts[path], encoding="utf-8")
    return 1 if is_check and differing else 0
