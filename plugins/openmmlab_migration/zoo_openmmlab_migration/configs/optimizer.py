# SPDX-License-Identifier: Apache-2.0
"""``optimizer``, ``optimizer_config`` and ``fp16`` as ``optim_wrapper``; ``runner`` as loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_loops", "migrate_optimizer"]

_CONSTRUCTORS = {
    "DefaultOptimizerConstructor": "DefaultOptimWrapperConstructor",
    "LayerDecayOptimizerConstructor": "LayerDecayOptimizerConstructor",
    "LearningRateDecayOptimizerConstructor": "LearningRateDecayOptimizerConstructor",
}
_LOOPS = {
    "EpochBasedRunner": True,
    "EpochBasedRunnerAmp": True,
    "IterBasedRunner": False,
    "IterBasedRunnerAmp": False,
}
_HALF = ("Fp16OptimizerHook", "GradientCumulativeFp16OptimizerHook")
_HOOKS = ("OptimizerHook", "GradientCumulativeOptimizerHook", "DistOptimizerHook", *_HALF)


def migrate_loops(work: Work) -> None:
    """Write ``train_cfg``, ``val_cfg`` and ``test_cfg``.

    Args:
        work: The migration; its unit and length of training are set.
    """
    runner = work.take_dict("runner")
    epochs, steps = work.take("total_epochs"), work.take("total_iters")
    kind = str(runner.pop("type", "EpochBasedRunner" if steps is None else "IterBasedRunner"))
    if kind not in _LOOPS:
        why = f"the runner {kind!r} is none of mmcv's"
        work.ledger.lose("runner.type", why, "port it as a loop of mmengine.")
    work.by_epoch = _LOOPS.get(kind, "max_iters" not in runner)
    stated = runner.pop(f"max_{work.unit}", None)
    for each in ("max_epochs", "max_iters"):
        runner.pop(each, None)
    work.leave("runner", runner)
    other = epochs if work.by_epoch else steps
    work.length = stated if stated is not None else other
    data = work.old.get("data") or {}
    is_measured = "val" in data
    loop = "EpochBasedTrainLoop" if work.by_epoch else "IterBasedTrainLoop"
    train: dict[str, Any] = {"type": loop}
    if work.length is not None:
        train[f"max_{work.unit}"] = work.length
    else:
        why = "the config does not say how long training is"
        work.ledger.lose("runner", why, f"set train_cfg.max_{work.unit}.")
    if is_measured:
        train |= _validation(work)
    work.new |= {"train_cfg": train}
    if is_measured:
        work.new["val_cfg"] = {"type": "ValLoop"}
    if "test" in data:
        work.new["test_cfg"] = {"type": "TestLoop"}
    work.ledger.change("runner", f"train_cfg: {loop}, {work.length} {work.unit}")


def _validation(work: Work) -> dict[str, Any]:
    """Return how often to validate; taken out of ``evaluation``."""
    evaluation = dict(work.old.get("evaluation") or {})
    saved = (work.old.get("checkpoint_config") or {}).get("interval", 1)
    made: dict[str, Any] = {
        "val_interval": evaluation.pop("interval", 1 if work.by_epoch else saved)
    }
    by_epoch = evaluation.pop("by_epoch", None)
    if by_epoch is not None and bool(by_epoch) is not work.by_epoch:
        why = "mmengine validates in the unit of training"
        todo = f"state train_cfg.val_interval in {work.unit}."
        work.ledger.lose("evaluation.by_epoch", why, todo)
    start = evaluation.pop("start", None)
    if start:
        made["val_begin"] = start
        if start % made["val_interval"]:
            why = "mmcv counted the interval from there, and mmengine counts it from 0"
            work.ledger.lose("evaluation.start", why, "make it a multiple of val_interval.")
    dynamic = evaluation.pop("dynamic_intervals", None)
    if dynamic:
        made["dynamic_intervals"] = [tuple(each) for each in dynamic]
    work.old["evaluation"] = evaluation
    work.ledger.change("evaluation.interval", f"train_cfg.val_interval={made['val_interval']}")
    return made


def migrate_optimizer(work: Work) -> None:
    """Write ``optim_wrapper``.

    Args:
        work: The migration.
    """
    optimizer = work.take_dict("optimizer")
    if not optimizer:
        return
    config, half = work.take_dict("optimizer_config"), work.take("fp16")
    wrapper: dict[str, Any] = {"type": "OptimWrapper"}
    paramwise, constructor = (
        optimizer.pop("paramwise_cfg", None),
        optimizer.pop("constructor", None),
    )
    wrapper["optimizer"] = optimizer
    if paramwise:
        wrapper["paramwise_cfg"] = paramwise
    if constructor:
        wrapper["constructor"] = _CONSTRUCTORS.get(constructor, constructor)
    work.ledger.change("optimizer", "optim_wrapper.optimizer")
    wrapper |= _hook(work, config, half)
    work.new["optim_wrapper"] = wrapper


def _hook(work: Work, config: dict[str, Any], half: Any) -> dict[str, Any]:
    """Return clipping, accumulation and precision."""
    made: dict[str, Any] = {}
    hook = config.pop("type", "OptimizerHook")
    if hook not in _HOOKS:
        why = f"the hook {hook!r} is none of mmcv's"
        work.ledger.lose("optimizer_config.type", why, "port it as an optimizer wrapper.")
    clip = config.pop("grad_clip", None)
    if clip:
        made["clip_grad"] = clip
        work.ledger.change("optimizer_config.grad_clip", "optim_wrapper.clip_grad")
    count = config.pop("cumulative_iters", config.pop("update_interval", 1))
    if count and count != 1:
        made["accumulative_counts"] = count
        work.ledger.change("optimizer_config", f"optim_wrapper.accumulative_counts={count}")
    uses_apex = bool(config.pop("use_fp16", False))
    scale: Any = config.pop("loss_scale", None)
    if half is not None:
        scale = half.get("loss_scale", 512.0) if isinstance(half, Mapping) else 512.0
        work.ledger.change("fp16", "optim_wrapper.type='AmpOptimWrapper'")
    if half is not None or hook in _HALF or uses_apex:
        made |= {"type": "AmpOptimWrapper", "loss_scale": _scale(scale, uses_apex)}
    for name in ("coalesce", "bucket_size_mb", "distributed"):
        if name in config:
            config.pop(name)
            work.ledger.drop(f"optimizer_config.{name}", "torch decides it")
    work.leave("optimizer_config", config)
    return made


def _scale(scale: Any, uses_apex: bool) -> Any:
    if isinstance(scale, Mapping):
        return dict(scale)
    if scale == "dynamic" or (scale is None and uses_apex):
        return "dynamic"
    return 512.0 if scale is None else float(scale)
