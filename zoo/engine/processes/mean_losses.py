# SPDX-License-Identifier: Apache-2.0
"""The losses of a step as one process with the whole batch would log them.

mmengine logs those of the first process: of its share of the batch.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["MeanLosses"]

_SIZE = 64  # values; all processes must send the same number


class MeanLosses(Hook):
    """Replaces the logged values of each step by their means over the processes.

    It costs one message of 512 bytes a step; a run of one process needs no such hook.
    """

    # After mmengine's RuntimeInfoHook has noted them, and before whoever reads them.
    priority = "VERY_HIGH"

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Average the values of a step.

        Args:
            runner: The run.
            batch_idx: Index of the batch.
            data_batch: The batch.
            outputs: Name -> value, as mmengine's RuntimeInfoHook has noted them.
        """
        if get_world_size() == 1 or not outputs:
            return
        names = sorted(f"train/{name}" for name in outputs)[: _SIZE - 1]
        kept = {name: runner.message_hub.log_scalars.get(name) for name in names}
        # Processes whose values have other names keep theirs: the mean of the digests says so.
        digest = zlib.crc32(" ".join(names).encode())
        sent = torch.zeros(_SIZE, dtype=torch.float64)
        sent[0] = digest
        for place, name in enumerate(names, start=1):
            history = kept[name]
            sent[place] = float("nan") if history is None else float(history.data[0][-1])
        all_reduce(sent, op="mean")
        if sent[0] != digest:
            return
        for place, name in enumerate(names, start=1):
            history = kept[name]
            if history is not None:
                history.data[0][-1] = float(sent[place])
