# SPDX-License-Identifier: Apache-2.0
"""Check the arguments of a transform."""

from __future__ import annotations

from zoo.errors import ConfigError

__all__ = ["check_argument"]


def check_argument(owner: str, name: str, value: object, holds: bool, expected: str) -> None:
    """Refuse an argument for which ``holds`` is false.

    Args:
        owner: Name of the transform.
        name: Name of the argument.
        value: Its value.
        holds: Whether the value is valid.
        expected: What is valid, for the message.

    Raises:
        ConfigError: Names the transform, the argument, its value and what was expected.
    """
    if not holds:
        message = f"cannot build {owner}: {name} is {value!r}, expected {expected}."
        raise ConfigError(message, where=name, hint="plugins/segmentation_transforms/README.md.")
