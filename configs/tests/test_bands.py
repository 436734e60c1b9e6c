# SPDX-License-Identifier: Apache-2.0
"""Five 16-bit bands, of which only the last tells the class, from prepare to predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
rasterio = pytest.importorskip("rasterio")

import zoo  # noqa: E402 (after the skip)
from zoo.engine.config.reading import read_config  # noqa: E402
from zoo.engine.preparation import find_dataset  # noqa: E402
from zoo.errors import ConfigError, DataError  # noqa: E402

CONFIG = "unet_small_bands-512"
PLUGINS = "folder_data,configs,segmentation_metrics,dice_loss,training_hooks"
SMALL = {
    "model.backbone.base_channels": 4,
    "model.decode_head.in_channels": 4,
    "model.decode_head.channels": 4,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "val_dataloader.num_workers": 0,
    "val_dataloader.persistent_workers": False,
    "test_dataloader.num_workers": 0,
    "test_dataloader.persistent_workers": False,
    "optim_wrapper.optimizer.lr": 0.02,
    "param_scheduler": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``raw`` and ``data``."""
    folder = tmp_path_factory.mktemp("bands")
    zoo.sample("BandFolderDataset", folder / "raw", count=16, size_px=64)
    zoo.prepare("BandFolderDataset", folder / "raw", folder / "data", shares=(0.6, 0.2, 0.2))
    return folder


def test_config_when_bound_then_takes_bands_and_statistics_from_the_data(folder: Path) -> None:
    config = read_config(CONFIG, data=folder / "data")

    samples = []
    for stem in (folder / "data" / "splits" / "train.txt").read_text().split():
        with rasterio.open(folder / "raw" / "images" / f"{stem}.tif") as dataset:
            samples.append(dataset.read().reshape(5, -1).astype(np.float64))
    valid = np.ma.masked_equal(np.concatenate(samples, axis=1), 0)
    before = config.model.data_preprocessor
    assert np.allclose(before.mean, valid.mean(axis=1))
    assert np.allclose(before.std, valid.std(axis=1))
    assert config.model.backbone.in_channels == 5
    for key in ("train_dataloader", "val_dataloader", "test_dataloader"):
        bands = config[key].dataset.pipeline[0].bands
        assert list(bands.names) == ["blue", "green", "red", "red_edge", "nir"]


def test_plugin_when_several_of_its_data_sets_have_a_task_then_means_the_first() -> None:
    assert find_dataset("folder_data", "semantic").row.name == "FolderDataset"
    assert find_dataset("folder_data", None).row.name == "FolderDataset"
    assert find_dataset("folder_data", "instance").row.name == "CocoFolderDataset"
    assert find_dataset("BandFolderDataset", "semantic").row.name == "BandFolderDataset"


def test_data_when_of_the_other_kind_then_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the config reads pictures"):
        read_config("unet_small_folder-512", data=folder / "data")
    zoo.sample("FolderDataset", tmp_path / "raw", count=8)
    shares, out = (0.6, 0.2, 0.2), tmp_path / "data"
    zoo.prepare("FolderDataset", tmp_path / "raw", out, shares=shares, exact_shares=True)
    with pytest.raises(ConfigError, match="the config reads bands"):
        read_config(CONFIG, data=tmp_path / "data")


def _read(path: Path) -> tuple[Any, Any]:
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions


@pytest.mark.slow
def test_run_when_only_the_fifth_band_tells_then_the_model_learns_it(
    folder: Path, run_zoo: Callable[..., Any]
) -> None:
    """The other four are noise, so three bands could not; other orders and files without names."""
    work_dir = folder / "run"
    zoo.train(CONFIG, data=folder / "data", work_dir=work_dir, max_steps=60, cfg_options=SMALL)
    done = run_zoo("test", work_dir, "--json", plugins=PLUGINS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["mean_dice"] > 0.9

    model = zoo.load(work_dir, task="semantic", device="cpu")
    source = folder / "raw" / "images" / "tile001.tif"
    found = model(source)
    pixels, names = _read(source)
    is_water = pixels[4] < 1750  # half-way between the two
    assert np.mean((found.labels == 1) == is_water) > 0.9
    assert found.shown.shape == (64, 64, 3)
    assert found.meta["bits_per_sample"] == 16

    turned = folder / "turned.tif"
    _write(turned, pixels[::-1], names[::-1])
    assert np.array_equal(model(turned).labels, found.labels)
    _write(turned, pixels, ())
    assert np.array_equal(model(turned).labels, found.labels)
    _write(turned, pixels[:3], ())
    with pytest.raises(DataError, match=r"found 3 of uint16 .* expected 5 bands of uint16"):
        model(turned)


def _write(path: Path, pixels: Any, names: Any) -> None:
    count, height, width = pixels.shape
    size = {"count": count, "height": height, "width": width, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **size) as dataset:
        dataset.write(pixels)
        for number, name in enumerate(names, start=1):
            dataset.set_band_description(number, name)
