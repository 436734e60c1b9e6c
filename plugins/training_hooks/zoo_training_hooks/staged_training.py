# SPDX-License-Identifier: Apache-2.0
"""Train the heads first, then all layers, then all of them slowly: a run in stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from zoo.errors import ConfigError
from zoo_training_hooks.stages import (
    Stage,
    check_coverage,
    check_patterns,
    parse_stages,
    stage_at,
    stages_in_warm_up,
)
from zoo_training_hooks.tables import format_table
from zoo_training_hooks.unwrapping import unwrap

__all__ = ["StagedTraining"]

_RATE = "staged_training_lr"  # the rate set last; saved in checkpoints


class StagedTraining(Hook):
    """Train different parameters at a different rate in each stage of a run.

    A stage is ``dict(name=..., train=[patterns], until=..., lr=...)``. A parameter trains if a
    shell-style pattern matches its whole name (``"roi_head.*"``, ``"*"``). ``until`` is the last
    epoch of the stage, or its last iteration in an iteration-based loop. Parameters that the config
    itself freezes (``frozen_stages``, ``requires_grad=False``) stay frozen in every stage.

    The optimizer is built before the hook freezes anything, so it contains the parameters of all
    stages. It does not update or decay parameters without a gradient, and gradient clipping and
    gradient scalers skip them. At the start of a stage, the rate of each group is multiplied by the
    ratio of the stage's ``lr`` to the previous rate: group multipliers stay, and schedulers scale
    the stage's rate as they would the optimizer's. Norm layers that a stage does not train also
    keep their running statistics. A resumed run continues in its stage.

    Args:
        stages: The stages in order; the last ends with the run or later. Without ``lr``, a stage
            uses the optimizer's rate.

    Raises:
        ConfigError: When training begins: stages overlap or end before the run, a pattern matches
            nothing, the warm-up lasts for the whole run, or the optimizer cannot train the
            parameters of a stage.

    Source:
        Matterport's Mask R-CNN, ``train_shapes`` and ``train(layers=...)``: heads, then all.
    """

    # Before mmengine's RuntimeInfoHook, which records the learning rate of a step.
    priority = "HIGHEST"

    def __init__(self, stages: Sequence[Mapping[str, Any]]) -> None:
        self._rows = stages
        self._stages: tuple[Stage, ...] = ()
        self._unit = "epoch"
        self._free: frozenset[str] = frozenset()
        self._stage: Stage | None = None
        self._still: list[nn.Module] = []

    @property
    def planned(self) -> tuple[Stage, ...]:
        """The stages, available once training begins."""
        return self._stages

    def trains(self, stage: Stage, parameter: str) -> bool:
        """Return whether a parameter trains in a stage, considering the config's own freezing.

        Args:
            stage: One of the stages.
            parameter: Name of the parameter.
        """
        return parameter in self._free and stage.trains(parameter)

    def before_train(self, runner: Any) -> None:
        """Check the stages against model, optimizer and loop, and log what each trains.

        Args:
            runner: The runner.

        Raises:
            ConfigError: The stages are invalid for this run.
        """
        self._stages = parse_stages(self._rows)
        loop = runner.train_loop
        self._unit = "epoch" if isinstance(loop, EpochBasedTrainLoop) else "iteration"
        steps = loop.max_epochs if self._unit == "epoch" else loop.max_iters
        check_coverage(self._stages, steps, self._unit)
        model = unwrap(runner.model)
        if self._stage is None:
            # Some backbones freeze their stages only in train().
            model.train()
            self._free = frozenset(name for name, p in model.named_parameters() if p.requires_grad)
        names = [name for name, _ in model.named_parameters()]
        check_patterns(self._stages, names, sorted(self._free))
        self._check_optimizer(runner, model)
        self._check_wrapper(runner)
        per_unit = len(loop.dataloader) if self._unit == "epoch" else 1
        ends = [min(stage.until, steps) * per_unit for stage in self._stages]
        for name in stages_in_warm_up(self._stages, ends, list(_find_warm_ups(runner))):
            text = "stage %r ends within the warm-up, so it never trains at its rate"
            runner.logger.warning(text, name)
        runner.logger.info(f"training in stages:\n{self._table(model)}")
        begins = zip(self._stages, self._begins(), strict=True)
        unreached = [stage.name for stage, begin in begins if begin >= steps]
        if unreached:
            text = f"the run ends with {self._unit} {steps}, before stage {', '.join(unreached)}"
            runner.logger.warning(text)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Enter the next stage at its start, and keep frozen norm layers unchanged.

        Args:
            runner: The runner.
            batch_idx: Not used.
            data_batch: Not used.
        """
        position = runner.epoch if self._unit == "epoch" else runner.iter
        stage = stage_at(self._stages, position)
        if stage is not self._stage:
            self._enter(runner, stage)
        for module in self._still:
            module.training = False  # the loop has just called train() on the whole model

    def forget_rates(self, runner: Any) -> None:
        """Apply the stage's rate again, after schedulers were replayed from the start.

        Args:
            runner: The runner.
        """
        runner.message_hub.runtime_info.pop(_RATE, None)

    def _enter(self, runner: Any, stage: Stage) -> None:
        model = unwrap(runner.model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(self.trains(stage, name))
            if not parameter.requires_grad:
                parameter.grad = None
        self._still = [
            module
            for name, module in model.named_modules()
            if hasattr(module, "running_mean") and not stage.trains(f"{name}.weight")
        ]
        rate = _set_rate(runner, stage)
        self._stage = stage
        count = sum(p.numel() for p in model.parameters() if p.requires_grad)
        text = f"stage {stage.name!r} until {self._unit} {stage.until}: "
        runner.logger.info(text + f"{count:,} parameters train, lr {rate:g}")

    def _begins(self) -> list[int]:
        return [0, *(stage.until for stage in self._stages[:-1])]

    def _table(self, model: nn.Module) -> str:
        stages, own = self._stages, list(model.named_parameters())
        groups: dict[str, list[tuple[str, int]]] = {}
        for name, parameter in own:
            top = name.partition(".")[0]
            groups.setdefault(top, []).append((name, parameter.numel()))
        groups["all"] = [(name, parameter.numel()) for name, parameter in own]
        spans = [f"{at + 1}-{s.until}" for at, s in zip(self._begins(), stages, strict=True)]
        rates = ["optimizer's" if s.lr is None else f"{s.lr:g}" for s in stages]
        rows = [[f"{self._unit}s", *spans, ""], ["lr", *rates, ""]]
        for group, members in groups.items():
            trained = [sum(n for name, n in members if self.trains(s, name)) for s in stages]
            counts = [*trained, sum(n for _, n in members)]
            rows.append([group, *(f"{count:,}" for count in counts)])
        return format_table(["parameters that train", *(s.name for s in stages), "of"], rows)

    def _check_optimizer(self, runner: Any, model: nn.Module) -> None:
        if not hasattr(runner.optim_wrapper, "optimizer"):
            message = "cannot train in stages: the run has several optimizers, expected one."
            raise ConfigError(message, where="optim_wrapper")
        held = {id(p) for group in runner.optim_wrapper.param_groups for p in group["params"]}
        lost = [
            name
            for name, parameter in model.named_parameters()
            if id(parameter) not in held and any(self.trains(s, name) for s in self._stages)
        ]
        if lost:
            message = f"cannot train in stages: the optimizer does not hold {len(lost)} of the "
            message += f"parameters, such as {lost[0]!r}."
            hint = "use the optimizer's default constructor, or choose other parameters."
            raise ConfigError(message, where="optim_wrapper", hint=hint)

    def _check_wrapper(self, runner: Any) -> None:
        freezes = any(not self.trains(s, name) for s in self._stages for name in self._free)
        finds = getattr(runner.model, "find_unused_parameters", True)
        if freezes and is_model_wrapper(runner.model) and not finds:
            message = "cannot train in stages on several devices: the devices wait for "
            message += "gradients of parameters that a stage freezes."
            hint = "set find_unused_parameters=True at the top of the config."
            raise ConfigError(message, where="find_unused_parameters", hint=hint)


def _find_warm_ups(runner: Any) -> Iterator[tuple[int, int]]:
    """Yield the first and last iteration of each scheduler that raises the rate."""
    schedulers = runner.param_schedulers or []
    if isinstance(schedulers, dict):
        schedulers = [one for several in schedulers.values() for one in several]
    for one in schedulers:
        first = getattr(one, "start_factor", getattr(one, "factor", 1.0))
        if one.param_name == "lr" and first < getattr(one, "end_factor", 1.0):
            per_unit = len(runner.train_loop.dataloader) if one.by_epoch else 1
            yield one.begin * per_unit, one.end * per_unit


def _set_rate(runner: Any, stage: Stage) -> float:
    """Scale every group's rate from the previous base rate to the stage's, and return that."""
    base = float(runner.optim_wrapper.optimizer.defaults["lr"])
    rate = base if stage.lr is None else stage.lr
    before = runner.message_hub.runtime_info.get(_RATE, base)
    if rate != before:
        groups: Iterable[dict[str, Any]] = runner.optim_wrapper.param_groups
        for group in groups:
            group["lr"] *= rate / before
    runner.message_hub.update_info(_RATE, rate)
    return rate
