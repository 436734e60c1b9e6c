# SPDX-License-Identifier: Apache-2.0
"""What a rule found in a plugin: where, what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule in one place.

    Attributes:
        rule: Id of the rule, such as ``ZP101``.
        where: File, or ``file:line``.
        message: What was found and what was expected: one sentence.
        mend: One thing to do.
        row: The row of the manifest, such as ``loss EdgeLoss``; empty for the whole plugin.
        level: ``error``, ``warning`` for what works with a risk, or ``note`` for what could not be
            checked here.
        detail: Traceback of an exception of the plugin; empty without one.
    """

    rule: str
    where: str
    message: str
    mend: str
    row: str = ""
    level: str = "error"
    detail: str = ""
