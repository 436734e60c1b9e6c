# SPDX-License-Identifier: Apache-2.0
"""Read back what ``zoo test --out`` wrote: metrics of a split, and values of each image."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.engine.metric_facts import NO_FACTS, MetricFacts, guess_direction, types_in
from zoo.engine.work_dir.tallies import Tally, read_tally
from zoo.errors import DataError
from zoo.texts import printable, shown

__all__ = ["TestValues", "find_tests", "read_test"]

_SCHEMA = "zoo.test/1"
_LIMITS = Limits(size_bytes=2**29, values=20_000_000, is_finite=False)
_MOST_NAMES = 100  # of values: a plot of more is unreadable
_FACTS = (
    *("config", "checkpoint", "checkpoint_sha256", "evaluator", "data", "tta", "cfg_options"),
    "scores",
)
_COUNTS = frozenset(("confusion", "calibration", "true", "predicted"))
_HINT = "give a work dir, or a file written by `zoo test --out`."


@dataclass(frozen=True, slots=True)
class TestValues:
    """What ``zoo test --out`` wrote.

    Args:
        name: The file's stem.
        values: Value name -> image file -> value; values that are not finite are left out.
        facts: What the values mean.
        metrics: Metrics of the whole split; None for one without a result.
        split: ``train``, ``val`` or ``test``; empty if the file does not say.
        classes: Names of the classes; empty in files of earlier versions.
        tallies: Image file -> counts that the test kept; empty in files of earlier versions.
        facts_of_test: ``config``, ``checkpoint``, ``checkpoint_sha256``, ``evaluator``, ``data``
            (``name``, ``digest``, ``splits``, ...), ``tta``, ``cfg_options`` and ``scores``, as far
            as the file says.
        path: The file.
    """

    name: str
    values: Mapping[str, Mapping[str, float]]
    facts: MetricFacts = NO_FACTS
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    split: str = ""
    classes: tuple[str, ...] = ()
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    facts_of_test: Mapping[str, Any] = field(default_factory=dict)
    path: Path = Path()

    def unit(self, value: str) -> str | None:
        """Return the unit that a metric's manifest states, or None.

        Args:
            value: Name of the value.
        """
        return self.facts.unit(value)

    def direction(self, value: str) -> str:
        """Return which value is best: higher, lower, zero or none.

        Of a count for which no manifest states it, none is: more objects are no better.

        Args:
            value: Name of the value.
        """
        guessed = guess_direction(value)
        is_count = "count" in value.lower() and guessed != "lower"
        return self.facts.stated_direction(value) or ("none" if is_count else guessed)


def find_tests(work_dir: Path) -> list[Path]:
    """Return the files of ``zoo test --out`` in a folder, sorted by name.

    Args:
        work_dir: A run's work dir.
    """
    found = []
    for path in sorted(work_dir.glob("*.json")):
        try:
            document = read_json(path, _LIMITS)
        except (OSError, DocumentError):  # some other JSON
            continue
        if isinstance(document, dict) and document.get("schema") == _SCHEMA:
            found.append(path)
    return found


def read_test(path: str | os.PathLike[str]) -> TestValues:
    """Return the values of a file that ``zoo test --out`` wrote.

    Args:
        path: A JSON file.

    Raises:
        DataError: It is not such a file, or has no per-image values.
    """
    path = Path(path)
    try:
        document = read_json(path, _LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot read {path.name!r}: {reason_of(error)}."
        raise DataError(message, path=path, hint=_HINT) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != _SCHEMA:
        message = f"cannot read {path.name!r}: its schema is {shown(schema)}, expected "
        message += "'zoo.test/1'."
        raise DataError(message, path=path, hint=_HINT)
    try:
        values = _per_image(document.get("per_image") or ())
    except (AttributeError, TypeError) as error:
        message = (
            f"cannot read {path.name!r}: its per-image values are not a list of files and values."
        )
        hint = "give a file written by `zoo test --out`."
        raise DataError(message, path=path, hint=hint) from error
    if not values:
        message = f"cannot read {path.name!r}: it holds no per-image values."
        hint = "only metrics with per-image values keep them; plot its work dir instead."
        raise DataError(message, path=path, hint=hint)
    if len(values) > _MOST_NAMES:
        message = (
            f"cannot read {path.name!r}: it holds values of {len(values):,} names, expected at "
        )
        message += f"most {_MOST_NAMES}."
        raise DataError(message, path=path, hint="plot its work dir instead.")
    types = types_in(str(document.get("evaluator", "")))
    facts, metrics = MetricFacts.of_types(types), _metrics(document.get("metrics"))
    split = printable(str(document.get("split") or ""))
    counts = _counts(document, path)
    return TestValues(printable(path.stem), values, facts, metrics, split, *counts, path)


def _counts(
    document: Mapping[str, Any], path: Path
) -> tuple[tuple[str, ...], dict[str, Tally], dict[str, Any]]:
    """Return classes, counts of the images, and further facts."""
    listed = document.get("classes")
    classes = tuple(printable(str(each)) for each in listed) if isinstance(listed, list) else ()
    try:
        tallies = {
            printable(str(row.get("file", index))): read_tally(row, len(classes))
            for index, row in enumerate(document["per_image"])
            if _COUNTS.intersection(row)
        }
    except DocumentError as error:
        message = f"cannot read {path.name!r}: {reason_of(error)}."
        raise DataError(message, path=path, hint=_HINT) from error
    return classes, tallies, {key: _plain(document[key]) for key in _FACTS if key in document}


def _plain(value: Any) -> Any:
    """Return a JSON value whose texts are safe to print."""
    if isinstance(value, dict):
        return {printable(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return printable(value) if isinstance(value, str) else value


def _metrics(found: Any) -> dict[str, float | None]:
    rows = found.items() if isinstance(found, dict) else ()
    return {
        printable(name): float(value) if isinstance(value, (int, float)) else None
        for name, value in rows
    }


def _per_image(rows: Iterable[Any]) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {}
    for index, image in enumerate(rows):
        for key, value in (image.get("values") or {}).items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                file = printable(str(image.get("file", index)))
                values.setdefault(printable(key), {})[file] = float(value)
    return values
