# SPDX-License-Identifier: Apache-2.0
"""Shared by the metrics of classes: reported classes, their names, and the pixels that count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from zoo.errors import ConfigError, DataError

__all__ = ["mean_of", "name_classes", "read_classes", "read_labels"]


def read_classes(meta: Mapping[str, Any] | None, metric: str) -> Sequence[str]:
    """Return the class names of a data set's metainfo, in the order of their ids.

    Args:
        meta: The metainfo, or None.
        metric: The metric's name, for the message.

    Raises:
        ConfigError: The metainfo names no classes.
    """
    classes: Sequence[str] | None = (meta or {}).get("classes")
    if classes is None:
        message = f"cannot compute {metric}: the data set names no classes in its metainfo."
        raise ConfigError(message, hint="set metainfo=dict(classes=[...]) in the config.")
    return classes


def name_classes(
    known: Sequence[str], wanted: Sequence[str] | None, metric: str
) -> tuple[list[str], list[int]]:
    """Return the reported classes, as spelled in the names of values, and their ids.

    Args:
        known: All classes.
        wanted: Classes to report, None for all.
        metric: The metric's name, for the message.

    Raises:
        ConfigError: ``wanted`` names an unknown class, or two names become equal.
    """
    wanted = known if wanted is None else wanted
    for name in wanted:
        if name not in known:
            message = (
                f"cannot compute {metric}: no class named {name!r}, expected some of "
                f"{', '.join(map(repr, known))}."
            )
            raise ConfigError(message, where="classes", hint="name classes of the data set.")
    keys = [re.sub(r"[\s/]+", "_", name.strip()) for name in wanted]
    if len(set(keys)) < len(keys):
        message = f"cannot compute {metric}: two classes have the same name in {list(wanted)}."
        raise ConfigError(message, where="classes", hint="rename one of them.")
    return keys, [list(known).index(name) for name in wanted]


def read_labels(
    sample: Mapping[str, Any], classes: int, ignore_index: int | None
) -> tuple[str, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return an image's file, predicted ids, its mask's ids and which pixels count.

    Args:
        sample: With ``pred_sem_seg.data`` and ``gt_sem_seg.data``, ``(1, H, W)``, and
            ``img_path``.
        classes: Number of classes.
        ignore_index: Id in masks of pixels that do not count, or None.

    Returns:
        The file, and three ``(H, W)`` tensors: two int64, one bool.

    Raises:
        DataError: The sizes differ, or a pixel that counts has an id that is not a class.
    """
    file = str(sample.get("img_path", ""))
    mask = sample["gt_sem_seg"]["data"].squeeze(0)
    # For a head with one channel, mmseg returns the ids as floats.
    predicted = sample["pred_sem_seg"]["data"].squeeze(0).to(mask.device, torch.int64)
    if predicted.shape != mask.shape:
        message = (
            f"cannot compare a prediction of {tuple(predicted.shape)} pixels with a mask of "
            f"{tuple(mask.shape)}, expected equal sizes."
        )
        hint = "load annotations after resizing in the test pipeline."
        raise DataError(message, path=file, hint=hint)
    mask = mask.to(torch.int64)
    is_known = torch.ones_like(mask, dtype=torch.bool)
    if ignore_index is not None:
        is_known = mask != ignore_index
    for what, ids in (("mask", mask), ("prediction", predicted)):
        is_bad = ((ids < 0) | (ids >= classes)) & is_known
        if is_bad.any():
            message = (
                f"cannot score an image: its {what} holds {int(ids[is_bad][0])}, expected an id "
                f"from 0 to {classes - 1}."
            )
            raise DataError(message, path=file, hint="the classes of config and data set differ.")
    return file, predicted, mask, is_known


def mean_of(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, or NaN if there are none.

    Args:
        values: Numbers or NaN.
    """
    numbers = np.fromiter(values, np.float64)
    present = numbers[~np.isnan(numbers)]
    return float(present.mean()) if len(present) else float("nan")
