# SPDX-License-Identifier: Apache-2.0
"""What a model consists of: a table of its layers, their outputs and what trains."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch import nn
from torch.nn.parameter import is_lazy

from zoo_training_hooks.output_shapes import OutputShapes
from zoo_training_hooks.staged_training import StagedTraining
from zoo_training_hooks.tables import format_table
from zoo_training_hooks.unwrapping import unwrap

__all__ = ["FILE", "ModelSummary"]

FILE = "model_summary.txt"


class ModelSummary(Hook):
    """Log a table of the model when training begins, and write one of every layer.

    A row is a layer, indented as it lies in the model: its class, the shape of its output, its
    parameters, and how many of them train; with a ``StagedTraining`` in the run, how many train in
    each stage. A parameter that several layers share counts in each, and once in the layers above.
    Shapes are those of the first training step, ``(N, C, H, W)``: noted by forward hooks that
    return nothing and then leave, so that training is the same with the hook and without it. A
    layer that ran several times shows its first output, and how often (``x5``); one that the step
    did not call as a module has no shape, as heads whose ``loss`` does the work.

    The log has the layers with parameters down to ``depth``; ``model_summary.txt`` in the work dir
    has every layer. It is replaced when a run is resumed; where it cannot be written, the log says
    so and the run goes on.

    Args:
        depth: Levels below the model that the log shows, from 1 on.
    """

    # After StagedTraining, whose stages are columns.
    priority = "LOW"

    def __init__(self, depth: int = 2) -> None:
        self._depth = depth
        self._shapes: OutputShapes | None = None

    def before_train(self, runner: Any) -> None:
        """Begin to note shapes; a model that is compiled is left alone, and shows none."""
        if is_main_process():
            is_compiled = bool(runner.cfg.get("compile"))
            self._shapes = OutputShapes(unwrap(runner.model), notes=not is_compiled)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """After the first step of the run, write the summary."""
        if self._shapes is None:
            return
        shapes, self._shapes = self._shapes, None
        shapes.close()
        text, whole = _tables(runner, shapes, self._depth)
        runner.logger.info(f"the model, every layer in {FILE}:\n{text}")
        path = Path(runner.work_dir, FILE)
        try:
            _replace(path, f"{whole}\n")
        except OSError as error:
            runner.logger.warning("cannot write %s: %s", path, error.strerror or error)


def _tables(runner: Any, shapes: OutputShapes, depth: int) -> tuple[str, str]:
    """Return the table for the log, and that of every layer."""
    model = unwrap(runner.model)
    columns = _columns(runner, model)
    head = ["layer", "type", "output", "parameters", *columns]
    first, *others = [
        (name, _cells(name, module, shapes, columns)) for name, module in model.named_modules()
    ]
    rows = [*others, first]  # the whole model is the sum, below all others
    counted = [(name, cells) for name, cells in rows if cells[3]]
    shown = [cells for name, cells in counted if name.count(".") < depth]
    return (
        format_table(head, shown, left=3),
        format_table(head, [cells for _, cells in rows], left=3),
    )


def _columns(runner: Any, model: nn.Module) -> dict[str, Callable[[str], bool]]:
    """Return for each column of what trains its title, and whether a parameter counts there."""
    for hook in runner.hooks:
        if isinstance(hook, StagedTraining):
            return {f"in {stage.name}": partial(hook.trains, stage) for stage in hook.planned}
    training = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {"train": training.__contains__}


def _cells(
    name: str,
    module: nn.Module,
    shapes: OutputShapes,
    columns: Mapping[str, Callable[[str], bool]],
) -> list[str]:
    prefix = f"{name}." if name else ""
    sizes = {f"{prefix}{own}": _size(p) for own, p in module.named_parameters()}
    counts = [sum(sizes.values())]
    counts += [sum(n for full, n in sizes.items() if trains(full)) for trains in columns.values()]
    label = "  " * name.count(".") + name.rpartition(".")[2] if name else "all"
    numbers = [f"{count:,}" if sizes else "" for count in counts]
    return [label, type(module).__name__, shapes.text(module), *numbers]


def _size(parameter: Any) -> int:
    # A lazy layer that the step did not reach has no size yet.
    return 0 if is_lazy(parameter) else int(parameter.numel())


def _replace(path: Path, text: str) -> None:
    """Write a file beside its place and move it there."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    finally:
        with suppress(OSError):
            staged.unlink()
