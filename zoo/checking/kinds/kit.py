# SPDX-License-Identifier: Apache-2.0
"""All checks of a plugin's rows, as one class: what pytest and ``zoo plugin check`` run."""

from __future__ import annotations

from zoo.checking.kinds.commands import CommandChecks
from zoo.checking.kinds.converters import ConverterChecks
from zoo.checking.kinds.hooks import HookChecks
from zoo.checking.kinds.losses import LossChecks
from zoo.checking.kinds.metrics import MetricChecks
from zoo.checking.kinds.models import ModelChecks
from zoo.checking.kinds.packages import PackageChecks
from zoo.checking.kinds.shown import ShownChecks
from zoo.checking.kinds.transforms import TransformChecks

__all__ = ["Kit", "is_of_the_kit"]

_HOME = "zoo.checking.kinds."


class Kit(
    CommandChecks,
    ConverterChecks,
    ShownChecks,
    HookChecks,
    LossChecks,
    MetricChecks,
    ModelChecks,
    PackageChecks,
    TransformChecks,
):
    """Every check of a row; a method ``test_...`` with its rows in an argument ``each_...``."""


def is_of_the_kit(check: object) -> bool:
    """Return whether something is a check of the kit, and not an author's own.

    Args:
        check: An attribute of a class.
    """
    is_test = getattr(check, "__name__", "").startswith("test_")
    return is_test and getattr(check, "__module__", "").startswith(_HOME)
