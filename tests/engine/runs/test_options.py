# SPDX-License-Identifier: Apache-2.0
"""Epochs, steps, batch size and learning rate: what each sets, and which cannot go together."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config.reading import read_config
from zoo.engine.runs.options import RunOptions, set_run_options
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm

_EPOCHS = "train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=1)\n"
_SUMS = "optim_wrapper['accumulative_counts'] = 2\n"
_RATES = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
    dict(type='PolyLR', eta_min=0.002, power=0.9, by_epoch=False, begin=2, end=6)]
custom_hooks = [dict(type='Any', stages=[
    dict(name='a', until=3, lr=0.02), dict(name='b', until=6, lr=0.004)])]
"""


@pytest.fixture
def read(squares: Path, squares_config: Path, squares_data: Path) -> Callable[..., Any]:
    """Return a function that reads the squares' config (11 images twice, 2 in a step)."""

    def run(
        options: RunOptions, *cfg_options: str, more: str = "", data: Path | None = squares_data
    ) -> Any:
        squares_config.write_text(squares_config.read_text() + more)
        adjust = partial(set_run_options, options)
        return read_config(squares_config, data=data, cfg_options=cfg_options, adjust=adjust)

    return run


@pytest.mark.parametrize(
    ("options", "cfg_options", "steps"),
    [
        (RunOptions(epochs=3), (), 33),
        (RunOptions(epochs=3, batch_size=4), (), 18),
        (RunOptions(epochs=3, batch_size=3), (), 24),  # the last step of an epoch is smaller
        (RunOptions(epochs=3, batch_size=3), ("train_dataloader.drop_last=True",), 21),
        (RunOptions(epochs=3, processes=4), (), 9),
        (RunOptions(epochs=3), ("train_dataloader.dataset.times=1",), 18),
        (RunOptions(epochs=3), ("train_dataloader.dataset.dataset.indices=4",), 12),
        (RunOptions(max_steps=7), (), 7),
    ],
)
def test_epochs_of_a_loop_by_steps_are_passes_over_the_images(
    read: Callable[..., Any], options: RunOptions, cfg_options: tuple[str, ...], steps: int
) -> None:
    """Images are counted as they will be trained on: repeats, subsets, batches, processes."""
    config = read(options, *cfg_options)

    assert (config.train_cfg.type, config.train_cfg.max_iters) == ("IterBasedTrainLoop", steps)


def test_steps_of_a_loop_by_epochs_make_it_one_by_steps(read: Callable[..., Any]) -> None:
    """mmengine's loop by epochs cannot end within one."""
    config = read(RunOptions(max_steps=25), more=_EPOCHS)

    assert config.train_cfg == {"type": "IterBasedTrainLoop", "max_iters": 25, "val_interval": 6}
    assert config.log_processor.by_epoch is False


def test_explicit_option_wins_over_what_was_scaled(read: Callable[..., Any]) -> None:
    config = read(RunOptions(max_steps=60), "train_cfg.val_interval=7")

    assert (config.train_cfg.max_iters, config.train_cfg.val_interval) == (60, 7)
    assert config.default_hooks.checkpoint.interval == 30


def test_batch_size_is_that_of_training_alone(read: Callable[..., Any]) -> None:
    """Validation, test, the rate's automatic scaling and accumulated gradients stay."""
    more = "auto_scale_lr = dict(enable=True, base_batch_size=16)\n"
    more += "optim_wrapper.update(accumulative_counts=3)\n"
    config = read(RunOptions(batch_size=8), more=more)

    loaders = [config[f"{split}_dataloader"].batch_size for split in ("train", "val", "test")]
    assert loaders == [8, 1, 1]
    assert config.auto_scale_lr == {"enable": True, "base_batch_size": 16}
    assert (config.optim_wrapper.accumulative_counts, config.train_cfg.max_iters) == (3, 6)


def test_rate_scales_what_is_absolute_in_the_schedule(read: Callable[..., Any]) -> None:
    """The curve keeps its shape: with a tenth of the rate, its end is a tenth too."""
    config = read(RunOptions(lr=0.002), more=_RATES)

    assert config.optim_wrapper.optimizer.lr == 0.002
    assert config.param_scheduler[0].start_factor == 0.1
    assert config.param_scheduler[1].eta_min == pytest.approx(0.0002)
    rates = [stage.lr for stage in config.custom_hooks[0].stages]
    assert rates == pytest.approx([0.002, 0.0004])


@pytest.mark.parametrize(
    ("options", "more", "loop", "ends"),
    [
        # As many steps of the optimizer, each of four batches: everything takes four times as long.
        (RunOptions(accumulate=4), "", ("max_iters", 24), [8, 24]),
        (RunOptions(accumulate=4, max_steps=12), "", ("max_iters", 48), [16, 48]),
        # Epochs stay passes over the images; schedules in steps keep their number of steps.
        (RunOptions(accumulate=4), _EPOCHS, ("max_epochs", 4), [8, 24]),
        (RunOptions(accumulate=4, epochs=3), "", ("max_iters", 33), [11, 33]),
        # It adds up two batches already.
        (RunOptions(accumulate=4), _SUMS, ("max_iters", 12), [4, 12]),
        (RunOptions(accumulate=2), _SUMS, ("max_iters", 6), [2, 6]),
        (RunOptions(accumulate=1), _SUMS, ("max_iters", 3), [2, 3]),
    ],
)
def test_accumulation_keeps_the_steps_of_the_optimizer(
    read: Callable[..., Any],
    options: RunOptions,
    more: str,
    loop: tuple[str, int],
    ends: list[int],
) -> None:
    """Warm-up, decay and length count batches in mmengine, and steps for the user."""
    config = read(options, more=_RATES + "custom_hooks = []\n" + more)

    assert config.optim_wrapper.accumulative_counts == options.accumulate
    assert config.train_cfg[loop[0]] == loop[1]
    assert [node.end for node in config.param_scheduler] == ends


@pytest.mark.parametrize(
    ("options", "more", "momentum"),
    [
        (RunOptions(ema=True), "", 0.1),  # six steps: the most
        (RunOptions(ema=True, max_steps=1000), "", 0.008),
        (RunOptions(ema=True, max_steps=1000, accumulate=4), "", 0.002),
        (RunOptions(ema=True, epochs=20), _EPOCHS, 0.036364),  # 11 batches an epoch
        (RunOptions(ema=True), "custom_hooks = [dict(type='EMAHook', momentum=0.3)]\n", 0.3),
        (RunOptions(ema=True), "custom_hooks = [dict(type='mmdet.EMAHook', momentum=0.3)]\n", 0.3),
    ],
)
def test_average_of_weights_looks_back_over_an_eighth_of_the_run(
    read: Callable[..., Any], options: RunOptions, more: str, momentum: float
) -> None:
    """A hook that the config has is kept as it is."""
    config = read(options, more=more)

    found = [hook for hook in config.custom_hooks if hook.type.endswith("EMAHook")]
    assert [hook.momentum for hook in found] == [momentum]


@pytest.mark.parametrize(
    ("options", "cfg_options", "message"),
    [
        (RunOptions(epochs=2, max_steps=9), (), "cannot train for --epochs and --max-steps"),
        (RunOptions(epochs=2), ("train_cfg.max_iters=9",), "--epochs and --cfg-options train_cfg."),
        (RunOptions(max_steps=2), ("train_cfg.max_epochs=9",), "--max-steps and --cfg-options"),
        (
            RunOptions(batch_size=2),
            ("train_dataloader.batch_size=9",),
            "--batch-size and --cfg-options train_dataloader.batch_size together",
        ),
        (RunOptions(lr=2), ("optim_wrapper.optimizer.lr=9",), "--lr and --cfg-options"),
        (RunOptions(epochs=0), (), "cannot set --epochs: found 0, expected a whole number from 1"),
        (RunOptions(max_steps=-3), (), "cannot set --max-steps: found -3"),
        (RunOptions(batch_size=True), (), "cannot set --batch-size: found True"),
        (RunOptions(lr=float("nan")), (), "cannot set --lr: found nan, expected a number above 0"),
        (RunOptions(lr=0.0), (), "cannot set --lr: found 0.0"),
        (RunOptions(accumulate=0), (), "cannot set --accumulate: found 0"),
        (
            RunOptions(accumulate=2),
            ("optim_wrapper.accumulative_counts=3",),
            "--accumulate and --cfg-options optim_wrapper.accumulative_counts together",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(
    read: Callable[..., Any], options: RunOptions, cfg_options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(options, *cfg_options)

    assert message in caught.value.message
    assert caught.value.hint
    assert str(caught.value.where).startswith("--")


@pytest.mark.parametrize(
    ("more", "options", "where"),
    [
        (
            "optim_wrapper = dict(a=dict(optimizer=dict(type='SGD', lr=1)))\n",
            RunOptions(lr=0.1),
            "optim_wrapper",
        ),
        (
            "optim_wrapper = dict(a=dict(optimizer=dict(type='SGD', lr=1)))\n",
            RunOptions(accumulate=2),
            "optim_wrapper",
        ),
        (
            "train_dataloader['sampler'] = dict(type='GroupMultiSourceSampler', batch_size=5)\n",
            RunOptions(batch_size=4),
            "train_dataloader.sampler.batch_size",
        ),
        ("train_cfg = dict(type='OwnLoop', max_iters=3)\n", RunOptions(epochs=2), "train_cfg"),
    ],
    ids=["optimizers", "optimizers that add up", "sampler", "loop"],
)
def test_config_of_another_shape_is_refused_with_its_key(
    read: Callable[..., Any], more: str, options: RunOptions, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(options, more=more)

    assert caught.value.where == where
    assert "--cfg-options" in (caught.value.hint or "")


def test_epochs_of_data_that_is_missing_ask_for_data(read: Callable[..., Any]) -> None:
    """The images must be counted before the first step, and are not there."""
    with pytest.raises(DataError) as caught:
        read(RunOptions(epochs=2), data=None)

    assert "--data DIR" in (caught.value.hint or "")


def test_words_say_the_same_on_the_command_line() -> None:
    """The work dir's config notes the command with them."""
    run = RunOptions(epochs=1_000_000, batch_size=8, lr=1e-05)

    assert run.words() == ["--epochs", "1000000", "--batch-size", "8", "--lr", "1e-05"]
    assert RunOptions(accumulate=4, ema=True).words() == ["--accumulate", "4", "--ema"]
    assert RunOptions().words() == []


@pytest.mark.slow
def test_run_resumed_with_more_steps_has_the_rates_of_one_that_begins_so(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    """The schedule is that of the new length from the step that was reached."""
    from zoo.engine.runs.train import train

    def run(steps: int, folder: str, resume: str | None = None) -> dict[int, float]:
        more = _RATES.partition("custom_hooks")[0]
        config = read(RunOptions(max_steps=steps), more=more)
        config.work_dir = str(tmp_path / folder)
        config.default_hooks.logger.interval = 1
        train(config, resume=resume)
        files = sorted((tmp_path / folder).glob("*/vis_data/scalars.json"))
        rows = [json.loads(line) for line in files[-1].read_text().splitlines()]
        return {row["step"]: row["lr"] for row in rows if "lr" in row}

    run(8, "resumed")
    resumed = run(16, "resumed", "auto")
    fresh = run(16, "fresh")

    # Two runs that begin within one second write into one file.
    later = {step: rate for step, rate in resumed.items() if step > 8}
    assert sorted(later) == list(range(9, 17))
    assert later == pytest.approx({step: fresh[step] for step in later})
