# SPDX-License-Identifier: Apache-2.0
"""The sample: half of it mmseg 0.x, half mmdet 2.x."""

from __future__ import annotations

import random

from .det import draw_det
from .seg import draw_seg
from .shared import OldText

COUNT = 120


def sample(count: int = COUNT, seed: int = 7) -> list[OldText]:
    """Return the sample: half of it mmseg 0.x, half mmdet 2.x.

    Args:
        count: How many.
        seed: Of the draws.
    """
    draw = random.Random(seed)
    made = []
    for number in range(count):
        make, family = ((draw_seg, "seg"), (draw_det, "det"))[number % 2]
        made.append(make(f"{family}{number:03d}", draw, number // 2))
    return made
