# SPDX-License-Identifier: Apache-2.0
"""Exact counts, decided by the set of groups alone, with as few moves as they allow."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import SPLITS, Shares, assign_exact_splits, exact_counts
from zoo.errors import DataError

SHARES = [
    Shares(0.8, 0.1, 0.1),
    Shares(0.6, 0.2, 0.2),
    Shares(0.7, 0.15, 0.15),
    Shares(0.34, 0.33, 0.33),
    Shares(0.9, 0.1, 0.0),
    Shares(0.5, 0.0, 0.5),
    Shares(1.0, 0.0, 0.0),
    Shares(0.98, 0.01, 0.01),
    Shares(0.0, 0.1, 0.9),
]
GROUPS = st.sets(st.text(max_size=6), min_size=3, max_size=40)


@pytest.mark.parametrize("shares", SHARES, ids=str)
def test_exact_counts_when_one_group_more_then_one_split_grows_by_one(shares: Shares) -> None:
    """House monotone, never an empty split, and near the shares once the minimum is passed."""
    least = sum(share > 0 for share in shares.to_list())
    before = exact_counts(least, shares)

    for number in range(least + 1, 250):
        counts = exact_counts(number, shares)
        grown = [after - old for after, old in zip(counts, before, strict=True)]
        assert sorted(grown) == [0, 0, 1], number
        assert all(
            (count > 0) is (share > 0)
            for count, share in zip(counts, shares.to_list(), strict=True)
        )
        before = counts

    for count, share in zip(before, shares.to_list(), strict=True):
        assert abs(count - 249 * Fraction(str(share))) < 1


@settings(deadline=None, max_examples=120)
@given(GROUPS, st.sampled_from(SHARES), st.text(max_size=3))
def test_assign_exact_when_given_shares_then_counts_are_exact(
    groups: set[str], shares: Shares, salt: str
) -> None:
    """Every group once; the order in which they are given, and repeats, change nothing."""
    found = assign_exact_splits(groups, shares, salt=salt)

    counted = Counter(found.values())
    assert tuple(counted[name] for name in SPLITS) == exact_counts(len(groups), shares)
    again = assign_exact_splits([*sorted(groups, reverse=True), *groups], shares, salt=salt)
    assert again == found
    assert set(found) == groups


@settings(deadline=None, max_examples=200)
@given(GROUPS, st.text(min_size=7, max_size=9), st.sampled_from(SHARES))
def test_assign_exact_when_a_group_is_added_then_few_others_move(
    groups: set[str], added: str, shares: Shares
) -> None:
    """One at most where train grows, two where val or test does."""
    before = assign_exact_splits(groups, shares)

    after = assign_exact_splits({*groups, added}, shares)

    moved = [group for group in groups if before[group] != after[group]]
    grows = exact_counts(len(groups) + 1, shares)[0] > exact_counts(len(groups), shares)[0]
    assert len(moved) <= (1 if grows else 2)


@settings(deadline=None, max_examples=120)
@given(GROUPS, st.text(min_size=7, max_size=9), st.data())
def test_assign_exact_when_counts_of_val_and_test_stay_then_one_moves_at_most(
    groups: set[str], added: str, data: st.DataObject
) -> None:
    """The least that is possible: a group that enters a full split pushes one out."""
    val = data.draw(st.integers(0, len(groups)))
    test = data.draw(st.integers(0, len(groups) - val))
    train = len(groups) - val - test

    before = assign_exact_splits(groups, (train, val, test))
    after = assign_exact_splits({*groups, added}, (train + 1, val, test))

    moved = [group for group in groups if before[group] != after[group]]
    assert len(moved) == (after[added] != "train")
    assert {after[group] for group in moved} <= {"train"}


def test_assign_exact_when_salts_differ_then_splits_do() -> None:
    groups = [f"site{number}" for number in range(60)]

    found = {tuple(assign_exact_splits(groups, Shares(), salt=f"{n}").items()) for n in range(20)}

    assert len(found) == 20


@pytest.mark.parametrize(
    ("counts", "part"),
    [
        ((2, 1, 1), "expected counts of train, val and test that add up to 5"),
        ((6, 0, -1), "that add up to 5"),
        ((5, 0), "that add up to 5"),
        (Shares(0.8, 0.1, 0.1), None),
    ],
)
def test_assign_exact_when_counts_do_not_add_up_then_refused(
    counts: tuple[int, int, int] | Shares, part: str | None
) -> None:
    groups = [f"g{n}" for n in range(5)]
    if part is None:
        assert Counter(assign_exact_splits(groups, counts).values())["train"] == 3
        return

    with pytest.raises(DataError) as caught:
        assign_exact_splits(groups, counts)

    assert part in caught.value.message


def test_exact_counts_when_groups_are_fewer_than_splits_then_refused() -> None:
    with pytest.raises(
        DataError, match=r"cannot split 2 groups by 0\.8,0\.1,0\.1: expected 3 or more"
    ):
        exact_counts(2, Shares())
