# SPDX-License-Identifier: Apache-2.0
"""What a check raises, as a finding: its place in the plugin, its message, its mend."""

from __future__ import annotations

import traceback
import unittest
from pathlib import Path
from types import TracebackType

from zoo.checking.expecting import Broken, NotMeant
from zoo.checking.finding import Finding
from zoo.checking.subject import Subject
from zoo.errors import ZooError

__all__ = ["finding_of"]

_MOST_TEXT = 400


def finding_of(
    subject: Subject, rule: str, error: BaseException, *, mend: str, where: str
) -> Finding | None:
    """Return the finding for what a check raised; None if the rule does not concern the row.

    Args:
        subject: The plugin.
        rule: Id of the rule.
        error: What was raised.
        mend: What to do if the error does not say it.
        where: Place to name if no line of the plugin was running.

    Raises:
        KeyboardInterrupt: It was one.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    if isinstance(error, NotMeant):
        return None
    if isinstance(error, unittest.SkipTest) or type(error).__name__ == "Skipped":
        way = getattr(error, "mend", "see why the check leaves itself out.")
        level = getattr(error, "level", "note")
        return Finding(rule, where, _text(error), way, level=level)
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, Broken) or type(error).__name__ == "Failed":
        return Finding(rule, where, _text(error), mend)
    place = _place(subject, error) or where
    if isinstance(error, ZooError):
        return Finding(rule, place, error.message, error.hint or mend, detail=detail)
    message = f"{type(error).__name__}: {_text(error)}"
    return Finding(rule, place, message, mend, detail=detail)


def _text(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".") or "no message"
    return f"{text}." if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def _place(subject: Subject, error: BaseException) -> str | None:
    """Return ``file:line`` of the last line of the plugin that was running."""
    folder = str(subject.package.resolve())
    found: str | None = None
    each: BaseException | None = error
    while each is not None and found is None:
        found = _last_line(each.__traceback__, folder)
        each = each.__cause__ or each.__context__
    return found


def _last_line(trace: TracebackType | None, folder: str) -> str | None:
    frames = traceback.extract_tb(trace)
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in frames
        if Path(frame.filename).resolve().is_relative_to(folder)
    ]
    return lines[-1] if lines else None
