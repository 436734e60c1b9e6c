# SPDX-License-Identifier: Apache-2.0
"""Check that a config lists its classes in the order of its COCO JSON, from which mmdet takes ids.

mmdet takes the JSON's categories that the config names, in the JSON's order, and numbers them from
0. So with another order or a misspelt name in the config, objects get the names of other classes,
and nothing fails.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.coco.reading import LIMITS
from zoo.documents import read_json
from zoo.engine.config.type_names import find_type
from zoo.engine.config_parts.parts import iterate_leaves, iterate_metrics
from zoo.engine.dataset.class_check import dataset_classes
from zoo.errors import ConfigError, DataError
from zoo.names import near_names

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["check_class_order", "check_names"]

_SHOWN = 10


def check_class_order(config: Config, splits: Sequence[str]) -> None:
    """Raise if a data set's classes are not its COCO JSON's, by name and in the same order.

    Applies to data sets that read COCO JSON as mmdet's own does, and to the metrics that compare
    with such a file. A config may leave categories of the JSON out; the JSON may lack the last ones
    of the config. Missing files are skipped: their reader reports them.

    Args:
        config: The whole config.
        splits: Of ``train``, ``val`` and ``test``.

    Raises:
        ConfigError: Names both lists.
        DataError: A JSON cannot be read.
    """
    read: dict[Path, list[str]] = {}
    for split in splits:
        for key, path, classes in _named_files(config, split):
            if path.suffix == ".json" and path.is_file():
                if path not in read:
                    read[path] = _categories(path)
                check_names(classes, read[path], f"{key} and {path}")


def check_names(classes: Sequence[str], names: Sequence[str], where: str) -> None:
    """Raise unless a config's classes and a JSON's categories give every object its own name.

    Args:
        classes: Classes of the config, by id.
        names: Names of the JSON's categories, in its order.
        where: The key and the file, for the message.

    Raises:
        ConfigError: Names both lists.
    """
    taken = [name for name in names if name in classes]
    lacks = [name for name in classes if name not in names]
    spare = [name for name in names if name not in classes]
    is_ordered = taken == list(classes[: len(taken)])
    if taken and is_ordered and not (lacks and spare):
        return
    ours, theirs = _shown(classes), _shown(names)
    if not taken:
        what = "none of the config's classes is a category of the JSON"
    elif lacks and spare:
        what = f"the config's class {lacks[0]!r} is not a category of the JSON"
    elif len(set(taken)) < len(taken):
        what = "two categories of the JSON have the same name"
    else:
        what = "the config's classes are in another order than the JSON's, and order gives the ids"
    message = f"classes differ: {what}; the config has ({ours}), the JSON has ({theirs})."
    raise ConfigError(message, where=where, hint=_hint(lacks, spare, [*taken, *lacks]))


def _hint(lacks: Sequence[str], spare: Sequence[str], ordered: Sequence[str]) -> str:
    near = near_names(lacks[0], spare) if lacks and spare else ()
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    wanted = list(spare) if lacks and spare else list(dict.fromkeys(ordered))
    if not wanted:
        return "give the file whose categories are these classes."
    shown = ", ".join(map(repr, wanted[:_SHOWN])) + (", ..." if len(wanted) > _SHOWN else "")
    return f"list the JSON's names in its order: metainfo=dict(classes=[{shown}]) in each data set."


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _named_files(config: Config, split: str) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    """Yield (dotted key, JSON, classes) of a split's data sets and metrics."""
    key = f"{split}_dataloader"
    dataset = (config.get(key) or {}).get("dataset")
    if not isinstance(dataset, dict):
        return
    first: tuple[str, ...] = ()
    for place, leaf in iterate_leaves(dataset, f"{key}.dataset"):
        classes = dataset_classes(config, leaf)
        if classes and leaf.get("ann_file") and _reads_coco(config, leaf.get("type")):
            first = first or classes
            root = leaf.get("data_root") or ""
            yield f"{place}.metainfo.classes", Path(os.path.join(root, leaf["ann_file"])), classes
    evaluator = config.get(f"{split}_evaluator")
    for place, metric in iterate_metrics(evaluator, f"{split}_evaluator") if first else ():
        if metric.get("ann_file"):
            yield f"{place}.ann_file", Path(metric["ann_file"]), first


def _reads_coco(config: Config, kind: Any) -> bool:
    scope = str(config.get("default_scope") or "mmengine")
    cls: Any = find_type("DATASETS", scope, kind) if isinstance(kind, str) else kind
    from mmdet.datasets import CocoDataset

    is_coco = inspect.isclass(cls) and issubclass(cls, CocoDataset)
    load: Any = cls.load_data_list if is_coco else None
    # Those of mmdet's that read in a way of their own (LVIS, Objects365) order classes by it, too.
    return load is not None and (
        load is CocoDataset.load_data_list or not load.__module__.startswith("mmdet.")
    )


def _categories(path: Path) -> list[str]:
    try:
        rows = read_json(path, LIMITS)["categories"]
        return [str(row["name"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"cannot use the annotations {path.name!r}: they have no list of categories with "
        message += "names, expected a COCO JSON."
        raise DataError(message, path=path, hint="export the file again as COCO JSON.") from error
