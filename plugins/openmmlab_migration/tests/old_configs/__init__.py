# SPDX-License-Identifier: Apache-2.0
"""A seeded sample of configs in the form of mmseg 0.x and mmdet 2.x, as repositories have them.

Small architectures, times data sets, schedules, runners and habits; each is a text of its own, some
with bases beside it. Sizes are small so that every model can be built and trained for a step.
"""

from __future__ import annotations

from .drawing import sample
from .odd import ODD
from .shared import OldText

__all__ = ["ODD", "OldText", "sample"]
