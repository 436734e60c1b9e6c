# SPDX-License-Identifier: Apache-2.0
"""How long calls of the original and of its export take, and how much memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

from zoo_onnx_export.memory import peak_bytes

__all__ = ["measure_memory", "measure_speed"]

_REPEATS = 5


def measure_memory(calls: Mapping[str, Callable[[], object]]) -> dict[str, int | None]:
    """Return how much the first call of both takes on top of the opened model; both are unused.

    Args:
        calls: By side.
    """
    return {f"{side}_bytes": peak_bytes(call) for side, call in calls.items()}


def measure_speed(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median time of a call of both, in turns.

    Args:
        calls: By side.
    """
    times: dict[str, list[float]] = {side: [] for side in calls}
    for _ in range(_REPEATS):
        for side, call in calls.items():
            started = time.perf_counter()
            call()
            times[side].append(1000 * (time.perf_counter() - started))
    return {f"{side}_ms": round(statistics.median(one), 2) for side, one in times.items()}
