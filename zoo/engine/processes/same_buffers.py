# SPDX-License-Identifier: Apache-2.0
"""One model in all processes of a validation: that of the first, which is the one that is saved.

Processes share gradients, so their weights are equal. The running means of batch norms are not:
each process counts its own images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmengine.dist import broadcast, get_world_size
from mmengine.hooks import Hook

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["SameBuffers"]


class SameBuffers(Hook):
    """Gives the buffers of the first process's model to all before each validation."""

    # After EMAHook has put the averaged weights, with their own buffers, into the model.
    priority = "LOWEST"

    def before_val_epoch(self, runner: Runner) -> None:
        """Send the buffers.

        Args:
            runner: The run.
        """
        for buffer in runner.model.buffers() if get_world_size() > 1 else ():
            broadcast(buffer)
