# SPDX-License-Identifier: Apache-2.0
"""Measure the loss on validation images, part by part, without affecting training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner, autocast
from torch import nn

from zoo.errors import ConfigError, DataError
from zoo_training_hooks.random_numbers import forked_random_numbers
from zoo_training_hooks.unwrapping import unwrap

__all__ = ["ValidationLoss"]

_KEY = "val_loss_dataloader"


class ValidationLoss(Hook):
    """Measure the training loss on validation images in every validation.

    The images come from ``val_loss_dataloader``, a config key beside ``val_dataloader``. Its
    pipeline must load labels before resizing, so that they are resized with the images (OpenMMLab's
    validation pipelines load them afterwards), and must not augment. Each part of the loss is
    averaged over the images and becomes a validation metric with the prefix ``val/``; the weighted
    sum is ``val/loss``. They appear in the log as ``val/loss``, ``val/loss_mask`` and so on, and
    work with ``CheckpointHook(save_best="val/loss", rule="less")``.

    The model is in evaluation mode without gradients: norm layers use their running statistics, and
    dropout is off. Random numbers, such as those that sample regions, start from ``seed`` and the
    number of the image each time, so that values are comparable, and equal in several processes;
    afterwards the generators and the model's buffers are restored. The hook does not change
    training.

    If an ``EMAHook`` validates averaged weights, the loss is that of the averaged weights.

    Args:
        dataloader: Replaces the config's ``val_loss_dataloader``.
        seed: Seed of the random numbers in each measurement.
        required: Whether to refuse a run without such a loader or without validation; otherwise
            it trains, and the log says that the loss is not measured.

    Raises:
        ConfigError: When training begins: the loss is required but cannot be measured, labels are
            loaded after resizing, or ``save_best`` would keep the highest loss or names a loss
            that is not measured.
        DataError: The loader has no images, or one of its files does not exist.
    """

    # Before EMAHook restores the training weights, and before logging and save_best.
    priority = "ABOVE_NORMAL"

    def __init__(
        self,
        dataloader: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        required: bool = True,
    ) -> None:
        self._given = dataloader
        self._seed = seed
        self._required = required
        self._loader: Any = None

    def before_train(self, runner: Any) -> None:
        """Check the configuration and build the loader.

        Args:
            runner: The runner.

        Raises:
            ConfigError: The configuration is invalid.
            DataError: There are no images, or files are missing.
        """
        config = runner.cfg.get(_KEY) if self._given is None else self._given
        lack = self._lack(runner)
        _check_rules(runner, lack)
        if lack is not None:
            runner.logger.warning("no validation loss is measured: %s", lack)
            return
        _check_pipeline(config)
        with forked_random_numbers(self._seed):
            self._loader = _build(config, self._seed)

    def _lack(self, runner: Any) -> str | None:
        """Return why the loss is not measured, or None; raise if it is required."""
        if self._given is None and _KEY not in runner.cfg:
            lack, where = f"the config has no {_KEY}", _KEY
            hint = "add one like val_dataloader, with labels loaded before Resize."
        elif self._given is None and runner.cfg[_KEY] is None:
            return f"{_KEY} is None"
        elif runner.val_loop is None:
            lack, where = "the run does not validate", "val_cfg"
            hint = "add val_dataloader, val_evaluator and val_cfg."
        else:
            return None
        if self._required:
            message = f"cannot measure the validation loss: {lack}."
            raise ConfigError(message, where=where, hint=hint)
        return lack

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Measure the losses, and add them to the metrics and the log.

        Args:
            runner: The runner.
            metrics: Name -> value of this validation; the losses are added in place.
        """
        if self._loader is None or metrics is None:
            return
        precision = autocast(enabled=bool(getattr(runner.val_loop, "fp16", False)))
        model = unwrap(runner.model)
        with forked_random_numbers(self._seed), _undisturbed(model), precision:
            means = _mean_losses(model, self._loader, self._seed)
        for name, value in means.items():
            # A name different from the training losses in every log.
            key = f"val/{name}"
            metrics[key] = value
            # mmengine removes "val/" and logs the mean of all values of a name with "loss".
            runner.message_hub.log_scalars.pop(f"val/{key}", None)
            runner.message_hub.update_scalar(f"val/{key}", value)


def _build(config: Mapping[str, Any], seed: int) -> Any:
    reason: Exception | None = None
    found = "its data set is empty"
    try:
        loader = Runner.build_dataloader(_unpadded(config), seed=seed)
    except (AssertionError, FileNotFoundError) as error:
        # mmseg asserts that its list of images exists.
        reason, found = error, f"its data set cannot be built: {str(error).rstrip('.')}"
    except ValueError as error:
        # The error of mmengine when it stores an empty list of images.
        if "need at least one array" not in str(error):
            raise
        reason = error
    else:
        if len(loader) or (get_world_size() > len(loader.dataset) > 0):
            return loader  # of more processes than images, the last ones have none
        if len(loader.dataset):
            found = f"its {len(loader.dataset)} images are less than a batch, and drop_last is set"
    message = f"cannot measure the validation loss: {found}."
    hint = "check its data_root, ann_file and filters; --data DIR sets them automatically."
    if "drop_last" in found:
        hint = "remove drop_last: each image counts once."
    raise DataError(message, where=_KEY, hint=hint) from reason


def _unpadded(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the loader's config so that no image is repeated to give each process as many."""
    sampler = config.get("sampler")
    if not isinstance(sampler, Mapping) or sampler.get("type") != "DefaultSampler":
        return dict(config)
    return {**config, "sampler": {**sampler, "round_up": False}}


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode; restore its mode and buffers afterwards."""
    modes = {module: module.training for module in model.modules()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    preprocessor = getattr(model, "data_preprocessor", None)
    augments = getattr(preprocessor, "batch_augments", None)
    if preprocessor is not None and augments is not None:
        preprocessor.batch_augments = None
    model.eval()
    try:
        with torch.no_grad():
            yield
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
    finally:
        for module, mode in modes.items():
            module.training = mode
        if preprocessor is not None and augments is not None:
            preprocessor.batch_augments = augments


def _mean_losses(model: Any, loader: Any, seed: int) -> dict[str, float]:
    """Return each part of the loss, and their sum ``loss``, averaged over the images."""
    terms: dict[str, list[float]] = {}
    images = 0
    for batch in loader:
        # Images are dealt out to the processes one by one: this is the number of the first.
        first = images * get_world_size() + get_rank()
        with forked_random_numbers(seed + first):
            # In training mode, so that labels are padded with their images.
            data = model.data_preprocessor(batch, True)
            count = len(data["inputs"])
            _, parts = model.parse_losses(model(**data, mode="loss"))
        images += count
        for name, value in parts.items():
            if "loss" in name:
                terms.setdefault(name, []).append(float(value) * count)
    return _over_processes(terms, images)


def _over_processes(terms: Mapping[str, list[float]], images: int) -> dict[str, float]:
    """Return the means over all images; `math.fsum` does not depend on the order of its terms."""
    shares = all_gather_object((dict(terms), images))
    total = sum(count for _, count in shares)
    names = dict.fromkeys(name for share, _ in shares for name in share)
    every = {name: [one for share, _ in shares for one in share.get(name, ())] for name in names}
    return {name: math.fsum(found) / total for name, found in every.items()}


def _check_pipeline(config: Mapping[str, Any]) -> None:
    """Raise if labels are loaded after resizing, or not at all."""
    dataset = config.get("dataset")
    while isinstance(dataset, Mapping) and isinstance(dataset.get("dataset"), Mapping):
        dataset = dataset["dataset"]
    pipeline = dataset.get("pipeline") if isinstance(dataset, Mapping) else None
    if not pipeline:
        return  # a data set that generates its images
    kinds = [str(step.get("type")).rpartition(".")[2] for step in pipeline]
    loads = [
        place
        for place, kind in enumerate(kinds)
        if kind.startswith("Load") and "Annotations" in kind
    ]
    where = f"{_KEY}.dataset.pipeline"
    if not loads and any("LoadImage" in kind for kind in kinds):
        message = "cannot measure the validation loss: its pipeline loads no labels."
        raise ConfigError(message, where=where, hint="add LoadAnnotations after loading images.")
    resizes = [place for place, kind in enumerate(kinds) if "Resize" in kind]
    if loads and resizes and min(resizes) < max(loads):
        message = f"cannot measure the validation loss: {kinds[max(loads)]} comes after "
        message += f"{kinds[min(resizes)]}, so labels would not fit the resized images."
        raise ConfigError(message, where=where, hint="put it right after loading images.")


def _check_rules(runner: Any, lack: str | None) -> None:
    """Raise if save_best names a loss that is not measured, or would keep the highest.

    Args:
        runner: The runner.
        lack: Why the loss is not measured, or None.
    """
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook) or not hook.save_best:
            continue
        for key, rule in zip(hook.key_indicators, hook.rules, strict=True):
            if key == "loss" and lack is None:
                found, name = "expected 'val/loss', as the validation loss is called", "save_best"
                hint = "default_hooks.checkpoint.save_best='val/loss'."
            elif key.startswith("val/loss") and lack is not None:
                found, name = f"{lack}, so it is not measured", "save_best"
                hint = "choose another metric, or add the loader."
            elif "loss" in key and rule == "greater":
                found, name = "the rule is 'greater', expected 'less'", "rule"
                hint = "default_hooks.checkpoint.rule='less'."
            else:
                continue
            message = f"cannot select the best checkpoint by {key!r}: {found}."
            raise ConfigError(message, where=f"default_hooks.checkpoint.{name}", hint=hint)
