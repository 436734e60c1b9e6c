# SPDX-License-Identifier: Apache-2.0
"""Windows that configs, records and the command line may ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from zoo.data import parse_tiling
from zoo.engine.scenes.tiling import EXPECTED, check_tiling, find_tiling, is_tiling
from zoo.errors import CheckpointError, ConfigError

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

    assert caught.value.message == f"cannot cut images with tiling={stated!r}: expected {EXPECTED}."
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


def test_published_model_keeps_its_windows(
    make_blobs_run: Callable[..., Path], tmp_path: Path
) -> None:
    """The record holds the config's tiling, so that a name alone predicts as the run did."""
    import torch

    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.config.reading import read_config
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.records.record import make_record, parse_record

    record = make_record(
        read_config(make_blobs_run() / "blobs.py"),
        name="blobs",
        task="instance",
        classes=("tank", "roof"),
        palette=((220, 20, 60), (0, 114, 178)),
        labels="true",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        trained_with="blobs",
        parameters=1,
    )
    file = write_published(tmp_path / "b.safetensors", {"level": torch.tensor(40.0)}, record)

    assert Predictor(str(file))(np.zeros((150, 210), np.uint8)).windows == 20
    thin = {"tile_px": 65535, "overlap_px": 65534}
    for wrong in ({"tile_px": 64}, {"tile_px": 64, "overlap_px": 64}, thin, [64, 24], 512):
        text = json.dumps({**json.loads(record.to_json()), "tiling": wrong})
        with pytest.raises(CheckpointError, match="expected tile_px from 32"):
            parse_record(text, "b")
