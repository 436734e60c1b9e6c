# SPDX-License-Identifier: Apache-2.0
"""What to type after ``zoo plugin new``: from the new folder to the first steps of a training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from zoo_plugin_templates.names import Names
from zoo_plugin_templates.parts import Plan

__all__ = ["next_steps", "try_lines"]

_STEPS = 20


def next_steps(names: Names, plan: Plan, folder: Path) -> Iterator[str]:
    """Yield the lines of a shell that install a new plugin, check it, and try it.

    Args:
        names: Names of the plugin.
        plan: What it consists of.
        folder: Where it was written.
    """
    yield f"cd {shlex.quote(str(folder))}"
    yield "pip install -e '.[dev]'"
    yield "zoo plugin check ."
    yield "python -m pytest"
    yield from try_lines(names, plan)


def try_lines(names: Names, plan: Plan) -> Iterator[str]:
    """Yield the lines that try an installed plugin, up to the first steps of a training.

    Args:
        names: Names of the plugin.
        plan: What it consists of.
    """
    if plan.has_config:
        data = names.plugin if plan.has_dataset else "folder_data"
        task = "" if plan.has_dataset else f" --task {plan.task}"
        yield f"zoo data sample {data}{task} --out raw"
        # The masks of that sample are called as many people call theirs.
        suffix = "" if plan.has_dataset or plan.task != "semantic" else " --mask-suffix _mask"
        yield f"zoo data prepare {data}{task} --source raw --out data{suffix}"
        train = f"zoo train {names.config(plan.task)} --data data --work-dir work_dirs/first"
        yield f"{train} --cfg-options train_cfg.max_iters={_STEPS}"
    if "command" in plan.parts:
        folder = "data" if plan.has_config else "DIR"
        yield f"zoo {names.dashed}-splits {folder}"
