# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

import os
from typing import Any, ClassVar

import pytest
import torch
from mmengine.structures import BaseDataElement

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


_FIRST = {"name": "first", "train": ["layer.bias"], "until": 1}
_LOADER = {
    "dataset": [{"inputs": torch.ones(3), "data_samples": BaseDataElement()}] * 4,
    "batch_size": 2,
    "sampler": {"type": "DefaultSampler", "shuffle": False},
}


class TestConformance(PluginConformance):
    plugin = "training_hooks"
    settings: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "StagedTraining": [
            {"stages": [_FIRST, {"name": "all", "train": ["*"], "until": 2, "lr": 1e-3}]}
        ],
        "TimeBudget": [{"minutes": 1}],
        "RateRamp": [{"out": os.devnull}],
        "ValidationLoss": [{"dataloader": _LOADER}],
        "EarlyStopping": [{"monitor": "fake/score", "rule": "greater", "patience": 3}],
    }
