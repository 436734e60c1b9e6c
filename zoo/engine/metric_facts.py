# SPDX-License-Identifier: Apache-2.0
"""What the values of a run's metrics mean: which one is best, and in which unit they are.

The manifests of plugins state it. Of a value that none describes, such as one of a metric of the
user's own, the config may say it: the hook that keeps the best checkpoint by it has a rule. What
neither says is guessed by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from zoo.catalog import read_catalog
from zoo.errors import ZooError
from zoo.manifest.rows import MetricRow

__all__ = ["NO_FACTS", "MetricFacts", "guess_direction", "types_in"]

ANY = "*"
_AUTO = "auto"
_LOW = ("loss", "error", "distance", "hd95", "assd", "rmse", "mae")
_TYPE = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What the manifests state of the metrics and evaluators of one run.

    Attributes:
        rows: One for each type of the run's evaluator; None for one of no plugin.
        rules: Value -> direction, by the config's hooks that keep the best checkpoint; ``auto`` is
            the value that the log names first.
    """

    rows: Sequence[MetricRow | None] = ()
    rules: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_types(cls, types: Iterable[str]) -> MetricFacts:
        """Return the facts of an evaluator's types; nothing is imported.

        Args:
            types: As configs write them, such as ``zoo.DiceMetric`` and ``IoUMetric``.
        """
        return cls(tuple(map(_row_of, types)))

    def stated_direction(self, value: str) -> str | None:
        """Return the direction that a manifest states: higher, lower, zero or none; else None.

        Args:
            value: Name of the value, with or without the prefix of its metric.
        """
        return self._find(value, [None if row is None else row.direction for row in self.rows])

    def known_direction(self, value: str) -> str | None:
        """Return the direction that a manifest or else a rule of the config states, or None.

        Args:
            value: Name of the value, as in the log.
        """
        return self.stated_direction(value) or self.rules.get(value)

    def direction(self, value: str) -> str:
        """Return the direction that is known, or else one guessed by the name.

        Args:
            value: Name of the value, with or without the prefix of its metric.
        """
        return self.known_direction(value) or guess_direction(value)

    def with_first(self, value: str) -> MetricFacts:
        """Return the facts of a run whose log names this value first.

        Args:
            value: Name of the value, as in the log.
        """
        if _AUTO not in self.rules:
            return self
        return replace(self, rules={value: self.rules[_AUTO], **self.rules})

    def unit(self, value: str) -> str | None:
        """Return the unit that a manifest states, or None.

        Args:
            value: Name of the value, with or without the prefix of its metric.
        """
        return self._find(value, [None if row is None else row.unit for row in self.rows])

    def only_direction(self) -> str | None:
        """Return the direction of every value, or None if they differ or one is not stated."""
        stated = [set() if row is None else set(row.direction.values()) for row in self.rows]
        every = set().union(*stated)
        return every.pop() if len(every) == 1 and all(stated) else None

    def _find(self, value: str, tables: Sequence[Mapping[str, str] | None]) -> str | None:
        """Return the word of the most exact name that fits.

        ``*`` means every value of its own metric. It is taken only if no metric of the run is
        silent: the value could be that one's.
        """
        names = dict.fromkeys((value, value.rpartition("/")[2]))
        found = [
            (pattern in names, len(pattern), word)
            for table in tables
            for pattern, word in (table or {}).items()
            if pattern != ANY and any(fnmatchcase(name, pattern) for name in names)
        ]
        if found:
            return max(found, key=lambda each: each[:2])[2]
        every = {table[ANY] for table in tables if table and ANY in table}
        return every.pop() if len(every) == 1 and all(tables) else None


NO_FACTS = MetricFacts()
"""Of a run whose metrics are not known."""


def guess_direction(value: str) -> str:
    """Return ``lower``, ``zero`` or ``higher``, by words in the name of a value.

    Args:
        value: Name of the value.

    Example:
        >>> [guess_direction(name) for name in ("hd95_px", "count_bias", "mIoU")]
        ['lower', 'zero', 'higher']
    """
    name = value.lower()
    if "bias" in name:
        return "zero"
    return "lower" if any(word in name for word in _LOW) else "higher"


def types_in(protocol: str) -> list[str]:
    """Return the types that the name of an evaluator consists of.

    Args:
        protocol: As `evaluator_text` of ``zoo.engine.dataset.facts`` writes it.

    Example:
        >>> types_in("zoo.judges.Adding(zoo.DiceMetric, IoUMetric)")
        ['zoo.judges.Adding', 'zoo.DiceMetric', 'IoUMetric']
    """
    return _TYPE.findall(protocol)


def _row_of(name: str) -> MetricRow | None:
    if not name.startswith("zoo."):
        return None
    for kind in ("metric", "evaluator"):
        try:
            row = read_catalog().find(kind, name.removeprefix("zoo.")).row
        except ZooError:  # the plugin is not here, or has one of the other kind
            continue
        return row if isinstance(row, MetricRow) else None
    return None
