# SPDX-License-Identifier: Apache-2.0
"""Read a JSON object key by key, so that every error names its key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Never

from zoo.documents import DocumentError
from zoo.texts import shown

__all__ = ["Fields"]

MOST_CHARACTERS = 100_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Fields:
    """The keys of one object. Each key is read once; an unread key is an error.

    Every method raises `DocumentError` if a key is missing or its value is not as expected.

    Args:
        values: The value in the document, of any type.
        label: Name in messages, such as ``files row 3``; empty for the document itself.
    """

    def __init__(self, values: Any, label: str = "") -> None:
        if not isinstance(values, dict):
            message = f"{label or 'it'} is {shown(values)}, expected an object"
            raise DocumentError(message)
        self.values = values
        self.label = label
        self._taken: set[str] = set()

    def fail(self, key: str, wanted: str) -> Never:
        """Raise an error with the value of a key and what was expected.

        Args:
            key: Key of the object.
            wanted: The expected value, such as ``a text``.
        """
        message = f"{self._name(key)} is {shown(self.values[key])}, expected {wanted}"
        raise DocumentError(message)

    def take(self, key: str) -> Any:
        """Return a value of any type.

        Args:
            key: Key of the object.
        """
        if key not in self.values:
            message = f"{self.label or 'it'} lacks the key {key!r}"
            raise DocumentError(message)
        self._taken.add(key)
        return self.values[key]

    def string(self, key: str) -> str:
        """Return any text, including an empty one.

        Args:
            key: Key of the object.
        """
        value = self.take(key)
        if not isinstance(value, str):
            self.fail(key, "a text")
        return value

    def text(self, key: str, *, pattern: str | None = None, wanted: str = "some text") -> str:
        """Return a text that is not blank and, if a pattern is given, matches it fully.

        Args:
            key: Key of the object.
            pattern: A regular expression.
            wanted: Description of the pattern for the message.
        """
        value = self.take(key)
        fits = isinstance(value, str) and 0 < len(value) <= MOST_CHARACTERS and not value.isspace()
        if not fits or (pattern is not None and re.fullmatch(pattern, value) is None):
            self.fail(key, wanted)
        return str(value)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of a few texts.

        Args:
            key: Key of the object.
            choices: The texts that are allowed.
        """
        value = self.take(key)
        if not isinstance(value, str) or value not in choices:
            self.fail(key, f"one of {', '.join(choices)}")
        return value

    def digest(self, key: str) -> str:
        """Return a sha256, 64 hex digits in lower case.

        Args:
            key: Key of the object.
        """
        value = self.take(key)
        if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
            self.fail(key, "64 hex digits, lower case")
        return value

    def whole(self, key: str, least: int = 0) -> int:
        """Return an integer of at least ``least``.

        Args:
            key: Key of the object.
            least: Smallest allowed value.
        """
        value = self.take(key)
        if type(value) is not int or value < least:
            self.fail(key, f"a whole number of {least} or more")
        return value

    def table(self, key: str) -> dict[str, Any]:
        """Return an object with any content.

        Args:
            key: Key of the object.
        """
        value = self.take(key)
        if not isinstance(value, dict):
            self.fail(key, "an object")
        return value

    def items(self, key: str) -> list[Any]:
        """Return a list with any content.

        Args:
            key: Key of the object.
        """
        value = self.take(key)
        if not isinstance(value, list):
            self.fail(key, "a list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, none of them blank.

        Args:
            key: Key of the object.
        """
        values = self.items(key)
        if not all(isinstance(value, str) and value and not value.isspace() for value in values):
            self.fail(key, "a list of texts")
        return tuple(values)

    def rows(self, key: str) -> list[Fields]:
        """Return the objects of a list; each label contains the row number.

        Args:
            key: Key of the object.
        """
        name = self._name(key)
        items = enumerate(self.items(key), start=1)
        return [Fields(value, f"{name} row {number}") for number, value in items]

    def done(self) -> None:
        """Check that every key was read."""
        unknown = self.values.keys() - self._taken
        if unknown:
            message = f"{self.label or 'it'} has the unknown key {shown(min(unknown))}"
            raise DocumentError(message)

    def _name(self, key: str) -> str:
        return f"{self.label} {key}".lstrip()
