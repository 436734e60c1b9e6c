# SPDX-License-Identifier: Apache-2.0
"""Assign groups to train, val and test by a hash, so that adding files moves no group."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from zoo.errors import DataError

__all__ = ["SPLITS", "Shares", "assign_splits", "digest_of", "parse_shares", "place_of"]

SPLITS = ("train", "val", "test")
_OTHER_SHARES = ("0.8,0.1,0.1", "0.7,0.15,0.15", "0.6,0.2,0.2", "0.5,0.25,0.25", "0.34,0.33,0.33")


@dataclass(frozen=True, slots=True)
class Shares:
    """The average share of groups in each split.

    Args:
        train: Share of train in ``[0, 1]``; the three sum to 1.
        val: Share of val.
        test: Share of test.

    Raises:
        DataError: A share is outside ``[0, 1]``, or they do not sum to 1.
    """

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        values = self.to_list()
        if not all(0 <= value <= 1 for value in values) or not math.isclose(
            sum(values), 1, abs_tol=1e-6
        ):
            raise _not_shares(",".join(f"{value:g}" for value in values))

    def to_list(self) -> list[float]:
        """Return the three shares in the order of :data:`SPLITS`."""
        return [self.train, self.val, self.test]


def parse_shares(text: str) -> Shares:
    """Parse shares such as ``0.8,0.1,0.1``.

    Args:
        text: Shares of train, val and test, separated by commas.

    Raises:
        DataError: It is not three numbers in ``[0, 1]`` that sum to 1.

    Example:
        >>> parse_shares("0.6,0.2,0.2").val
        0.2
    """
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise _not_shares(text) from error
    return Shares(train, val, test)


def _not_shares(text: str) -> DataError:
    message = f"cannot split by {text!r}: expected three numbers in 0..1 that sum to 1."
    return DataError(message, where="--shares", hint="use for example --shares 0.8,0.1,0.1.")


def place_of(group: str, salt: str) -> float:
    """Return the fixed position of a group in ``[0, 1)``, uniform over groups.

    Args:
        group: Name of the group.
        salt: Another salt gives another position.
    """
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _split_at(position: float, shares: Shares) -> str:
    # A last split with share 0 must not receive groups due to rounding of the sum.
    names = [name for name, share in zip(SPLITS, shares.to_list(), strict=True) if share > 0]
    limit = 0.0
    for name in names[:-1]:
        limit += getattr(shares, name)
        if position < limit:
            return name
    return names[-1]


def assign_splits(groups: Iterable[str], shares: Shares, *, salt: str = "zoo") -> dict[str, str]:
    """Return the split of each group.

    The sha256 of its name decides the split of a group, independent of other groups. Adding data
    never moves existing groups, and the shares are exact only on average (100 groups at 0.1 give
    10 with a standard deviation of 3).

    Args:
        groups: Patient, scene or file names; repeats are allowed.
        shares: Shares of the groups.
        salt: Another salt gives another, equally stable split.

    Raises:
        DataError: A split is empty although its share is above 0.
    """
    places = {group: place_of(group, salt) for group in groups}
    splits = {group: _split_at(place, shares) for group, place in sorted(places.items())}
    empty = _empty_splits(splits.values(), shares)
    if empty:
        counted = Counter(splits.values())
        found = ", ".join(f"{counted[name]} {name}" for name in SPLITS)
        message = (
            f"cannot split {len(places)} groups by {_to_text(shares)}: found {found}, "
            f"expected at least one in {' and '.join(empty)}."
        )
        raise DataError(message, where="--shares", hint=_advise(places))
    return splits


def _empty_splits(found: Iterable[str], shares: Shares) -> list[str]:
    present = set(found)
    wanted = zip(SPLITS, shares.to_list(), strict=True)
    return [name for name, share in wanted if share > 0 and name not in present]


def _to_text(shares: Shares) -> str:
    return ",".join(f"{share:g}" for share in shares.to_list())


def _advise(places: dict[str, float]) -> str:
    for text in _OTHER_SHARES:
        shares = parse_shares(text)
        if not _empty_splits([_split_at(place, shares) for place in places.values()], shares):
            return f"--shares {text} leaves no split empty; so does more data."
    return "add data, or set the share of an unneeded split to 0 (--shares 1,0,0)."


def digest_of(stems: Iterable[str]) -> str:
    """Return the sha256 of the sorted stems, one per line, to identify a split in a publication.

    Args:
        stems: Stems of the split, in any order.
    """
    text = "".join(f"{stem}\n" for stem in sorted(stems))
    return hashlib.sha256(text.encode()).hexdigest()
