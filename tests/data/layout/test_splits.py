# SPDX-License-Identifier: Apache-2.0
"""Splits are by group, stable under additions, and never silently empty."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import SPLITS, Shares, assign_splits, digest_of, parse_shares
from zoo.errors import DataError

_MANY = [f"patient{number}" for number in range(2000)]
_NAMES = st.lists(st.text(min_size=1), min_size=1, max_size=20, unique=True)


def test_assign_splits_when_many_groups_then_shares_hold_on_average() -> None:
    """Within four standard deviations of the binomial."""
    splits = list(assign_splits(_MANY, Shares(0.8, 0.1, 0.1)).values())

    for name, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        deviation = (2000 * share * (1 - share)) ** 0.5
        assert abs(splits.count(name) - 2000 * share) < 4 * deviation


def test_assign_splits_when_computed_by_hand_then_equal() -> None:
    """The first 56 bits of sha256(salt, NUL, group), as a fraction of 1."""
    places = {
        group: int(hashlib.sha256(f"s\0{group}".encode()).hexdigest()[:14], 16) / 16**14
        for group in _MANY[:200]
    }
    expected = {
        group: "train" if place < 0.5 else "val" if place < 0.75 else "test"
        for group, place in places.items()
    }

    assert expected == assign_splits(_MANY[:200], Shares(0.5, 0.25, 0.25), salt="s")


@settings(deadline=None, max_examples=50)
@given(_NAMES)
def test_assign_splits_when_groups_are_added_then_others_stay(added: list[str]) -> None:
    """Each group's split depends on its name alone."""
    before = assign_splits(_MANY[:100], Shares())

    after = assign_splits([*added, *_MANY[:100]], Shares())

    assert before == {group: after[group] for group in before}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(_MANY), min_size=1), st.sampled_from(SPLITS))
def test_assign_splits_when_share_is_one_then_all_there(groups: list[str], name: str) -> None:
    """A share of 0 gets nothing, not even what rounding leaves over."""
    shares = Shares(**{other: float(other == name) for other in SPLITS})

    assert {name} == set(assign_splits(groups, shares).values())


def test_assign_splits_when_salt_differs_then_split_differs() -> None:
    """Another salt is another draw."""
    first, second = (assign_splits(_MANY, Shares(), salt=salt) for salt in ("a", "b"))

    assert first != second


def test_assign_splits_when_split_is_empty_then_refused_with_shares_that_work() -> None:
    """The hint is tried before it is given."""
    groups = [f"scene{number:02d}" for number in range(12)]

    with pytest.raises(DataError) as caught:
        assign_splits(groups, Shares())

    assert caught.value.message == (
        "cannot split 12 groups by 0.8,0.1,0.1: found 10 train, 0 val, 2 test, expected at least "
        "one in val."
    )
    assert caught.value.hint == "--shares 0.7,0.15,0.15 leaves no split empty; so does more data."
    assert len(set(assign_splits(groups, parse_shares("0.7,0.15,0.15")).values())) == 3


def test_assign_splits_when_one_group_then_hint_names_share_zero() -> None:
    """No shares above 0 can work."""
    with pytest.raises(DataError) as caught:
        assign_splits(["only"], Shares())

    assert "--shares 1,0,0" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text", ["", "0.8", "0.8,0.2", "a,b,c", "0.8,0.1,0.2", "1.2,-0.1,-0.1", "nan,0,1"]
)
def test_parse_shares_when_wrong_then_refused(text: str) -> None:
    """Three numbers in 0..1 that sum to 1, or an error that quotes what was given."""
    with pytest.raises(DataError, match="expected three numbers") as caught:
        parse_shares(text)

    assert caught.value.where == "--shares"
    assert caught.value.hint


def test_parse_shares_when_right_then_read() -> None:
    """Spaces and whole numbers do no harm."""
    assert Shares(1, 0, 0) == parse_shares("1, 0, 0")


@settings(deadline=None, max_examples=50)
@given(_NAMES)
def test_digest_of_when_order_differs_then_equal(stems: list[str]) -> None:
    """It names a set of stems."""
    assert digest_of(stems) == digest_of(reversed(stems))


def test_digest_of_when_written_out_then_sha256_of_lines() -> None:
    """Anyone can recompute it from the split's file."""
    assert hashlib.sha256(b"a\nb\n").hexdigest() == digest_of(["b", "a"])
