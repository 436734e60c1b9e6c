# SPDX-License-Identifier: Apache-2.0
"""Configs of mmseg 0.x are told, and those of today never are."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.engine.config.generations import check_generation
from zoo.errors import ConfigError

_OLD: dict[str, Any] = {
    "model": {"type": "EncoderDecoder", "backbone": {"type": "ResNetV1c"}},
    "img_norm_cfg": {"mean": [0, 0, 0]},
    "data": {"samples_per_gpu": 2, "train": {"type": "CityscapesDataset"}},
    "optimizer": {"type": "SGD"},
    "runner": {"type": "IterBasedRunner", "max_iters": 100},
    "evaluation": {"interval": 10, "metric": "mIoU"},
}


def test_check_generation_of_old_config_names_keys_and_their_successors() -> None:
    with pytest.raises(ConfigError) as caught:
        check_generation(_OLD, "old.py")

    assert caught.value.message == (
        "cannot use an old-generation config (mmseg 0.x, mmdet 2.x): it has the keys 'data', "
        "'runner', 'optimizer', 'evaluation', 'img_norm_cfg', 'model without data_preprocessor', "
        "expected mmengine's."
    )
    assert caught.value.where == "old.py"
    for move in (
        "runner -> train_cfg",
        "evaluation -> val_evaluator",
        "optimizer -> optim_wrapper",
    ):
        assert move in str(caught.value.hint)


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"type": "EncoderDecoder"}},
        {"model": {}, "optimizer": {"type": "SGD"}, "optim_wrapper": {"type": "OptimWrapper"}},
        {"model": {}, "data": "somewhere", "train_dataloader": {}},
    ],
    ids=["model-only", "stray-optimizer", "own-data-variable"],
)
def test_check_generation_of_new_config_is_silent(config: dict[str, Any]) -> None:
    check_generation(config, "new.py")


def test_check_generation_of_half_migrated_config_still_refuses() -> None:
    """Old data keys beside a new optimizer wrapper would be ignored in silence."""
    with pytest.raises(ConfigError):
        check_generation(_OLD | {"optim_wrapper": {"type": "OptimWrapper"}}, "half.py")
