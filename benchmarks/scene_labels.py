# SPDX-License-Identifier: Apache-2.0
"""`zoo predict` of a label map on scenes of several sizes: time and peak memory.

    python benchmarks/scene_labels.py [--sides 2000 5000 10000] [--tile-size 512] [--overlap 64]

Each scene is a drawn GeoTIFF with coordinates: fields of noise, and a corner without data. The
network is a U-Net of three levels and 4 to 16 channels with random weights, because only time and
memory are measured. The command runs in a process of its own; its peak is that of the resident
set, with the start. Labels are read back and compared with what `predictions.json` counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zoo  # noqa: F401 - before mmseg: mmcv-lite has no kernels of its own

SIDES = (2000, 5000, 10_000, 20_000)
_ROWS_PX = 512

CONFIG = """
default_scope = 'mmseg'
norm = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[128] * 3, std=[64] * 3, bgr_to_rgb=True,
        size_divisor=4, pad_val=0, seg_pad_val=255, test_cfg=dict(size_divisor=4)),
    backbone=dict(
        type='UNet', base_channels=4, num_stages=3, strides=(1, 1, 1), enc_num_convs=(1, 1, 1),
        dec_num_convs=(1, 1), downsamples=(True, True), enc_dilations=(1, 1, 1),
        dec_dilations=(1, 1), norm_cfg=norm),
    decode_head=dict(
        type='FCNHead', in_channels=4, in_index=2, channels=4, num_convs=0, concat_input=False,
        num_classes=3, norm_cfg=norm),
    test_cfg=dict(mode='whole'))
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', pipeline=test_pipeline,
    metainfo=dict(classes=['ground', 'field', 'house'],
                  palette=[[90, 90, 90], [200, 180, 10], [200, 40, 10]])))
"""


def main() -> None:
    """Draw the scenes, predict each, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--tile-size", default="512")
    parser.add_argument("--overlap", default="64")
    args = parser.parse_args()
    options = ["--tile-size", args.tile_size, "--overlap", args.overlap]
    print("| scene | windows | s | s per megapixel | peak MiB | label file, MiB |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_model(folder)
        for side in args.sides:
            scene = write_scene(folder / f"scene-{side}.tif", side)
            measure(model, scene, folder / f"out-{side}", side, options)
            scene.unlink()


def write_model(folder: Path) -> str:
    """Write a config and untrained weights, and return them as `zoo predict` takes them.

    Args:
        folder: Folder to write to.
    """
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS
    from mmseg.utils import register_all_modules

    config = folder / "tiny_unet.py"
    config.write_text(CONFIG)
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(str(config)).model)
    meta = {"dataset_meta": {"classes": ["ground", "field", "house"]}}
    weights = folder / "tiny_unet.pth"
    torch.save({"state_dict": model.state_dict(), "meta": meta}, weights)
    return f"{config},{weights}"


def write_scene(path: Path, side_px: int) -> Path:
    """Draw a tiled RGB GeoTIFF by rows, and return its path.

    Args:
        path: The file.
        side_px: Its width and height.
    """
    import numpy as np
    import rasterio
    from rasterio.windows import Window

    rng = np.random.default_rng(side_px)
    facts: dict[str, Any] = {"driver": "GTiff", "count": 3, "dtype": "uint8", "nodata": 0}
    facts |= {"width": side_px, "height": side_px, "crs": "EPSG:32631", "photometric": "RGB"}
    facts |= {"transform": rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 5e6), "tiled": True}
    with rasterio.open(path, "w", compress="deflate", zlevel=1, **facts) as dataset:
        for top in range(0, side_px, _ROWS_PX):
            height = min(_ROWS_PX, side_px - top)
            fields = rng.integers(30, 200, (3, -(-height // 64), -(-side_px // 64)), np.uint8)
            rows = fields.repeat(64, axis=1).repeat(64, axis=2)[:, :height, :side_px]
            rows = rows + rng.integers(0, 50, (height, side_px), np.uint8)
            if top < side_px // 10:
                rows[:, :, : side_px // 10] = 0
            dataset.write(rows, window=Window(0, top, side_px, height))
    return path


def measure(model: str, scene: Path, out: Path, side_px: int, options: list[str]) -> None:
    """Predict a scene, check the result, and print a row of the table.

    Args:
        model: What `zoo predict` takes.
        scene: The scene.
        out: The output folder.
        side_px: Width and height of the scene.
        options: More words of the command.
    """
    command = [sys.executable, "-m", "zoo", "predict", model, str(scene), "--out", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"zoo predict ended with {os.waitstatus_to_exitcode(status)}")
    (entry,) = json.loads((out / "predictions.json").read_text())["images"]
    label = out / entry["label"]
    check(label, {name: area["px"] for name, area in entry["areas"].items()}, entry["windows"])
    cells = (f"{side_px}x{side_px}", entry["windows"], f"{seconds:.0f}")
    cells += (f"{seconds / (side_px / 1000) ** 2:.2f}", f"{used.ru_maxrss / 1024:.0f}")
    print("|", " | ".join(map(str, cells)), f"| {label.stat().st_size / 2**20:.1f} |", flush=True)


def check(label: Path, areas: dict[str, int], windows: int) -> None:
    """End with an error if a label raster is not what the JSON says of it.

    Args:
        label: The file.
        areas: Pixels of each class, in the order of the ids.
        windows: Number of processed windows.
    """
    import numpy as np
    import rasterio

    counts = np.zeros(256, np.int64)
    with rasterio.open(label) as dataset:
        if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            sys.exit(f"{label} is no Cloud Optimized GeoTIFF")
        for _, window in dataset.block_windows(1):
            counts += np.bincount(dataset.read(1, window=window).ravel(), minlength=256)
    if counts[: len(areas)].tolist() != list(areas.values()) or windows < 1:
        sys.exit(f"{label} has {counts[: len(areas)].tolist()} pixels, the JSON says {areas}")


if __name__ == "__main__":
    main()
