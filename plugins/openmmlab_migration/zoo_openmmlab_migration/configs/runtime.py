# SPDX-License-Identifier: Apache-2.0
"""Hooks, logs, checkpoints and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_hooks", "migrate_runtime"]

_KEPT = ("log_level", "work_dir", "custom_imports", "auto_scale_lr", "find_unused_parameters")
_LOGGERS = {
    "TensorboardLoggerHook": ("TensorboardVisBackend", {}),
    **dict.fromkeys(
        ("WandbLoggerHook", "MMDetWandbHook", "MMSegWandbHook"),
        (
            "WandbVisBackend",
            {name: name for name in ("init_kwargs", "commit", "define_metric_cfg")},
        ),
    ),
    "MlflowLoggerHook": (
        "MLflowVisBackend",
        {"exp_name": "exp_name", "tags": "tags", "params": "params"},
    ),
    "ClearMLLoggerHook": ("ClearMLVisBackend", {"init_kwargs": "init_kwargs"}),
    "NeptuneLoggerHook": ("NeptuneVisBackend", {"init_kwargs": "init_kwargs"}),
    "DvcliveLoggerHook": ("DVCLiveVisBackend", {}),
}
# What these loggers say of models and pictures beside the scalars, mmengine's backends do not.
_ONLY_OLD: tuple[str, ...] = (
    "log_checkpoint",
    "log_checkpoint_metadata",
    "num_eval_images",
    "bbox_score_thr",
)
_ONLY_OLD += ("log_artifact", "out_suffix", "with_step")
_EMA = {
    "EMAHook": "ExponentialMovingAverage",
    "ExpMomentumEMAHook": "ExpMomentumEMA",
    "LinearMomentumEMAHook": "ExponentialMovingAverage",
}
_NEEDLESS_HOOKS = {
    "SyncRandomSizeHook": "model.data_preprocessor.batch_augments draws the size",
    "DistSamplerSeedHook": "it is one of default_hooks",
    "IterTimerHook": "it is one of default_hooks",
}


def migrate_runtime(work: Work) -> None:
    """Write the default hooks, the visualizer and the environment.

    Args:
        work: The migration.
    """
    hooks = _default_hooks(work)
    backends = _log(work, hooks)
    work.new["default_hooks"] = hooks
    family = "Seg" if work.is_seg else "Det"
    work.new["visualizer"] = {
        "type": f"{family}LocalVisualizer",
        "vis_backends": backends,
        "name": "visualizer",
    }
    work.new["log_processor"] = {
        "type": "LogProcessor",
        "window_size": 50,
        "by_epoch": work.by_epoch,
    }
    work.new["env_cfg"] = _environment(work)
    _start(work)
    for key in _KEPT:
        if key in work.old:
            work.new[key] = work.take(key)
    _workflow(work)
    _randomness(work)


def _default_hooks(work: Work) -> dict[str, Any]:
    checkpoint = {"type": "CheckpointHook", "by_epoch": work.by_epoch}
    config = work.take("checkpoint_config")
    if isinstance(config, Mapping):
        rest = dict(config)
        for name in ("create_symlink", "meta"):
            if name in rest:
                rest.pop(name)
                work.ledger.drop(f"checkpoint_config.{name}", "mmengine does it by itself")
        checkpoint |= {"interval": 1, **rest}
        work.ledger.change("checkpoint_config", "default_hooks.checkpoint")
    elif config is None:
        checkpoint["interval"] = 1
    family = "Seg" if work.is_seg else "Det"
    return {
        "timer": {"type": "IterTimerHook"},
        "logger": {"type": "LoggerHook", "interval": 50},
        "param_scheduler": {"type": "ParamSchedulerHook"},
        "checkpoint": checkpoint,
        "sampler_seed": {"type": "DistSamplerSeedHook"},
        "visualization": {"type": f"{family}VisualizationHook"},
    }


def _log(work: Work, hooks: dict[str, Any]) -> list[dict[str, Any]]:
    config = work.take_dict("log_config")
    backends: list[dict[str, Any]] = [{"type": "LocalVisBackend"}]
    if "interval" in config:
        hooks["logger"]["interval"] = config.pop("interval")
        work.ledger.change("log_config.interval", "default_hooks.logger.interval")
    if not work.by_epoch:
        hooks["logger"]["log_metric_by_epoch"] = False
    for each in config.pop("hooks", None) or []:
        backend = _backend(work, dict(each))
        if backend is not None:
            backends.append(backend)
    work.leave("log_config", config)
    return backends


def _backend(work: Work, hook: dict[str, Any]) -> dict[str, Any] | None:
    kind = str(hook.pop("type", ""))
    place = f"log_config.hooks.{kind}"
    if kind == "TextLoggerHook":
        return None
    for name in ("by_epoch", "interval", "ignore_last", "reset_flag", "log_dir", *_ONLY_OLD):
        if name in hook and hook.pop(name):
            work.ledger.drop(f"{place}.{name}", "mmengine logs every backend in one way")
    if kind not in _LOGGERS:
        why = "mmengine has no such backend"
        work.ledger.lose(place, why, "choose one of mmengine's VISBACKENDS.")
        return None
    name, arguments = _LOGGERS[kind]
    made = {"type": name}
    made |= {new: hook.pop(old) for old, new in arguments.items() if old in hook}
    work.ledger.change(place, f"visualizer.vis_backends: {name}")
    work.leave(place, hook)
    return made


def _environment(work: Work) -> dict[str, Any]:
    distributed = work.take_dict("dist_params") or {"backend": "nccl"}
    made = {
        "cudnn_benchmark": bool(work.take("cudnn_benchmark", False)),
        "mp_cfg": {
            "mp_start_method": work.take("mp_start_method", "fork"),
            "opencv_num_threads": work.take("opencv_num_threads", 0),
        },
        "dist_cfg": distributed,
    }
    work.ledger.change("dist_params, cudnn_benchmark", "env_cfg")
    for key in ("gpu_ids", "gpus", "device", "local_rank", "launcher"):
        if key in work.old:
            work.take(key)
            work.ledger.drop(key, "the command that starts training decides it")
    return made


def _start(work: Work) -> None:
    """Write ``load_from`` and ``resume``."""
    load, resume = work.take("load_from"), work.take("resume_from")
    again = bool(work.take("auto_resume", False))
    work.new["load_from"] = resume or load
    work.new["resume"] = bool(resume) or again
    if resume:
        work.ledger.change("resume_from", "load_from with resume=True")
        why = "mmengine cannot continue a run of mmcv 1.x: its file has another layout"
        work.ledger.lose("resume_from", why, "start from its weights: set resume=False.")
    if load or resume:
        todo = "convert that file with `zoo migrate` first, if mmseg 0.x or mmdet 2.x wrote it."
        work.ledger.change("load_from", f"kept; {todo}")


def _workflow(work: Work) -> None:
    workflow = work.take("workflow")
    modes = {each[0] for each in workflow or []}
    if "val" in modes:
        why = "mmengine has no step that computes the validation loss"
        hint = "use the hook zoo.training_hooks.ValidationLoss."
        work.ledger.lose("workflow", why, hint)
    elif workflow is not None:
        work.ledger.drop("workflow", "training is all that it says")


def _randomness(work: Work) -> None:
    seed, deterministic = work.take("seed"), work.take("deterministic")
    different = work.take("diff_seed", work.take("diff_rank_seed"))
    if seed is None and not deterministic:
        return
    made: dict[str, Any] = {"seed": seed}
    if deterministic:
        made["deterministic"] = True
    if different:
        made["diff_rank_seed"] = True
    work.new["randomness"] = made
    work.ledger.change("seed, deterministic", "randomness")


def migrate_hooks(work: Work) -> None:
    """Write ``custom_hooks``.

    Args:
        work: The migration.
    """
    made = []
    for number, hook in enumerate(work.take("custom_hooks") or []):
        place = f"custom_hooks[{number}]"
        if not isinstance(hook, Mapping) or "type" not in hook:
            why = "it names no type"
            work.ledger.lose(place, why, "write it as dict(type=...), or remove it.")
            continue
        new = _hook(work, place, dict(hook))
        if new is not None:
            made.append(new)
    if made:
        work.new["custom_hooks"] = made


def _hook(work: Work, place: str, hook: dict[str, Any]) -> dict[str, Any] | None:
    kind = hook["type"]
    if kind in _EMA:
        return _averaging(work, place, hook)
    if kind == "SyncNormHook":
        for name in ("num_last_epochs", "interval"):
            hook.pop(name, None)
        work.ledger.change(place, "SyncNormHook without arguments: it works before each validation")
    if kind in _NEEDLESS_HOOKS:
        work.ledger.drop(place, _NEEDLESS_HOOKS[kind])
        return None
    return hook


def _averaging(work: Work, place: str, hook: dict[str, Any]) -> dict[str, Any]:
    kind = hook.pop("type")
    interval, momentum = hook.pop("interval", 1), hook.pop("momentum", 0.0002)
    made: dict[str, Any] = {"type": "EMAHook", "ema_type": _EMA[kind]}
    if kind == "ExpMomentumEMAHook":
        made |= {"momentum": momentum, "gamma": hook.pop("total_iter", 2000)}
    else:
        made["momentum"] = momentum**interval  # as the old hooks compute it
        _lose_warm_up(work, place, hook.pop("warm_up", 100))
    if interval != 1:
        made["interval"] = interval
    # mmcv's own hook averages parameters; those of mmdet average buffers, too.
    if kind != "EMAHook" and not hook.pop("skip_buffers", False):
        made["update_buffers"] = True
    if "priority" in hook:
        made["priority"] = hook.pop("priority")
    if hook.pop("resume_from", None):
        work.ledger.drop(f"{place}.resume_from", "mmengine resumes it with the run")
    hook.pop("skip_buffers", None)
    work.ledger.change(place, f"EMAHook, {made['ema_type']}")
    work.leave(place, hook)
    return made


def _lose_warm_up(work: Work, place: str, steps: int) -> None:
    if steps > 1000:
        why = f"mmengine's plain average has no warm-up over {steps} steps"
        work.ledger.lose(
            f"{place}.warm_up", why, "begin later (begin_iter), or use ExpMomentumEMA."
        )
    else:
        work.ledger.drop(f"{place}.warm_up", f"it ends within the first {steps} steps")
