# SPDX-License-Identifier: Apache-2.0
"""A whole config: every key of the old one is carried, dropped for a reason, or noted as lost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import ConfigError
from zoo_openmmlab_migration.configs.data import migrate_data
from zoo_openmmlab_migration.configs.evaluation import migrate_evaluation
from zoo_openmmlab_migration.configs.model import migrate_model
from zoo_openmmlab_migration.configs.optimizer import migrate_loops, migrate_optimizer
from zoo_openmmlab_migration.configs.runtime import migrate_hooks, migrate_runtime
from zoo_openmmlab_migration.configs.schedule import migrate_schedule
from zoo_openmmlab_migration.configs.work import Work, find_family
from zoo_openmmlab_migration.ledger import Ledger
from zoo_openmmlab_migration.reading.files import OldConfig

__all__ = ["MigratedConfig", "is_new", "migrate_config"]

_OLD: tuple[str, ...] = (
    "data",
    "runner",
    "total_epochs",
    "optimizer",
    "optimizer_config",
    "lr_config",
)
_OLD += ("evaluation", "checkpoint_config", "log_config", "img_norm_cfg", "workflow")
_NEW = ("train_dataloader", "val_dataloader", "test_dataloader", "optim_wrapper", "val_evaluator")
_STEPS: Mapping[str, Callable[[Work], None]] = {
    "runner": migrate_loops,
    "optimizer": migrate_optimizer,
    "lr_config": migrate_schedule,
    "data": migrate_data,
    "model": migrate_model,
    "custom_hooks": migrate_hooks,
    "log_config": migrate_runtime,
    "evaluation": migrate_evaluation,
}
_ORDER = (
    *("default_scope", "custom_imports", "model"),
    *("train_dataloader", "val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator"),
    *("tta_pipeline", "tta_model"),
    *("train_cfg", "val_cfg", "test_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr"),
    *("default_hooks", "custom_hooks", "visualizer", "log_processor", "log_level"),
    *("env_cfg", "randomness", "load_from", "resume", "work_dir", "find_unused_parameters"),
)


@dataclass(frozen=True, slots=True)
class MigratedConfig:
    """A config of the new generation.

    Attributes:
        family: ``mmseg`` or ``mmdet``.
        values: Its keys, in the order in which they are written.
        ledger: What became of each old key.
    """

    family: str
    values: dict[str, Any]
    ledger: Ledger


def is_new(values: Mapping[str, Any]) -> bool:
    """Return whether a config is of mmengine's generation already.

    Args:
        values: Its keys.
    """
    return any(key in values for key in _NEW) and not any(
        key in values for key in ("data", "runner", "lr_config")
    )


def migrate_config(old: OldConfig) -> MigratedConfig:
    """Rewrite an old config.

    Args:
        old: What was read.

    Raises:
        ConfigError: It is of the new generation already, or has no key of either.
    """
    values = copy.deepcopy(old.values)
    _check_old(old, values)
    work = Work(find_family(values), values)
    work.new["default_scope"] = work.family
    for keys, step in _STEPS.items():
        _take_step(old, work, keys, step)
    _keep_rest(work, old.used)
    _check_loops(work)
    ordered = {key: work.new[key] for key in (*_ORDER, *work.new) if key in work.new}
    return MigratedConfig(work.family, ordered, work.ledger)


def _take_step(old: OldConfig, work: Work, keys: str, step: Callable[[Work], None]) -> None:
    try:
        step(work)
    except RecursionError as error:
        message = f"cannot migrate {old.path.name!r}: it is nested too deep."
        raise ConfigError(message, where=old.path, hint="nest less.") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # Values of another kind than mmcv 1.x took; it would have failed on them, too.
        message = f"cannot migrate {old.path.name!r}: {keys} holds other values than "
        message += "mmcv 1.x takes."
        hint = f"correct {keys} in the old config; --debug shows where it fails."
        raise ConfigError(message, where=old.path, hint=hint) from error


def _check_old(old: OldConfig, values: Mapping[str, Any]) -> None:
    if is_new(values):
        message = f"cannot migrate {old.path.name!r}: it is a config of mmseg 1.x or mmdet 3.x, "
        message += "expected one of mmseg 0.x or mmdet 2.x."
        raise ConfigError(message, where=old.path, hint="use it as it is.")
    if "model" not in values and not any(key in values for key in _OLD):
        keys = ", ".join(map(repr, list(values)[:5])) or "nothing"
        message = f"cannot migrate {old.path.name!r}: found {keys}, "
        message += "expected the keys of an OpenMMLab config."
        raise ConfigError(message, where=old.path, hint="give a config or a checkpoint.")


def _keep_rest(work: Work, used: set[str]) -> None:
    """Leave out names whose values are where they were used; keep the others."""
    for key in list(work.old):
        value = work.take(key)
        if key in used:
            work.ledger.drop(key, "its value stands where it was used")
        elif key == "img_norm_cfg":
            work.ledger.drop(key, "model.data_preprocessor normalizes")
        elif value is None:
            work.ledger.drop(key, "is None")
        else:
            work.new[key] = value
            why = "neither mmengine nor this migration knows the key; it is kept as it is"
            work.ledger.change(key, why)


def _check_loops(work: Work) -> None:
    """Keep loops, loaders and evaluators together: mmengine wants all of a split, or none."""
    for split in ("train", "val", "test"):
        if f"{split}_dataloader" not in work.new:
            work.new.pop(f"{split}_cfg", None)
            work.new.pop(f"{split}_evaluator", None)
    if "train_cfg" not in work.new:
        for key in ("optim_wrapper", "param_scheduler"):
            if work.new.pop(key, None) is not None:
                why = "the config has no training data"
                work.ledger.lose(key, why, "add train_dataloader and train_cfg.")
    if "val_cfg" not in work.new and "train_cfg" in work.new:
        work.new["train_cfg"].pop("val_interval", None)
