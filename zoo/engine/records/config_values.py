# SPDX-License-Identifier: Apache-2.0
"""What a record holds of a config: plain values, without what only training needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError, ZooError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["plain_parts", "record_parts", "short"]

# What only training needs. A loss from a plugin would make prediction need that plugin.
_TRAINING_KEYS = ("init_cfg", "pretrained", "loss_name")
# Spelt out by some configs, and what the class does without; a record may not name a class so.
_DEFAULTS = (("resize_type", "Resize"),)
# Where the publisher's files lie, and through what they are opened: zoo decodes them by itself.
_PLACE_KEYS = ("backend_args", "file_client_args", "imdecode_backend")


def record_parts(config: Config) -> tuple[str, dict[str, Any], list[Any]]:
    """Return the scope, the model and the pipeline for a config's record.

    Args:
        config: As `read_config` returns it.

    Raises:
        CheckpointError: The config has no test pipeline, or a value that is not plain.
    """
    scope = str(config.get("default_scope") or "mmengine")
    model = _plain(config.model, "model", scope, scope)
    if "train_cfg" in model:
        model["train_cfg"] = None  # mmdet's detectors ask for it by name
    pipeline = _plain(_test_pipeline(config), "test_dataloader.dataset.pipeline", scope, scope)
    return scope, model, pipeline


def plain_parts(node: Any, scope: str) -> Any:
    """Return a part of a config in the form of a record.

    Args:
        node: A dict, a list or a value of a config.
        scope: ``mmseg``, ``mmdet``, ...; for types that name none.
    """
    return _plain(node, "model", scope, scope)


def _test_pipeline(config: Config) -> Any:
    # As a config without a test part is tested: as it is validated.
    loader = config.get("test_dataloader") or config.get("val_dataloader") or {}
    node: Any = loader.get("dataset") or {}
    while "pipeline" not in node and ("dataset" in node or node.get("datasets")):
        node = node["dataset"] if "dataset" in node else node["datasets"][0]
    pipeline = node.get("pipeline") or config.get("test_pipeline")
    if not pipeline:
        msg = (
            "cannot describe the model: the config has no test pipeline, so it cannot read images."
        )
        where = "test_dataloader.dataset.pipeline"
        raise CheckpointError(msg, path=where, hint="give the config a test_dataloader.")
    return pipeline


def _plain(node: Any, key: str, scope: str, default: str) -> Any:
    """Return a config's part as JSON values and tuples, resolved and without training's keys."""
    if isinstance(node, Mapping) and all(isinstance(name, str) for name in node):
        scope = node.get("_scope_") or scope
        return {
            name: _typed(value, scope, default)
            if name == "type"
            else _plain(value, f"{key}.{name}", scope, default)
            for name, value in node.items()
            if name not in (*_TRAINING_KEYS, *_PLACE_KEYS, "_scope_")
            and (name, value) not in _DEFAULTS
            and not _is_plugin_loss(name, value)
        }
    if isinstance(node, (list, tuple)):
        parts = [_plain(one, f"{key}[{number}]", scope, default) for number, one in enumerate(node)]
        return tuple(parts) if isinstance(node, tuple) else parts
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    msg = f"cannot describe the model: {key} is {short(node)}, expected plain values."
    raise CheckpointError(
        msg, path=key, hint="write types as strings, and do not use objects or functions."
    )


def _typed(kind: Any, scope: str, default: str) -> str:
    if not isinstance(kind, str):
        msg = f"cannot describe the model: a type is {short(kind)}, expected a string."
        raise CheckpointError(msg, hint="write types as strings: type='mmseg.FCNHead'.")
    from zoo.engine.records.forms import is_registered_in

    if "." not in kind and scope != default and is_registered_in(kind, scope):
        return f"{scope}.{kind}"
    return kind


def _is_plugin_loss(name: str, value: Any) -> bool:
    rows = value if isinstance(value, (list, tuple)) else [value]
    kinds = (row.get("type") for row in rows if isinstance(row, Mapping))
    return name.startswith("loss_") and any(_is_listed_as_loss(str(kind)) for kind in kinds)


def _is_listed_as_loss(kind: str) -> bool:
    """Return whether a plugin has a type as a loss, not as a model that shapes its head."""
    if not kind.startswith("zoo."):
        return False
    from zoo.catalog import read_catalog

    try:
        return read_catalog().registered("MODELS", kind.removeprefix("zoo.")).row.kind == "loss"
    except ZooError:
        return True  # a plugin that is missing now: its loss is not needed


def short(value: Any) -> str:
    """Return a value for a message, cut after 60 characters.

    Args:
        value: Any value of a config or a record.
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
