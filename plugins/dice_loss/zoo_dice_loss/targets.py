# SPDX-License-Identifier: Apache-2.0
"""Read a block of targets: one-hot form, ignored pixels, and the check of the range."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.errors import DataError

__all__ = ["read_dense", "read_ids"]

# Tolerance of soft targets outside [0, 1], for resized targets and for bfloat16.
_SHARE_SLACK = 1e-2


def read_ids(
    target: Tensor, into: Tensor, ignore_index: int | None, *, first: int, check: bool
) -> Tensor | None:
    """Write the one-hot form of ids and return a mask of the pixels that count.

    Args:
        target: ``(n, p)`` integers; with one channel, 0 or 1.
        into: ``(n, C, p)`` float, overwritten.
        ignore_index: Id of the pixels that do not count, or None.
        first: Index of the block's first image in the batch, for messages.
        check: Whether to refuse ids out of range.

    Returns:
        ``(n, p)`` bool, or None where every pixel counts.

    Raises:
        DataError: An id is neither a class nor ``ignore_index``.
    """
    channels = into.shape[1]
    classes = max(channels, 2)
    # On a CPU, comparing floats is several times faster than comparing 64-bit integers.
    ids = into[:, 0].copy_(target) if channels == 1 else target.to(into.dtype)
    low, high = _range(ids, known=check)
    keep = None
    if ignore_index is not None and low <= ignore_index <= high:
        keep = ids != ignore_index
    if check and (low < 0 or high >= classes):
        bad = (ids < 0) | (ids >= classes)
        wanted = f"an id from 0 to {classes - 1}"
        _refuse_any(bad if keep is None else bad & keep, target, first, wanted, ignore_index)
    # One channel is the foreground with id 1: ids 0 and 1 already are its one-hot form.
    if channels == 1 and check and keep is None:
        return None
    names = torch.arange(classes - channels, classes, device=ids.device, dtype=ids.dtype)
    torch.eq(ids.unsqueeze(1), names.unsqueeze(1), out=into)
    return keep


def read_dense(
    target: Tensor, into: Tensor, ignore_index: int | None, *, first: int, check: bool
) -> Tensor | None:
    """Write one-hot or soft targets as floats and return a mask of the pixels that count.

    Args:
        target: ``(n, C, p)``, shares from 0 to 1.
        into: ``(n, C, p)`` float, overwritten.
        ignore_index: A pixel does not count if one of its channels holds this value or, if the
            value is a class, if that channel is set.
        first: Index of the block's first image in the batch, for messages.
        check: Whether to refuse shares out of range.

    Returns:
        ``(n, p)`` bool, or None where every pixel counts.

    Raises:
        DataError: A share is outside [0, 1] and is not ``ignore_index``.
    """
    classes = into.shape[1]
    low, high = _range(into.copy_(target), known=check)
    keep = None
    if ignore_index is not None and classes > 1 and 0 <= ignore_index < classes:
        keep = into[:, ignore_index] == 0
    elif ignore_index is not None and not (ignore_index < low or high < ignore_index):
        keep = (into != ignore_index).all(1)
        into.masked_fill_(~keep.unsqueeze(1), 0)
    least, most = -_SHARE_SLACK, 1 + _SHARE_SLACK
    # This form of the comparison also refuses NaN.
    if check and not (least <= low and high <= most):
        bad = ~((into >= least) & (into <= most))
        _refuse_any(bad, target, first, "a share from 0 to 1", ignore_index)
    return keep


def _range(values: Tensor, *, known: bool) -> tuple[float, float]:
    """Return the smallest and the largest value, or infinite bounds if ``known`` is false."""
    if not known:
        return -math.inf, math.inf
    if not values.numel():
        return 0.0, 0.0
    low, high = torch.stack(values.aminmax()).tolist()
    return low, high


def _refuse_any(
    bad: Tensor, target: Tensor, first: int, wanted: str, ignore_index: int | None
) -> None:
    places = bad.nonzero()
    if not len(places):
        return
    place = tuple(places[0].tolist())
    image = first + place[0]
    message = (
        f"cannot compute Dice: the target of image {image} of the batch, counted "
        f"from 0, holds {target[place].item()}, expected {wanted}"
        f"{'' if ignore_index is None else f', or {ignore_index} for ignored pixels'}."
    )
    hint = "set the head's num_classes and ignore_index to match the ids in the masks."
    raise DataError(message, hint=hint, image=image)
