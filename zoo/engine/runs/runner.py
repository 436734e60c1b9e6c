# SPDX-License-Identifier: Apache-2.0
"""Build mmengine's Runner from a config, isolated from other runs of the process."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.config.building import explaining
from zoo.engine.processes.sockets import shorten_socket_paths
from zoo.engine.runs.best_rule import set_rules
from zoo.engine.runs.evaluator import use_evaluators

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

__all__ = ["build_runner"]

_RUNS = itertools.count()


def build_runner(config: Config) -> Runner:
    """Return a Runner for a config, of the type ``runner_type`` if the config has it.

    Args:
        config: As `read_config` returns it.

    Raises:
        ConfigError: mmengine refuses it, or a class in it refuses its arguments.
        UnknownNameError: It names a type that no registry has.
        ZooError: No folder is short enough for the sockets of data workers.
    """
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    shorten_socket_paths()  # of its data workers
    config = copy.deepcopy(config)
    with explaining(config):
        _set_apart(config, next(_RUNS))
        set_rules(config)
        if "runner_type" in config:
            runner: Runner = RUNNERS.build(config)
        else:
            runner = Runner.from_cfg(config)
    use_evaluators(runner, str(config.get("default_scope") or "mmengine"))
    return runner


def _set_apart(config: Config, run: int) -> None:
    """Give unique names to what mmengine keeps by name, so that runs do not share it."""
    if not run:
        return
    if config.get("experiment_name") is None:
        config.experiment_name = f"{Path(config.work_dir).name}_{run}"
    if isinstance((config.get("visualizer") or {}).get("name"), str):
        config.visualizer.name += f"_{run}"
