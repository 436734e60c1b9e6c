# SPDX-License-Identifier: Apache-2.0
"""What configs of both families share: schedules, runners, optimizers and habits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

NORM = """img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
"""
CAFFE = "img_norm_cfg = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False)\n"


@dataclass(slots=True)
class OldText:
    """One old config.

    Attributes:
        name: Of the file, without suffix.
        family: ``mmseg`` or ``mmdet``.
        files: Path -> text; the config itself is ``NAME.py``.
        traits: What it is made of.
    """

    name: str
    family: str
    files: dict[str, str]
    traits: tuple[str, ...] = field(default=())

    def write(self, folder: Path) -> Path:
        """Write all files and return the config."""
        for path, text in self.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return folder / f"{self.name}.py"


SCHEDULES = {
    "poly": "lr_config = dict(policy='poly', power=0.9, min_lr=1e-4, by_epoch=False)\n",
    "poly_warm": (
        "lr_config = dict(policy='poly', warmup='linear', warmup_iters=15, warmup_ratio=1e-6,\n"
        "                 power=1.0, min_lr=0.0, by_epoch=False)\n"
    ),
    "step_warm": (
        "lr_config = dict(policy='step', warmup='linear', warmup_iters=5, warmup_ratio=0.001,\n"
        "                 step=[8, 11])\n"
    ),
    "step_constant": (
        "lr_config = dict(policy='step', warmup='constant', warmup_iters=5,\n"
        "                 warmup_ratio=1.0 / 3, step=[16, 22], gamma=0.2)\n"
    ),
    "cosine": "lr_config = dict(policy='CosineAnnealing', min_lr_ratio=0.01, by_epoch=False)\n",
    "fixed": "lr_config = dict(policy='fixed')\n",
}

RUNNERS = {
    "iters": (
        "runner = dict(type='IterBasedRunner', max_iters=40)\n"
        "checkpoint_config = dict(by_epoch=False, interval=20)\n"
        "evaluation = dict(interval=20, metric=METRIC, pre_eval=True)\n"
    ),
    "epochs": (
        "runner = dict(type='EpochBasedRunner', max_epochs=12)\n"
        "checkpoint_config = dict(interval=1, max_keep_ckpts=2)\n"
        "evaluation = dict(interval=1, metric=METRIC, save_best='auto')\n"
    ),
    "total_epochs": (
        "total_epochs = 12\ncheckpoint_config = dict(interval=1)\n"
        "evaluation = dict(interval=2, metric=METRIC)\n"
    ),
}

OPTIMIZERS = {
    "sgd": (
        "optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005)\n"
        "optimizer_config = dict()\n"
    ),
    "clipped": (
        "optimizer = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001)\n"
        "optimizer_config = dict(grad_clip=dict(max_norm=35, norm_type=2))\n"
    ),
    "adamw": (
        "optimizer = dict(\n"
        "    type='AdamW', lr=0.00006, betas=(0.9, 0.999), weight_decay=0.01,\n"
        "    paramwise_cfg=dict(custom_keys={\n"
        "        'absolute_pos_embed': dict(decay_mult=0.),\n"
        "        'relative_position_bias_table': dict(decay_mult=0.),\n"
        "        'norm': dict(decay_mult=0.)}))\n"
        "optimizer_config = dict(grad_clip=None)\n"
    ),
}

HABITS = {
    "plain": "",
    "fp16": "fp16 = dict(loss_scale=512.)\n",
    "apex": (
        "optimizer_config = dict(\n"
        "    type='DistOptimizerHook', update_interval=1, grad_clip=None, coalesce=True,\n"
        "    bucket_size_mb=-1, use_fp16=True)\n"
    ),
    "accumulated": (
        "optimizer_config = dict(type='GradientCumulativeOptimizerHook', cumulative_iters=4)\n"
    ),
    "tensorboard": (
        "log_config = dict(interval=10, hooks=[\n"
        "    dict(type='TextLoggerHook', by_epoch=False),\n"
        "    dict(type='TensorboardLoggerHook')])\n"
    ),
    "ema": "custom_hooks = [dict(type='EMAHook', momentum=0.0002, priority=49)]\n",
    "seeded": "seed = 42\ngpu_ids = range(0, 1)\nwork_dir = './work_dirs/mine'\n",
    "loaded": "load_from = 'checkpoints/old.pth'\n",
}

RUNTIME = """log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
"""


def in_files(
    name: str, family: str, parts: list[str], has_bases: bool, traits: tuple[str, ...]
) -> OldText:
    """Put the parts into one file, or into bases beside it."""
    if not has_bases:
        return OldText(name, family, {f"{name}.py": "\n".join(parts)}, traits)
    bases = [f"_base_{name}/{part}.py" for part in ("model", "data", "schedule")]
    own = f"_base_ = {bases!r}\nmodel = dict(test_cfg=dict())\ndata = dict(samples_per_gpu=1)\n"
    files = dict(zip(bases, parts, strict=True)) | {f"{name}.py": own}
    return OldText(name, family, files, (*traits, "bases"))
