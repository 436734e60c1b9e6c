# SPDX-License-Identifier: Apache-2.0
"""Read a folder within limits: its texts, and a line for each file that is no such text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, parse_json, read_file, read_text, reason_of
from zoo.errors import PluginError

__all__ = ["Found", "read_folder"]

MOST_FILES = 5_000
MOST_BYTES = 2**20
"""Of one text."""
MOST_BYTES_IN_ALL = 2**26
_TEXTS = {".py", ".md", ".yml", ".yaml", ".json", ".txt", ""}
_SKIPPED = {"__pycache__", "node_modules"}


@dataclass(slots=True)
class Found:
    """What a folder holds.

    Attributes:
        name: Its own name.
        texts: Path in the folder -> text, in the order of the paths.
        left: What could not be carried over, a line each.
        missing: Bases of configs that are not in the folder, a line each.
    """

    name: str
    texts: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def leave(self, where: str, reason: str) -> None:
        """Note what could not be carried over, once.

        Args:
            where: A path in the folder, with a line or a name if that helps.
            reason: Why not.
        """
        _add(self.left, f"{where}: {reason}")

    def miss(self, where: str, reason: str) -> None:
        """Note a base of a config that is not in the folder, once.

        Args:
            where: The config, and the line that names the base.
            reason: Which base, and what to do.
        """
        _add(self.missing, f"{where}: {reason}")

    def json(self, path: str) -> Any:
        """Return what a JSON file of the folder holds, or None with a line that says why not.

        Args:
            path: Path in the folder.
        """
        if path not in self.texts:
            return None
        try:
            return parse_json(self.texts[path].encode(), Limits(size_bytes=MOST_BYTES))
        except DocumentError as error:
            self.leave(path, reason_of(error))
            return None


def _add(lines: list[str], line: str) -> None:
    if line not in lines:
        lines.append(line)


def read_folder(path: Path) -> Found:
    """Return the texts of a folder; links are not followed.

    Args:
        path: The folder.

    Raises:
        PluginError: It is no folder, cannot be read, or is beyond the limits.
    """
    hint = "give the folder of one project or bundle."
    if not path.is_dir():
        what = "a file" if path.exists() else "nothing"
        message = f"cannot import {str(path)!r}: found {what}, expected a folder."
        raise PluginError(message, where=path, hint=hint)
    found, size = Found(path.resolve().name), 0
    for count, (relative, full) in enumerate(_files(path, found), 1):
        if count > MOST_FILES or size > MOST_BYTES_IN_ALL:
            what = f"more than {MOST_FILES:,} files or {MOST_BYTES_IN_ALL:,} bytes of text"
            message = f"cannot import {str(path)!r}: found {what}, expected one project or bundle."
            raise PluginError(message, where=path, hint=hint)
        text = _text_of(relative, full, found)
        if text is not None:
            found.texts[relative] = text
            size += len(text)
    return found


def _files(path: Path, found: Found) -> Iterator[tuple[str, str]]:
    def fail(error: OSError) -> None:
        message = f"cannot import {str(path)!r}: {reason_of(error)}."
        raise PluginError(message, where=error.filename, hint="make the folder readable.")

    for folder, folders, files in os.walk(path, onerror=fail):
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in _SKIPPED)
        for name in [*folders, *sorted(files)]:
            full = os.path.join(folder, name)
            relative = Path(full).relative_to(path).as_posix()
            if os.path.islink(full):
                found.leave(relative, "it is a link, which is not followed")
            elif name in files and name[0] != ".":
                yield relative, full


def _text_of(relative: str, full: str, found: Found) -> str | None:
    if os.path.splitext(relative)[1].lower() not in _TEXTS:
        found.leave(relative, "it is neither code nor a text that zoo reads")
        return None
    try:
        text = read_text(read_file(full, MOST_BYTES))
    except (OSError, DocumentError) as error:
        found.leave(relative, reason_of(error))
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
