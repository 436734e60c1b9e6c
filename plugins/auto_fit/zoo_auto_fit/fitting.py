# SPDX-License-Identifier: Apache-2.0
"""A fit from end to end: plan, training, test, report; continued where it was stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zoo
from zoo.data import read_prepared, replace_file
from zoo.documents import DocumentError, Limits, read_json
from zoo.errors import DataError, TrainingError, ZooError
from zoo.interfaces import Fingerprint
from zoo_auto_fit.budget import format_time
from zoo_auto_fit.commands import run_zoo
from zoo_auto_fit.lock import locked_folder
from zoo_auto_fit.planning import Request, Say, plan_fit
from zoo_auto_fit.record import FOLDER, FitRecord, find_record, write_record
from zoo_auto_fit.work_dir import check_work_dir, find_checkpoint

__all__ = ["Fitted", "fit"]

OVER_SHARE = 0.04
"""Of the time, by how much the report may exceed it; then it is left out."""
_CLOCK = "time_budget.json"  # of the hook TimeBudget
_CLOCK_LIMITS = Limits(size_bytes=1000, values=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The result of a fit.

    Attributes:
        work_dir: Everything: plan, checkpoints, test.
        plan: The config that was trained.
        split: The split that was measured; empty without one.
        metrics: Its values, by name.
        test: The file of values for each image, or None.
        report: The page, or None if no command makes one.
        seconds: Time of this call.
    """

    work_dir: Path
    plan: Path
    split: str
    metrics: dict[str, float | None]
    test: Path | None
    report: Path | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        values = dataclasses.asdict(self)
        return {key: str(v) if isinstance(v, Path) else v for key, v in values.items()}


def fit(request: Request, say: Say, *, resume: bool = False) -> Fitted:
    """Plan, train, test and report; continue where a fit was stopped.

    Args:
        request: What the user asks for; of a fit that is resumed, the work dir and the trackers
            count, and data and time must be those that it began with, or None.
        say: Shows a line.
        resume: Whether to continue the fit of the work dir; one that has none begins.

    Raises:
        DataError: The data does not fit, or is not what the fit began with.
        TrainingError: The time does not suffice, the work dir holds another fit or run, another fit
            runs there, or training fails.
        UnknownNameError: No planner has that name.
        KeyboardInterrupt: Ctrl-C; the message says how to go on.
    """
    with locked_folder(request.work_dir / FOLDER):
        return _fit(request, say, resume=resume)


def _fit(request: Request, say: Say, *, resume: bool) -> Fitted:
    started = time.monotonic()
    work_dir, found = request.work_dir, find_record(request.work_dir)
    begun = started - _used_before(work_dir, found)
    if resume and found:
        record = _continue(request, found, say, begun)
    else:
        check_work_dir(request)
        record = _begin(request, say, begun)

    def note(state: str) -> FitRecord:
        used_s = round(time.monotonic() - begun, 3)
        noted = replace(record, state=state, used_s=used_s, track=request.track or record.track)
        write_record(work_dir, noted)
        return noted

    if record.state == "planned":
        _train(work_dir, request.track or record.track, say, resume=resume)
        record = note("trained")
    metrics = _test(work_dir, record, say)
    note("tested")
    report = _report(work_dir, begun + record.budget_s - time.monotonic(), record.budget_s, say)
    return Fitted(
        work_dir=work_dir,
        plan=work_dir / FOLDER / "plan.py",
        split=record.split,
        metrics=metrics,
        test=work_dir / "test.json" if record.split else None,
        report=report,
        seconds=round(time.monotonic() - started, 1),
    )


def _used_before(work_dir: Path, record: FitRecord | None) -> float:
    """Return the time that earlier calls used."""
    if record is None:
        return 0.0
    return record.used_s + (_clock_of(work_dir) if record.state == "planned" else 0.0)


def _clock_of(work_dir: Path) -> float:
    """Return what `TimeBudget` noted of a training that did not end."""
    try:
        content = read_json(work_dir / _CLOCK, _CLOCK_LIMITS)
    except (OSError, DocumentError):
        return 0.0
    used = content.get("used_s") if isinstance(content, dict) else None
    if not isinstance(used, int | float) or isinstance(used, bool) or not 0 <= used < math.inf:
        return 0.0
    return float(used)


def _continue(request: Request, record: FitRecord, say: Say, begun: float) -> FitRecord:
    """Return the record of the fit to go on with, if it is the one that is asked for.

    Where no checkpoint was written, training begins anew: with a plan for the time that is left.
    """
    is_anew = record.state == "planned" and find_checkpoint(request.work_dir) is None
    again = f"zoo fit --work-dir {request.work_dir} --resume"
    data = request.data
    if data is not None and str(data.absolute()) not in (record.source, record.data):
        message = f"cannot continue the fit: it began with {record.source!r}, found {str(data)!r}."
        raise DataError(message, path=request.work_dir, hint=f"use {again}")
    if not is_anew and request.budget_s not in (None, record.budget_s):
        message = f"cannot continue the fit: its budget is {format_time(record.budget_s)}, found "
        message += f"{format_time(request.budget_s or 0.0)}."
        raise TrainingError(message, where=request.work_dir, hint=f"use {again}")
    prepared = read_prepared(Path(record.data))
    if prepared.digest != record.digest:
        message = "cannot continue the fit: its data was prepared again since, and differs."
        hint = "begin a new fit with another --work-dir."
        raise DataError(message, path=record.data, hint=hint)
    say(f"resume: {record.state}, {format_time(record.budget_s)} in all")
    if not is_anew:
        return record
    say("no checkpoint was written yet: planning again for the time that is left")
    anew = replace(
        request,
        data=Path(record.data),
        prepare_words=(),  # it was prepared with them
        budget_s=request.budget_s or record.budget_s,
        planner=record.planner or None,
        track=request.track or record.track,
    )
    # The time that was used moves from the clock to the record before the clock goes: planning may
    # be refused or stopped.
    write_record(request.work_dir, replace(record, used_s=round(time.monotonic() - begun, 3)))
    (request.work_dir / _CLOCK).unlink(missing_ok=True)
    return _begin(anew, say, begun, source=record.source)


def _begin(request: Request, say: Say, begun: float, *, source: str | None = None) -> FitRecord:
    work_dir, folder = request.work_dir, request.work_dir / FOLDER
    planned = plan_fit(request, say, folder, begun)
    replace_file(folder / "plan.py", planned.plan.config.encode())
    root = planned.prepared.root.absolute()
    record = FitRecord(
        data=str(root),
        source=source or str(request.data.absolute() if request.data else root),
        digest=planned.prepared.digest,
        budget_s=float(request.budget_s or 0.0),
        used_s=round(time.monotonic() - begun, 3),
        split=_test_split(planned.fingerprint),
        planner=request.planner or "",
        track=request.track,
    )
    write_record(work_dir, record)
    return record


def _test_split(data: Fingerprint) -> str:
    return next((split for split in ("test", "val") if data.images.get(split)), "")


def _train(work_dir: Path, track: Sequence[str], say: Say, *, resume: bool) -> None:
    """Train the plan, from where it is."""
    words = ["train", str(work_dir / FOLDER / "plan.py"), "--work-dir", str(work_dir)]
    words += [word for each in track for word in ("--track", each)]
    is_begun = resume and find_checkpoint(work_dir) is not None
    _run([*words, *(["--resume"] if is_begun else [])], say, work_dir)


def _test(work_dir: Path, record: FitRecord, say: Say) -> dict[str, float | None]:
    if not record.split:
        return {}
    words = ["test", str(work_dir), "--split", record.split]
    out = _run([*words, "--out", str(work_dir / "test.json"), "--json"], say, work_dir)
    metrics: dict[str, float | None] = json.loads(out.strip().splitlines()[-1])
    return metrics


def _report(work_dir: Path, left_s: float, budget_s: float, say: Say) -> Path | None:
    """Make the page, if a plugin has the command; neither a fault of it nor its time undo the fit.

    Predicting pictures ends with the time. The rest is short, and is given up where it is not.
    """
    try:
        zoo.read_catalog().find_command(None, "report")
    except ZooError:
        return None
    page = work_dir / "report.html"
    words = ["report", str(work_dir), "--out", str(page)]
    most_s = left_s + OVER_SHARE * budget_s
    if most_s > 0:
        ended = run_zoo([*words, "--seconds", f"{max(0.0, left_s):.1f}"], shown=True, most_s=most_s)
        if ended.code == 0 and page.is_file():
            return page
        if not ended.is_late:
            say("warning: the report failed; everything else is done")
            return None
    say(f"warning: the time is up, so no report was made; make it with: zoo {' '.join(words)}")
    return None


def _run(words: Sequence[str], say: Say, work_dir: Path) -> str:
    """Run a command of zoo and return its stdout; say how to go on if it does not end well."""
    say(f"run: zoo {' '.join(words)}")
    again = f"zoo fit --work-dir {work_dir} --resume"
    try:
        ended = run_zoo(words, shown=True)
    except KeyboardInterrupt:
        say(f"stopped. Continue with: {again}")
        raise
    if ended.code in (130, -2):
        say(f"stopped. Continue with: {again}")
        raise KeyboardInterrupt
    if ended.code != 0:
        message = f"cannot finish the fit: zoo {words[0]} ended with exit code {ended.code}."
        hint = f"correct what it says above, then {again}."
        raise TrainingError(message, where=work_dir, hint=hint)
    return ended.out
