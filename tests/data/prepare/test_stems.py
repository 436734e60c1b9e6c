# SPDX-License-Identifier: Apache-2.0
"""What a name may not hold is said letter by letter."""

from __future__ import annotations

import pytest

from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.plan import make_plan
from zoo.data.layout.splits import Shares
from zoo.data.prepare.pair import Pair
from zoo.errors import DataError

IDENTITY = DatasetIdentity(plugin="p", name="N", version="1")


def plan(stem: str) -> None:
    make_plan(
        IDENTITY,
        [Pair(stem, "g", f"images/{stem}.png", ("m.png",))],
        ["a", "b"],
        [(0, 0, 0), (1, 1, 1)],
        labels="true",
        options={},
        shares=Shares(1, 0, 0),
        salt="zoo",
    )


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("2021-05-04 12:30:00", "':' in it, which some systems do not allow"),
        ("a?d=1", "'?' in it, which some systems do not allow"),
        ("a|b", "'|' in it, which some systems do not allow"),
        ('a"b', "'\"' in it, which some systems do not allow"),
        ("a<b", "'<' in it, which some systems do not allow"),
        ("a\\b", "'\\\\' in it, which some systems do not allow"),
        ("a\nb", "'\\n' in it, which cannot be printed"),
        ("a\x1b[31m", "'\\x1b' in it, which cannot be printed"),
        ("a\u200bb", "'\\u200b' in it, which cannot be printed"),
        ("a\udce4b", "'\\udce4' in it, which cannot be printed"),
        ("a ", "a space at its end"),
        (" a", "a space at its start"),
        (".a", "a leading '.', which hides it"),
        ("ä" * 101, "202 bytes, expected at most 200"),
        ("", "no letter"),
    ],
)
def test_make_plan_when_stem_is_no_name_then_the_guilty_letter_is_named(
    stem: str, found: str
) -> None:
    """One reason, the one that holds."""
    with pytest.raises(DataError) as caught:
        plan(stem)

    assert caught.value.message == f"cannot use {stem!r} as a file's name: found {found}."
    assert caught.value.where == f"images/{stem}.png"


@pytest.mark.parametrize("stem", ["site.v1.2", "scan #2 (50%) [a]", "유조탱크_1", "-s1", "a" * 200])
def test_make_plan_when_stem_is_a_name_then_kept(stem: str) -> None:
    """Any letters that file systems take."""
    plan(stem)
