# SPDX-License-Identifier: Apache-2.0
"""``zoo.load``: a name, fetched if need be, to something that predicts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, DownloadError, UnknownNameError

pytestmark = pytest.mark.mm

WritePlugin = Callable[..., Path]


@pytest.fixture
def shelf(
    bright_run: Path,
    bright_folder: Path,
    write_plugin: WritePlugin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Publish the threshold at grey 100.5 under a dead address; gives the folder of the file."""
    from zoo.engine.config.reading import read_config
    from zoo.engine.publishing.publish import ModelCard, publish

    metric = {"name": "dice", "value": 1.0, "dataset": "d", "split": "test"}
    card = ModelCard(
        name="threshold",
        config_name="bright",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        metrics=[{**metric, "labels": "true", "protocol": "README"}],
        urls=("https://weights.example.invalid/threshold.safetensors",),
    )
    config = read_config(bright_run / "bright.py", pretrained="none")
    checkpoint = bright_run / "best_dice_iter_20.pth"
    published = publish(config, checkpoint, tmp_path / "shelf_files", card)
    write_plugin("shelf", published.manifest_row())
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.delenv("ZOO_MIRRORS", raising=False)
    return tmp_path / "shelf_files"


def test_load_of_a_name_fetches_it_and_predicts_as_numpy_does(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is here, the mirror is not needed any more."""
    image = np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8)
    monkeypatch.setenv("ZOO_MIRRORS", str(shelf))

    first = zoo.load("threshold", device="cpu")(image)
    monkeypatch.delenv("ZOO_MIRRORS")
    second = zoo.load("shelf.threshold", device="cpu")(image)

    np.testing.assert_array_equal((image > 100).astype(np.uint8), first.labels)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.areas_px == {"background": int((image <= 100).sum()), "lung": first.labels.sum()}


def test_load_of_a_path_gives_what_the_path_holds(shelf: Path, tmp_path: Path) -> None:
    import cv2

    image = np.random.default_rng(1).integers(0, 256, (24, 32), np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), image)

    result = zoo.load(str(shelf / "threshold.safetensors"), device="cpu")(tmp_path / "x.png")

    np.testing.assert_array_equal((image > 100).astype(np.uint8), result.labels)


@pytest.mark.usefixtures("shelf")
def test_load_of_what_cannot_be_fetched_says_so() -> None:
    with pytest.raises(DownloadError, match="cannot download 'threshold' offline"):
        zoo.load("threshold")


@pytest.mark.usefixtures("shelf")
def test_load_of_an_unknown_name_offers_a_near_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean threshold"):
        zoo.load("treshold")


def test_load_on_a_device_that_is_not_there_says_so(shelf: Path) -> None:
    with pytest.raises(ConfigError, match="cannot use the device 'cuda:99'"):
        zoo.load(str(shelf / "threshold.safetensors"), device="cuda:99")
