# SPDX-License-Identifier: Apache-2.0
"""The pixel accuracy that mmseg logs with each step, without sorting the scores of each pixel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from zoo.engine.patching import exchanged

__all__ = ["counting_accuracy"]

_HEADS = "mmseg.models.decode_heads.decode_head"


@contextmanager
def counting_accuracy() -> Iterator[None]:
    """Let mmseg's heads compute ``acc_seg`` by the largest score while the block runs.

    mmseg takes it from ``topk``, which costs 5 % of the CPU time of a step of a small U-Net. The
    values are equal, but for pixels whose largest score two classes share: the first counts then,
    and which one ``topk`` takes is left open. No gradient depends on it.

    Source:
        ``accuracy`` in ``mmseg/models/losses/accuracy.py`` of mmseg 1.2.
    """
    heads = sys.modules.get(_HEADS)
    if heads is None:  # no model of mmseg
        yield
        return
    with exchanged(heads, accuracy=_counted(heads.accuracy)):
        yield


def _counted(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def accuracy(
        pred: Any, target: Any, topk: Any = 1, thresh: Any = None, ignore_index: int | None = None
    ) -> Any:
        is_plain = topk == 1 and type(topk) is int and thresh is None
        if not is_plain or not pred.size(0) or pred.ndim != target.ndim + 1:
            return original(pred, target, topk, thresh, ignore_index)
        import torch

        eps, total = torch.finfo(torch.float32).eps, target.numel()
        correct = pred.max(1).indices == target
        if ignore_index is not None:
            counts = target != ignore_index
            correct, total = correct & counts, int(counts.sum())
        right = correct.reshape(-1).float().sum(0, keepdim=True) + eps
        return right.mul_(100.0 / (total + eps))

    return accuracy
