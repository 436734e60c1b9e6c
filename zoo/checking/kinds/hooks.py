# SPDX-License-Identifier: Apache-2.0
"""Checks of hooks in a real mmengine Runner with a network of four parameters."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from zoo.checking.expecting import NotMeant, expect, named, needs
from zoo.checking.kinds.base import KindChecks

__all__ = ["HookChecks"]


class HookChecks(KindChecks):
    """Checks of ``[[hook]]`` rows."""

    def test_hook_is_mmengines_with_a_priority(self, each_hook: dict[str, Any]) -> None:
        """It is a subclass of mmengine's ``Hook``, with a ``priority`` that the runner knows."""
        said = named(each_hook)
        hook = _build(each_hook)
        from mmengine.hooks import Hook
        from mmengine.runner import get_priority

        expect(isinstance(hook, Hook), f"{said}: it is no subclass of mmengine's Hook")
        priority = get_priority(hook.priority)
        expect(
            0 <= priority <= 100,
            f"{said}: its priority is {priority}, expected 0 to 100",
        )

    def test_hook_takes_the_arguments_of_each_point(self, each_hook: dict[str, Any]) -> None:
        """An overridden method accepts all arguments that the runner passes."""
        hook = _build(each_hook)
        from mmengine.hooks import Hook

        for point in ("before_save_checkpoint", "after_load_checkpoint", *Hook.stages):
            passed = list(inspect.signature(getattr(Hook, point)).parameters)[2:]
            method = inspect.signature(getattr(hook, point))
            try:
                method.bind(None, **dict.fromkeys(passed))
            except TypeError as error:
                self.fail(f"{each_hook['type']}.{point} cannot take {passed}: {error}")

    def test_hook_in_a_run_lets_training_and_validation_end(
        self, each_hook: dict[str, Any], tmp_path: Path
    ) -> None:
        """Two epochs with validation, as ``custom_hooks`` of a config, pass with the hook."""
        said = _accepted(each_hook)
        runner = _runner(tmp_path, each_hook, f"{each_hook['type']}_{tmp_path.name}")

        runner.train()

        expect(
            runner.epoch == 2,
            f"{said}: the run ends at epoch {runner.epoch}, expected 2",
        )

    def test_hook_when_a_run_is_resumed_lets_it_end(
        self, each_hook: dict[str, Any], tmp_path: Path
    ) -> None:
        """A run that continues from a checkpoint of the hook's own run passes too."""
        said = _accepted(each_hook)
        from zoo.engine.resuming.safe_loading import safe_loading

        name = f"{each_hook['type']}_{tmp_path.name}"
        with safe_loading():
            try:
                _runner(tmp_path, each_hook, name).train()
            except Exception as error:
                message = f"{said} ends its run, which another rule tells"
                raise NotMeant(message) from error
            start = str(tmp_path / "epoch_1.pth")
            resumed = _runner(tmp_path, each_hook, f"{name}_resumed", start)

            resumed.train()

        found = (resumed.epoch, resumed.iter)
        expect(found == (2, 4), f"{said}: resumed, the run ends at epoch and step {found}")


def _accepted(config: dict[str, Any]) -> str:
    """Return a hook's name for messages; raise NotMeant for one that no runner would accept."""
    said = named(config)
    needs("mmengine")
    if not _is_accepted(_build(config)):
        message = f"{said} is not accepted by a runner, which another rule tells"
        raise NotMeant(message)
    return said


def _is_accepted(hook: Any) -> bool:
    from mmengine.hooks import Hook
    from mmengine.runner import get_priority

    try:
        return isinstance(hook, Hook) and get_priority(hook.priority) >= 0
    except (TypeError, ValueError, AttributeError):
        return False


def _build(config: dict[str, Any]) -> Any:
    return needs("mmengine.registry").HOOKS.build(config)


def _runner(folder: Path, hook: dict[str, Any], name: str, start: str | None = None) -> Any:
    import torch
    from mmengine.evaluator import BaseMetric, Evaluator
    from mmengine.model import BaseModel
    from mmengine.runner import Runner
    from mmengine.structures import BaseDataElement

    class Line(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
            values = self.layer(torch.stack(inputs))
            return {"loss": values.square().mean()} if mode == "loss" else list(values)

    class Nothing(BaseMetric):
        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.append(0.0)

        def compute_metrics(self, results: list[float]) -> dict[str, float]:
            return {"score": 0.0}

    samples = [BaseDataElement(metainfo={"img_path": f"{number}.png"}) for number in range(4)]
    items = [{"inputs": torch.ones(3), "data_samples": sample} for sample in samples]
    loader = {
        "dataset": items,
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": {"type": "pseudo_collate"},
    }
    return Runner(
        Line(),
        str(folder),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": 2, "val_interval": 1},
        val_cfg={},
        val_evaluator=Evaluator([Nothing(prefix="fake")]),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        custom_hooks=[hook],
        load_from=start,
        resume=start is not None,
        default_scope="mmengine",
        experiment_name=name,
        log_level="ERROR",
    )
