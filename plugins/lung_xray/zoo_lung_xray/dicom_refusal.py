# SPDX-License-Identifier: Apache-2.0
"""Refuse a DICOM file, with our own or pydicom's words, never with Python's."""

from __future__ import annotations

import re
import traceback
from pathlib import PurePath
from typing import Any

__all__ = ["INTACT", "Refusal", "name_colours", "name_uid", "words_of"]

INTACT = "replace the file with an intact copy, or remove it from the source."


_WITH_QUOTES = re.compile(r"[^.]*['\"\\].*")
_TERM = re.compile(r"'[A-Z0-9_]{1,16}'")
_UID = re.compile(r"[0-9.]{1,64}")
# PS3.3, C.7.6.3.1.2
_COLOURS = {
    *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL"),
    *("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"),
}


class Refusal(Exception):
    """A readable file that is not a radiograph, or cannot be displayed.

    Args:
        fault: What was found and what was expected.
        hint: How to fix it.
    """

    def __init__(self, fault: str, hint: str = INTACT) -> None:
        super().__init__(fault)
        self.fault, self.hint = fault, hint


def name_uid(uid: Any) -> str:
    """Return the name of a UID, or the UID itself; hide damaged ones.

    With a wrong length, an element swallows the following ones, including the patient's.

    Args:
        uid: A UID of the file.
    """
    if not uid:
        return "no kind stated"
    return str(uid.name) if _UID.fullmatch(str(uid)) else "a damaged UID"


def name_colours(stated: Any) -> str:
    """Return DICOM's name of a photometric interpretation, and no other text; see `name_uid`.

    Args:
        stated: The element of the file.
    """
    if not stated:
        return "none stated"
    return str(stated) if str(stated) in _COLOURS else "a name that DICOM does not have"


def words_of(error: BaseException) -> str:
    """Return the first line of pydicom's message about a file, or ``""``.

    Errors of Python in pydicom's code (``'NoneType' object is not subscriptable``) do not help
    users, so only errors that pydicom raises itself count.

    Args:
        error: The error caught.
    """
    frames = traceback.extract_tb(error.__traceback__)
    is_told = bool(frames) and "pydicom" in PurePath(frames[-1].filename).parts
    if not is_told or not (frames[-1].line or "").startswith("raise"):
        return ""
    # Quoted parts come from the file: terms of the standard or, after a wrong length in a damaged
    # file, following elements, which may be the patient's.
    words = (str(error).strip().splitlines() or [""])[0]
    is_plain = not re.search(r"['\"\\]", _TERM.sub("", words))
    return (words if is_plain else _WITH_QUOTES.sub("", words)).strip().rstrip(".")
