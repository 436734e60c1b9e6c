# SPDX-License-Identifier: Apache-2.0
"""Whether a run has done its first step: until then, a failure is the config's fault."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

__all__ = ["FirstStep"]


class FirstStep(Hook):
    """Records that a training step was done.

    Attributes:
        is_done: Whether one was.
    """

    def __init__(self) -> None:
        self.is_done = False

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note it.

        Args:
            runner: The run.
            batch_idx: Index of the step in its epoch.
            data_batch: The input of the step.
            outputs: Its losses.
        """
        self.is_done = True
