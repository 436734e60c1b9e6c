# SPDX-License-Identifier: Apache-2.0
"""Find values of a config that are wrong by themselves, before anything is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.errors import ConfigError

__all__ = ["check_counts", "check_shape"]

_DICT, _LIST, _EITHER = "a dict", "a list", "a dict or a list"
# The type of each part, if a config has it and it is not None.
_SHAPES = (
    (r"model", _DICT),
    (r"\w+_dataloader", _DICT),
    (r"\w+_dataloader\.dataset", _DICT),
    (r"(train|val|test)_cfg", _DICT),
    (r"(val|test)_evaluator", _EITHER),
    (r"optim_wrapper", _DICT),
    (r"param_scheduler", _EITHER),
    (r"default_hooks", _DICT),
    (r"custom_hooks", _LIST),
    (r"visualizer", _DICT),
    (r"vis_backends", _LIST),
    (r"log_processor", _DICT),
    (r"env_cfg", _DICT),
    (r"randomness", _DICT),
    (r"auto_scale_lr", _DICT),
    (r"custom_imports", _DICT),
)
_TEXTS = ("default_scope", "work_dir", "load_from", "runner_type", "experiment_name")
# Numbers that must be whole, with the least that each may be.
_COUNTS = (
    (r"train_cfg\.(max_epochs|max_iters|val_interval)", 1),
    (r"train_cfg\.val_begin", 0),
    (r"\w+_dataloader\.batch_size", 1),
    (r"\w+_dataloader\.num_workers", 0),
    (r"optim_wrapper\.accumulative_counts", 1),
    (r"default_hooks\.logger\.interval", 1),
)


def check_shape(config: Mapping[str, Any]) -> None:
    """Raise for the first part of a config that must be a dict, list or text and is not.

    Args:
        config: The whole config.

    Raises:
        ConfigError: Names the key, what it is and what it should be.
    """
    for key, value in _two_levels(config):
        expected = next((kind for pattern, kind in _SHAPES if re.fullmatch(pattern, key)), None)
        if value is None or expected is None:
            continue
        is_dict, is_list = isinstance(value, Mapping), isinstance(value, (list, tuple))
        if not ((is_dict and "dict" in expected) or (is_list and "list" in expected)):
            raise _wrong(key, value, expected)
    for key, loader in config.items():
        if str(key).endswith("_dataloader") and loader and not loader.get("dataset"):
            message = f"cannot use the config: {key} has no dataset, expected one."
            raise ConfigError(message, where=key, hint=f"give {key} a dataset, or set it to None.")
    for key in _TEXTS:
        if config.get(key) is not None and not isinstance(config[key], str):
            raise _wrong(key, config[key], "a text")


def check_counts(config: Any) -> None:
    """Raise for the first number of a run that is not an integer, or too small.

    Args:
        config: The whole config.

    Raises:
        ConfigError: Names the key, the number and the least that it may be.
    """
    for key, node in iterate_dicts(config._cfg_dict):
        for name, value in node.items():
            place = join_key(key, name)
            least = next((n for pattern, n in _COUNTS if re.fullmatch(pattern, place)), None)
            if least is not None and value is not None and not _is_count(value, least):
                raise _wrong(place, value, f"a whole number, at least {least}")


def _two_levels(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    inner = [
        (join_key(str(key), name), value[name])
        for key, value in config.items()
        if isinstance(value, Mapping)
        for name in value
    ]
    return [(str(key), value) for key, value in config.items()] + inner


def _is_count(value: Any, least: int) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and value == value // 1 and value >= least


def _wrong(key: str, value: Any, expected: str) -> ConfigError:
    shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}..."
    message = f"cannot use the config: {key} is {shown}, expected {expected}."
    return ConfigError(
        message, where=key, hint=f"correct {key}, in the file or with --cfg-options."
    )
