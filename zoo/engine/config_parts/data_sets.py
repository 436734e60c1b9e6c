# SPDX-License-Identifier: Apache-2.0
"""Exchange the data set of a config's loaders for one that lies as ``zoo data prepare`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.engine.config_parts.parts import family_of, iterate_leaves
from zoo.engine.config_parts.tree import iterate_dicts
from zoo.errors import ConfigError

__all__ = ["check_task", "count_from_zero", "files_of", "rebind"]

# Keys that a data set keeps when its data changes; all others concern the old files.
_KEPT = ("pipeline", "indices", "serialize_data", "lazy_init", "max_refetch", "_scope_")
# filter_cfg concerns sizes, and test_mode whether images without instances count.
_KEPT_OF_INSTANCES = ("filter_cfg", "test_mode", "return_classes")


def check_task(config: dict[str, Any], task: str, *, where: str | Path) -> None:
    """Raise unless a config's model is for the task of its data.

    Args:
        config: The whole config; one without a model fits any data.
        task: ``semantic`` or ``instance``.
        where: The data, for the message.

    Raises:
        ConfigError: The model is of the other family.
    """
    family = family_of(config)
    if family is not None and family != task:
        message = f"cannot use {task} data with a model for {family} segmentation."
        hint = f"give data for its task, or a config for {task} data (`zoo config list`)."
        raise ConfigError(message, where=where, hint=hint)


def files_of(task: str, split: str) -> dict[str, Any]:
    """Return the keys that say where the files of a split lie in a prepared folder.

    Args:
        task: ``semantic`` or ``instance``.
        split: ``train``, ``val`` or ``test``.
    """
    if task == "instance":
        return {"ann_file": f"annotations/{split}.json", "data_prefix": {"img": "images"}}
    return {
        "ann_file": f"splits/{split}.txt",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
    }


def rebind(dataset: dict[str, Any], values: Mapping[str, Any], task: str) -> None:
    """Exchange a data set, also inside wrappers, in place; its pipeline stays.

    Args:
        dataset: A loader's data set; a ConcatDataset keeps its first.
        values: Type, root and files of the new data set.
        task: ``semantic`` or ``instance``.
    """
    _drop_all_but_first(dataset)
    for _, leaf in iterate_leaves(dataset, "dataset"):
        names = _KEPT + (_KEPT_OF_INSTANCES if task == "instance" else ())
        kept = {key: leaf[key] for key in names if key in leaf}
        leaf.clear()
        leaf.update(values, **kept)
    count_from_zero(dataset)


def count_from_zero(node: Any) -> None:
    """Let pipelines take ids as they are, in place: prepared masks count from 0.

    Args:
        node: A part of a config, or the whole.
    """
    for _, part in iterate_dicts(node):
        if str(part.get("type", "")).rpartition(".")[2] == "LoadAnnotations":
            part.pop("reduce_zero_label", None)


def _drop_all_but_first(dataset: dict[str, Any]) -> None:
    if isinstance(dataset.get("datasets"), (list, tuple)):
        dataset["datasets"] = list(dataset["datasets"][:1])
    for key in ("dataset", "datasets"):
        for inner in (
            [dataset[key]] if key == "dataset" and key in dataset else dataset.get(key, [])
        ):
            _drop_all_but_first(inner)
