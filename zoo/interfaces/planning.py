# SPDX-License-Identifier: Apache-2.0
"""What a planner is told of data, machine and budget, and the plan that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "Allowance",
    "ClassFacts",
    "Fingerprint",
    "Machine",
    "Measured",
    "Plan",
    "Planner",
    "Reason",
    "Spread",
]


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is spread over images or objects.

    Attributes:
        low: A tenth of them have this or less.
        median: Half of them have this or less.
        high: A tenth of them have this or more.
        least: The smallest of them; None to take ``low`` for it.
        most: The largest of them; None to take ``high`` for it.
    """

    low: float
    median: float
    high: float
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """One class in the images that were read.

    Attributes:
        name: Its name.
        pixel_share: Share of the labelled pixels, from 0 to 1.
        images: Images that have it, of those whose classes were counted.
        objects: Instances or, of semantic labels, connected regions.
    """

    name: str
    pixel_share: float
    images: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Facts of a prepared folder, from which a planner makes a config.

    Numbers of images and groups are those of the whole folder, and sizes of images those of all
    training images; all others come from ``sampled`` training images. Lengths are pixels of the
    prepared files.

    Attributes:
        task: ``semantic`` or ``instance``.
        dataset: Type of the data set.
        root: The prepared folder, which a config names as ``data_root``.
        images: Number of images, by split.
        groups: Number of groups (patients, scenes, ...), by split.
        sampled: Training images whose pixels were read.
        height_px: Of the images.
        width_px: Of the images.
        channels: 1 if every image read is grey, else 3.
        bits_per_sample: Of the prepared files.
        classes: In the order of their ids.
        object_px: Side of the square that has an object's area; None without objects.
        thickness_px: Width of an object across its middle line; None without objects.
        aspect: Longer side of an object's box by its shorter side; None without objects.
        objects_per_image: Of the images that were read, those without objects too.
        touching_share: Share of the objects that touch another of the same class, from 0 to 1.
        spacing_mm: Spacing of pixels, if the data set knows it.
        area_px: Pixels of an image; None if only its sides are known.
        counted: Training images whose classes were counted: more than ``sampled`` if those lack a
            class; 0 stands for ``sampled``.
    """

    task: str
    dataset: str
    root: str
    images: Mapping[str, int]
    groups: Mapping[str, int]
    sampled: int
    height_px: Spread
    width_px: Spread
    channels: int
    bits_per_sample: int
    classes: tuple[ClassFacts, ...]
    object_px: Spread | None
    thickness_px: Spread | None
    aspect: Spread | None
    objects_per_image: Spread
    touching_share: float
    spacing_mm: Spread | None = None
    area_px: Spread | None = None
    counted: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run may use.

    Attributes:
        cpus: CPUs that this process may use, by its affinity and its container's quota.
        memory_bytes: Main memory that is free for it.
        gpu: Name of the GPU; empty without one.
        gpu_memory_bytes: Free memory of the GPU; 0 without one.
    """

    cpus: int
    memory_bytes: int
    gpu: str = ""
    gpu_memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a few real steps of a plan took on this machine.

    Attributes:
        batch_size: Images in a step.
        start_s: From the start of the process to the first step.
        step_s: One step, loading of images included.
        val_s: One validation over the whole split; 0 without one.
        save_s: One checkpoint, written.
        test_s: One test of the best checkpoint, its start included.
        memory_bytes: The most memory that was used at once, of the GPU if there is one.
    """

    batch_size: int
    start_s: float
    step_s: float
    val_s: float
    save_s: float
    test_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The time that a plan may use, and what is known of the machine by then.

    Attributes:
        seconds: From the start of training to the end of the test.
        batch_size: The most images in a step, after a larger batch ran out of memory; None to let
            the planner choose.
        measured: Steps of an earlier plan for the same data; None before the first.
    """

    seconds: float
    batch_size: int | None = None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One choice of a plan.

    Attributes:
        rule: Its name in the planner's documentation.
        value: What was chosen.
        why: The facts that led to it, in one sentence.
    """

    rule: str
    value: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A config, and why it is as it is.

    Attributes:
        config: Text of a config file, which ``zoo train`` takes without further options.
        batch_size: Images in a step.
        steps: Steps of training.
        train_s: Time for training, its start included.
        reasons: One for each choice that depends on the data, the machine or the time.
    """

    config: str
    batch_size: int
    steps: int
    train_s: float
    reasons: tuple[Reason, ...] = ()


class Planner(Protocol):
    """A config from facts: the target of a ``[[planner]]`` row, which ``zoo fit`` calls.

    It is called before anything was measured, and again with what a few steps of its plan took. It
    reads no files, uses no random numbers, and gives equal plans for equal arguments.
    """

    def __call__(self, fingerprint: Fingerprint, machine: Machine, allowance: Allowance, /) -> Plan:
        """Return the plan.

        Args:
            fingerprint: Facts of the data, of the task that the row states.
            machine: What the run may use.
            allowance: Its time and, once measured, the time and memory of a step.

        Raises:
            DataError: Nothing can be planned for such data.
        """
