# SPDX-License-Identifier: Apache-2.0
"""What a kind of document is, and how it is judged whether zoo reads a broken one as it should."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from document_mutator import mutate_bytes, mutate_value, replace_file, write_json, write_toml

__all__ = ["Kind", "check", "raises_no_other", "zoo"]


class Kind:
    """A kind of document, its path, and how to read it.

    Args:
        root: Folder filled by `surround`.
    """

    share = 0
    file = ""
    seed: Any = None
    is_toml = False
    is_drawn = False  # drawing images takes longer

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = self.broken = root / self.file

    def write(self, chance: random.Random) -> None:
        """Replace the valid document with a mutated one.

        Args:
            chance: Random generator.
        """
        good = self.encode(self.seed, chance)
        way = chance.random()
        if way < 0.03:
            replace_file(self.path, chance)
        elif way < 0.35:
            self.path.write_bytes(mutate_bytes(good, chance))
        else:
            self.path.write_bytes(self.encode(mutate_value(self.seed, chance), chance))

    def encode(self, value: Any, chance: random.Random) -> bytes:
        """Return a document's bytes.

        Args:
            value: Content of the document.
            chance: Random generator.
        """
        return write_toml(value) if self.is_toml else write_json(value, chance)

    def clear(self) -> None:
        """Restore the valid document."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(self.encode(self.seed, random.Random(0)))

    def read(self, chance: random.Random) -> bool:
        """Read it as zoo does; return whether it was accepted.

        Args:
            chance: Random generator.
        """
        raise NotImplementedError


def zoo(*words: str | Path, listing: bool = False) -> bool:
    """Run a command in this process; return whether it exits with 0.

    Args:
        *words: Words of the command.
        listing: Whether the command lists, and must exit with 0.
    """
    from click.testing import CliRunner

    from zoo.cli import main

    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    told = result.output
    check(result.exit_code in ((0,) if listing else (0, 1)), f"exit {result.exit_code}: {told}")
    for line in told.split("\n"):
        check(line.isprintable(), f"{words}: printed {line!r:.500}")
        check(len(line) < 20_000, f"{words}: printed a line of {len(line)}")
    return result.exit_code == 0


def check(holds: bool, message: str) -> None:
    """Raise unless a condition holds.

    Args:
        holds: The condition.
        message: Message of the error.
    """
    if not holds:
        raise AssertionError(message)


def raises_no_other(read: Callable[[], Any]) -> bool:
    """Return whether a call returns; False for an error of zoo; other errors propagate.

    Args:
        read: The call.
    """
    from zoo.errors import ZooError

    try:
        read()
    except ZooError as error:
        text = str(error)
        check(len(text) < 100_000, f"a message of {len(text)} characters")
        check(all(each.isprintable() or each == "\n" for each in text), f"unprintable: {text!r}")
        return False
    return True
