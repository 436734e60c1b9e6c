# SPDX-License-Identifier: Apache-2.0
"""ZP414: the stated numbers of weights, measured again on what their plugin draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zoo.checking.dynamic.author import plain_kit
from zoo.checking.dynamic.findings import finding_of
from zoo.checking.dynamic.weights import check_model
from zoo.checking.finding import Finding
from zoo.checking.kinds.targets import check_weights_row
from zoo.checking.rule import Case, Rule
from zoo.checking.static.cases import label_of, row_place
from zoo.checking.subject import Subject
from zoo.errors import ZooError
from zoo.manifest.rows import WeightsRow

if TYPE_CHECKING:
    from zoo.engine.reproducing.comparing import Comparison

__all__ = ["RULES"]

_ID = "ZP414"
_PACKAGED = "package:"
_MEND = "measure it again: zoo test, with the data and the options that reproduce.toml states."


def _measured(subject: Subject) -> Iterator[Case]:
    """Yield the rows whose numbers their author measured."""
    for row in () if subject.manifest is None else subject.manifest.weights:
        if isinstance(row, WeightsRow) and any(each.published is None for each in row.metrics):
            yield label_of(row), row


def _check(subject: Subject, row: WeightsRow) -> Iterator[Finding]:
    where = row_place(subject, row)
    if not any(url.startswith(_PACKAGED) for url in row.urls):
        message = "its numbers are not measured again: a check downloads no weights."
        yield Finding(_ID, where, message, f"zoo reproduce {row.name}", level="note")
        return
    if _is_told(subject, row):
        return
    try:
        numbers = _numbers(f"{subject.name}.{row.name}", subject)
    except (ZooError, ImportError) as error:
        told = finding_of(subject, _ID, error, mend=_MEND, where=where)
        if told is not None:
            yield told
        return
    for metric, number in zip(row.metrics, numbers, strict=True):
        if metric.published is None and number.state != "equal":
            yield _finding(subject, row, number)


def _is_told(subject: Subject, row: WeightsRow) -> bool:
    """Return whether another rule tells why the weights cannot be used at all."""
    try:
        check_weights_row(plain_kit(subject).record(), row)
    except ZooError:
        return True
    return any(check_model(subject, row))


def _numbers(name: str, subject: Subject) -> list[Comparison]:
    """Return the numbers of a row, each on what is drawn, else on what the user gave."""
    from zoo.engine.reproducing.reproduce import reproduce

    drawn = reproduce(name).numbers
    if subject.data is None or all(each.state != "not measured" for each in drawn):
        return list(drawn)
    given = reproduce(name, subject.data).numbers
    return [
        other if one.state == "not measured" else one
        for one, other in zip(drawn, given, strict=True)
    ]


def _finding(subject: Subject, row: WeightsRow, number: Comparison) -> Finding:
    where = row_place(subject, row)
    name = f"{number.metric} on {number.dataset}, {number.split}"
    if number.state == "differs":
        message = f"{name}: the row states {number.stated:.6g}, measured is {number.measured:.6g}, "
        message += f"expected at most {number.tolerance:.2g} between them."
        return Finding(_ID, where, message, _MEND)
    message = f"{name} is not measured again: {number.reason}."
    mend = "state a sample in reproduce.toml, or give the data: zoo plugin check --deep --data DIR."
    if number.get is not None:
        is_option = number.get.startswith("--data")
        mend = f"zoo plugin check --deep {number.get}" if is_option else number.get
    return Finding(_ID, where, message, mend, level="note")


RULES = (
    Rule(
        _ID,
        "metrics-measured",
        "deep",
        "Each number that a plugin states of weights in its package is measured again.",
        _measured,
        _check,
    ),
)
