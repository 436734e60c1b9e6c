# SPDX-License-Identifier: Apache-2.0
"""Parts of a config that both planners write: head, reasons, schedule."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.interfaces import Fingerprint, Machine, Reason
from zoo_auto_fit.network import Network
from zoo_auto_fit.rules import Schedule

__all__ = ["Labels", "comments", "head_text", "loader_text", "loss_loader_text", "schedule_text"]
__all__ += ["train_loader_text"]

_WIDTH = 100


def head_text(data: Fingerprint, bases: Sequence[str]) -> str:
    """Return docstring and bases.

    Args:
        data: Facts for the first line.
        bases: Names of `zoo config list --bases`.
    """
    names = ", ".join(f'"zoo::{base}"' for base in bases)
    count = data.images["train"]
    return f'''"""Planned by zoo fit from {count} training images; docs/guide/fit.md."""

_base_ = [{names}]
data_root = {data.root!r}
'''


def comments(reasons: Sequence[Reason]) -> str:
    """Return a comment for each choice.

    Args:
        reasons: In the order to be shown.
    """
    lines = [
        line
        for each in reasons
        for line in textwrap.wrap(
            f"{each.rule}: {each.value}. {each.why[:1].upper()}{each.why[1:]}.",
            _WIDTH - 2,
            subsequent_indent="    ",
        )
    ]
    return "".join(f"# {line}\n" for line in lines)


def schedule_text(
    data: Fingerprint,
    schedule: Schedule,
    *,
    rate: float,
    network: Network,
    save_best: str,
    base_averages: bool = False,
) -> str:
    """Return optimizer, schedule, hooks and loops.

    Args:
        data: Which splits it has.
        schedule: Steps and time.
        rate: Learning rate at its top.
        network: Weight decay, rate of the encoder, averaging.
        save_best: Metric that chooses the checkpoint.
        base_averages: Whether a base of the config has the hook that averages.
    """
    warm_up = min(50, schedule.most_steps // 20)
    slower = f'dict(custom_keys={{"backbone.encoder": dict(lr_mult={network.encoder_rate:g})}})'
    paramwise = f"\n    paramwise_cfg={slower}," if network.encoder_rate != 1 else ""
    val = _val_text(data, schedule.save_interval, save_best)
    return f"""max_iters = {schedule.most_steps}
val_interval = {schedule.val_interval}
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr={rate:g}, weight_decay={network.decay:g}),
    clip_grad=dict(max_norm=5.0),{paramwise}
)
{_rates_text(warm_up)}\
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=val_interval)
test_cfg = dict(type="TestLoop")
{val}
{_hooks_text(schedule, network, base_averages=base_averages)}"""


def _rates_text(warm_up: int) -> str:
    """Return the schedule of the rate; mmengine knows no warm-up of a single step."""
    begin = "warm_up" if warm_up >= 2 else "0"
    rows = f"""param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=warm_up),
    dict(type="PolyLR", power=0.9, eta_min=1e-6, by_epoch=False, begin={begin}, end=max_iters),
]
"""
    if warm_up >= 2:
        return f"warm_up = {warm_up}\n{rows}"
    return "".join(line for line in rows.splitlines(keepends=True) if "LinearLR" not in line)


def _hooks_text(schedule: Schedule, network: Network, *, base_averages: bool) -> str:
    time = f"seconds={schedule.clock_s:.1f}, reserve_s={schedule.reserve_s:.1f}"
    rows = [f'dict(type="zoo.training_hooks.TimeBudget", {time}),']
    # The mean covers the last sixth of the run, 250 steps of 1,500, as in shipped configs.
    momentum = f"momentum={min(0.2, 6 / max(schedule.steps, 1)):.2g}"
    edit = ""
    if network.averaged and base_averages:
        edit = f"\n    EMAHook=dict({momentum}),"
    elif network.averaged:
        rows.append(f'dict(type="EMAHook", {momentum}),')
    after = "".join(f"\n        {row}" for row in rows)
    return f"custom_hooks = dict(\n    _edit_=True,{edit}\n    _after_=[{after}\n    ],\n)\n"


def _val_text(data: Fingerprint, interval: int, save_best: str) -> str:
    if data.images.get("val"):
        best = f'save_best="{save_best}"'
        return f"""val_cfg = dict(type="ValLoop")
default_hooks = dict(checkpoint=dict(interval={interval}, {best}))"""
    return f"""val_cfg = None  # without images to validate on, the last checkpoint is the result
default_hooks = dict(checkpoint=dict(interval={interval}, save_best=None))"""


@dataclass(frozen=True, slots=True)
class Labels:
    """How the data set of a task finds and uses its labels, as texts of a config.

    Attributes:
        files: The file that lists a split; ``{}`` is the split.
        prefix: Folders of images and labels.
        training: Further lines of a data set to train on or to measure the loss on.
        testing: Further lines of a data set to predict.
        evaluator: The evaluator; ``{}`` is the file that lists the split.
    """

    files: str
    prefix: str
    evaluator: str
    training: str = ""
    testing: str = ""


def train_loader_text(data: Fingerprint, labels: Labels, machine: Machine, batch: int) -> str:
    """Return the data loader to train from.

    Args:
        data: Type of the data set.
        labels: Of its task.
        machine: CPUs for loading.
        batch: Images in a step.
    """
    return f"""train_dataloader = dict(
    batch_size={batch},
    {_workers_text(machine.cpus, training=True)},
    sampler=dict(type="InfiniteSampler", shuffle=True),
{_dataset_text(data, labels, "train", labels.training)}        pipeline=train_pipeline,
    ),
)
"""


def loader_text(split: str, data: Fingerprint, labels: Labels, machine: Machine) -> str:
    """Return the data loader and the evaluator of ``val`` or ``test``.

    Args:
        split: Which of them; an empty test split is stood in for by ``val``, else by ``train``.
        data: Type of the data set, splits.
        labels: Of its task.
        machine: CPUs for loading.
    """
    if split == "val" and not data.images.get("val"):
        return "val_dataloader = val_evaluator = None\n"
    source = split if data.images.get(split) else "val" if data.images.get("val") else "train"
    return f"""{split}_dataloader = dict(
    batch_size=1,
    {_workers_text(machine.cpus, training=False)},
    sampler=dict(type="DefaultSampler", shuffle=False),
{_dataset_text(data, labels, source, labels.testing)}        pipeline=test_pipeline,
    ),
)
{split}_evaluator = {labels.evaluator.format(labels.files.format(source))}
"""


def loss_loader_text(data: Fingerprint, labels: Labels, batch: int, steps: str) -> str:
    """Return the data loader on which the validation loss is measured, if there is a val split.

    Args:
        data: Type of the data set, splits.
        labels: Of its task.
        batch: Images in a step.
        steps: Lines of its pipeline.
    """
    if not data.images.get("val"):
        return "val_loss_dataloader = None\n"
    return f"""val_loss_dataloader = dict(
    batch_size={batch},
    num_workers=0,  # starting a worker takes longer than loading the few images
    sampler=dict(type="DefaultSampler", shuffle=False),
{_dataset_text(data, labels, "val", labels.training)}        pipeline=[
{textwrap.indent(steps, " " * 12)}        ],
    ),
)
"""


def _dataset_text(data: Fingerprint, labels: Labels, split: str, more: str) -> str:
    """Return the beginning of a data set, up to its pipeline."""
    return f'''    dataset=dict(
        type="{data.dataset}",
        data_root=data_root,
        ann_file="{labels.files.format(split)}",
        data_prefix=dict({labels.prefix}),
{more}'''


def _workers_text(cpus: int, *, training: bool) -> str:
    """Return how images are loaded: by one process on few CPUs, by some on many.

    Validation loads its few images itself on up to four CPUs: a worker takes seconds to start.
    """
    if not training and cpus <= 4:
        return "num_workers=0, persistent_workers=False"
    count = min(8, max(1, cpus // 2)) if training else 2
    return f"num_workers={count}, persistent_workers=True"
