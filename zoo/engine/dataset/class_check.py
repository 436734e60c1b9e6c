# SPDX-License-Identifier: Apache-2.0
"""Check that the heads, data set and checkpoint of a run have the same classes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zoo.documents import DocumentError, read_file, read_text, reason_of
from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.checkpoints.classes import check_classes
from zoo.engine.config.type_names import find_type
from zoo.engine.config_parts.parts import (
    class_count,
    family_of,
    iterate_heads,
    iterate_leaves,
    iterate_panoptic_heads,
)
from zoo.engine.config_parts.tree import iterate_dicts
from zoo.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["COUNT_OTHERWISE", "check_run_classes", "dataset_classes", "dataset_palette"]

# Models with one of these get their classes as text, or split them into things and stuff.
COUNT_OTHERWISE = frozenset(
    {"language_model", "text_encoder", "semantic_head", "panoptic_fusion_head"}
)


def check_run_classes(config: Config, loader: str, *, transfer: bool = False) -> None:
    """Raise if the classes of heads, data set and ``load_from`` differ.

    Unknown classes agree with everything. Training may start from weights with more or fewer
    classes: layers that depend on their number are initialized randomly. With the same number,
    layers would be loaded although they mean other classes, so other names are refused.

    Args:
        config: The whole config, ``load_from`` set.
        loader: Key of the data loader.
        transfer: Whether to ignore the classes of ``load_from``, which is only a start.

    Raises:
        ConfigError: A head counts other classes than the data set has, or a semantic model is to
            learn one class alone.
        CheckpointError: The checkpoint was trained on other classes, or cannot be read.
    """
    dataset = config[loader]["dataset"]
    classes = dataset_classes(config, dataset)
    if loader == "train_dataloader" and classes is not None and len(classes) == 1:
        _check_one_class(config, classes[0])
    if classes is not None:
        _check_heads(config, classes, f"{loader}.dataset")
    weights = config.get("load_from")
    if weights and not (transfer and not config.get("resume")):
        checkpoint = load_checkpoint(weights)
        starts = loader == "train_dataloader" and not config.get("resume")
        if starts and checkpoint.classes and classes and len(checkpoint.classes) != len(classes):
            return
        try:
            check_classes(checkpoint.classes, None, classes, where=weights)
        except CheckpointError as error:
            if starts:
                error.hint = f"to start from these weights anyway: --pretrained {weights}."
            raise


def _check_heads(config: Config, classes: tuple[str, ...], dataset: str) -> None:
    if COUNT_OTHERWISE.isdisjoint(config.model):
        for key, head in iterate_heads(config.model):
            _check_head(head["num_classes"], classes, f"{key}.num_classes", dataset)
    for key, head in iterate_panoptic_heads(config.model):
        _check_head(class_count(head), classes, f"{key}.num_things_classes", dataset)


def dataset_classes(config: Config, dataset: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the class names of a data set's config, wrapped or not, if known.

    Its metainfo decides, else the ``METAINFO`` of its class; both without building it.

    Args:
        config: The whole config, for its default scope.
        dataset: The data set's config.
    """
    named = _meta_of(config, dataset, "classes")
    if isinstance(named, str):
        # A string is a file with one name per line, as mmengine reads it.
        return _read_names(named) if os.path.isfile(named) else (named,)
    return None if named is None else tuple(str(name) for name in named)


def dataset_palette(config: Config, dataset: dict[str, Any]) -> Any:
    """Return the colours of the classes of a data set's config as it states them, or None.

    Its metainfo decides, else the ``METAINFO`` of its class; both without building it.

    Args:
        config: The whole config, for its default scope.
        dataset: The data set's config.
    """
    return _meta_of(config, dataset, "palette")


def _meta_of(config: Config, dataset: dict[str, Any], key: str) -> Any:
    _, leaf = next(iterate_leaves(dataset, "dataset"))
    stated = (leaf.get("metainfo") or {}).get(key)
    if stated is None:
        kind, scope = leaf.get("type"), str(config.get("default_scope") or "mmengine")
        cls = find_type("DATASETS", scope, kind) if isinstance(kind, str) else kind
        stated = (getattr(cls, "METAINFO", None) or {}).get(key)
    return stated


def _read_names(path: str) -> tuple[str, ...]:
    try:
        return tuple(read_text(read_file(path, 2**20)).splitlines())
    except (OSError, DocumentError) as error:
        message = f"cannot read the names of the classes in {path!r}: {reason_of(error)}."
        hint = "give a text file with one name per line."
        raise ConfigError(message, where=path, hint=hint) from error


def _check_one_class(config: Config, name: str) -> None:
    """Raise if a semantic model has only one class, because then every pixel has that class."""
    if family_of(config._cfg_dict) != "semantic":
        return
    losses = [
        loss
        for key in ("decode_head", "auxiliary_head")
        for _, loss in iterate_dicts(config.model.get(key))
        if "Loss" in str(loss.get("type"))
    ]
    if losses and all(loss.get("use_sigmoid") for loss in losses):
        return
    message = f"cannot train on the one class {name!r}: a softmax over one channel is 1 "
    message += "everywhere, expected at least two classes."
    hint = "prepare the data with the background as a class of its own, not ignored; one output "
    hint += "channel can separate the two with out_channels=1 and use_sigmoid=True."
    raise ConfigError(message, where="train_dataloader.dataset.metainfo.classes", hint=hint)


def _check_head(count: Any, classes: tuple[str, ...], key: str, dataset: str) -> None:
    if not isinstance(count, int) or count == len(classes):
        return
    shown = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    message = f"classes differ: the config's {key} is {count}, "
    message += f"the data set has {len(classes)} ({shown})."
    hint = f"--cfg-options {key}={len(classes)}; --data DIR sets it automatically."
    if key.endswith("num_things_classes"):
        message = message.replace(f"is {count}", f"and num_stuff_classes make {count}")
        stuff = key.replace("things", "stuff")
        hint = f"--cfg-options {key}={len(classes)} {stuff}=0; --data DIR sets them automatically."
    raise ConfigError(message, where=f"{key} and {dataset}", hint=hint)
