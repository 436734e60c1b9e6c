# SPDX-License-Identifier: Apache-2.0
"""Typos in a config's types, found with their place before anything is built."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import LoadError, UnknownNameError

pytestmark = pytest.mark.mm


@pytest.fixture
def read(squares: Path, squares_config: Path) -> Callable[..., Any]:
    from zoo.engine.config.reading import read_config

    return lambda *options: read_config(squares_config, cfg_options=options)


def test_check_type_names_of_good_config_is_silent(read: Callable[..., Any]) -> None:
    """Types of mmengine, mmcv, mmseg, another scope and a plugin; and ones no registry has."""
    from zoo.engine.config.type_names import check_type_names

    check_type_names(
        read(
            "train_dataloader.dataset.dataset.type=zoo.squares.SquareDataset",
            "model.decode_head.loss_decode.type=mmdet.CrossEntropyLoss",
            "model.test_cfg.nms.type=soft_nms",
            "optim_wrapper.optimizer.type=AdamW",
        )
    )


@pytest.mark.parametrize(
    ("key", "name", "message", "near"),
    [
        ("model.type", "EncoderDecode", "no model named 'EncoderDecode'", "EncoderDecoder"),
        ("model.backbone.type", "Unet1", "no model named 'Unet1'", "UNet"),
        (
            "model.decode_head.loss_decode.type",
            "DiceLos",
            "no loss named 'DiceLos'",
            "DiceLoss",
        ),
        (
            "train_dataloader.dataset.dataset.type",
            "CityscapeDataset",
            "no dataset named 'CityscapeDataset'",
            "CityscapesDataset",
        ),
        (
            "train_dataloader.dataset.dataset.pipeline.1.type",
            "LoadAnotations",
            "no transform named 'LoadAnotations'",
            "LoadAnnotations",
        ),
        ("default_hooks.timer.type", "ItrTimerHook", "no hook named", "IterTimerHook"),
        ("val_evaluator.type", "IoUMetrik", "no metric named", "IoUMetric"),
        ("train_cfg.type", "IterBasedTrainLop", "no loop named", "IterBasedTrainLoop"),
        ("optim_wrapper.optimizer.type", "Adamm", "no optimizer named 'Adamm'", "Adam"),
        (
            "train_dataloader.dataset.dataset.type",
            "zoo.squares.SquareDatasets",
            "no dataset named 'squares.SquareDatasets'.",
            "squares.SquareDataset",
        ),
    ],
)
def test_check_type_names_with_typo_offers_near_names_and_the_key(
    read: Callable[..., Any], key: str, name: str, message: str, near: str
) -> None:
    from zoo.engine.config.type_names import check_type_names

    with pytest.raises(UnknownNameError) as caught:
        check_type_names(read(f"{key}={name}"))

    assert caught.value.message.startswith(message)
    assert near in caught.value.near
    assert caught.value.where == key
    assert str(caught.value.hint).startswith("did you mean ")


def test_check_type_names_of_package_that_is_not_installed_says_so(
    read: Callable[..., Any],
) -> None:
    from zoo.engine.config.type_names import check_type_names

    with pytest.raises(LoadError) as caught:
        check_type_names(read("model.backbone.type=mmnone.ConvNeXt"))

    assert str(caught.value) == (
        "cannot load 'mmnone.ConvNeXt': ModuleNotFoundError: No module named 'mmnone'.\n"
        "where: model.backbone.type\n"
        "HINT: pip install mmnone, or use another type."
    )


def test_check_type_names_inside_albu_are_left_to_albumentations(
    read: Callable[..., Any],
) -> None:
    from zoo.engine.config.type_names import check_type_names

    config = read()
    pipeline = config.train_dataloader.dataset.dataset.pipeline
    pipeline.insert(1, {"type": "Albu", "transforms": [{"type": "ShiftScaleRotate"}]})
    config.train_dataloader.dataset.dataset.pipeline = pipeline

    check_type_names(config)


def test_unknown_type_of_a_build_finds_its_keys(read: Callable[..., Any]) -> None:
    """Types in places that are not checked beforehand still get place and near names."""
    from zoo.engine.config.building import explaining

    config = read("model.backbone.extra.type=LayerNrm2d")

    text = "LayerNrm2d is not in the mmseg::model registry. Please check ..."
    with pytest.raises(UnknownNameError) as caught, explaining(config):
        raise KeyError(text)

    assert caught.value.where == "model.backbone.extra"
    assert caught.value.message == "no model named 'LayerNrm2d' in the scope 'mmseg'."


_EVALUATOR = """
from mmengine.evaluator import Evaluator


class Quiet(Evaluator):
    pass
"""


@pytest.mark.parametrize("name", ["zoo.quiet.Quiet", "zoo.Quiet", "Evaluator", None])
def test_evaluator_of_a_plugin_is_looked_up_as_one(
    read: Callable[..., Any],
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str | None,
) -> None:
    """What holds metrics is an evaluator; its metrics are looked up as such."""
    from zoo.catalog import forget_catalog
    from zoo.engine.config.type_names import check_type_names

    row = '[[evaluator]]\nname = "Quiet"\ntarget = "zoo_quiet.parts:Quiet"\n'
    package = write_plugin("quiet", row, parts=_EVALUATOR)
    config = read()
    path = f"{os.environ['ZOO_PLUGIN_PATH']}{os.pathsep}{package.parent}"
    monkeypatch.setenv("ZOO_PLUGIN_PATH", path)
    forget_catalog()
    config.val_evaluator = {"metrics": [{"type": "IoUMetric"}]}
    if name is not None:
        config.val_evaluator.type = name

    check_type_names(config)
    config.val_evaluator.metrics[0].type = "IoUMetrik"
    with pytest.raises(UnknownNameError, match="no metric named 'IoUMetrik'") as caught:
        check_type_names(config)

    assert caught.value.where == "val_evaluator.metrics.0.type"


def test_unknown_evaluator_is_called_one(read: Callable[..., Any]) -> None:
    from zoo.engine.config.type_names import check_type_names

    config = read()
    config.val_evaluator = {"type": "Evaluater", "metrics": [{"type": "IoUMetric"}]}

    with pytest.raises(UnknownNameError) as caught:
        check_type_names(config)

    assert caught.value.message == "no evaluator named 'Evaluater' in the scope 'mmseg'."
    assert "Evaluator" in caught.value.near
