# SPDX-License-Identifier: Apache-2.0
"""How long a step and a validation of a run take, by what was seen of them."""

from __future__ import annotations

import math
import statistics
from collections import deque

__all__ = ["Pace"]

_LEAST, _MOST = 7, 15  # steps that are looked at


class Pace:
    """Times steps, and judges by those that are usual.

    A step lasts from the end of the one before, so that the wait for its data counts. What is usual
    is the median of the last steps: the first ones of a run, which start workers, compile and fill
    caches, and one that hangs are not what the others will take.

    Attributes:
        validation_s: Duration of the last validation with its checkpoint; None before the first.
        longest_pause_s: Of the pauses between two steps, the longest so far.
    """

    def __init__(self) -> None:
        self._steps: deque[float] = deque(maxlen=_MOST)
        self._begun_s = self._done_s = math.nan
        self._has_validated = False
        self.validation_s: float | None = None
        self.longest_pause_s = 0.0

    @property
    def usual_s(self) -> float | None:
        """What a step takes; None after less than seven."""
        return statistics.median_low(self._steps) if len(self._steps) >= _LEAST else None

    @property
    def least_s(self) -> float:
        """What a step takes at least; 0 after less than two."""
        return self.usual_s or (min(self._steps) if len(self._steps) > 1 else 0.0)

    def validate(self) -> None:
        """Say that a validation follows the step that was ended."""
        self._has_validated = True

    def begin(self, now_s: float) -> None:
        """Begin a step; the last of several calls counts.

        Args:
            now_s: What the clock says.
        """
        self._begun_s = now_s
        if math.isnan(self._done_s):
            return
        pause_s = now_s - self._done_s
        self.longest_pause_s = max(self.longest_pause_s, pause_s)
        if self._has_validated:
            self.validation_s = pause_s

    def end(self, now_s: float) -> None:
        """End a step.

        Args:
            now_s: What the clock says.
        """
        is_alone = self._has_validated or math.isnan(self._done_s)
        self._steps.append(now_s - (self._begun_s if is_alone else self._done_s))
        self._done_s, self._has_validated = now_s, False
