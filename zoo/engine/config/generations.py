# SPDX-License-Identifier: Apache-2.0
"""Recognize configs from before mmengine (mmseg 0.x, mmdet 2.x) by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, ZooError

__all__ = ["check_generation"]

# Source: mmsegmentation 1.x docs/en/migration/interface.md, mmdetection 3.x docs/en/migration.
_MOVED = {
    "data": "train_dataloader, val_dataloader and test_dataloader",
    "runner": "train_cfg, val_cfg and test_cfg",
    "total_epochs": "train_cfg.max_epochs",
    "optimizer": "optim_wrapper.optimizer",
    "optimizer_config": "optim_wrapper.clip_grad",
    "lr_config": "param_scheduler",
    "momentum_config": "param_scheduler",
    "evaluation": "val_evaluator and train_cfg.val_interval",
    "checkpoint_config": "default_hooks.checkpoint",
    "log_config": "default_hooks.logger and visualizer",
    "img_norm_cfg": "model.data_preprocessor",
    "dist_params": "env_cfg.dist_cfg",
    "cudnn_benchmark": "env_cfg.cudnn_benchmark",
    "resume_from": "load_from with resume=True",
    "workflow": "nothing, remove it",
}
_COMMAND = "migrate"
# Only configs of mmengine's generation have any of these; they may keep stray old keys.
_NEW = (
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "optim_wrapper",
    "val_evaluator",
    "test_evaluator",
)


def check_generation(config: Mapping[str, Any], where: str | Path) -> None:
    """Raise if a config is written for mmseg 0.x or mmdet 2.x.

    Args:
        config: The whole config, resolved.
        where: The file, for the message.

    Raises:
        ConfigError: Names each old key and where its content belongs today.
    """
    data = config.get("data")
    has_old_data = isinstance(data, Mapping) and not {"samples_per_gpu", "train"}.isdisjoint(data)
    if not has_old_data and any(key in config for key in _NEW):
        return
    found = [key for key in _MOVED if key in config]
    if not found:
        return
    found += _old_model_keys(config.get("model"))
    message = (
        f"cannot use an old-generation config (mmseg 0.x, mmdet 2.x): it has the keys "
        f"{', '.join(map(repr, found))}, expected mmengine's."
    )
    raise ConfigError(message, where=where, hint=_hint(found, where))


def _hint(found: list[str], where: str | Path) -> str:
    """Name the command that rewrites it, if a plugin has one; else where each key moved."""
    from zoo.catalog import read_catalog

    try:
        read_catalog().find("command", _COMMAND)
    except ZooError:
        moves = "; ".join(f"{key} -> {_MOVED.get(key, 'model.data_preprocessor')}" for key in found)
        return f"use the config of that name from mmseg 1.x or mmdet 3.x, or move {moves}."
    return f"`zoo {_COMMAND} {where} --out DIR` rewrites it."


def _old_model_keys(model: object) -> list[str]:
    """Return 'model without data_preprocessor' as a key of its own, if that is the case."""
    if isinstance(model, Mapping) and "type" in model and "data_preprocessor" not in model:
        return ["model without data_preprocessor"]
    return []
