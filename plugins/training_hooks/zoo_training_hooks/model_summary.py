# SPDX-License-Identifier: Apache-2.0
"""Summarise a model: a table of its layers, their outputs and their trained parameters."""

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
    """Log a table of the model when training begins, and write a table of every layer.

    Each row is a layer, indented by its depth in the model: its class, output shape, number of
    parameters, and number of trained parameters; with ``StagedTraining``, the number trained in
    each stage. A parameter shared by several layers counts in each of them, and once in the layers
    above. Shapes are those of the first training step, ``(N, C, H, W)``. Temporary forward hooks
    record them, so the hook does not change training. A layer that ran several times shows its
    first output and the number of calls (``x5``). A layer that the step did not call as a module,
    such as a head that computes in ``loss``, has no shape.

    The log shows layers with parameters down to ``depth``; ``model_summary.txt`` in the work dir
    shows every layer. A resumed run replaces the file. If it cannot be written, the log says so and
    the run continues.

    Args:
        depth: Number of levels below the model in the log, ``>= 1``.
    """

    # After StagedTraining, whose stages are columns.
    priority = "LOW"

    def __init__(self, depth: int = 2) -> None:
        self._depth = depth
        self._shapes: OutputShapes | None = None

    def before_train(self, runner: Any) -> None:
        """Start recording shapes, except for compiled models.

        Args:
            runner: The runner.
        """
        if is_main_process():
            is_compiled = bool(runner.cfg.get("compile"))
            self._shapes = OutputShapes(unwrap(runner.model), notes=not is_compiled)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write the summary after the first step of the run.

        Args:
            runner: The runner.
            batch_idx: Not used.
            data_batch: Not used.
            outputs: Not used.
        """
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
    rows = [*others, first]  # the whole model comes last, as the sum
    counted = [(name, cells) for name, cells in rows if cells[3]]
    shown = [cells for name, cells in counted if name.count(".") < depth]
    return (
        format_table(head, shown, left=3),
        format_table(head, [cells for _, cells in rows], left=3),
    )


def _columns(runner: Any, model: nn.Module) -> dict[str, Callable[[str], bool]]:
    """Return the title of each column of trained parameters, and a test of who counts there."""
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
    # A lazy layer that the step did not call has no size yet.
    return 0 if is_lazy(parameter) else int(parameter.numel())


def _replace(path: Path, text: str) -> None:
    """Write a temporary file and move it into place."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    finally:
        with suppress(OSError):
            staged.unlink()
