# SPDX-License-Identifier: Apache-2.0
"""Facts known without reading an image: classes, and patients from file names."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "CLASSES",
    "PALETTE",
    "REPEAT_PATIENTS",
    "SOURCE_SETS",
    "StemFacts",
    "read_stem",
]

CLASSES = ("background", "lung")
PALETTE = ((0, 0, 0), (0, 158, 115))

SOURCE_SETS = {"MCUCXR": "montgomery", "CHNCXR": "shenzhen"}

# Montgomery numbers of the same patient; the first one names the patient.
# Source: repeats reported for the set; its file names do not show them.
REPEAT_PATIENTS = ((113, 117), (162, 166, 170))

STEM = re.compile(r"(?P<prefix>MCUCXR|CHNCXR)_(?P<number>\d{4,})_(?P<finding>[01])")


@dataclass(frozen=True, slots=True)
class StemFacts:
    """Facts in a file name.

    Attributes:
        patient: Name of the patient, equal for all files of a patient.
        source_set: ``montgomery``, ``shenzhen``, or ``other`` for other names.
        tuberculosis: The reader's finding, or None for other names.
    """

    patient: str
    source_set: str
    tuberculosis: bool | None


def read_stem(stem: str) -> StemFacts:
    """Return the facts in a stem like ``MCUCXR_0113_1``; other stems are their own patient.

    Each number is a patient, except for repeat images of some Montgomery patients; see
    ``REPEAT_PATIENTS``.

    Args:
        stem: File name without suffix.
    """
    match = STEM.fullmatch(stem)
    if match is None:
        return StemFacts(stem, "other", None)
    prefix, number = match["prefix"], int(match["number"])
    if prefix == "MCUCXR":
        for repeats in REPEAT_PATIENTS:
            if number in repeats:
                number = repeats[0]
    return StemFacts(f"{prefix}_{number:04d}", SOURCE_SETS[prefix], match["finding"] == "1")
