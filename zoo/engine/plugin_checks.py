# SPDX-License-Identifier: Apache-2.0
"""Run the checks that plugins add to ``zoo doctor`` and ``zoo data check``.

Code of a plugin may raise, yield anything, print, or never end; each becomes a finding, and the
other checks run on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo.catalog import Found, read_catalog
from zoo.errors import IncompatibleError, ZooError
from zoo.interfaces import CheckResult
from zoo.loading import load_target
from zoo.manifest.rows import CheckRow
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo.data import Prepared

__all__ = ["PluginFinding", "data_findings", "doctor_findings"]

_MOST_RESULTS, _MOST_CHARACTERS = 1_000, 2_000
_LEAST_S, _IMAGE_S = 60.0, 1.0  # that a check may take, and how much more for each image
_REPORT = "report it to the plugin's author."


@dataclass(frozen=True, slots=True)
class PluginFinding:
    """One result of a plugin's check, or why it has none.

    Attributes:
        plugin: Name of the plugin.
        check: Name of its ``[[check]]`` row.
        level: ``ok``, ``warning`` or ``error``.
        found: What was found, one sentence.
        where: The file or thing that it is about; may be empty.
        mend: What mends it; may be empty.
    """

    plugin: str
    check: str
    level: str
    found: str
    where: str = ""
    mend: str = ""

    @property
    def name(self) -> str:
        """Return the check's full name, ``plugin.check``."""
        return f"{self.plugin}.{self.check}"

    def text(self) -> str:
        """Return it as one line: check, place, and what was found there."""
        return ": ".join(filter(None, (self.name, self.where, self.found)))


def doctor_findings(
    *, timeout_s: float | None = _LEAST_S, plugin: str | None = None, check: str | None = None
) -> Iterator[PluginFinding]:
    """Run the checks of this machine and yield what they found.

    A check that finds nothing to say is yielded as ``ok``, with its summary.

    Args:
        timeout_s: Seconds that one check may take; None for no limit.
        plugin: Run the checks of this plugin alone; None for those of all.
        check: Run the checks of this name alone; None for all.
    """
    for found, row in _checks("doctor"):
        if plugin not in (None, found.record.name) or check not in (None, row.name):
            continue
        results = list(_run(found, (), timeout_s))
        yield from results or [_finding(found, CheckResult(row.summary or "ok"))]


def data_findings(prepared: Prepared, *, timeout_s: float | None = None) -> Iterator[PluginFinding]:
    """Run the checks of a prepared folder and yield what they found.

    Args:
        prepared: A folder in which zoo itself found no error.
        timeout_s: Seconds that one check may take; None for a limit by the number of images.
    """
    limit_s = max(_LEAST_S, _IMAGE_S * len(prepared.files)) if timeout_s is None else timeout_s
    own = (prepared.dataset.plugin, prepared.dataset.name)
    for found, row in _checks("data"):
        if row.dataset is None or (found.record.name, row.dataset) == own:
            yield from _run(found, (prepared,), limit_s)


def _checks(of: str) -> Iterator[tuple[Found, CheckRow]]:
    for found in read_catalog().rows("check"):
        if isinstance(found.row, CheckRow) and found.row.of == of:
            yield found, found.row


def _run(
    found: Found, arguments: tuple[Any, ...], timeout_s: float | None
) -> Iterator[PluginFinding]:
    """Load and call one check; whatever happens is a finding."""
    try:
        check: Any = load_target(found)
    except ZooError as error:
        level = "warning" if isinstance(error, IncompatibleError) else "error"
        yield _failed(found, f"it did not run: {error.message}", error.hint or _REPORT, level)
        return
    with redirect_stdout(sys.stderr):  # so that what it prints breaks no --json
        results, ending = _collect(check, arguments, timeout_s)
    yield from _told(found, results)
    if isinstance(ending, BaseException):
        lines = str(ending).strip().splitlines()
        said = f"{type(ending).__name__}: {lines[0].rstrip('.') if lines else 'no message'}"
        yield _failed(found, f"it failed: {said}.")
    elif ending is None:
        yield _failed(found, f"it did not end: it took more than {timeout_s:g} s.")


def _collect(
    check: Callable[..., Iterable[CheckResult]],
    arguments: tuple[Any, ...],
    timeout_s: float | None,
) -> tuple[list[CheckResult], bool | BaseException | None]:
    """Return what a check yields, and its end: True, what it raises, or None if it runs on."""
    results: list[CheckResult] = []
    endings: list[bool | BaseException] = []

    def call() -> None:
        try:
            results.extend(islice(check(*arguments), _MOST_RESULTS + 1))
            endings.append(True)
        except BaseException as error:  # noqa: BLE001 - also SystemExit ends no other check
            endings.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return list(results), endings[0] if endings else None


def _told(found: Found, results: list[Any]) -> Iterator[PluginFinding]:
    for result in results[:_MOST_RESULTS]:
        if isinstance(result, CheckResult):
            yield _finding(found, result)
        else:
            said = f"it yielded {result!r:.80}, expected a zoo.interfaces.CheckResult."
            yield _failed(found, said)
            return
    if len(results) > _MOST_RESULTS:
        said = f"it has more to say, of which the first {_MOST_RESULTS:,} are shown."
        yield _finding(found, CheckResult(said, "warning"))


def _failed(found: Found, said: str, mend: str = _REPORT, level: str = "error") -> PluginFinding:
    return _finding(found, CheckResult(said, level, mend=mend))


def _finding(found: Found, result: CheckResult) -> PluginFinding:
    texts = (result.level, result.found, result.where, result.mend)
    plugin, check = found.record.name, found.row.name
    return PluginFinding(
        plugin, check, *(printable(str(text))[:_MOST_CHARACTERS] for text in texts)
    )
