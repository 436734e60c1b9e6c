# SPDX-License-Identifier: Apache-2.0
"""A few real steps of a plan, in a process of their own, so that it fits time and memory."""

from __future__ import annotations

import ast
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from zoo.data import replace_file
from zoo.errors import TrainingError
from zoo.interfaces import Allowance, Fingerprint, Machine, Measured, Plan, Planner
from zoo_auto_fit.commands import Ended, is_out_of_memory, run_zoo

__all__ = ["MEMORY_SHARE", "Probed", "probe_plan"]

MEMORY_SHARE = 0.8
"""Of the free memory, what a plan may use; the rest is for images larger than those seen."""
STEPS = 40
VAL_IMAGES = 6
SPEND_SHARE = 0.02
"""Of the time, what the steps of a probe may take; the start and the validation come on top."""
TEST_MARGIN = {"semantic": 1.1, "instance": 1.25}
"""A test takes longer than a validation by its values of images, and the detections of a trained
model may be more than those of one that has seen a few steps: on the aerial images of
docs/results.md they take as long."""
_LOADERS = ("val_dataloader", "val_loss_dataloader")
_SHORTEST_S, _LONGEST_S = 2.0, 15.0


class Probed:
    """What a probe found.

    Args:
        plan: The plan whose steps were run.
        measured: What they took.
        tried: Batches that did not fit, the largest first.
    """

    def __init__(self, plan: Plan, measured: Measured, tried: tuple[int, ...]) -> None:
        self.plan, self.measured, self.tried = plan, measured, tried


def probe_plan(
    planner: Planner,
    data: Fingerprint,
    machine: Machine,
    seconds: float,
    folder: Path,
    run: Callable[..., Ended] = run_zoo,
) -> Probed:
    """Run a few steps of a plan, with half the batch as long as memory does not suffice.

    Args:
        planner: Makes the plans.
        data: Facts of the data.
        machine: What the run may use.
        seconds: The time for everything from now.
        folder: Where plan and logs go.
        run: Runs a command of zoo.

    Raises:
        TrainingError: The steps fail, or memory does not suffice for one image a step.
    """
    most: int | None = None
    tried: list[int] = []
    begun = time.monotonic()
    while True:
        left = max(1.0, seconds - (time.monotonic() - begun))
        plan = planner(data, machine, Allowance(seconds=left, batch_size=most))
        ended, found = _run(plan, data, left, folder, run)
        memory = machine.gpu_memory_bytes if machine.gpu else machine.memory_bytes
        is_much = found is not None and found.memory_bytes > MEMORY_SHARE * memory
        if found is not None and (not is_much or plan.batch_size == 1):
            return Probed(plan, found, tuple(tried))
        if found is None and not is_out_of_memory(ended):
            raise _failed(ended)
        tried.append(plan.batch_size)
        if plan.batch_size == 1:
            message = f"cannot fit: one image a step needs more than the {memory / 2**30:.1f} GiB "
            message += "of memory that are free."
            hint = "free memory, or cut the images into smaller ones and prepare them again."
            raise TrainingError(message, hint=hint)
        most = plan.batch_size // 2


def _run(
    plan: Plan,
    data: Fingerprint,
    seconds: float,
    folder: Path,
    run: Callable[..., Ended],
) -> tuple[Ended, Measured | None]:
    """Run the steps of one plan, and return what they took; None if they did not end well."""
    replace_file(folder / "first_plan.py", plan.config.encode())
    out = folder / "probe.json"
    out.unlink(missing_ok=True)
    images, loaders = data.images.get("val", 0), _own_loaders(plan.config)
    # Evenly spaced: names often tell the hospital, or the size.
    places = [round(each * (images - 1) / (VAL_IMAGES - 1)) for each in range(VAL_IMAGES)]
    few = ""
    if images > VAL_IMAGES and loaders:
        images = VAL_IMAGES
        few = "".join(f"{key} = dict(dataset=dict(indices={places}))\n" for key in loaders)
    spend_s = min(_LONGEST_S, max(_SHORTEST_S, SPEND_SHARE * seconds))
    config = folder / "probe.py"
    replace_file(config, _probe_text(plan, out, few, spend_s).encode())
    # One that an earlier fit left, whose process was killed.
    work_dir = folder / "probe"
    shutil.rmtree(work_dir, ignore_errors=True)
    try:
        ended = run(["train", str(config), "--work-dir", str(work_dir), "--json"])
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)  # its checkpoints are of no use
    replace_file(folder / "probe.log", ended.err.encode())
    if ended.code != 0 or not out.is_file():
        return ended, None
    values = json.loads(out.read_text(encoding="utf-8"))
    return ended, _measured(values, plan, data, images)


def _own_loaders(config: str) -> list[str]:
    """Return the loaders of validation that a plan sets itself; none if one is that of a base."""
    values = {
        target.id: node.value
        for node in ast.parse(config).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if not all(key in values for key in _LOADERS):
        return []
    return [key for key in _LOADERS if isinstance(values[key], ast.Call | ast.Dict)]


def _probe_text(plan: Plan, out: Path, few: str, spend_s: float) -> str:
    hook = f'type="zoo.auto_fit.TimeSteps", out={str(out)!r}, '
    hook += f"begun_s={time.time():.3f}, spend_s={spend_s:.1f}"
    # An edit may only take away what the list has.
    clock = "TimeBudget=None, " if "TimeBudget" in plan.config else ""
    return f'''"""A few steps of first_plan.py, timed."""

_base_ = ["first_plan.py"]
train_cfg = dict(max_iters={STEPS}, val_interval={STEPS})
default_hooks = dict(checkpoint=dict(interval={STEPS}))
{few}custom_hooks = dict(_edit_=True, {clock}_after_=dict({hook}))
'''


def _measured(values: dict[str, float], plan: Plan, data: Fingerprint, images: int) -> Measured:
    # The first image takes longer, once: memory is laid out, and kernels are chosen.
    first_s, whole_s = values.get("first_s", 0.0) if images > 1 else 0.0, values["val_s"]
    per_image = values["step_s"] / plan.batch_size
    if images:
        per_image = (whole_s - first_s) / (images - 1 if first_s else images)
        first_s = max(0.0, first_s - per_image)
    validated = data.images.get("val", 0)
    tested = data.images.get("test") or validated
    margin = TEST_MARGIN.get(data.task, max(TEST_MARGIN.values()))
    return Measured(
        batch_size=plan.batch_size,
        start_s=values["start_s"],
        step_s=values["step_s"],
        val_s=first_s + per_image * validated if validated else 0.0,
        save_s=values["save_s"],
        test_s=values["start_s"] + margin * (first_s + per_image * tested),
        memory_bytes=int(values["memory_bytes"]),
    )


def _failed(ended: Ended) -> TrainingError:
    lines = [line for line in ended.err.splitlines() if line.strip()]
    start = max((i for i, line in enumerate(lines) if line.startswith("error: ")), default=None)
    said = "\n  ".join(lines[start:] if start is not None else lines[-5:])
    message = f"cannot fit: the first steps of the plan failed (exit code {ended.code}):\n  {said}"
    return TrainingError(message, hint="correct what it names; the plan is in fit/first_plan.py.")
