# SPDX-License-Identifier: Apache-2.0
"""``--data DIR``: a prepared folder sets the data to read and the heads' number of classes."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.config.bands import bind_bands
from zoo.engine.config.evaluators import bind_evaluator
from zoo.engine.config_parts.class_counts import set_class_counts
from zoo.engine.config_parts.data_sets import check_task, files_of, rebind
from zoo.engine.config_parts.parts import iterate_leaves, loaders_of
from zoo.engine.config_parts.tree import iterate_dicts
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.data import Prepared

__all__ = ["bind_data", "root_without_training"]

_LOG = logging.getLogger("zoo")

_SPLITS = ("train", "val", "test")


def bind_data(config: dict[str, Any], data: Path) -> None:
    """Point a config at a prepared folder, in place.

    Sets type, root, split, folders and metainfo of the data set in every data loader (named
    ``<split>_dataloader`` or, for hooks, ``<split>_..._dataloader``), also inside wrappers (a
    ConcatDataset keeps its first), the COCO JSON of every metric that uses one, and the number of
    classes of every head, with the class weights and output channels that depend on it; and what
    depends on the bands of the data, see `zoo.engine.config.bands.bind_bands`.

    Args:
        config: The whole config; every part that is set becomes a copy.
        data: A folder that ``zoo data prepare`` wrote.

    Raises:
        DataError: The folder is not a prepared one.
        ConfigError: The config is of another task than the data, needs panoptic data, has no data
            loader, or reads other bands.
    """
    from zoo.data import read_prepared

    prepared = read_prepared(data)
    check_task(config, prepared.task, where=prepared.root)
    _drop_empty_splits(config, prepared)
    bound = [(key, split) for split in _SPLITS for key in loaders_of(config, split)]
    if not bound:
        message = f"cannot use --data {str(data)!r}: the config has no train_dataloader, "
        message += "val_dataloader or test_dataloader."
        raise ConfigError(message, hint="give a trainable config; see `zoo config list`.")
    for key, split in bound:
        # One dict often stands under two keys (test_dataloader = val_dataloader).
        config[key] = copy.deepcopy(config[key])
        if prepared.task == "instance":
            _check_no_maps(config[key], key)
        rebind(config[key]["dataset"], _dataset_config(prepared, split), prepared.task)
    if prepared.task == "instance":
        for split in ("val", "test"):
            bind_evaluator(config, f"{split}_evaluator", prepared.annotations_path(split))
    set_class_counts(config.get("model", {}), len(prepared.classes))
    bind_bands(config, prepared)


def _drop_empty_splits(config: dict[str, Any], prepared: Prepared) -> None:
    """Remove training, validation or test from a config whose data has no images for it."""
    for split in _SPLITS:
        loaders = loaders_of(config, split)
        if not prepared.splits[split].count and loaders:
            parts = () if split == "train" else (f"{split}_evaluator", f"{split}_cfg")
            for key in (*loaders, *parts):
                config[key] = None
            _LOG.warning("no %s: that split of %s is empty", split, prepared.root)
    checkpoint = (config.get("default_hooks") or {}).get("checkpoint")
    if config.get("val_dataloader") is None and checkpoint:
        # Nothing is measured, so there is no best checkpoint.
        checkpoint.pop("save_best", None)


def root_without_training(config: Mapping[str, Any]) -> Path | None:
    """Return the prepared folder of a config's data if it has nothing to train on, else None.

    Args:
        config: The whole config, bound to a folder.
    """
    from zoo.data import read_prepared
    from zoo.data.layout.dataset_json import is_prepared

    for key in ("val_dataloader", "test_dataloader"):
        for _, leaf in iterate_leaves((config.get(key) or {}).get("dataset") or {}, ""):
            root = leaf.get("data_root")
            if not root or not is_prepared(Path(root)):
                continue
            if not read_prepared(Path(root)).splits["train"].count:
                return Path(root)
    return None


def _check_no_maps(loader: dict[str, Any], key: str) -> None:
    """Raise if a pipeline needs a semantic map of each image, as for panoptic models."""
    for place, node in iterate_dicts(loader, key):
        kind = str(node.get("type", "")).rpartition(".")[2]
        if node.get("with_seg", kind == "LoadPanopticAnnotations"):
            message = "cannot use instance data: the config also needs a semantic map of each "
            message += f"image ({kind})."
            hint = "use that model's instance config, without 'panoptic' in its name."
            raise ConfigError(message, where=place, hint=hint)


def _dataset_config(prepared: Prepared, split: str) -> dict[str, Any]:
    return {
        "type": prepared.type,
        "data_root": str(Path(prepared.root).absolute()),
        **files_of(prepared.task, split),
        "metainfo": {
            "classes": list(prepared.classes),
            "palette": [list(colour) for colour in prepared.palette],
        },
    }
