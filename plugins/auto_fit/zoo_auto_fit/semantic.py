# SPDX-License-Identifier: Apache-2.0
"""The planner ``semantic``: a U-Net, its crops and its loss, from facts of the data."""

from __future__ import annotations

from zoo.interfaces import Allowance, Fingerprint, Machine, Plan, Reason
from zoo_auto_fit.config_text import comments, head_text, schedule_text
from zoo_auto_fit.encoder import has_imagenet
from zoo_auto_fit.rules import plan_batch, plan_rate, plan_schedule
from zoo_auto_fit.semantic_rules import (
    plan_class_weights,
    plan_colours,
    plan_crop,
    plan_network,
    plan_scale,
)
from zoo_auto_fit.semantic_text import data_text, model_text

__all__ = ["plan_for", "plan_semantic"]


def plan_semantic(fingerprint: Fingerprint, machine: Machine, allowance: Allowance) -> Plan:
    """Return the plan for masks of classes; each rule is in docs/guide/fit.md.

    Args:
        fingerprint: Facts of the data.
        machine: What the run may use.
        allowance: Its time, and what a step takes once that is known.
    """
    return plan_for(fingerprint, machine, allowance, imagenet=has_imagenet())


def plan_for(data: Fingerprint, machine: Machine, allowance: Allowance, *, imagenet: bool) -> Plan:
    """Return the plan for masks of classes.

    Args:
        data: Facts of the data.
        machine: What the run may use.
        allowance: Its time, and what a step takes once that is known.
        imagenet: Whether the encoder's ImageNet weights are installed.
    """
    scale, scale_reason = plan_scale(data, machine)
    network, network_reason = plan_network(data, machine, scale, imagenet=imagenet)
    crop, crop_reason = plan_crop(data, machine, scale)
    batch, batch_reason = plan_batch(
        machine,
        allowance,
        data.images["train"],
        crop_px=crop.height_px * crop.width_px,
        byte_per_px=network.byte_per_px,
        cpu=4,
    )
    rate, rate_reason = plan_rate(network.rate, batch, 4)
    weights, weight_reason = plan_class_weights(data)
    colours, colour_reason = plan_colours(data)
    schedule, schedule_reasons = plan_schedule(data, allowance, batch)
    reasons: tuple[Reason, ...] = (
        *(scale_reason, network_reason, crop_reason, batch_reason, rate_reason, weight_reason),
        *(colour_reason, *schedule_reasons),
    )
    config = "\n".join(
        (
            head_text(data, (network.base, "default_runtime")),
            comments(reasons),
            data_text(data, machine, crop, batch, colours),
            model_text(network, crop, len(data.classes), weights),
            schedule_text(data, schedule, rate=rate, network=network, save_best="mean_dice"),
        )
    )
    return Plan(
        config=config,
        batch_size=batch,
        steps=schedule.steps,
        train_s=schedule.train_s,
        reasons=reasons,
    )
