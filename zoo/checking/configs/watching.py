# SPDX-License-Identifier: Apache-2.0
"""How far a config comes in a run: its phases, its losses, and the values of its metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.checking.expecting import Broken

__all__ = ["PHASES", "Outcome", "check_values", "watch"]

PHASES = ("bind", "build", "train", "validate", "test")
_NAMES = {"validate": "the validation", "test": "the test"}


@dataclass(slots=True)
class Outcome:
    """How far a config came.

    Attributes:
        phase: The phase that it was in last, of `PHASES`.
        error: What ended it there; None if all phases passed.
        data: What it was bound to, for messages.
        passed: Phases that passed.
        instances: Number of instances that the model has found in this phase; None if it predicts
            none.
        unmeasured: The first phase whose metrics gave no values because nothing was found.
    """

    phase: str = PHASES[0]
    error: BaseException | None = None
    data: str = ""
    passed: list[str] = field(default_factory=list)
    instances: int | None = None
    unmeasured: str | None = None

    def enter(self, phase: str) -> None:
        """Note that a phase begins, and that those before it passed.

        Args:
            phase: One of `PHASES`.
        """
        self.passed += [each for each in PHASES[: PHASES.index(phase)] if each not in self.passed]
        self.phase = phase
        self.instances = None


def watch(outcome: Outcome) -> Any:
    """Return a hook that notes the phase of a run, and looks at losses, predictions and metrics.

    Args:
        outcome: Takes what it sees.
    """
    from mmengine.hooks import Hook

    class Watch(Hook):
        """Notes the phase of the run, and looks at losses and metrics."""

        def before_train(self, runner: Any) -> None:
            """Note that everything is built.

            Args:
                runner: The run.
            """
            outcome.enter("train")

        def after_train_iter(
            self,
            runner: Any,
            batch_idx: int,
            data_batch: Any = None,
            outputs: Mapping[str, Any] | None = None,
        ) -> None:
            """Check that the loss of a step is finite.

            Args:
                runner: The run.
                batch_idx: Index of the step.
                data_batch: Images.
                outputs: Losses.
            """
            for name, value in (outputs or {}).items():
                number = float(value)
                if "loss" in name and not math.isfinite(number):
                    message = f"{name} is {number} in step {batch_idx + 1} of training"
                    raise Broken(message)

        def before_val(self, runner: Any) -> None:
            """Note that training passed.

            Args:
                runner: The run.
            """
            outcome.enter("validate")

        def after_val_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            """Count the instances that are found, in a validation or a test.

            Args:
                runner: The run.
                batch_idx: Index of the step.
                data_batch: Images.
                outputs: Predictions.
            """
            _count(outputs, outcome)

        after_test_iter = after_val_iter

        def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
            """Check that a validation gives values.

            Args:
                runner: The run.
                metrics: Values by name.
            """
            check_values(metrics or {}, outcome)

    return Watch()


def _count(outputs: Any, outcome: Outcome) -> None:
    for sample in outputs if isinstance(outputs, (list, tuple)) else ():
        instances = getattr(sample, "pred_instances", None)
        if instances is not None:
            outcome.instances = (outcome.instances or 0) + len(instances)


def check_values(values: Mapping[str, Any], outcome: Outcome) -> None:
    """Raise if a phase gave no values, unless nothing was found of which COCO's metric makes some.

    Args:
        values: Values of metrics by name.
        outcome: How far the config is; takes that nothing was found.

    Raises:
        Broken: There are no values, and it is not because the untrained model finds nothing.
    """
    if values:
        return
    if outcome.instances != 0:
        message = f"{_NAMES[outcome.phase]} gives no values, expected those of a metric"
        raise Broken(message)
    outcome.unmeasured = outcome.unmeasured or outcome.phase
