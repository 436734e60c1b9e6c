# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from zoo.names import hint_near, near_names


def test_near_names_when_letters_are_swapped_finds_the_name() -> None:
    assert near_names("unet_lung_xary", ["unet_lung_xray", "mask_rcnn"]) == ("unet_lung_xray",)


def test_near_names_when_only_case_differs_gives_the_spelling_that_exists() -> None:
    assert near_names("diceloss", ["DiceLoss"]) == ("DiceLoss",)


def test_near_names_when_many_are_near_gives_five() -> None:
    assert len(near_names("unet_0", [f"unet_{number}" for number in range(1, 9)])) == 5


def test_near_names_when_nothing_is_near_is_empty() -> None:
    assert near_names("unet", ["quite_other", ""]) == ()


def test_hint_near_when_nothing_is_near_gives_the_other_hint() -> None:
    assert hint_near((), "zoo list shows all.") == "zoo list shows all."
    assert hint_near(("a", "b"), "") == "did you mean a or b?"


def test_near_names_never_offers_the_very_name() -> None:
    """``did you mean x`` for ``x`` leads in a circle."""
    assert near_names("oil_storage", ["oil_storage", "oil_storages"]) == ("oil_storages",)


def test_near_names_of_a_long_text_are_none_and_quick() -> None:
    """Comparing takes the square of the length."""
    assert near_names("x" * 10**6, ["x" * 10**6 + "y"] * 100) == ()
    assert near_names("unet", ["unet" * 10**6]) == ()
