# SPDX-License-Identifier: Apache-2.0
"""``lr_config`` and ``momentum_config`` as schedulers.

mmcv 1.x multiplies the schedule by the warm-up; so do two schedulers of mmengine that overlap, so
both begin at 0. ``end`` is the old length, as upstream's own new configs state it: mmengine reaches
the last value of a warm-up or of a polynomial one step before ``end``, so the rate there is at most
one iteration ahead of the old one. Steps, cosines and what counts epochs are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["migrate_schedule"]

_Steps = list[dict[str, Any]]
_BY_ITERATION = ("cyclic", "onecycle")  # policies that count iterations if nothing is said
_MOST_EXCESS = 0.03
_USUAL_EPOCH = 100  # iterations; how many there are is known when training starts
_TODO = "write the schedule with the schedulers of mmengine."


def migrate_schedule(work: Work) -> None:
    """Write ``param_scheduler``.

    Args:
        work: The migration, whose length of training is known.
    """
    schedulers: _Steps = []
    for key in ("lr_config", "momentum_config"):
        config = work.take_dict(key)
        if not config:
            continue
        made = _schedulers(work, key, config)
        if key == "momentum_config":
            made = [{**each, "type": _of_momentum(each["type"])} for each in made]
        schedulers += made
        kinds = ", ".join(str(each["type"]) for each in made) or "no scheduler: the rate is fixed"
        work.ledger.change(key, f"param_scheduler: {kinds}")
    if schedulers:
        work.new["param_scheduler"] = schedulers


def _of_momentum(kind: str) -> str:
    return kind.removesuffix("LR") + "Momentum"


def _schedulers(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    policy = str(config.pop("policy", "fixed"))
    by_epoch = bool(config.get("by_epoch", work.by_epoch and policy.lower() not in _BY_ITERATION))
    config["by_epoch"] = by_epoch
    if by_epoch and not work.by_epoch:
        work.ledger.lose(
            f"{key}.by_epoch",
            "training counts iterations, and the schedule counts epochs",
            "state the schedule in iterations.",
        )
    make = _POLICIES.get(policy)
    warmup = _warmup(work, key, config)
    if make is None:
        why = f"the policy {policy!r} is unknown"
        work.ledger.lose(f"{key}.policy", why, _TODO)
        return warmup
    if policy == "YOLOX":
        config.pop("by_epoch")
        made = _yolox(work, config)
        work.leave(key, config)
        return made
    main = make(work, key, config)
    config.pop("by_epoch", None)
    work.leave(key, config, _TODO)
    _check_overlap(work, key, warmup, main, by_epoch=by_epoch)
    return warmup + [{**each, **_counting(work, each, by_epoch)} for each in main]


def _check_overlap(work: Work, key: str, warmup: _Steps, main: _Steps, *, by_epoch: bool) -> None:
    """Name a lowest rate that grows under a warm-up.

    Each scheduler of mmengine goes on from the rate that the others left. During a warm-up, a
    schedule towards a lowest rate therefore adds some of it at each step, and the warm-up
    multiplies what was added.
    """
    if not warmup or not main or warmup[0]["type"] != "LinearLR" or not work.length:
        return
    by_epochs = warmup[0]["by_epoch"]
    if main[0]["type"] == "LinearLR" or (by_epoch and not by_epochs):
        return  # it multiplies as well, or changes after the warm-up at the earliest
    least, rate = main[0].get("eta_min", 0.0), _base_rate(work)
    share = main[0].get("eta_min_ratio", least / rate if rate else 0.0)
    start, steps = max(warmup[0]["start_factor"], 1e-9), warmup[0]["end"]
    per_unit = _USUAL_EPOCH if work.by_epoch and not by_epochs else 1
    part = min(1.0, steps / (work.length * per_unit))
    growth = min(math.log(1 / start), 1 + math.log(max(steps, 1))) if start < 1 else 0.0
    excess = share * part * growth
    if excess > _MOST_EXCESS:
        why = f"with a warm-up over it, mmengine's schedule is up to {excess:.0%} too high"
        todo = "state a lowest rate of 0, or a shorter warm-up, or compare the first steps."
        work.ledger.lose(f"{key}.min_lr", why, todo)


def _share(work: Work, config: dict[str, Any], share: float) -> float:
    """Return a part of the training in its unit; what counts iterations may end within an epoch."""
    length = work.length or 0
    if work.by_epoch and not config["by_epoch"]:
        return round(share * length, 6)
    return round(share * length)


def _counting(work: Work, each: dict[str, Any], by_epoch: bool) -> dict[str, Any]:
    """Return how a scheduler counts; smooth ones by epoch are told the unit of training."""
    end = each.get("end", work.length)
    counted: dict[str, Any] = {"begin": each.get("begin", 0)}
    if end is not None:
        counted["end"] = end
    is_smooth = each["type"] not in ("MultiStepLR", "StepLR", "ExponentialLR")
    if work.by_epoch and not by_epoch and is_smooth:
        # Iterations of an epoch are not known here; mmengine converts when it starts.
        return {**counted, "by_epoch": True, "convert_to_iter_based": True}
    if work.by_epoch and not by_epoch:
        counted.pop("end", None)
    elif by_epoch and each["type"] in ("PolyLR", "LinearLR") and "end" in counted:
        counted["end"] += 1  # one epoch ahead would be too much: the last would train at the end
    return {**counted, "by_epoch": by_epoch}


def _warmup(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    kind = config.pop("warmup", None)
    steps = config.pop("warmup_iters", 0)
    ratio = config.pop("warmup_ratio", 0.1)
    by_epoch = bool(config.pop("warmup_by_epoch", False))
    if kind is None or not steps:
        return []
    if kind != "exp" and ratio == 1:
        work.ledger.drop(f"{key}.warmup", "its ratio is 1")
        return []
    span: dict[str, Any] = {"begin": 0, "end": steps, "by_epoch": False}
    if by_epoch:
        span = {"begin": 0, "end": steps, "by_epoch": True, "convert_to_iter_based": True}
    if kind == "linear":
        return [{"type": "LinearLR", "start_factor": ratio, **span}]
    if kind == "constant":
        return [{"type": "ConstantLR", "factor": ratio, **span}]
    if kind == "exp" and config.get("num_last_epochs") is not None:
        config["warmup_epochs"] = steps
        return []
    if kind == "exp":
        # ratio ** (1 - t / n): each step multiplies by the same number.
        work.ledger.lose(
            f"{key}.warmup",
            "mmengine has no exponential warm-up; a linear one from the same ratio is written",
            "compare the first steps, or write a scheduler of your own.",
        )
        return [{"type": "LinearLR", "start_factor": ratio, **span}]
    work.ledger.lose(f"{key}.warmup", f"the kind {kind!r} is unknown", _TODO)
    return []


def _fixed(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    return []


def _step(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    step, gamma = config.pop("step", None), config.pop("gamma", 0.1)
    least = config.pop("min_lr", None)
    if least:
        why = "mmengine's step schedulers have no lowest rate"
        work.ledger.lose(f"{key}.min_lr", why, "end the steps before the rate falls below it.")
    if isinstance(step, int):
        return [{"type": "StepLR", "step_size": step, "gamma": gamma}]
    if not step:
        return []
    return [{"type": "MultiStepLR", "milestones": list(step), "gamma": gamma}]


def _exp(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    return [{"type": "ExponentialLR", "gamma": config.pop("gamma")}]


def _poly(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    power, least = config.pop("power", 1.0), config.pop("min_lr", 0.0)
    return [{"type": "PolyLR", "power": power, "eta_min": least}]


def _annealed(config: dict[str, Any]) -> dict[str, Any]:
    """Return the lowest value, absolute or as a share of the base."""
    for ending in ("lr", "momentum"):
        ratio = config.pop(f"min_{ending}_ratio", None)
        least = config.pop(f"min_{ending}", None)
        if ratio is not None:
            return {"eta_min_ratio": ratio}
        if least is not None:
            return {"eta_min": least}
    return {"eta_min": 0.0}


def _cosine(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    made: dict[str, Any] = {"type": "CosineAnnealingLR", **_annealed(config)}
    if work.length is not None:
        made["T_max"] = work.length
    return [made]


def _flat_cosine(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    start = config.pop("start_percent", 0.75)
    made = _cosine(work, key, config)
    if work.length is not None:
        begin = _share(work, config, start)
        made[0] |= {"begin": begin, "end": work.length, "T_max": work.length - begin}
    return made


def _linear(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    least = _annealed(config)
    end = least.get("eta_min_ratio", 0.0)
    if least.get("eta_min"):
        rate = _base_rate(work)
        end = least["eta_min"] / rate if rate else 0.0
    return [{"type": "LinearLR", "start_factor": 1.0, "end_factor": end}]


def _restart(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    made = {
        "type": "CosineRestartLR",
        "periods": list(config.pop("periods")),
        "restart_weights": list(config.pop("restart_weights", [1])),
        **_annealed(config),
    }
    return [made]


def _cyclic(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    """Return one cosine up to the target and one down to the floor, for a single cycle."""
    top, floor = _pair(config.pop("target_ratio", (10, 1e-4)))
    cycles, share = config.pop("cyclic_times", 1), config.pop("step_ratio_up", 0.4)
    is_cosine = config.pop("anneal_strategy", "cos") == "cos" and config.pop("gamma", 1) == 1
    rate = _base_rate(work) if key == "lr_config" else _base_momentum(work)
    if cycles != 1 or not is_cosine or rate is None or work.length is None:
        why = "only one cosine cycle of a known base and length can be written"
        work.ledger.lose(f"{key}.policy", why, _TODO)
        return []
    turn = _share(work, config, share)
    smooth: dict[str, Any] = {"type": "CosineAnnealingLR"}
    up = {**smooth, "T_max": turn, "eta_min": rate * top, "begin": 0, "end": turn}
    rest = work.length - turn
    low = rate * floor
    return [up, {**smooth, "T_max": rest, "eta_min": low, "begin": turn, "end": work.length}]


def _pair(ratio: Any) -> tuple[float, float]:
    return tuple(ratio) if isinstance(ratio, (list, tuple)) else (ratio, ratio / 1e5)


def _one_cycle(work: Work, key: str, config: dict[str, Any]) -> _Steps:
    if key != "lr_config" or work.length is None:
        work.ledger.drop(f"{key}.policy", "OneCycleLR of mmengine carries the rate only")
        config.clear()
        return []
    made: dict[str, Any] = {"type": "OneCycleLR", "eta_max": config.pop("max_lr")}
    for name in ("pct_start", "anneal_strategy", "div_factor", "final_div_factor", "three_phase"):
        if name in config:
            made[name] = config.pop(name)
    stated = config.pop("total_steps", None)
    made["total_steps"] = stated or work.length
    if stated is not None and work.by_epoch:
        why = "it counts iterations, and mmengine multiplies it by those of an epoch"
        work.ledger.lose(f"{key}.total_steps", why, "state it in epochs.")
    return [made]


def _yolox(work: Work, config: dict[str, Any]) -> _Steps:
    """Return quadratic warm-up, cosine, and a flat end, as mmdet 3.x writes its own schedule."""
    warm, last = config.pop("warmup_epochs", 5), config.pop("num_last_epochs", 15)
    ratio = config.pop("min_lr_ratio", 0.05)
    length = work.length or 300
    smooth = {"by_epoch": True, "convert_to_iter_based": True}
    least = (_base_rate(work) or 0.01) * ratio
    turn = length - last
    return [
        {"type": "mmdet.QuadraticWarmupLR", "begin": 0, "end": warm, **smooth},
        {
            "type": "CosineAnnealingLR",
            "eta_min": least,
            "T_max": turn,
            "begin": warm,
            "end": turn,
            **smooth,
        },
        {"type": "ConstantLR", "factor": 1, "begin": turn, "end": length, "by_epoch": True},
    ]


def _base_rate(work: Work) -> float | None:
    optimizer = work.new.get("optim_wrapper", {}).get("optimizer", {})
    rate = optimizer.get("lr")
    return float(rate) if isinstance(rate, (int, float)) else None


def _base_momentum(work: Work) -> float | None:
    optimizer = work.new.get("optim_wrapper", {}).get("optimizer", {})
    known = optimizer.get("momentum", (optimizer.get("betas") or [None])[0])
    return float(known) if isinstance(known, (int, float)) else None


_POLICIES: dict[str, Callable[[Work, str, dict[str, Any]], _Steps]] = {
    "fixed": _fixed,
    "Fixed": _fixed,
    "step": _step,
    "Step": _step,
    "exp": _exp,
    "Exp": _exp,
    "poly": _poly,
    "Poly": _poly,
    "CosineAnnealing": _cosine,
    "cosine": _cosine,
    "FlatCosineAnnealing": _flat_cosine,
    "LinearAnnealing": _linear,
    "CosineRestart": _restart,
    "cyclic": _cyclic,
    "Cyclic": _cyclic,
    "OneCycle": _one_cycle,
    "onecycle": _one_cycle,
    "YOLOX": _fixed,
}
