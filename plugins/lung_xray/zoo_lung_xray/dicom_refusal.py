# SPDX-License-Identifier: Apache-2.0
"""A DICOM file that is refused: for what it is, or in pydicom's words, never in Python's."""

from __future__ import annotations

import traceback
from pathlib import PurePath

__all__ = ["INTACT", "Refusal", "words_of"]

INTACT = "replace the file with an intact copy, or take it out of the source."


class Refusal(Exception):
    """A file that is understood, and no radiograph, or none that can be shown.

    Args:
        fault: What was found, and what was expected.
        hint: One thing to do.
    """

    def __init__(self, fault: str, hint: str = INTACT) -> None:
        super().__init__(fault)
        self.fault, self.hint = fault, hint


def words_of(error: BaseException) -> str:
    """Return the first line of what pydicom says of a file, or ``""``.

    What Python says of pydicom's code (``'NoneType' object is not subscriptable``) helps nobody:
    only what pydicom raises itself counts.
    """
    frames = traceback.extract_tb(error.__traceback__)
    is_told = bool(frames) and "pydicom" in PurePath(frames[-1].filename).parts
    if not is_told or not (frames[-1].line or "").startswith("raise"):
        return ""
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")
