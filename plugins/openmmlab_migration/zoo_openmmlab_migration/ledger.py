# SPDX-License-Identifier: Apache-2.0
"""What a migration did to each key: nothing is left out silently."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Entry", "Ledger"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the old file.

    Attributes:
        key: Its dotted place in the old file.
        text: What became of it, or why it could not be carried.
        hint: What to do; empty if nothing is to be done.
    """

    key: str
    text: str
    hint: str = ""


@dataclass(slots=True)
class Ledger:
    """The three lists that a migration writes.

    Attributes:
        changed: Keys whose content moved or was renamed.
        dropped: Keys without a meaning in the new generation; nothing is lost with them.
        lost: Keys that could not be carried. A file without any migrated whole.
    """

    changed: list[Entry] = field(default_factory=list)
    dropped: list[Entry] = field(default_factory=list)
    lost: list[Entry] = field(default_factory=list)

    def change(self, key: str, text: str) -> None:
        """Note that a key's content is now elsewhere, or written otherwise.

        Args:
            key: The old key.
            text: Where it is, or what it became.
        """
        self._add(self.changed, Entry(key, text))

    def drop(self, key: str, text: str) -> None:
        """Note that a key has no counterpart and needs none.

        Args:
            key: The old key.
            text: Why.
        """
        self._add(self.dropped, Entry(key, text))

    def lose(self, key: str, text: str, hint: str) -> None:
        """Note that a key's content is not in the new file, or does not work there as it is.

        Args:
            key: The old key.
            text: Why.
            hint: What to do.
        """
        self._add(self.lost, Entry(key, text, hint))

    @property
    def is_whole(self) -> bool:
        """Whether everything was carried."""
        return not self.lost

    def to_json(self) -> dict[str, Any]:
        """Return the three lists as plain values."""
        return {
            name: [asdict(entry) for entry in getattr(self, name)]
            for name in ("changed", "dropped", "lost")
        }

    @staticmethod
    def _add(entries: list[Entry], entry: Entry) -> None:
        if entry not in entries:
            entries.append(entry)
