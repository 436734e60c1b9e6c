# SPDX-License-Identifier: Apache-2.0
"""The report of a ``prepare`` run: counts, and dropped or repaired files with reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zoo.data.reasons import without_names
from zoo.fields import Fields
from zoo.texts import counted, printable

__all__ = ["Report", "ReportLine"]


@dataclass(frozen=True, slots=True, order=True)
class ReportLine:
    """One file and what happened to it.

    Args:
        file: Path in the source.
        text: The reason, the repair or the note.
    """

    file: str
    text: str


@dataclass(slots=True)
class Report:
    """What happened to the files of a source; ``report.json`` contains :meth:`to_dict`.

    Args:
        counts: Counts by name: images, masks, pairs, ...
        dropped: Files left out of the prepared folder, with reasons.
        repaired: Files that were changed, with the change.
        notes: Kept files that deserve attention, such as empty masks.
        splits: Files, groups and digest of each split.
        class_px: Pixels of each class over all masks, and of no class ("ignored").
        instances: Number of instances of each class, for instance data.
        unchanged: Whether an equal prepared folder already existed, so nothing was written.
    """

    counts: dict[str, int] = field(default_factory=dict)
    dropped: list[ReportLine] = field(default_factory=list)
    repaired: list[ReportLine] = field(default_factory=list)
    notes: list[ReportLine] = field(default_factory=list)
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    class_px: dict[str, int] = field(default_factory=dict)
    instances: dict[str, int] = field(default_factory=dict)
    unchanged: bool = False

    def drop(self, file: str, reason: str) -> None:
        """Record that ``file`` is left out.

        Args:
            file: Path in the source.
            reason: Why it is left out.
        """
        self.dropped.append(ReportLine(file, reason))

    def repair(self, file: str, what: str) -> None:
        """Record that ``file`` was changed.

        Args:
            file: Path in the source.
            what: What was changed.
        """
        self.repaired.append(ReportLine(file, what))

    def note(self, file: str, what: str) -> None:
        """Record that ``file`` was kept unchanged but deserves attention.

        Args:
            file: Path in the source.
            what: What is unusual about it.
        """
        self.notes.append(ReportLine(file, what))

    def count(self, name: str, number: int) -> None:
        """Add ``number`` to the count ``name``.

        Args:
            name: Name of the count.
            number: Number to add.
        """
        self.counts[name] = self.counts.get(name, 0) + number

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``report.json``, independent of the order of processing."""
        return {
            "schema": 1,
            "counts": dict(self.counts),
            "splits": dict(self.splits),
            **({"instances": dict(self.instances)} if self.instances else {}),
            "class_px": dict(self.class_px),
            "dropped": _to_rows(self.dropped, "reason"),
            "repaired": _to_rows(self.repaired, "repair"),
            "notes": _to_rows(self.notes, "note"),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Report:
        """Return the report for the content of ``report.json``.

        Args:
            data: Parsed JSON.

        Raises:
            DocumentError: A part is missing or has the wrong type.
        """
        fields = Fields(data)
        parts = fields.table("splits").items()
        splits = {name: Fields(part, f"splits {name}") for name, part in parts}
        for split in splits.values():
            split.whole("count")
            split.whole("groups")
        return cls(
            counts=_numbers(fields, "counts"),
            splits={name: split.values for name, split in splits.items()},
            class_px=_numbers(fields, "class_px"),
            instances=_numbers(fields, "instances") if "instances" in fields.values else {},
            dropped=_from_rows(fields, "dropped", "reason"),
            repaired=_from_rows(fields, "repaired", "repair"),
            notes=_from_rows(fields, "notes", "note"),
        )

    def summary(self) -> str:
        """Return a short summary for a terminal."""
        lines = [", ".join(f"{number} {name}" for name, number in self.counts.items())]
        for name, split in self.splits.items():
            images, groups = counted(split["count"], "image"), counted(split["groups"], "group")
            lines.append(f"{name}: {images} of {groups}")
        for title, rows in (
            ("dropped", self.dropped),
            ("repaired", self.repaired),
            ("noted", self.notes),
        ):
            lines += _summarise(title, rows)
        if self.unchanged:
            lines.append("unchanged: the folder was already prepared, nothing was written")
        # Names of files and classes come from outside and may contain line breaks.
        return "\n".join(printable(line) for line in lines if line)


def _numbers(fields: Fields, key: str) -> dict[str, int]:
    numbers = Fields(fields.take(key), key)
    return {name: numbers.whole(name) for name in numbers.values}


def _from_rows(fields: Fields, key: str, what: str) -> list[ReportLine]:
    return [ReportLine(row.string("file"), row.string(what)) for row in fields.rows(key)]


def _to_rows(lines: list[ReportLine], key: str) -> list[dict[str, str]]:
    return [{"file": line.file, key: line.text} for line in sorted(lines)]


def _summarise(title: str, rows: list[ReportLine]) -> list[str]:
    """Return one line per text, with the number of files and the first of them.

    Texts that differ only in quoted names count as one.
    """
    kinds: dict[str, list[ReportLine]] = {}
    for row in sorted(rows):
        kinds.setdefault(without_names(row.text), []).append(row)
    lines = []
    for alike in list(kinds.values())[:_MOST_TEXTS]:
        others = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        first = alike[0]
        # A note on the whole data set has no file.
        place = f" ({first.file}{others})" if first.file else others
        lines.append(f"{title} {len(alike)}: {first.text}{place}")
    if len(kinds) > _MOST_TEXTS:
        lines.append(f"{title}: {len(kinds) - _MOST_TEXTS} other reasons, see report.json")
    return lines


_MOST_TEXTS = 5
