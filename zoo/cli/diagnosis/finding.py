# SPDX-License-Identifier: Apache-2.0
"""A finding of ``zoo doctor``, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.cli.diagnosis.mend import Mend, shown

__all__ = ["AGAIN", "Finding", "not_checked"]

AGAIN = shown("run zoo doctor again when the machine is less busy, or with a longer --timeout")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was checked.
        state: ``ok``, ``warning`` (works, with a risk, or was not checked), ``missing`` (not
            installed) or ``broken``.
        found: The version, device or reason.
        mend: What mends it, or None.
        needed: Whether zoo needs it to work; a missing feature or plugin is not needed.
    """

    name: str
    state: str
    found: str
    mend: Mend | None = None
    needed: bool = True

    @property
    def fails(self) -> bool:
        """Return whether ``zoo doctor`` exits with 1 because of it."""
        return self.state == "broken" or (self.state == "missing" and self.needed)

    def to_json(self) -> dict[str, Any]:
        """Return plain values: ``fix`` is a line for people, ``commands`` what ``--fix`` runs."""
        return {
            "name": self.name,
            "state": self.state,
            "found": self.found,
            "fix": self.mend.text if self.mend else None,
            "needed": self.needed,
            "commands": [list(each) for each in self.mend.commands] if self.mend else [],
        }


def not_checked(name: str, reason: str) -> Finding:
    """Return the finding on something that was given up: it may be sound, slow or broken.

    Args:
        name: What was to be checked.
        reason: Why it was given up.
    """
    return Finding(name, "warning", f"not checked: {reason}", AGAIN)
