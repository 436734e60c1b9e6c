# SPDX-License-Identifier: Apache-2.0
"""The result of ``zoo data prepare --init``, and the next steps of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to edit before ``prepare``, with its summary.

    Args:
        path: The written file; None if this source needs none.
        lines: What was found and what to check or edit, one sentence each.
        options: Additional options that ``prepare`` needs, by command-line name
            (``--mask-suffix``).
    """

    path: Path | None
    lines: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
