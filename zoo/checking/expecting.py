# SPDX-License-Identifier: Apache-2.0
"""How a check of a row says that its rule does not hold, or that it cannot be checked here."""

from __future__ import annotations

import importlib
import math
import unittest
from collections.abc import Mapping
from numbers import Real
from typing import Any

__all__ = ["Broken", "NotMeant", "Unchecked", "close", "expect", "named", "needs"]


class NotMeant(unittest.SkipTest):
    """A rule does not concern this row; pytest shows it as a skipped test."""


class Unchecked(unittest.SkipTest):
    """A rule concerns this row and cannot be checked here; pytest shows it as a skipped test.

    Attributes:
        mend: What makes the check possible.
        level: ``note``, or ``warning`` if the author can do it, and others rely on it.
    """

    def __init__(
        self, message: str, mend: str = "check it where that is possible.", level: str = "note"
    ) -> None:
        super().__init__(message)
        self.mend = mend
        self.level = level


class Broken(AssertionError):
    """A rule does not hold; the message says what was found and what was expected."""


def expect(holds: object, message: str) -> None:
    """Raise unless a rule holds.

    Args:
        holds: Anything with a truth value.
        message: What was found, and what was expected.

    Raises:
        Broken: It does not hold.
    """
    if not holds:
        raise Broken(message)


def needs(module: str) -> Any:
    """Return a module, or leave the check out if it is not installed.

    Args:
        module: Its full name.

    Raises:
        Unchecked: It cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"not checked: {module} cannot be imported ({error})"
        raise Unchecked(message, f"install {module.partition('.')[0]} to check this.") from error


def named(config: Mapping[str, Any]) -> str:
    """Return what a config builds, for messages, such as ``zoo.edge.EdgeLoss(margin=0.5)``.

    Args:
        config: ``type`` and keywords.
    """
    keywords = ", ".join(f"{key}={value!r}" for key, value in config.items() if key != "type")
    return f"{config['type']}({keywords})" if keywords else str(config["type"])


def close(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    """Return whether two evaluations gave the same values; NaN equals NaN.

    Args:
        first: Name -> value.
        second: Name -> value.
    """
    return first.keys() == second.keys() and all(
        _same(value, second[name]) for name, value in first.items()
    )


def _same(one: Any, other: Any) -> bool:
    if not (isinstance(one, Real) and isinstance(other, Real)):
        return bool(one == other)
    one, other = float(one), float(other)
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
