# SPDX-License-Identifier: Apache-2.0
"""From data and a time to a plan that fits: preparation, fingerprint, probe, plan."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zoo
from zoo.data import Prepared, read_prepared, replace_file
from zoo.errors import DataError
from zoo.interfaces import Allowance, Fingerprint, Measured, Plan, Planner
from zoo_auto_fit.budget import REPORT_S, check_budget
from zoo_auto_fit.fingerprint import take_fingerprint
from zoo_auto_fit.lock import make_folder
from zoo_auto_fit.probe import probe_plan
from zoo_auto_fit.raw_data import prepare_raw

__all__ = ["Planned", "Request", "Say", "plan_fit"]

REPORT_SHARE = 0.01
"""Of the time, what is kept free for the pictures of the report."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks for.

    Attributes:
        data: A prepared folder, or raw data; None to continue with that of the work dir.
        budget_s: The time for everything; None to continue with that of the work dir.
        work_dir: Where everything goes.
        task: Task of raw data; None to guess it.
        planner: Name of a planner; None for ours of the task.
        prepare_words: Options of `zoo data prepare folder_data` for raw data.
        track: Trackers, as `zoo train --track` takes them.
    """

    data: Path | None
    budget_s: float | None
    work_dir: Path
    task: str | None = None
    planner: str | None = None
    prepare_words: tuple[str, ...] = ()
    track: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan that fits, with what it was made from.

    Attributes:
        prepared: The data.
        fingerprint: Its facts.
        plan: The plan.
        measured: What its steps take.
        used_s: Time that planning took.
    """

    prepared: Prepared
    fingerprint: Fingerprint
    plan: Plan
    measured: Measured
    used_s: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "fingerprint": dataclasses.asdict(self.fingerprint),
            "measured": dataclasses.asdict(self.measured),
            "batch_size": self.plan.batch_size,
            "steps": self.plan.steps,
            "train_seconds": round(self.plan.train_s, 1),
            "reasons": [dataclasses.asdict(each) for each in self.plan.reasons],
            "planning_seconds": round(self.used_s, 1),
            "config": self.plan.config,
        }


def plan_fit(request: Request, say: Say, folder: Path, begun: float) -> Planned:
    """Return a plan that fits the time, after a few real steps of it.

    Args:
        request: What the user asks for, with data and a time.
        say: Shows a line.
        folder: Where the probe and its files go.
        begun: When the call began, by `time.monotonic`.

    Raises:
        DataError: The data does not fit.
        TrainingError: The time does not suffice, or the steps fail, or the folder cannot be made.
        UnknownNameError: No planner has that name.
    """
    data, budget_s = cast("Path", request.data), cast("float", request.budget_s)
    make_folder(folder)
    prepared = read_prepared(prepare_raw(data, folder, request.task, request.prepare_words))
    _check_counts(prepared)
    fingerprint = take_fingerprint(prepared)
    document = json.dumps(dataclasses.asdict(fingerprint), indent=2)
    replace_file(folder / "fingerprint.json", f"{document}\n".encode())
    _say_facts(fingerprint, say)
    planner = _find_planner(request.planner, prepared.task)
    machine = zoo.find_machine()
    say("probe: a few steps of the plan")
    left_s = _without_report(budget_s, time.monotonic() - begun)
    probed = probe_plan(planner, fingerprint, machine, left_s, folder)
    known = probed.measured
    say(f"measured: {known.step_s:.2f} s a step, {known.memory_bytes / 2**30:.1f} GiB of memory")
    most = probed.plan.batch_size if probed.tried else None
    used_s = time.monotonic() - begun

    def plan_in(seconds: float) -> Plan:
        left_s = _without_report(seconds, used_s)
        allowance = Allowance(seconds=left_s, batch_size=most, measured=known)
        return planner(fingerprint, machine, allowance)

    check_budget(fingerprint, plan_in, known, budget_s=budget_s, used_s=used_s)
    plan = plan_in(budget_s)
    for reason in plan.reasons:
        say(f"{reason.rule}: {reason.value} ({reason.why})")
    return Planned(
        prepared=prepared, fingerprint=fingerprint, plan=plan, measured=known, used_s=used_s
    )


def _without_report(budget_s: float, used_s: float) -> float:
    """Return the time that is left for training and test."""
    return max(1.0, budget_s - used_s - REPORT_S - REPORT_SHARE * budget_s)


def _find_planner(name: str | None, task: str) -> Planner:
    """Return a planner by name, or ours for the task; a name of another task is refused."""
    found = zoo.read_catalog().find("planner", name or f"auto_fit.{task}")
    if getattr(found.row, "task", task) != task:
        message = f"cannot plan with {name!r}: it is for {found.row.task} data, "  # type: ignore[union-attr]
        message += f"expected a planner for {task} data."
        raise DataError(message, hint="leave --planner out, or choose one for this task.")
    return cast(
        "Planner", zoo.load_contribution("planner", f"{found.record.name}.{found.row.name}")
    )


def _check_counts(prepared: Prepared) -> None:
    """Refuse data that leaves nothing to learn from or nothing to judge by."""
    count = len(prepared.files)
    if count == 1:
        message = "cannot fit to one image: nothing is left to validate and to test on."
        hint = "annotate more images, or cut it into pieces that are split by place."
        raise DataError(message, path=prepared.root, hint=hint)
    if not prepared.splits["train"].count:
        message = "cannot fit: the split 'train' is empty."
        hint = "prepare it with a share for train: --shares 0.8,0.1,0.1."
        raise DataError(message, path=prepared.root, hint=hint)
    if prepared.splits["train"].count == count:
        groups = prepared.splits["train"].groups
        message = f"cannot fit: all {count} images are in the split 'train' ({groups} groups), so "
        message += "nothing is left to validate and to test on."
        hint = "prepare it with --exact-shares, which leaves some for each split."
        raise DataError(message, path=prepared.root, hint=hint)


def _say_facts(data: Fingerprint, say: Say) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in data.images.items())
    say(f"data: {counts} images, {data.width_px.median:.0f}x{data.height_px.median:.0f} px")
    things = data.classes[1:] if data.task == "semantic" and len(data.classes) > 1 else data.classes
    absent = [one.name for one in things if not one.images]
    counted, total = data.counted or data.sampled, data.images["train"]
    who = "no training image has"
    if counted < total:
        who = f"none of {counted:,} training images, of {total:,}, has"
    if absent and len(absent) == len(things):
        message = f"cannot fit: {who} {', '.join(absent[:5])}."
        hint = f"check the labels: zoo data show {data.root} --out DIR draws them."
        raise DataError(message, hint=hint)
    if absent:
        say(f"warning: {who} {', '.join(absent[:5])}: not learned")
    if not data.images["val"]:
        say("warning: no images to validate on: the last checkpoint is kept, not the best")
    if not data.images["test"]:
        say("warning: no images to test on: the result is that of val, which chose the checkpoint")
