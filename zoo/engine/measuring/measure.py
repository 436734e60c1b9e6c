# SPDX-License-Identifier: Apache-2.0
"""``zoo.measure``: the metrics of a published model on a prepared folder, as numbers."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from zoo.engine.patching import exchanged
from zoo.engine.prediction.model_files import find_model_files
from zoo.errors import CheckpointError

__all__ = ["measure"]


def measure(
    model: str | Path,
    data: str | Path,
    *,
    split: str = "test",
    tiles: bool | None = None,
    device: str = "auto",
) -> dict[str, float]:
    """Return the metrics of a model on one split of a prepared folder, as ``zoo test`` does.

    Nothing is printed but a few lines on stderr, and nothing is left on the disk.

    Args:
        model: A weights name, or a work dir of training. Weights are downloaded if necessary.
        data: A folder that ``zoo data prepare`` wrote.
        split: ``train``, ``val`` or ``test``.
        tiles: True to process images through the config's windows, False as a whole; None for what
            ``zoo predict`` does.
        device: ``cpu``, ``cuda`` or ``cuda:1``; ``auto`` for a GPU if there is one.

    Returns:
        Name -> value, in the units of the metrics (mmseg's are percent). A metric without anything
        to measure is NaN, or -1 of COCO's.

    Raises:
        UnknownNameError: No weights have that name.
        DownloadError: They cannot be downloaded.
        CheckpointError: They cannot be read, do not fit the data's classes, or have no config.
        ConfigError: Their config cannot be built, or has no such split.
        DataError: The folder is not a prepared one, or the split is empty.

    Example:
        >>> metrics = zoo.measure("unet_lung_montgomery", "data/montgomery")  # doctest: +SKIP
        >>> metrics["dice_lung"]  # doctest: +SKIP
        0.9738
    """
    from zoo.engine.config.reading import read_config
    from zoo.engine.measuring.test import test
    from zoo.engine.runs.report import showing_run

    with (
        showing_run(verbose=False) as report,
        tempfile.TemporaryDirectory(prefix="zoo-measure-") as folder,
    ):
        files = find_model_files(str(model))
        config = files.config or files.trained_with
        if config is None:
            message = f"cannot measure {str(model)!r}: its file names no config."
            hint = "name weights or a work dir."
            raise CheckpointError(message, path=files.checkpoint, hint=hint)
        resolved = read_config(config, data=data, pretrained="none", work_dir=folder)
        with _on(device):
            found = test(resolved, files.checkpoint, split=split, tiles=tiles, hooks=[report])
    return {name: float(value) for name, value in found.items()}


def _on(device: str) -> AbstractContextManager[Any]:
    """Let mmengine's runner use one device; it has no option for it."""
    if device == "auto":
        return nullcontext()
    from mmengine.runner import runner

    return exchanged(runner, get_device=lambda: device)
