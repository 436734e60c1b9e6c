# SPDX-License-Identifier: Apache-2.0
"""The number of steps of an epoch: the images that the training data set keeps, by batch size."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from zoo.engine.config.data_roots import check_data_roots
from zoo.engine.config.type_names import check_type_names
from zoo.engine.config.values import check_counts
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["count_epoch_steps"]


def count_epoch_steps(config: Config, scope: str, *, processes: int = 1) -> int:
    """Return the steps of one pass over a config's training data, which is built for it.

    The data set counts as used in training: without what its filters drop, and with what a
    ``RepeatDataset`` repeats.

    Args:
        config: The whole config for training.
        scope: The default scope of its types.
        processes: Number of processes that train together; each has its own batches.

    Returns:
        Steps, at least 1; the last one may hold fewer images.

    Raises:
        ConfigError: It has no training data, or names a type that no registry has.
        DataError: The data is missing, or has no images.
    """
    from mmengine.registry import DATASETS, init_default_scope

    loader = config.get("train_dataloader")
    if not loader:
        message = "cannot count the steps of an epoch: the config has no train_dataloader."
        raise ConfigError(message, where=config.filename, hint="give a trainable config.")
    config = copy.deepcopy(config)
    config.setdefault("default_scope", scope)
    check_counts(config)
    check_type_names(config)
    check_data_roots(config, ("train",))
    if loader.get("num_batch_per_epoch"):
        return int(loader["num_batch_per_epoch"])
    init_default_scope(config.default_scope)
    images = len(DATASETS.build(config.train_dataloader["dataset"]))
    if not images:
        message = "cannot train: the data set of train_dataloader is empty."
        hint = "check its data_root, ann_file and filters."
        raise DataError(message, where="train_dataloader.dataset", hint=hint)
    batches: float = math.ceil(images / processes) / loader.get("batch_size", 1)
    return max(1, math.floor(batches) if loader.get("drop_last") else math.ceil(batches))
