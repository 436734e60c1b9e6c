# SPDX-License-Identifier: Apache-2.0
"""What ``zoo data prepare --init`` wrote, and what its user does next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to edit before ``prepare``, with what it says.

    Args:
        path: The file that was written; None where nothing is to be written for this source.
        lines: What was found, and what to look at or to edit, a sentence each.
        options: Options that ``prepare`` needs beside those that were given, by their names on the
            command line (``--mask-suffix``).
    """

    path: Path | None
    lines: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
