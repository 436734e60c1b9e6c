# SPDX-License-Identifier: Apache-2.0
"""COCO's -1 means no result: there was no object of that kind, so nothing was measured."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from zoo.engine.patching import exchanged

__all__ = ["is_no_result", "leaving_no_results_out", "with_nan"]

# Average precisions and recalls, which lie in 0..1: coco/segm_mAP_s, coco/AR@100, lvis/bbox_APr.
_COCO = re.compile(r"(?:^|[/_ ])(?:m?AP|AR)")


def is_no_result(name: str, value: float) -> bool:
    """Return whether a value says that nothing was measured: not finite, or COCO's -1.

    Source: ``COCOeval.summarize`` of pycocotools, which returns -1 if no precision exists.

    Args:
        name: Name of the metric, with its prefix.
        value: The evaluator's value.

    Example:
        >>> is_no_result("coco/bbox_mAP_s", -1.0), is_no_result("count_bias", -1.0)
        (True, False)
    """
    return not math.isfinite(value) or (value == -1 and _COCO.search(name) is not None)


@contextmanager
def leaving_no_results_out() -> Iterator[None]:
    """Run mmengine with NaN instead of COCO's -1, so that no hook treats it as a value.

    A first -1 would become the best checkpoint's value, and a point of the curves.
    """
    from mmengine.evaluator import Evaluator

    with exchanged(Evaluator, evaluate=with_nan(Evaluator.evaluate)):
        yield


def with_nan(evaluate: Callable[..., Mapping[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return an evaluator's ``evaluate`` with NaN instead of COCO's -1.

    Args:
        evaluate: The method, of a class or of an instance.
    """

    def evaluating(*args: Any, **kwargs: Any) -> dict[str, Any]:
        measured = evaluate(*args, **kwargs)
        return {name: _value(name, value) for name, value in measured.items()}

    return evaluating


def _value(name: str, value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return math.nan if is_number and is_no_result(name, float(value)) else value
