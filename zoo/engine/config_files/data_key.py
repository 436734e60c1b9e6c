# SPDX-License-Identifier: Apache-2.0
"""``_data_ = "zoo.ponds.PondDataset"``: a config's bases read the data set of a plugin's row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from zoo.engine.config_parts.class_counts import set_class_counts
from zoo.engine.config_parts.data_sets import check_task, count_from_zero, files_of, rebind
from zoo.engine.config_parts.parts import iterate_metrics, loaders_of
from zoo.errors import ConfigError, ZooError
from zoo.texts import shown

if TYPE_CHECKING:
    from zoo.manifest.rows import DatasetRow

__all__ = ["DATA", "bind_data_set"]

DATA = "_data_"
"""The key that names the data set of a config."""

_SPLITS = ("train", "val", "test")
_KEYS = ("type", "data_root")
_ZOO = "zoo."


def bind_data_set(config: dict[str, Any], value: Any) -> None:
    """Exchange the data set of a config for that of a row, in place.

    Sets type, root and files of the data set in every data loader, as ``zoo data prepare`` writes
    them, the COCO JSON of every metric that names one, and, if the row states the classes, the
    number of classes of every head. Variables ``dataset_type`` and ``data_root`` follow.

    Args:
        config: The merged bases of a config.
        value: The type, ``zoo.<plugin>.<Name>``, or a dict of ``type`` and ``data_root``, where the
            data lies; ``data/<plugin>`` if it is not given.

    Raises:
        UnknownNameError: No plugin has that data set.
        ConfigError: It is not in that form, the bases have no data loader, or their model is for
            another task.
    """
    from zoo.catalog import read_catalog

    kind, root = _read(value)
    try:
        found = read_catalog().find("dataset", kind)
    except ZooError as error:
        error.where = error.where or DATA
        raise
    row = cast("DatasetRow", found.row)
    root = root or f"data/{found.record.name}"
    check_task(config, row.task, where=DATA)
    bound = [(key, split) for split in _SPLITS for key in loaders_of(config, split)]
    if not bound:
        message = f"cannot use {DATA}: the bases have no train_dataloader, val_dataloader or "
        message += "test_dataloader."
        hint = "add a base with data loaders; `zoo config list --bases` shows them."
        raise ConfigError(message, where=DATA, hint=hint)
    for key, split in bound:
        files = {} if row.prepare is None else files_of(row.task, split)
        rebind(config[key]["dataset"], {"type": found.type, "data_root": root, **files}, row.task)
    if row.task == "instance" and row.prepare is not None:
        _set_annotations(config, root)
    if not isinstance(row.classes, str):
        set_class_counts(config.get("model", {}), len(row.classes))
    # In variables too, which loaders share as long as they are equal.
    count_from_zero(config)
    own = {"dataset_type": found.type, "data_root": root}
    config.update({key: text for key, text in own.items() if key in config})


def _read(value: Any) -> tuple[str, str | None]:
    given = {"type": value} if isinstance(value, str) else value
    is_known = isinstance(given, Mapping) and "type" in given and set(given) <= set(_KEYS)
    is_text = is_known and all(isinstance(text, str) for text in given.values())
    if not is_text or not given["type"].startswith(_ZOO):
        message = f"cannot use {DATA}: it is {shown(value)}, expected the type of a plugin's data "
        message += "set, or a dict of type and data_root."
        raise ConfigError(message, where=DATA, hint='write _data_ = "zoo.<plugin>.<Name>".')
    return given["type"], given.get("data_root")


def _set_annotations(config: dict[str, Any], root: str) -> None:
    for split in ("val", "test"):
        key = f"{split}_evaluator"
        for _, metric in iterate_metrics(config.get(key), key):
            if "ann_file" in metric:
                metric["ann_file"] = f"{root}/{files_of('instance', split)['ann_file']}"
