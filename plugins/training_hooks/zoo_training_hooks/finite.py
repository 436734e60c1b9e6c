# SPDX-License-Identifier: Apache-2.0
"""Stop a run when its loss or weights are not finite, before they reach a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook

from zoo.errors import TrainingError

__all__ = ["StopOnNonFiniteLoss"]

_NAMED_IMAGES = 8


class StopOnNonFiniteLoss(Hook):
    """Stop on a NaN or infinite loss, and report the step, the loss and the images.

    The optimizer has stepped before a hook sees the loss, so the weights in memory may already be
    invalid. This hook raises before mmengine's ``CheckpointHook`` runs, so it saves no such weights
    and deletes no checkpoint for them. A step can also break the weights with a finite loss (a
    gradient that is not finite, or the loss of another process). Weights are therefore checked
    before they are saved: at the end of every epoch, before every validation, and before each
    checkpoint between two steps.

    Each step reads one number, the total loss, after mmengine has read it for its log, so there is
    no additional synchronisation. The gradient scaler handles gradients that overflow in mixed
    precision by skipping the step; this hook checks only the loss and the weights.

    Raises:
        TrainingError: The loss or a weight is not finite.
    """

    # After mmengine's RuntimeInfoHook, which reads the losses; before hooks that save or draw.
    priority = "VERY_HIGH"

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Check the loss, and the weights if they are saved after this step.

        Args:
            runner: The runner.
            batch_idx: Number of the batch in its epoch.
            data_batch: Batch of the loader, a dict with ``data_samples``.
            outputs: ``loss`` and each part of it, ``()`` tensors or floats.

        Raises:
            TrainingError: The loss, or a weight that would be saved, is not finite.
        """
        losses = {name: value for name, value in (outputs or {}).items() if "loss" in name}
        # mmengine's total includes every part, so one number is enough.
        total = {"loss": losses["loss"]} if "loss" in losses else losses
        if not all(math.isfinite(_number(value)) for value in total.values()):
            raise _loss_error(runner, losses, data_batch)
        if any(_saves_after_this_step(hook, runner) for hook in runner.hooks):
            _check_weights(runner, step=runner.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        """Check the weights, which a checkpoint of this epoch would contain.

        Args:
            runner: The runner.
        """
        _check_weights(runner, step=runner.iter)

    def before_val(self, runner: Any) -> None:
        """Check the weights, which a best checkpoint would contain, if this run trains them.

        Args:
            runner: The runner.
        """
        if runner.iter > 0:
            _check_weights(runner, step=runner.iter)


def _saves_after_this_step(hook: Hook, runner: Any) -> bool:
    """Return whether a hook writes a checkpoint between this step and the next one."""
    if not isinstance(hook, CheckpointHook) or hook.by_epoch:
        return False
    due = hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
    return bool(due or (hook.save_last and hook.is_last_train_iter(runner)))


def _loss_error(runner: Any, losses: Mapping[str, Any], data_batch: Any) -> TrainingError:
    values = {name: _number(value) for name, value in losses.items()}
    broken = {name: value for name, value in values.items() if not math.isfinite(value)}
    parts = {name: value for name, value in broken.items() if name != "loss"} or broken
    found = ", ".join(f"{name} is {value}" for name, value in parts.items())
    return TrainingError(
        f"cannot continue training: {found} at step {runner.iter + 1}, expected a finite number.",
        where=_name_images(data_batch),
        hint=f"check these images and their masks, lower the learning rate, or clip gradients; "
        f"{_name_checkpoint(runner)}",
    )


def _number(value: Any) -> float:
    return value.item() if isinstance(value, torch.Tensor) else float(value)


def _check_weights(runner: Any, *, step: int) -> None:
    state = {
        name: tensor for name, tensor in runner.model.state_dict().items() if _is_float(tensor)
    }
    if not state or torch.stack([tensor.isfinite().all() for tensor in state.values()]).all():
        return
    broken = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    message = (
        f"cannot continue training: {len(broken)} of {len(state)} weights are not finite after "
        f"step {step}, although its loss was, expected finite numbers."
    )
    hint = f"lower the learning rate or clip gradients; {_name_checkpoint(runner)}"
    raise TrainingError(message, where=_shorten(broken), hint=hint)


def _is_float(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor) and tensor.is_floating_point()


def _name_checkpoint(runner: Any) -> str:
    info = runner.message_hub.runtime_info
    if info.get("last_ckpt"):
        return f"{info['last_ckpt']} is from before this step, and its weights are finite."
    return "no checkpoint was written before this step."


def _name_images(data_batch: Any) -> str | None:
    samples = data_batch.get("data_samples") if isinstance(data_batch, Mapping) else None
    names = [name for sample in _flatten(samples) if (name := _name_image(sample))]
    return _shorten(names) if names else None


def _flatten(samples: Any) -> Iterator[Any]:
    """Yield the samples of a list, or of the dict of lists of a multi-branch batch."""
    if isinstance(samples, Mapping) and "img_path" not in samples:
        samples = list(samples.values())
    if isinstance(samples, (list, tuple)):
        for sample in samples:
            yield from _flatten(sample)
    elif samples is not None:
        yield samples


def _name_image(sample: Any) -> str | None:
    found = sample if isinstance(sample, Mapping) else getattr(sample, "metainfo", {})
    path = found.get("img_path")
    return None if path is None else str(path)


def _shorten(names: list[str]) -> str:
    more = len(names) - _NAMED_IMAGES
    return ", ".join(names[:_NAMED_IMAGES]) + (f" and {more} more" if more > 0 else "")
