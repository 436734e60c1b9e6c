# SPDX-License-Identifier: Apache-2.0
"""What a new plugin may consist of. A part is a folder of templates; to add one, add a row here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PARTS", "TASKS", "Part", "Plan", "make_plan"]

TASKS = ("semantic", "instance")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a plugin that ``zoo plugin new`` can write.

    Attributes:
        name: Name of the part, of its option, and of its folder in ``templates/``.
        help: Help of the option.
        per_task: Whether there is a folder of templates for each task, ``loss_instance``.
    """

    name: str
    help: str
    per_task: bool = False


PARTS = (
    Part("model", "a backbone that heads of the task take"),
    Part("loss", "a loss for heads of the task", per_task=True),
    Part("hook", "a hook that keeps its state when a run is resumed"),
    Part("metric", "a metric with values for each image", per_task=True),
    Part("transform", "a transform that changes images and labels alike"),
    Part("command", "a command of zoo"),
    Part("converter", "a converter of weights that another trainer saved"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one plugin consists of.

    Attributes:
        task: ``semantic`` or ``instance``.
        has_dataset: Whether it has a data set of its own.
        parts: Names of its other parts, in the order of `PARTS`.
    """

    task: str
    has_dataset: bool
    parts: tuple[str, ...]

    @property
    def has_config(self) -> bool:
        """Return whether it has a config: everything but a command alone shows in one."""
        return self.has_dataset or bool({*self.parts} - {"command"})

    @property
    def folders(self) -> list[str]:
        """Return the folders of templates that make it up; none of two files is the same."""
        found = ["base", *([f"config_{self.task}"] if self.has_config else [])]
        if self.has_dataset:
            found.append(f"dataset_{self.task}")
        for part in PARTS:
            if part.name in self.parts:
                found.append(f"{part.name}_{self.task}" if part.per_task else part.name)
        return found


def make_plan(dataset: str | None, task: str | None, parts: Sequence[str]) -> Plan:
    """Return what a plugin consists of; without any part it is a data set.

    Args:
        dataset: Task of its data set, or None.
        task: Task of a plugin whose data set is not given, or None.
        parts: Names of its other parts.
    """
    is_empty = dataset is None and not parts
    chosen = tuple(part.name for part in PARTS if part.name in parts)
    return Plan(dataset or task or TASKS[0], dataset is not None or is_empty, chosen)
