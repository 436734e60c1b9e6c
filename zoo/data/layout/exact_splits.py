# SPDX-License-Identifier: Apache-2.0
"""Splits with exact counts, for sets so small that shares on average are too coarse."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from zoo.data.layout.splits import SPLITS, Shares, place_of
from zoo.errors import DataError

__all__ = ["assign_exact_splits", "exact_counts"]


def exact_counts(number: int, shares: Shares) -> tuple[int, int, int]:
    """Return how many of ``number`` groups train, val and test get.

    Each split with a share above 0 gets one, and each further group goes where ``share / (2n + 1)``
    is largest, n being what the split has (of equals, the first of :data:`SPLITS`). So one group
    more is one more in one split and none less in another.

    Args:
        number: Number of groups.
        shares: Shares of train, val and test.

    Raises:
        DataError: There are fewer groups than splits with a share above 0.

    Source:
        Webster's (Sainte-Laguë's) method with a minimum of one, which is house monotone: Balinski
        and Young, Fair Representation, 1982.

    Example:
        >>> exact_counts(10, Shares(0.6, 0.2, 0.2))
        (6, 2, 2)
    """
    weights = [Fraction(str(share)) for share in shares.to_list()]
    counts = [int(weight > 0) for weight in weights]
    if number < sum(counts):
        text = ",".join(f"{share:g}" for share in shares.to_list())
        message = f"cannot split {number} groups by {text}: expected {sum(counts)} or more."
        hint = "add data, or set the share of an unneeded split to 0 (--shares 1,0,0)."
        raise DataError(message, where="--shares", hint=hint)
    for _ in range(number - sum(counts)):
        quotients = [weight / (2 * n + 1) for weight, n in zip(weights, counts, strict=True)]
        counts[quotients.index(max(quotients))] += 1
    return counts[0], counts[1], counts[2]


def assign_exact_splits(
    groups: Iterable[str], shares: Shares | tuple[int, int, int], *, salt: str = "zoo"
) -> dict[str, str]:
    """Return the split of each group, with exact counts of groups.

    All groups stand in one order, that of a hash of their names: the first are test, the last val,
    and train lies between. The result depends on the set of groups alone. One group added or
    removed moves at most one other where it changes the count of train, and at most two where
    the shares change that of val or test. :func:`zoo.data.assign_splits` never moves one.

    Args:
        groups: Patient, scene or file names; repeats count once. A group is never divided, so
            images are counted exactly where each is a group of its own.
        shares: Shares of train, val and test, see :func:`exact_counts`; or their counts, which add
            up to the number of groups.
        salt: Another salt gives another, equally stable order.

    Raises:
        DataError: There are too few groups, or the counts do not add up.

    Example:
        >>> found = assign_exact_splits([f"site{n}" for n in range(5)], (3, 1, 1))
        >>> sorted(found.values())
        ['test', 'train', 'train', 'train', 'val']
    """
    ordered = sorted(set(groups), key=lambda group: (place_of(group, salt), group))
    counts = exact_counts(len(ordered), shares) if isinstance(shares, Shares) else shares
    if len(counts) != len(SPLITS) or min(counts) < 0 or sum(counts) != len(ordered):
        found = ", ".join(map(str, counts))
        message = f"cannot split {len(ordered)} groups into {found}: expected counts of train, val "
        message += f"and test that add up to {len(ordered)}."
        raise DataError(message, hint="correct the counts, or give shares.")
    train, _, test = counts
    names = dict.fromkeys(ordered, "train")
    names.update(dict.fromkeys(ordered[:test], "test"))
    names.update(dict.fromkeys(ordered[test + train :], "val"))
    return names
