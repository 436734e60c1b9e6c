# SPDX-License-Identifier: Apache-2.0
"""Building a Runner from a config, and telling the user's errors from the program's."""

from __future__ import annotations

import contextlib
import copy
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.foreign_configs import naming_foreign
from zoo.engine.type_names import unknown_type
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

__all__ = ["build_runner", "explaining", "log_on_stderr"]

_NOT_REGISTERED = re.compile(r"(?P<name>[\w.]+) is not in the (?P<registry>[\w:.]+) registry")
_RUNS = itertools.count()


def build_runner(config: Config) -> Runner:
    """Return a Runner for a config, of its ``runner_type`` if it names one.

    Args:
        config: As `read_config` returns it.

    Raises:
        ConfigError: mmengine refuses it, or a class in it refuses its arguments.
        UnknownNameError: It names a type that no registry has.
    """
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    config = copy.deepcopy(config)
    _set_apart(config, next(_RUNS))
    with explaining(config):
        if "runner_type" in config:
            runner: Runner = RUNNERS.build(config)
        else:
            runner = Runner.from_cfg(config)
    return runner


def _set_apart(config: Config, run: int) -> None:
    """Name what mmengine keeps by name, so that a second run in a process does not share it."""
    if not run:
        return
    if config.get("experiment_name") is None:
        config.experiment_name = f"{Path(config.work_dir).name}_{run}"
    if (config.get("visualizer") or {}).get("name"):
        config.visualizer.name += f"_{run}"


@contextlib.contextmanager
def explaining(config: Config, where: str | Path | None = None) -> Iterator[None]:
    """Turn what mmengine raises while it builds from a config into errors that say where.

    Args:
        config: What is built inside the block.
        where: The file that the config came in, where it is none of its own.

    Raises:
        ConfigError: Arguments that a class refuses, parts that are missing.
        UnknownNameError: A type that no registry has.
        DataError: Files of a data set that are not there.
    """
    try:
        with naming_foreign():  # some models read their teacher's config
            yield
    except FileNotFoundError as error:
        raise _missing_file(error, config) from error
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        text = str(error.args[0]) if error.args else str(error)
        match = _NOT_REGISTERED.search(text)
        if match:
            raise unknown_type(config, match["name"], match["registry"]) from error
        if "ann_file" in text:
            raise _missing_file(error, config) from error
        if "need at least one array to concatenate" in text:
            # How mmengine fails to store the list of no images.
            raise _empty(config) from error
        message = f"cannot build from the config: {type(error).__name__}: {text.rstrip('.')}."
        hint = "correct that part of the config; --debug shows where it was refused."
        raise ConfigError(message, where=config.filename or where, hint=hint) from error


def _missing_file(error: Exception, config: Config) -> DataError:
    name = getattr(error, "filename", None) or str(error)
    message = f"cannot open the data: {str(name).rstrip('.')!r} is not there."
    hint = "give a prepared folder with --data DIR, or the place of the data with "
    hint += "--cfg-options train_dataloader.dataset.data_root=DIR (and val_, test_)."
    return DataError(message, path=config.filename, hint=hint)


def _empty(config: Config) -> DataError:
    message = "cannot use the data: a data set of the config has no images."
    hint = "check its data_prefix, its ann_file and the suffixes of its files."
    return DataError(message, path=config.filename, hint=hint)


@contextlib.contextmanager
def log_on_stderr() -> Iterator[None]:
    """Send mmengine's console log, and what else prints inside the block, to stderr.

    mmengine binds its handler to ``sys.stdout`` when a logger is made, so the Runner must be built
    inside the block; stdout is left to results.
    """
    with contextlib.redirect_stdout(sys.stderr):
        yield
