# SPDX-License-Identifier: Apache-2.0
"""Keep gradients that are accumulated over several steps in checkpoints written between them.

With ``optim_wrapper.accumulative_counts=4``, a run that is resumed after step 6 would update the
weights at step 8 by the gradients of steps 7 and 8 only: mmengine logs that some are lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper

from zoo.engine.processes.joining import unwrap_model

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["GradientNote"]

_KEY = "zoo_gradients"


class GradientNote(Hook):
    """Stores gradients that no update has used yet in checkpoints, and restores them.

    Several processes have different gradients before they are joined, so only a run of one process
    keeps them.
    """

    def __init__(self) -> None:
        self._kept: dict[str, torch.Tensor] = {}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store the gradients, if the checkpoint is between two updates.

        Args:
            runner: The run.
            checkpoint: The checkpoint to save; changed in place.
        """
        wrapper: Any = runner.optim_wrapper
        if "optimizer" not in checkpoint or not isinstance(wrapper, OptimWrapper):
            return
        if wrapper._accumulative_counts == 1 or wrapper.should_update():
            return
        if get_world_size() > 1:
            text = "this checkpoint is between two batches of one step, and holds no gradients of "
            text += "several processes: a run that resumes from it differs slightly"
            runner.logger.warning(text)
            return
        parameters = unwrap_model(runner.model).named_parameters()
        gradients = {name: one.grad.cpu() for name, one in parameters if one.grad is not None}
        if gradients:
            checkpoint[_KEY] = gradients

    def resume(self, checkpoint: dict[str, Any]) -> None:
        """Load the gradients from a checkpoint, if it has any.

        Args:
            checkpoint: The loaded checkpoint.
        """
        kept = checkpoint.get(_KEY)
        rows = kept.items() if isinstance(kept, dict) else ()
        self._kept = {name: value for name, value in rows if isinstance(value, torch.Tensor)}

    def before_train(self, runner: Runner) -> None:
        """Give the parameters the gradients.

        Args:
            runner: The run.
        """
        kept, self._kept = self._kept, {}
        for name, one in unwrap_model(runner.model).named_parameters() if kept else ():
            gradient = kept.get(name)
            if gradient is not None and gradient.shape == one.shape:
                one.grad = gradient.to(one.device, one.dtype)
        if kept:
            runner.logger.info("the gradients of the steps since the last update are restored")
