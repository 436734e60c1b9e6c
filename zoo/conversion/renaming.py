# SPDX-License-Identifier: Apache-2.0
"""Rename the keys of a state dict by rules, so that no key is forgotten in silence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.conversion.mismatches import Misshaped, mismatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Rule", "rename", "require_shape"]


@dataclass(frozen=True, slots=True)
class Rule:
    r"""One rule of renaming.

    Attributes:
        pattern: Regular expression that matches a whole key.
        target: The new key, with ``\1``, ``\2`` for the groups; None drops the key on purpose.

    Example:
        >>> Rule(r"backbone\.body\.(.+)", r"backbone.\1").target
        'backbone.\\1'
    """

    pattern: str
    target: str | None


def rename(
    state_dict: Mapping[str, Tensor],
    rules: Sequence[Rule],
    *,
    what: str,
    required: Sequence[str] = (),
) -> dict[str, Tensor]:
    r"""Return a state dict under new keys; the first rule that matches a key decides.

    Args:
        state_dict: Name -> tensor of the other library.
        rules: Rules in order.
        what: Name of the expected architecture, for messages.
        required: Keys that the source must have, before renaming.

    Raises:
        ConversionError: A required key is missing, no rule matches a key, or two keys get one name.
    """
    missing = [key for key in required if key not in state_dict]
    renamed: dict[str, Tensor] = {}
    unexpected: list[str] = []
    compiled = [(re.compile(rule.pattern), rule.target) for rule in rules]
    for key, tensor in state_dict.items():
        matches = ((pattern.fullmatch(key), target) for pattern, target in compiled)
        match, target = next(((m, t) for m, t in matches if m is not None), (None, None))
        if match is None:
            unexpected.append(key)
        elif target is not None:
            new = match.expand(target)
            if new in renamed:
                unexpected.append(key)
            renamed[new] = tensor
    if missing or unexpected:
        raise mismatch(what, missing, unexpected)
    return renamed


def require_shape(tensor: Tensor, shape: Sequence[int | None], key: str, *, what: str) -> Tensor:
    """Return a tensor if it has a shape.

    Args:
        tensor: The tensor.
        shape: Expected sizes; None accepts any.
        key: Its key, for the message.
        what: Name of the expected architecture.

    Raises:
        ConversionError: It has another shape.
    """
    found = tuple(tensor.shape)
    fits = len(found) == len(shape) and all(
        want in (None, size) for size, want in zip(found, shape, strict=True)
    )
    if fits:
        return tensor
    raise mismatch(what, misshaped=[Misshaped(key, found, tuple(shape))])
