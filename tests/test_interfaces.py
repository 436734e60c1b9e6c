# SPDX-License-Identifier: Apache-2.0
"""The Protocols fit upstream's own classes, or they would describe something else."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from zoo import interfaces
from zoo.manifest.rows import Manifest
from zoo.testing import check_members

MANIFEST = Manifest(Path("zoo_plugin.toml"), "upstream", "1", 1, "upstream's classes", "MIT")


def upstream_classes() -> list[tuple[str, Any]]:
    import torch
    from mmcv.transforms import RandomFlip
    from mmdet.datasets import CocoDataset
    from mmengine import runner
    from mmengine.dataset import DefaultSampler
    from mmengine.evaluator import Evaluator
    from mmengine.hooks import CheckpointHook
    from mmengine.optim import DefaultOptimWrapperConstructor, MultiStepLR
    from mmseg.datasets import BaseSegDataset
    from mmseg.evaluation import IoUMetric
    from mmseg.models import UNet
    from mmseg.models.losses import CrossEntropyLoss

    return [
        ("Dataset", BaseSegDataset),
        ("Dataset", CocoDataset),
        ("Evaluator", Evaluator),
        ("Hook", CheckpointHook),
        ("Loop", runner.IterBasedTrainLoop),
        ("Loop", runner.ValLoop),
        ("Loss", CrossEntropyLoss),
        ("Metric", IoUMetric),
        ("Module", UNet),
        ("OptimWrapperConstructor", DefaultOptimWrapperConstructor),
        ("Optimizer", torch.optim.SGD),
        ("ParamScheduler", MultiStepLR),
        ("Sampler", DefaultSampler),
        ("Transform", RandomFlip),
    ]


@pytest.mark.mm
def test_protocols_are_met_by_upstreams_classes() -> None:
    for protocol, found in upstream_classes():
        check_members(MANIFEST, f"{found.__module__}:{found.__name__}", found, protocol)


@pytest.mark.mm
def test_hook_protocol_has_points_and_arguments_of_mmengine() -> None:
    """A method written here that mmengine never calls would be a lie."""
    from mmengine.hooks import Hook

    for name, method in vars(interfaces.Hook).items():
        if inspect.isfunction(method) and name.startswith(("before_", "after_")):
            theirs = inspect.signature(getattr(Hook, name)).parameters

            assert list(inspect.signature(method).parameters) == list(theirs), name


def test_protocols_say_what_each_method_is_for() -> None:
    for name in interfaces.__all__:
        protocol = getattr(interfaces, name)
        if inspect.isclass(protocol):
            assert inspect.getdoc(protocol), name
            for method, function in vars(protocol).items():
                code = getattr(function, "__code__", None)
                is_ours = code is not None and code.co_filename == interfaces.__file__
                if inspect.isfunction(function) and is_ours:
                    assert function.__doc__, f"{name}.{method}"
