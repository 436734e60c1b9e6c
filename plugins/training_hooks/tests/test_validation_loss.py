# SPDX-License-Identifier: Apache-2.0
"""ValidationLoss in runs of a Mask R-CNN and of a U-Net: its values, and what it leaves alone."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import get_priority
from zoo_training_hooks.validation_loss import ValidationLoss

from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm

HOOK = {"type": "zoo.training_hooks.ValidationLoss"}
PARTS = {
    "MaskRCNN": ["loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask"],
    "EncoderDecoder": ["decode.loss_ce", "decode.loss_dice"],
}
LEAST = {"default_hooks.checkpoint.save_best": "val/loss", "default_hooks.checkpoint.rule": "less"}


def read_log(runner: Any) -> list[dict[str, Any]]:
    """Return the validation records of a run's log."""
    (path,) = Path(runner.work_dir).glob("*/vis_data/scalars.json")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if "lr" not in record]


def test_training_with_the_hook_equals_training_without_it(
    config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """Bit for bit: weights, statistics, optimizer and random numbers, after two epochs."""
    ends = []
    for folder, hooks in (("without", ()), ("with", (HOOK,))):
        runner = make_runner(config, *hooks, folder=folder, **{"train_cfg.max_epochs": 2})
        runner.train()
        optimizer = runner.optim_wrapper.state_dict()["state"]
        moments = {f"{k}.{name}": v for k, row in optimizer.items() for name, v in row.items()}
        drawn = {"torch": torch.rand(3), "numpy": np.random.rand(3), "python": random.random()}
        ends.append({**runner.model.state_dict(), **moments, **drawn})

    without, with_hook = ends
    assert len(without) > 40
    assert list(without) == list(with_hook)
    for name in without:
        assert np.array_equal(np.asarray(without[name]), np.asarray(with_hook[name])), name


def test_losses_in_a_run_are_logged_and_the_lowest_is_kept(
    config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """Each part and their sum stand in the log; save_best takes the epoch of the lowest sum."""
    config["optim_wrapper"]["optimizer"]["lr"] = 0.1  # so that the last epoch is not the best one
    runner = make_runner(config, HOOK, **LEAST)

    runner.train()

    log = read_log(runner)
    assert len(log) == 3
    names = PARTS[config["model"]["type"]]
    for record in log:
        parts = [record[f"val/{name}"] for name in names]
        assert record["val/loss"] == pytest.approx(sum(parts), rel=1e-5)
        assert "loss" not in record
    lowest = min(log, key=lambda record: record["val/loss"])
    best = [path.name for path in Path(runner.work_dir).glob("best_*")]
    assert best == [f"best_val_loss_epoch_{lowest['step']}.pth"]
    assert runner.message_hub.get_info("best_score") == pytest.approx(lowest["val/loss"])


def test_losses_when_measured_twice_are_equal(
    instance_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """Mask R-CNN draws its regions at random: equal weights must give equal losses."""
    hook = ValidationLoss()
    runner = make_runner(instance_config, hook, **{"train_cfg.max_epochs": 1})
    runner.train()
    metrics: list[dict[str, float]] = [{}, {}]

    for one in metrics:
        hook.after_val_epoch(runner, one)
        torch.rand(5)

    assert metrics[0] == metrics[1]
    assert set(metrics[0]) == {f"val/{name}" for name in ("loss", *PARTS["MaskRCNN"])}


def test_cross_entropy_of_validation_equals_numpys(
    semantic_config: dict[str, Any], pictures: Path, make_runner: Callable[..., Any]
) -> None:
    """On labels resized with their images, without dropout, averaged over the images."""
    semantic_config["model"]["decode_head"]["loss_decode"][0]["avg_non_ignore"] = True
    hook = ValidationLoss()
    runner = make_runner(semantic_config, hook, **{"train_cfg.max_epochs": 1})
    runner.train()
    found: dict[str, float] = {}

    hook.after_val_epoch(runner, found)

    values = []
    for path in sorted((pictures / "masks").glob("val*.png")):
        mask = cv2.resize(cv2.imread(str(path), 0), (96, 96), interpolation=cv2.INTER_NEAREST)
        image = cv2.resize(cv2.imread(str(pictures / "images" / path.name)), (96, 96))
        pixels = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127.0) / 64.0
        with torch.no_grad():
            scores = runner.model.eval()(pixels, mode="tensor")[0].double().numpy()
        logs = scores - np.log(np.exp(scores).sum(0))
        values.append(-np.take_along_axis(logs, mask[None].astype(int), 0).mean())
    assert len(values) == 3
    assert found["val/decode.loss_ce"] == pytest.approx(np.mean(values), rel=1e-5)


class Counting(Hook):
    """Makes the model count in a buffer how often it gives a loss, as some losses do."""

    def before_run(self, runner: Any) -> None:
        head = runner.model.decode_head
        head.register_buffer("seen", torch.zeros(()))
        forward = head.loss

        def loss(*args: Any, **kwargs: Any) -> Any:
            head.seen += 1
            return forward(*args, **kwargs)

        head.loss = loss


def test_buffers_that_a_loss_writes_are_as_before(
    semantic_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    runner = make_runner(semantic_config, Counting(), HOOK, **{"train_cfg.max_epochs": 2})

    runner.train()

    assert runner.model.decode_head.seen == 6  # three steps an epoch


def test_priority_comes_before_averaged_weights_leave_and_the_log() -> None:
    place = get_priority(ValidationLoss.priority)

    assert get_priority("VERY_HIGH") < place < get_priority("NORMAL")


def _drop(config: dict[str, Any], *keys: str) -> None:
    for key in keys:
        config.pop(key)


def _swap(config: dict[str, Any]) -> None:
    pipeline = config["val_loss_dataloader"]["dataset"]["pipeline"]
    pipeline[1], pipeline[2] = pipeline[2], pipeline[1]


def _wrap(config: dict[str, Any]) -> None:
    _swap(config)
    loader = config["val_loss_dataloader"]
    loader["dataset"] = {"type": "RepeatDataset", "times": 1, "dataset": loader["dataset"]}


def _keep_highest(config: dict[str, Any]) -> None:
    best = {"type": "CheckpointHook", "save_best": "val/loss", "rule": "greater"}
    config["default_hooks"] = {"checkpoint": best}


def _measure_none(config: dict[str, Any]) -> None:
    config["val_loss_dataloader"] = None
    config["default_hooks"] = {"checkpoint": {"type": "CheckpointHook", "save_best": "val/loss"}}


def _ask_for_no_loss(config: dict[str, Any]) -> None:
    best = {"type": "CheckpointHook", "save_best": "loss"}
    config["default_hooks"] = {"checkpoint": best}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: _drop(c, "val_loss_dataloader"), "the config has no val_loss_dataloader"),
        (
            lambda c: _drop(c, "val_dataloader", "val_evaluator", "val_cfg"),
            "the run does not validate",
        ),
        (_swap, "LoadAnnotations comes after Resize"),
        (_wrap, "LoadAnnotations comes after Resize"),
        (
            lambda c: c["val_loss_dataloader"]["dataset"]["pipeline"].pop(1),
            "its pipeline loads no labels",
        ),
        (_keep_highest, "the rule is 'greater', expected 'less'"),
        (_measure_none, "by 'val/loss': val_loss_dataloader is None, so it is not measured"),
        (_ask_for_no_loss, "by 'loss': expected 'val/loss', as the validation loss is called"),
    ],
)
def test_run_when_it_cannot_measure_is_refused_before_it_trains(
    semantic_config: dict[str, Any],
    make_runner: Callable[..., Any],
    change: Callable[[dict[str, Any]], None],
    expected: str,
) -> None:
    change(semantic_config)
    runner = make_runner(semantic_config, HOOK)

    with pytest.raises(ConfigError) as caught:
        runner.train()

    assert expected in str(caught.value)
    assert "\nHINT: " in str(caught.value)
    assert runner.iter == 0


@pytest.mark.parametrize(
    ("absent", "reason"),
    [
        (["val_loss_dataloader"], "the config has no val_loss_dataloader"),
        (["val_dataloader", "val_evaluator", "val_cfg"], "the run does not validate"),
    ],
)
def test_run_when_the_loss_is_not_required_trains_without_it_and_says_why(
    semantic_config: dict[str, Any],
    make_runner: Callable[..., Any],
    absent: list[str],
    reason: str,
) -> None:
    """As the shipped configs have it: a config made from one needs no loader of its own."""
    _drop(semantic_config, *absent)
    hook = {**HOOK, "required": False}
    changes = {"train_cfg.max_epochs": 1, "log_level": "WARNING"}
    runner = make_runner(semantic_config, hook, **changes)

    runner.train()

    assert runner.iter == 3
    (log,) = Path(runner.work_dir).glob("*/*.log")
    assert f"no validation loss is measured: {reason}" in log.read_text()


def test_run_when_the_loss_is_not_required_and_kept_by_is_refused(
    semantic_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    _drop(semantic_config, "val_loss_dataloader")
    runner = make_runner(semantic_config, {**HOOK, "required": False}, **LEAST)

    with pytest.raises(ConfigError, match="by 'val/loss': the config has no val_loss_dataloader"):
        runner.train()


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["before Resize", "after it"])
def test_labels_that_a_transform_of_another_name_loads_are_known(
    semantic_config: dict[str, Any], make_runner: Callable[..., Any], order: tuple[int, int]
) -> None:
    """As a plugin's LoadInstanceAnnotations: what loads labels says so in its name."""
    from mmseg.datasets.transforms import LoadAnnotations
    from mmseg.registry import TRANSFORMS

    class LoadOutlineAnnotations(LoadAnnotations):
        """Loads as mmseg does."""

    TRANSFORMS.register_module(module=LoadOutlineAnnotations, force=True)
    dataset = semantic_config["val_loss_dataloader"]["dataset"]
    steps = dataset["pipeline"]
    steps[1] = {**steps[1], "type": "LoadOutlineAnnotations"}
    dataset["pipeline"] = [steps[0], *(steps[place] for place in order), *steps[3:]]
    runner = make_runner(semantic_config, HOOK, **{"train_cfg.max_epochs": 1})

    if order == (1, 2):
        runner.train()
        assert "val/loss" in read_log(runner)[0]
    else:
        with pytest.raises(ConfigError, match="LoadOutlineAnnotations comes after Resize"):
            runner.train()


def test_run_when_its_data_is_empty_is_refused(
    instance_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    instance_config["val_loss_dataloader"]["dataset"]["indices"] = 0

    with pytest.raises(DataError, match=r"its data set is empty\.\nwhere: val_loss_dataloader"):
        make_runner(instance_config, HOOK).train()


def test_run_when_every_batch_of_its_data_is_dropped_is_refused(
    instance_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    instance_config["val_loss_dataloader"] |= {"batch_size": 64, "drop_last": True}

    with pytest.raises(DataError, match=r"images are less than a batch, and drop_last is set\.\n"):
        make_runner(instance_config, HOOK).train()


def test_run_when_its_annotations_are_missing_is_refused(
    config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    config["val_loss_dataloader"]["dataset"]["ann_file"] = "lost.txt"

    with pytest.raises(DataError, match=r"cannot be built: .*lost\.txt"):
        make_runner(config, HOOK).train()


def test_run_when_the_loader_is_none_trains_without_the_loss(
    semantic_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """As --data leaves it where the data has no images for validation."""
    changes = dict.fromkeys(["val_loss_dataloader", "val_dataloader", "val_evaluator", "val_cfg"])
    runner = make_runner(semantic_config | changes, HOOK, **{"train_cfg.max_epochs": 1})

    runner.train()

    assert runner.iter == 3
