# SPDX-License-Identifier: Apache-2.0
"""Configs with something that cannot be carried."""

from __future__ import annotations

from .drawing import sample
from .shared import OldText


def _odd(name: str, of: int, more: str, *, change: tuple[str, str] = ("", "")) -> OldText:
    """Return a config of the sample with a habit that no new generation knows."""
    plain = _plain(of)
    text = plain.files[f"{plain.name}.py"].replace(*change) if change[0] else ""
    text = text or plain.files[f"{plain.name}.py"]
    return OldText(name, plain.family, {f"{name}.py": f"{text}\n{more}"}, ("odd", name))


def _plain(of: int) -> OldText:
    """Return the first config of a family that is one file."""
    family = ("mmseg", "mmdet")[of]
    return next(t for t in sample() if t.family == family and len(t.files) == 1)


ODD: dict[str, tuple[OldText, str]] = {
    "validation_loss": (
        _odd("validation_loss", 0, "workflow = [('train', 1), ('val', 1)]\n"),
        "workflow",
    ),
    "own_hook": (
        _odd("own_hook", 1, "custom_hooks = [dict(type='MyHook', every=3)]\n"),
        "custom_hooks[0].type",
    ),
    "own_runner": (
        _odd("own_runner", 1, "runner = dict(type='MyRunner', max_epochs=3)\n"),
        "runner.type",
    ),
    "own_transform": (
        _odd(
            "own_transform",
            0,
            "",
            change=("dict(type='PhotoMetricDistortion'),", "dict(type='MyBlur', p=0.1),"),
        ),
        "train_dataloader.dataset",
    ),
    "resumed": (_odd("resumed", 1, "resume_from = 'latest.pth'\n"), "resume_from"),
    "own_metric": (
        _odd("own_metric", 0, "evaluation = dict(interval=5, metric=['mIoU', 'boundary'])\n"),
        "evaluation.metric='boundary'",
    ),
    "exponential_warm_up": (
        _odd(
            "exponential_warm_up",
            1,
            "lr_config = dict(policy='step', step=[8], warmup='exp', warmup_iters=50)\n",
        ),
        "lr_config.warmup",
    ),
    "floored_steps": (
        _odd("floored_steps", 1, "lr_config = dict(policy='step', step=[8, 11], min_lr=1e-6)\n"),
        "lr_config.min_lr",
    ),
    "relative_sizes": (
        _odd(
            "relative_sizes",
            0,
            "",
            change=(
                "dict(type='RandomCrop'",
                "dict(type='Resize', ratio_range=(0.5, 2.0)),\n    dict(type='RandomCrop'",
            ),
        ),
        "data.train",
    ),
    "pavi": (
        _odd("pavi", 1, "log_config = dict(interval=5, hooks=[dict(type='PaviLoggerHook')])\n"),
        "log_config.hooks.PaviLoggerHook",
    ),
}
"""Configs with something that cannot be carried -> the start of the key that says so."""
