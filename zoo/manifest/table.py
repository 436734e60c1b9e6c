# SPDX-License-Identifier: Apache-2.0
"""Read a TOML table key by key, so that every error names its key."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Never

from zoo.documents import kind_of
from zoo.errors import ManifestError
from zoo.names import hint_near, near_names
from zoo.texts import shown

__all__ = ["Table", "check_file", "read_path"]

_TOML_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


MOST_CHARACTERS = 2_000
MOST_ENTRIES = 10_000
_KNOWN_KEYS = "docs/manifest.md lists the known keys."


class Table:
    """One table of a manifest. Each key is read once; an unread key is an error.

    Args:
        values: The table from ``tomllib``.
        label: Name in messages, such as ``[[dataset]] 'LungXrayDataset'``.
        path: The manifest.
        plugin: Name of the plugin, or of its package if the name is not known yet.
    """

    def __init__(self, values: dict[str, Any], *, label: str, path: Path, plugin: str) -> None:
        self.values = values
        self.label = label
        self.path = path
        self.plugin = plugin
        self._known: list[str] = []

    def fail(self, found: str, *, hint: str, key: str | None = None) -> Never:
        """Raise a ManifestError that names the plugin, this table and the file.

        Args:
            found: What was found and what was expected.
            hint: How to fix it.
            key: The key at fault; by default the one that was read last.
        """
        message = f"cannot use plugin {self.plugin!r}: {found}"
        error = ManifestError(message, plugin=self.plugin, manifest=self.path, hint=hint)
        error.key = key or (self._known[-1] if self._known else None)
        raise error

    def take(self, key: str, types: type | tuple[type, ...], *, required: bool = True) -> Any:
        """Return the value of a key, or None if the key is missing and not required.

        Args:
            key: Name of the key in the table.
            types: The accepted type or types.
            required: Whether a missing key is an error.

        Raises:
            ManifestError: A required key is missing, or the value has another type.
        """
        self._known.append(key)
        wanted = types if isinstance(types, tuple) else (types,)
        if key not in self.values:
            if not required:
                return None
            self.fail(
                f"{self.label} lacks the key {key!r}, expected {_TOML_NAMES[wanted[-1]]}.",
                hint=f"add {key} = ... to {self.label}.",
            )
        value = self.values[key]
        # A bool is an int in Python, but not in TOML.
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            self.fail(
                f"{self.label} {key} is {shown(value)}, expected {_TOML_NAMES[wanted[-1]]}.",
                hint=f"write {key} as {_TOML_NAMES[wanted[-1]]}.",
            )
        return value

    def text(
        self,
        key: str,
        *,
        pattern: str | None = None,
        wanted: str | None = None,
    ) -> str:
        """Return a string that is not blank and, if a pattern is given, matches it fully.

        Args:
            key: Name of the key in the table.
            pattern: A regular expression, or None for any text.
            wanted: What the pattern means, for the error message.
        """
        value: str = self.take(key, str)
        self._check_length(key, value)
        if not value.strip() or (pattern is not None and re.fullmatch(pattern, value) is None):
            wanted = wanted or "some text"
            self.fail(
                f"{self.label} {key} is {shown(value)}, expected {wanted}.",
                hint=f"change {key} to {wanted}.",
            )
        return value

    def optional_text(
        self, key: str, *, pattern: str | None = None, wanted: str | None = None
    ) -> str | None:
        """Return a string as `text` does, or None if the key is missing.

        Args:
            key: Name of the key in the table.
            pattern: A regular expression, or None for any text.
            wanted: What the pattern means, for the error message.
        """
        if key in self.values:
            return self.text(key, pattern=pattern, wanted=wanted)
        self._known.append(key)
        return None

    def choice(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """Return one of the choices, or the default if the key is missing.

        Args:
            key: Name of the key in the table.
            choices: The allowed values.
            default: Value for a missing key; None makes the key required.
        """
        if default is not None and key not in self.values:
            self._known.append(key)
            return default
        value: str = self.take(key, str)
        if value not in choices:
            self.fail(
                f"{self.label} {key} is {shown(value)}, expected one of {', '.join(choices)}.",
                hint=hint_near(near_names(value, choices), f"write one of these for {key}."),
            )
        return value

    def optional_choice(self, key: str, choices: Sequence[str]) -> str | None:
        """Return one of the choices, or None if the key is missing.

        Args:
            key: Name of the key in the table.
            choices: The allowed values.
        """
        if key in self.values:
            return self.choice(key, choices)
        self._known.append(key)
        return None

    def texts(self, key: str, *, required: bool = True) -> tuple[str, ...]:
        """Return unique strings that are not empty; an empty tuple if the key is missing.

        Args:
            key: Name of the key in the table.
            required: Whether a missing key is an error.
        """
        values = self.take(key, list, required=required) or []
        if len(values) > MOST_ENTRIES:
            self.fail(
                f"{self.label} {key} holds {len(values):,} strings, expected at most "
                f"{MOST_ENTRIES:,}.",
                hint=f"shorten {key}.",
            )
        for value in values:
            if not isinstance(value, str) or not value.strip():
                self.fail(
                    f"{self.label} {key} holds {shown(value)}, expected a list of strings.",
                    hint=f"write {key} as strings, each in quotes.",
                )
            self._check_length(key, value)
        self.check_once(values, f"{self.label} {key} holds {{}} twice")
        if required and not values:
            self.fail(
                f"{self.label} {key} is [], expected at least one.",
                hint=f"add an entry to {key}.",
            )
        return tuple(values)

    def check_once(self, values: Sequence[str], found: str) -> None:
        """Check that no text appears twice.

        Args:
            values: The texts.
            found: Message for a repeated text, with ``{}`` in its place.
        """
        if len(values) < 2:  # most lists of most rows: a Counter takes as long as the rest
            return
        for value, times in Counter(values).items():
            if times > 1:
                message = f"{found.format(shown(value))}, expected each once."
                self.fail(message, hint=f"remove or rename one of the {shown(value)}.")

    def _check_length(self, key: str, value: str) -> None:
        if len(value) > MOST_CHARACTERS:
            self.fail(
                f"{self.label} {key} has {len(value):,} characters, expected at most "
                f"{MOST_CHARACTERS:,}.",
                hint=f"shorten {key}.",
            )

    def count(self, key: str) -> int:
        """Return a positive integer.

        Args:
            key: Name of the key in the table.
        """
        value: int = self.take(key, int)
        if value <= 0:
            self.fail(
                f"{self.label} {key} is {value!r}, expected an integer above 0.",
                hint=f"write the measured {key}.",
            )
        return value

    def optional_count(self, key: str) -> int | None:
        """Return a positive integer, or None if the key is missing.

        Args:
            key: Name of the key in the table.
        """
        if key in self.values:
            return self.count(key)
        self._known.append(key)
        return None

    def table(self, key: str, *, required: bool = True) -> Table:
        """Return an inner table; an empty one if the key is missing.

        Args:
            key: Key of the table.
            required: Whether a missing key is an error.
        """
        values = self.take(key, dict, required=required) or {}
        return type(self)(values, label=f"[{key}]", path=self.path, plugin=self.plugin)

    def tables(self, key: str, label: str | None = None) -> list[Table]:
        """Return the rows of an array of tables; an empty list if the key is missing.

        Args:
            key: Key of the array.
            label: Name in messages, by default ``[[key]]``; each row adds its name or number.
        """
        label = label or f"[[{key}]]"
        found = []
        for number, values in enumerate(self.take(key, list, required=False) or (), start=1):
            if not isinstance(values, dict):
                self.fail(
                    f"{key} holds {shown(values)}, expected tables.",
                    hint=f"write each row under its own [[{key}]].",
                )
            name = values.get("name")
            row = f"{label} {shown(name)}" if isinstance(name, str) else f"{label} row {number}"
            found.append(type(self)(values, label=row, path=self.path, plugin=self.plugin))
        return found

    def done(self) -> None:
        """Check that every key was read.

        Raises:
            ManifestError: A key is unknown; a similar known key is suggested.
        """
        for key in self.values:
            if key not in self._known:
                expected = ", ".join(sorted(self._known))
                self.fail(
                    f"{self.label} has the unknown key {shown(key)}, expected one of {expected}.",
                    hint=hint_near(near_names(key, self._known), _KNOWN_KEYS),
                    key=key,
                )


def read_path(table: Table, text: str, key: str) -> str:
    """Return a path inside the package, with ``/``; the parts are checked, not resolved.

    Args:
        table: The row's table.
        text: The path, as the row states it.
        key: Key of the path, for the message.
    """
    parts = text.split("/")
    if "\\" in text or ":" in text or any(part in ("", ".", "..") for part in parts):
        table.fail(
            f"{table.label} {key} is {shown(text)}, expected a path inside the package, with '/'.",
            hint="write it relative to the manifest's folder, such as 'configs/unet.py'.",
        )
    return text


def check_file(table: Table, file: str, key: str) -> None:
    """Check that the package holds a file.

    Args:
        table: The row's table.
        file: Path inside the package.
        key: Key of the path, for the message.
    """
    path = table.path.parent / file
    if not os.path.isfile(path):  # also False for invalid file names
        kind = kind_of(path)
        found = "there is no such file" if kind is None else f"it is {kind}, no regular file"
        table.fail(
            f"{table.label} {key} is {shown(file)}, but {found}.",
            hint=f"add {file} to the package and to its package data, or correct {key}.",
            key=key,
        )
