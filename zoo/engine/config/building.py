# SPDX-License-Identifier: Apache-2.0
"""Turn what upstream raises while a config is used into one error with its key and cause."""

from __future__ import annotations

import contextlib
import copy
import errno
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.config.blame import find_blame, package_hint
from zoo.engine.config.channels import Channels, channels_hint, find_channels
from zoo.engine.config.type_names import unknown_type
from zoo.engine.config_files.inheritance import inheriting
from zoo.engine.config_files.strangers import naming_foreign
from zoo.engine.config_parts.parts import iterate_leaves
from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.engine.patching import freeing_managers
from zoo.engine.plugin_code import plugin_code_error
from zoo.engine.worker_errors import caught_name, dead_worker, original_message
from zoo.engine.worker_memory import advise_workers
from zoo.errors import ConfigError, DataError, TrainingError, ZooError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["explaining", "without_advice"]

_NOT_REGISTERED = re.compile(r"(?P<name>[\w.]+) is not in the (?P<registry>[\w:.]+) registry")
_SMALL_BATCH = "Expected more than 1 value per channel"  # torch's batch norm
_MOST_TEXT = 400
# Of the disk, and no fault of a config.
_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def without_advice() -> Iterator[None]:
    """Keep OpenMMLab's warnings on how a config might have been written off the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mm(seg|det|engine|cv)\.")
        yield


@contextlib.contextmanager
def explaining(
    config: Config,
    where: str | Path | None = None,
    *,
    doing: str = "build from the config",
    until: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Turn whatever is raised while a config is used into one error with key and cause.

    Args:
        config: What is built inside the block.
        where: The file that contains the config, if it is not a config file.
        doing: What failed, if nothing was being built.
        until: Returns whether the config has proved valid; later errors are left unchanged.

    Raises:
        ConfigError: A class refuses its arguments, or parts or packages are missing.
        UnknownNameError: No registry has a type of that name.
        DataError: Files of a data set are missing.
        TrainingError: A process that loads images ended.
    """
    tree = copy.deepcopy(config._cfg_dict)
    try:
        # Some models read their teacher's config.
        with freeing_managers(), inheriting(), naming_foreign():
            yield
    except ZooError:
        raise
    except Exception as error:  # whatever upstream raises, its cause is in the config
        is_own = isinstance(error, OSError) and error.errno in _DISK
        if is_own or (until() and _SMALL_BATCH not in str(error)):
            raise
        explained = _explained(error, config, tree, doing)
        explained.where = explained.where or str(where or config.filename or "") or None
        raise explained from error


def _explained(error: Exception, config: Config, tree: dict[str, Any], doing: str) -> ZooError:
    text = _text_of(error)
    match = _NOT_REGISTERED.search(text) if isinstance(error, KeyError) else None
    if match:
        return unknown_type(config, match["name"], match["registry"])
    is_ann_file = isinstance(error, AssertionError) and "ann_file" in text
    if isinstance(error, FileNotFoundError) or is_ann_file:
        keys = _keys_of(_file_of(error), tree)
        named = None if keys or is_ann_file else plugin_code_error(error)
        return named or _missing_file(error, config, tree, keys)
    dead = dead_worker(error)
    if dead is not None:
        return _worker_died(dead, config)
    if "need at least one array to concatenate" in text:
        # mmengine fails like this when it stores an empty list of images.
        return _empty(config)
    if _SMALL_BATCH in text:
        return _small_batch(error, config, tree)
    blame = find_blame(error, tree)
    where = config.filename
    named = None if blame is not None and blame.argument else plugin_code_error(error, own=True)
    # A plugin's layers are the plugin's, unless the config says what they take.
    is_configs = named is None or (blame and "in_channels" in (_node_of(tree, blame.key) or {}))
    if blame is not None and is_configs and find_channels(error) is not None:
        return _wrong_channels(error, config, tree, doing, blame.key)
    if named is not None:
        return named
    if blame is not None:
        where = f"{blame.key} in {where}" if where else blame.key
        doing = "build from the config" if blame.is_build else doing
    hint = (blame and blame.hint) or package_hint(error) or _hint_of(error)
    message = f"cannot {doing}: {_name_of(error)}: {text}."
    return ConfigError(message, where=where, hint=hint)


def _wrong_channels(
    error: Exception, config: Config, tree: dict[str, Any], doing: str, key: str
) -> ConfigError:
    """Return the error for a layer that takes another number of channels than it gets."""
    found = find_channels(error) or Channels(0, 0)
    plural = "" if found.takes == 1 else "s"
    message = f"cannot {doing}: {key} takes {found.takes} channel{plural}, found {found.found} in "
    message += "its input."
    where = f"{key} in {config.filename}" if config.filename else key
    return ConfigError(message, where=where, hint=channels_hint(key, _node_of(tree, key), found))


def _node_of(tree: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Return the part of a config at a key, or None if it is not a dict."""
    return next((node for place, node in iterate_dicts(tree) if place == key), None)


def _worker_died(dead: str, config: Config) -> TrainingError:
    wanted = (config.get("train_dataloader") or {}).get("num_workers") or 0
    hint = 'see its own error above. In a script, train under `if __name__ == "__main__":`. '
    advice = advise_workers("train_dataloader", wanted)
    hint += f"{advice[0].upper()}{advice[1:]}."
    where = "train_dataloader.num_workers"
    return TrainingError(f"cannot load images: {dead}.", where=where, hint=hint)


def _hint_of(error: Exception) -> str:
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "make the batch (train_dataloader.batch_size), the images or the model smaller."
    if "process group" in str(error):
        return "SyncBN needs several processes: set the type of norm_cfg to BN, or use a launcher."
    return "correct that part of the config; --debug shows where it fails."


def _name_of(error: Exception) -> str:
    """Return the name of an exception's class, or of the worker's own exception."""
    return caught_name(_raw_text(error)) or type(error).__name__


def _text_of(error: Exception) -> str:
    """Return an exception's message on one line, or where it was raised if it has none."""
    raw = _raw_text(error)
    text = " ".join((original_message(raw) or raw).split()).rstrip(".")
    if text:
        return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"it expects {(frame.line or frame.name).removeprefix('assert ')}"


def _raw_text(error: Exception) -> str:
    if not (isinstance(error, KeyError) and error.args):
        return str(error)
    text = str(error.args[0])  # without the quotes around it
    return "a dict has no type" if 'must contain the key "type"' in text else text


def _small_batch(error: Exception, config: Config, tree: dict[str, Any]) -> ConfigError:
    """Return the error for a batch norm that gets one value per channel."""
    blame = find_blame(error, tree)
    key = blame.key if blame is not None else "model"
    message = f"cannot train with one image in a batch: the batch norm of {key} gets one value "
    message += "per channel, which has no variance."
    hint = "set train_dataloader.batch_size=2 or more, and train_dataloader.drop_last=True if "
    hint += "the last batch is smaller."
    return ConfigError(message, where=f"{key} and train_dataloader.batch_size", hint=hint)


def _file_of(error: Exception) -> str:
    return str(getattr(error, "filename", None) or _raw_text(error)).rstrip(".")


def _keys_of(name: str, tree: dict[str, Any]) -> list[str]:
    """Return the keys of a config whose value is a file's name, or is quoted in a text."""
    return [
        join_key(key, part)
        for key, node in iterate_dicts(tree)
        for part, value in node.items()
        if isinstance(value, str) and value and (value == name or f"{value!r}" in name)
    ]


def _missing_file(
    error: Exception, config: Config, tree: dict[str, Any], keys: list[str]
) -> ZooError:
    name = _file_of(error)
    if keys and not any("_dataloader" in key or "_evaluator" in key for key in keys):
        message = f"cannot build from the config: the file {name!r} that it names does not exist."
        return ConfigError(message, where=keys[0], hint=f"correct {keys[0]}.")
    message = f"cannot open the data: {name!r} does not exist."
    dataset = (tree.get("train_dataloader") or {}).get("dataset")
    place = "train_dataloader.dataset"
    if isinstance(dataset, dict):
        place, _ = next(iterate_leaves(dataset, place), (place, dataset))
    hint = "give a prepared folder with --data DIR, or the path of the data with "
    hint += f"--cfg-options {place}.data_root=DIR (and val_, test_)."
    return DataError(message, path=config.filename, hint=hint)


def _empty(config: Config) -> DataError:
    message = "cannot use the data: a data set of the config has no images."
    hint = "check its data_prefix, its ann_file and the suffixes of its files."
    return DataError(message, path=config.filename, hint=hint)
