# SPDX-License-Identifier: Apache-2.0
"""How far an export may depart from its original, by the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["INSTANCE_TOLERANCE", "QUANTISED_TOLERANCE", "TOLERANCE", "Departure", "departures_of"]

TOLERANCE = {"labels_differ": 1e-4, "largest_difference": 0.02, "metric": 1e-3}
"""Share of pixels, probability, and mean IoU."""
QUANTISED_TOLERANCE = {"labels_differ": 0.01, "metric": 0.01}
"""Of a graph in 8 bits; its probabilities may differ by anything where no label does."""
INSTANCE_TOLERANCE = {
    "detections_differ": 0,
    "largest_box_px": 0.01,
    "largest_score": 1e-4,
    "masks_differ": 1e-4,
}
"""Number of objects, px of the image, score, and share of the masks' pixels."""
_TOLD = {
    "labels_differ": "{:.3%} of the labels differ, expected at most {:.3%}",
    "largest_difference": "a probability differs by {:.3g}, expected at most {:.3g}",
    "metric": "the mean IoU differs by {:.3g}, expected at most {:.3g}",
    "detections_differ": "{} objects are missing, new or of another label, expected {}",
    "largest_box_px": "a box differs by {:.3g} px, expected at most {:.3g}",
    "largest_score": "a score differs by {:.3g}, expected at most {:.3g}",
    "masks_differ": "{:.3%} of the masks' pixels differ, expected at most {:.3%}",
}


@dataclass(frozen=True, slots=True)
class Departure:
    """A value out of tolerance.

    Attributes:
        name: A key of `TOLERANCE` or `INSTANCE_TOLERANCE`.
        value: What was found.
        limit: What is tolerated.
    """

    name: str
    value: float
    limit: float

    def __str__(self) -> str:
        """Return it as a clause."""
        return _TOLD[self.name].format(self.value, self.limit)


def departures_of(values: Mapping[str, Any], tolerance: Mapping[str, float]) -> list[Departure]:
    """Return what is out of tolerance, NaN among it.

    Args:
        values: Numbers by key; what has no tolerance, or is None, counts not.
        tolerance: The limits.
    """
    return [
        Departure(name, values[name], limit)
        for name, limit in tolerance.items()
        if values.get(name) is not None and not values[name] <= limit
    ]
