# SPDX-License-Identifier: Apache-2.0
"""What is known without reading a picture: classes, and what file names say of patients."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "CLASSES",
    "PALETTE",
    "REPEAT_PATIENTS",
    "SOURCE_SETS",
    "VERSION",
    "StemFacts",
    "read_stem",
]

VERSION = "0.1.0"  # of the plugin; prepared folders state it
CLASSES = ("background", "lung")
PALETTE = ((0, 0, 0), (0, 158, 115))

SOURCE_SETS = {"MCUCXR": "montgomery", "CHNCXR": "shenzhen"}

# Montgomery numbers of one patient each, of which the first names the patient.
# Source: repeats reported for the set; its file names do not tell.
REPEAT_PATIENTS = ((113, 117), (162, 166, 170))

STEM = re.compile(r"(?P<prefix>MCUCXR|CHNCXR)_(?P<number>\d{4,})_(?P<finding>[01])")


@dataclass(frozen=True, slots=True)
class StemFacts:
    """What one file name says.

    Attributes:
        patient: Name of the patient; every file of one patient has the same.
        source_set: ``montgomery``, ``shenzhen``, or ``other`` for a foreign name.
        tuberculosis: The reader's finding, or None for a foreign name.
    """

    patient: str
    source_set: str
    tuberculosis: bool | None


def read_stem(stem: str) -> StemFacts:
    """Return what a stem like ``MCUCXR_0113_1`` says; a foreign stem is its own patient.

    The number counts patients, except that some patients of Montgomery came more than once:
    see ``REPEAT_PATIENTS``.
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
