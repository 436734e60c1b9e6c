# SPDX-License-Identifier: Apache-2.0
"""The pictures of a page about bands of 32-bit floats, which are no pictures themselves."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from zoo_run_report.report import report

import zoo
from zoo.data import decode_image

rasterio: Any = pytest.importorskip("rasterio")
pytestmark = [pytest.mark.mm, pytest.mark.slow]

PLUGINS = "folder_data,configs,segmentation_metrics,dice_loss,training_hooks"
SMALL = {
    "model.backbone.base_channels": 4,
    "model.decode_head.in_channels": 4,
    "model.decode_head.channels": 4,
    **{f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")},
    **{f"{split}_dataloader.persistent_workers": False for split in ("train", "val", "test")},
}


def test_bands_are_shown_as_the_model_shows_them(
    tmp_path: Path, run_zoo: Callable[..., Any]
) -> None:
    """Each band from two standard deviations below its mean to two above, worked out here."""
    zoo.sample("BandFolderDataset", tmp_path / "raw", count=8, size_px=64)
    for path in (tmp_path / "raw" / "images").iterdir():
        with rasterio.open(path) as dataset:
            profile, samples, names = dataset.profile, dataset.read(), dataset.descriptions
        with rasterio.open(path, "w", **{**profile, "dtype": "float32"}) as dataset:
            dataset.write(samples.astype(np.float32))
            dataset.descriptions = names
    data, run = tmp_path / "data", tmp_path / "run"
    zoo.prepare(
        "BandFolderDataset", tmp_path / "raw", data, shares=(0.5, 0.25, 0.25), exact_shares=True
    )
    zoo.train("unet_small_bands-512", data=data, work_dir=run, max_steps=1, cfg_options=SMALL)
    done = run_zoo("test", run, "--out", run / "test.json", plugins=PLUGINS)
    assert done.returncode == 0, done.stderr

    page = report([run], tmp_path / "r.html", pictures=1).read_text("utf-8")

    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"[^>]*alt="images/(\w+)', page)
    assert len(found) == 4  # the worst and the best, true and predicted
    code, stem = found[0]
    weights = {"red": 0.299, "green": 0.587, "blue": 0.114}  # of brightness, which JPEG keeps best
    shown = decode_image(base64.b64decode(code), stem) @ [*weights.values()]
    with rasterio.open(tmp_path / "raw" / "images" / f"{stem}.tif") as dataset:
        bands = {name: dataset.read(dataset.descriptions.index(name) + 1) for name in weights}
    expected = np.zeros(shown.shape)
    for name, samples in bands.items():
        mean, std = samples[samples != 0].mean(), samples[samples != 0].std()
        expected += weights[name] * ((samples - mean) / (4 * std) + 0.5).clip(0, 1)
    with rasterio.open(data / "masks" / f"{stem}.png") as dataset:
        is_land = np.pad(dataset.read(1) == 0, 1)
    inner = cv2.erode(is_land.astype(np.uint8), np.ones((7, 7)))[1:-1, 1:-1] > 0  # no outlines
    assert np.corrcoef(shown[inner], expected[inner])[0, 1] > 0.9
