# SPDX-License-Identifier: Apache-2.0
"""Rules of both planners: batch, learning rate, steps and validations. Listed in docs/guide/fit.md.

Each is a pure function that returns its choice and a `zoo.interfaces.Reason`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoo.interfaces import Allowance, Fingerprint, Machine, Reason, Spread

__all__ = ["Schedule", "least_of", "most_of", "plan_batch", "plan_rate", "plan_schedule"]
__all__ += ["round_up"]

MOST_STEPS = 40_000
"""Twice mmsegmentation's shortest schedule; more has not been measured to help."""
FIRST_STEPS = 200
"""Steps of a plan before anything was measured."""
VALIDATING_SHARE = 0.1
"""Most of the training time that validations and checkpoints may take."""
MOST_VALIDATIONS = 10
SPARE_SHARE = 0.03
"""Of the training time, for a test that takes longer than the probe says."""
LEEWAY = 1.5
"""The schedule has this many steps for each that the probe promises. A few steps on a busy machine
may say 2.6 s for what takes 1.7 s an hour later, and `TimeBudget` shortens a schedule to the time
that there is, but cannot lengthen one."""
SAVE_EVERY_S, SAVING_SHARE = 60.0, 0.02
"""Time between two checkpoints: at least that, and so long that they take at most this share."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train.

    Attributes:
        steps: Steps that are expected.
        most_steps: Steps of the schedule, which the clock ends earlier.
        val_interval: Steps between two validations.
        save_interval: Steps between two checkpoints; ``val_interval`` is a multiple of it.
        train_s: Time of training, its start included.
        clock_s: Time for the hook `TimeBudget`, which starts when the run is built.
        reserve_s: Of that, time for the last validation and checkpoint.
    """

    steps: int
    most_steps: int
    val_interval: int
    save_interval: int
    train_s: float
    clock_s: float
    reserve_s: float


def plan_batch(
    machine: Machine, allowance: Allowance, images: int, *, crop_px: int, byte_per_px: int, cpu: int
) -> tuple[int, Reason]:
    """Return how many crops make a step.

    On a CPU, a step takes as long as its crops together, so a batch is as small as training is
    stable with. On a GPU it is larger, as long as half of the memory holds it.

    Args:
        machine: Its memory, and whether it has a GPU.
        allowance: A limit found by running out of memory.
        images: Images to train on.
        crop_px: Pixels of a crop.
        byte_per_px: Memory of a step for each pixel of a crop, as measured.
        cpu: Crops on a CPU.

    Source:
        docs/results.md: 4 crops for the U-Nets, 2 for the Mask R-CNN. Memory: docs/guide/fit.md.
    """
    wanted = 4 * cpu if machine.gpu else cpu
    memory = machine.gpu_memory_bytes if machine.gpu else machine.memory_bytes
    fits = max(1, int(memory / 2 / (crop_px * byte_per_px)))
    batch = max(1, min(wanted, fits, images))
    why = f"{'a GPU' if machine.gpu else 'a CPU'}"
    if batch == images < min(wanted, fits):
        why = f"there are {images} images to train on"
    elif batch == fits < wanted:
        why = f"half of {memory / 2**30:.1f} GiB of memory holds {fits}"
    if allowance.batch_size is not None and allowance.batch_size < batch:
        batch, why = max(1, allowance.batch_size), "a larger batch ran out of memory"
    return batch, Reason("batch", str(batch), why)


def plan_rate(rate: float, batch: int, base_batch: int) -> tuple[float, Reason]:
    """Return the learning rate of AdamW at the top of its schedule.

    Args:
        rate: Rate that was measured to train well.
        batch: Images in a step.
        base_batch: Images in a step of that measurement.

    Source:
        The square root of the batch: Malladi et al. 2022, arXiv:2205.10287.
    """
    chosen = float(f"{rate * math.sqrt(batch / base_batch):.2g}")
    why = f"{rate:g} for {base_batch} images a step, by the square root of the batch"
    return chosen, Reason("rate", f"{chosen:g}", why)


def plan_schedule(
    data: Fingerprint, allowance: Allowance, batch: int
) -> tuple[Schedule, tuple[Reason, ...]]:
    """Return the steps and validations that fit into the time, once a step was measured.

    From the time go the test, the start, 3 % to spare, and validations with their checkpoints: as
    many as fit into a tenth of the training, 10 at most and one at least, at the end. A checkpoint
    is also written every minute, so that a crash before the first validation loses little.

    The schedule has half as many steps again as are expected, and the clock ends it: that fills the
    time whether the machine turns out faster or slower than in the probe.

    Args:
        data: Whether it has images to validate on.
        allowance: The time, and what a step takes.
        batch: Images in a step; a step takes time in proportion.

    Source:
        That a schedule fitted to the budget beats one that is cut off: Li et al. 2020,
        arXiv:1905.04753.
    """
    known = allowance.measured
    if known is None:
        count, all_s = FIRST_STEPS, allowance.seconds
        schedule = Schedule(count, count, count, count, all_s, all_s, 0.0)
        why = "a first guess: nothing was measured yet"
        return schedule, (Reason("steps", str(FIRST_STEPS), why),)
    train_s = max(1.0, allowance.seconds - known.test_s)
    clock_s = max(1.0, (1 - SPARE_SHARE) * (train_s - known.start_s))
    step_s = known.step_s * batch / known.batch_size
    pause_s = known.save_s + (known.val_s if data.images.get("val") else 0.0)
    many = int(VALIDATING_SHARE * clock_s / max(pause_s, 1e-3))
    validations = max(1, min(MOST_VALIDATIONS, many))
    save_s = max(SAVE_EVERY_S, known.save_s / SAVING_SHARE)
    free_s = clock_s - validations * pause_s - known.save_s * (clock_s // save_s)
    steps = max(1, min(MOST_STEPS, int(free_s / max(step_s, 1e-6))))
    interval = math.ceil(steps / validations)
    saves = max(1, int(interval * step_s / save_s))
    save_interval = math.ceil(interval / saves)
    schedule = Schedule(
        steps=steps,
        most_steps=min(MOST_STEPS, math.ceil(LEEWAY * steps)),
        val_interval=save_interval * math.ceil(interval / save_interval),
        save_interval=save_interval,
        train_s=train_s,
        clock_s=clock_s,
        # An implausible reserve would leave no step; `TimeBudget` takes less than its time.
        reserve_s=min(pause_s, 0.9 * clock_s),
    )
    epochs = steps * batch / max(1, data.images["train"])
    why = f"{step_s:.2f} s a step in {clock_s:.0f} s: {epochs:.1f} passes over the images"
    if schedule.most_steps > steps:
        why += f"; as the clock decides, up to {schedule.most_steps:,}"
    how = f"each takes {pause_s:.1f} s, together at most a tenth of the training"
    return schedule, (
        Reason("steps", f"{steps:,}", why),
        Reason("validations", str(validations), how),
    )


def least_of(spread: Spread) -> float:
    """Return the smallest value, or the 10th percentile of facts that do not tell it.

    Args:
        spread: Of a quantity.
    """
    return spread.low if spread.least is None else spread.least


def most_of(spread: Spread) -> float:
    """Return the largest value, or the 90th percentile of facts that do not tell it.

    Args:
        spread: Of a quantity.
    """
    return spread.high if spread.most is None else spread.most


def round_up(value: float, unit: int) -> int:
    """Return the smallest multiple of a unit that is not below a value.

    Args:
        value: Such as a side in px.
        unit: Such as the stride of a network.

    Example:
        >>> round_up(65, 32)
        96
    """
    return max(unit, math.ceil(value / unit - 1e-9) * unit)
