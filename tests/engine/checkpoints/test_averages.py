# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of mmdet 2.x hold each weight twice; and what of a checkpoint is a parameter."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm


def _module() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def _as_mmdet_2(state_dict: Any) -> Any:
    """Return what a model of mmdet 2.x saves whose EMA hook has swapped both values.

    Source: ``BaseEMAHook.before_run`` and ``_swap_ema_parameters`` in ``mmdet/core/hook/ema.py``
    of mmdet 2.28: ``buffer_name = f"ema_{name.replace('.', '_')}"``.
    """
    doubled = OrderedDict(state_dict)
    doubled._metadata = state_dict._metadata  # type: ignore[attr-defined]
    for name, value in state_dict.items():
        doubled[f"ema_{name.replace('.', '_')}"] = value + 1
    return doubled


@pytest.mark.parametrize("prefix", ["", "module."], ids=["alone", "data parallel"])
def test_load_of_weights_with_averages_takes_those_under_their_own_names(
    tmp_path: Path, prefix: str
) -> None:
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.fit import check_fits

    module = _module()
    weights = module.state_dict()
    doubled = _as_mmdet_2(weights)
    tree = {f"{prefix}{name}": value for name, value in doubled.items()} if prefix else doubled
    torch.save({"state_dict": tree, "meta": {}}, tmp_path / "yolox.pth")

    checkpoint = load_checkpoint(tmp_path / "yolox.pth")

    assert list(checkpoint.state_dict) == list(weights)
    assert all(torch.equal(weights[name], value) for name, value in checkpoint.state_dict.items())
    assert "7 ema_*" in checkpoint.rest
    check_fits(module, checkpoint.state_dict, tmp_path)
    if not prefix:
        assert checkpoint.state_dict._metadata["1"]["version"] == 2  # type: ignore[attr-defined]


def test_load_of_a_model_that_has_a_part_called_ema_keeps_it(tmp_path: Path) -> None:
    """Only a copy of a weight that is there goes."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    weights = {"ema_head.weight": torch.ones(2), "ema_other_bias": torch.ones(1)}
    torch.save(weights, tmp_path / "a.pth")

    assert load_checkpoint(tmp_path / "a.pth").state_dict.keys() == weights.keys()


def test_predict_with_weights_that_hold_averages_is_as_without(bright_run: Path) -> None:
    """It was refused for unexpected names, though every weight was there."""
    import torch

    from zoo.engine.prediction.model import open_model

    path = next(bright_run.glob("best_*.pth"))
    wanted = open_model(str(bright_run), device="cpu").module.state_dict()
    tree = torch.load(path, weights_only=True)
    tree["state_dict"].update(
        {f"ema_{name.replace('.', '_')}": value + 9 for name, value in wanted.items()}
    )
    torch.save(tree, path)

    found = open_model(str(bright_run), device="cpu").module.state_dict()

    assert wanted.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


def test_conversion_counts_parameters_without_buffers_and_averages(tmp_path: Path) -> None:
    import torch

    from zoo.engine.checkpoints.convert import convert_checkpoint

    module = _module()
    torch.save({"state_dict": _as_mmdet_2(module.state_dict())}, tmp_path / "a.pth")

    converted = convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors", facts={})

    assert converted.parameters == sum(value.numel() for value in module.parameters())
    assert converted.tensors == len(module.state_dict())


# Of each module that saves a buffer of floats other than batch norm's, one config, and some others.
CONFIGS = [
    "mmdet::seesaw_loss/mask-rcnn_r101_fpn_seesaw-loss_random-ms-2x_lvis-v1.py",
    "mmdet::detectors/cascade-rcnn_r50-rfp_1x_coco.py",
    "mmdet::gfl/gfl_r50_fpn_1x_coco.py",
    "mmdet::ghm/retinanet_r50_fpn_ghm-1x_coco.py",
    "mmseg::hrnet/fcn_hr18s_4xb2-40k_cityscapes-512x1024.py",
    "mmseg::stdc/stdc1_4xb12-80k_cityscapes-512x1024.py",
    "mmseg::segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py",
    "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "mmdet::mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco.py",
    "mmdet::yolox/yolox_tiny_8xb8-300e_coco.py",
    "mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py",
    "mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
    "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py",
    "mmseg::ocrnet/ocrnet_hr18_4xb2-40k_cityscapes-512x1024.py",
]


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_parameters_of_a_checkpoint_are_those_of_the_model(config: str) -> None:
    """Counted by names alone, as of a rescued file, and by torch of the built model."""
    from mmengine.registry import MODELS, init_default_scope
    from torch.nn import Parameter

    from zoo.engine.checkpoints.convert import is_parameter
    from zoo.engine.config.reading import read_config

    resolved = read_config(config, pretrained="none")
    init_default_scope(resolved.default_scope)
    saved = MODELS.build(resolved.model).state_dict(keep_vars=True)

    counted = {name for name, value in saved.items() if is_parameter(name, value)}

    assert counted == {name for name, value in saved.items() if isinstance(value, Parameter)}
