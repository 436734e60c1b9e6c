# SPDX-License-Identifier: Apache-2.0
"""Windows that configs, records and the command line may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from zoo.data import parse_tiling
from zoo.engine.tilings import EXPECTED, check_tiling, find_tiling, is_tiling
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

BAD = [
    {"tile_px": 64},
    {"tile_px": 64, "overlap_px": 64},
    {"tile_px": "64", "overlap_px": 0},
    {"tile_px": True, "overlap_px": 0},
    {"tile_px": 31, "overlap_px": 0},
    {"tile_px": 64, "overlap_px": 49},
    {"tile_px": 64, "overlap_px": -1},
    {"tile_px": 65536, "overlap_px": 0},
    {"tile_px": 64, "overlap_px": 0, "more": 1},
    [64, 24],
    512,
]


@pytest.mark.parametrize("stated", BAD)
def test_tiling_that_is_none_or_would_never_end_is_refused(stated: Any) -> None:
    """Windows of a pixel, or a pixel apart, would see a scene millions of times."""
    assert not is_tiling(stated)
    with pytest.raises(ConfigError) as caught:
        find_tiling(Config({"tiling": stated}))

    assert caught.value.message == f"cannot cut images by tiling={stated!r}: expected {EXPECTED}."
    assert caught.value.where == "tiling"


@pytest.mark.parametrize(("tile_px", "overlap_px"), [(32, 0), (64, 48), (65535, 128)])
def test_tiling_at_its_bounds_is_taken(tile_px: int, overlap_px: int) -> None:
    """From a config, and as an option."""
    stated = {"tile_px": tile_px, "overlap_px": overlap_px}

    found = find_tiling(Config({"tiling": stated}))

    assert found == parse_tiling("tiles", tile_px, overlap_px)
    assert found is not None
    check_tiling(found)


def test_config_without_tiling_has_none() -> None:
    """None is how a config takes its base's windows away."""
    assert find_tiling(Config({})) is None
    assert find_tiling(Config({"tiling": None})) is None


@pytest.mark.parametrize(("tile_px", "overlap_px"), [(1, 0), (512, 511)])
def test_option_that_would_never_end_is_refused(tile_px: int, overlap_px: int) -> None:
    """With the option that asked for it."""
    with pytest.raises(ConfigError) as caught:
        check_tiling(parse_tiling("tiles", tile_px, overlap_px))

    assert caught.value.where == "--tile-size"
    assert caught.value.message == (
        f"cannot cut images into windows of {tile_px} px that share {overlap_px} px: "
        f"expected {EXPECTED}."
    )
