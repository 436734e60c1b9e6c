# SPDX-License-Identifier: Apache-2.0
"""Name the curves of a plot: which belong together, and which are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

__all__ = [
    "Curve",
    "distinct",
    "family_of",
    "label_of",
    "lead_first",
    "merge_equal",
    "shorten",
    "shorten_runs",
]

# Step -> value; NaN if the value was not finite.
Curve: TypeAlias = Mapping[int, float]

_BACKGROUND = "background"
_MOST_CHARACTERS = 40
_MOST_OF_A_RUN = 28
_MOST_OF_A_LABEL = 56  # with its best value that still fits a panel


def shorten(name: str, most: int = _MOST_CHARACTERS) -> str:
    """Return a name of at most ``most`` characters, without its middle.

    Args:
        name: Any text.
        most: Number of characters, including the dots.

    Example:
        >>> shorten("dice_right_upper_lobe_of_the_lung", 20)
        'dice_righ...the_lung'
    """
    if len(name) <= most:
        return name
    tail = (most - 3) // 2
    return f"{name[: most - 3 - tail]}...{name[len(name) - tail :]}"


def label_of(names: Sequence[str]) -> str:
    """Return the label of a curve with several names; the last of many are counted.

    Args:
        names: Names of the metrics that share the curve, at least one.

    Example:
        >>> label_of(["coco/bbox_AR@100", "coco/bbox_AR@1000"])
        'coco/bbox_AR@100 = coco/bbox_AR@1000'
    """
    label = shorten(names[0])
    for place, name in enumerate(names[1:], 1):
        longer = f"{label} = {shorten(name)}"
        if len(longer) > _MOST_OF_A_LABEL:
            return f"{label} = {len(names) - place} more"
        label = longer
    return label


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, numbered if several are equal.

    Args:
        names: Names in the order of the runs.
    """
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def shorten_runs(names: Sequence[str]) -> list[str]:
    """Return distinct names of runs; common beginnings and ends of long ones are left out.

    Args:
        names: Names in the order of the runs.

    Example:
        >>> shorten_runs(["unet_small_lung-512_warmup_seed0", "unet_small_lung-512_warmup_seed1"])
        ['...seed0', '...seed1']
    """
    if max(map(len, names), default=0) > _MOST_OF_A_RUN and len(set(names)) > 1:
        words = [re.split(r"(?<=[_ -])", name) for name in names]
        head = _shared(words)
        tail = _shared([row[head:][::-1] for row in words])
        names = [
            f"{'...' if head else ''}{''.join(row[head : len(row) - tail]).strip('_- ')}"
            for row in words
        ]
    # What tells names apart may lie in the middle: then they are left longer.
    for most in range(_MOST_OF_A_RUN, max(map(len, names), default=0), 4):
        short = [shorten(name, most) for name in names]
        if len(set(short)) == len(set(names)):
            return distinct(short)
    return distinct(names)


def _shared(rows: Sequence[Sequence[str]]) -> int:
    """Return how many words all rows begin with, at least one left to each."""
    most = min(len(row) for row in rows) - 1
    return next((n for n in range(most) if len({row[n] for row in rows}) > 1), max(most, 0))


def merge_equal(
    metrics: Iterable[Mapping[str, Curve]],
) -> dict[str, list[str]]:
    """Return name -> all names whose curves equal its own in every run, itself first.

    Args:
        metrics: Of each run, name -> curve.
    """
    runs = list(metrics)
    merged: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for key in dict.fromkeys(key for run in runs for key in run):
        # As text, because a NaN does not equal itself.
        content = repr([sorted(run[key].items()) if key in run else None for run in runs])
        merged.setdefault(seen.setdefault(content, key), []).append(key)
    return merged


def family_of(key: str) -> str:
    """Return what a metric measures: the first word of its name, without prefix and ``mean``.

    Args:
        key: The metric's name, as in the log.

    Example:
        >>> [family_of(key) for key in ("mean_dice", "pooled_mean_iou", "coco/segm_mAP")]
        ['dice', 'pooled iou', 'segm']
    """
    words = [word for word in re.split(r"[_ ]", key.rpartition("/")[2]) if word != "mean"]
    return " ".join(words[: 2 if words[:1] == ["pooled"] else 1]) or key


def lead_first(keys: Sequence[str], lead: str | None) -> list[str]:
    """Return the metrics with the one that matters first, and those of the background last.

    Where the lead is a mean over the background and one class, that class comes before it: half of
    such a mean is the background's.

    Args:
        keys: Names of metrics.
        lead: The one that chooses the best checkpoint, or None.

    Example:
        >>> lead_first(["mean_dice", "dice_background", "dice_lung"], "mean_dice")
        ['dice_lung', 'mean_dice', 'dice_background']
    """
    order = {key: 2 if key.endswith(f"_{_BACKGROUND}") else 1 for key in keys}
    if lead in order:
        order[lead] = 0
        head, is_mean, measure = lead.rpartition("mean_")
        classes = [key for key in keys if is_mean and key.startswith(f"{head}{measure}_")]
        things = [key for key in classes if order[key] == 1]
        if len(things) == 1 and len(classes) == 2:
            order[things[0]] = -1
    return sorted(keys, key=lambda key: order[key])
