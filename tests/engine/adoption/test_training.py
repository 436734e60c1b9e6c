# SPDX-License-Identifier: Apache-2.0
"""Training from adopted weights: heads of other classes start anew, backbones fill their place."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zoo.cli import main

pytestmark = pytest.mark.mm

_TRAINING = """
_base_ = '{model}'
model = dict(decode_head=dict(num_classes=2){more})
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler'),
                        dataset=dict(type='BaseSegDataset', pipeline=pipeline))
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler'),
                      dataset=dict(type='BaseSegDataset', pipeline=pipeline))
test_dataloader = dict(_delete_=True, **val_dataloader)
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))
"""


@pytest.fixture(autouse=True)
def _both_plugins(foreign: Any, squares_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = f"{foreign.folder}{os.pathsep}{squares_folder}"
    monkeypatch.setenv("ZOO_PLUGIN_PATH", folders)


def _train(folder: Path, foreign: Any, data: Path, more: str = "") -> Any:
    config = folder / "train.py"
    config.write_text(_TRAINING.format(model=foreign.package / "tiny_unet.py", more=more))
    words = ["train", config, "--data", data, "--work-dir", folder / "run"]
    words += ["--pretrained", "tiny_other"]
    return CliRunner().invoke(main, [str(word) for word in words])


def _trained(folder: Path) -> Any:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    return load_checkpoint(folder / "run" / "iter_1.pth").state_dict


def test_whole_model_of_other_classes_starts_with_a_new_head_and_says_so(
    foreign: Any,
    source_bytes: Callable[[str], bytes],
    tiny_weights: dict[str, Any],
    squares_data: Path,
    tmp_path: Path,
) -> None:
    """In place of the weights that the config names for its backbone, which nobody fetches."""
    foreign.list(foreign.row(source_bytes("pth")))
    init = ", backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://other'))"

    result = _train(tmp_path, foreign, squares_data, init)

    assert result.exit_code == 0, result.output
    said = [line for line in result.stderr.splitlines() if "keep their initial values" in line]
    assert len(said) == 1
    assert "2 tensors have another shape in the file" in said[0]
    assert "decode_head.conv_seg.weight (3, 4, 1, 1), expected (2, 4, 1, 1)" in said[0]
    trained = _trained(tmp_path)
    assert trained["decode_head.conv_seg.weight"].shape[0] == 2
    kept = [name for name in trained if "conv_seg" not in name and name.endswith(".weight")]
    assert len(kept) > 10
    assert all(trained[name].equal(tiny_weights[f"net.{name}"]) for name in kept)


@pytest.mark.parametrize("is_named", [True, False], ids=["by the config", "by nobody"])
def test_backbone_fills_the_place_of_the_config_s_own(
    foreign: Any,
    tiny_weights: dict[str, Any],
    squares_data: Path,
    tmp_path: Path,
    is_named: bool,
) -> None:
    import torch

    start = "net.backbone."
    alone = {
        f"net.{name.removeprefix(start)}": value
        for name, value in tiny_weights.items()
        if name.startswith(start)
    }
    stream = io.BytesIO()
    torch.save(alone, stream)
    foreign.write_converter(
        "def convert(state):\n    return {k[4:]: v for k, v in state.items()}\n"
    )
    changes = {"task": "backbone", "config": None, "parameters": None}
    foreign.list(foreign.row(stream.getvalue(), **changes))
    init = ", backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://other'))"

    result = _train(tmp_path, foreign, squares_data, init if is_named else "")

    assert result.exit_code == 0, result.output
    trained = _trained(tmp_path)
    weights = [name for name in alone if name.endswith(".weight")]
    assert len(weights) > 5
    assert all(trained[f"backbone.{name[4:]}"].equal(alone[name]) for name in weights)


def test_backbone_opens_no_model(foreign: Any, source_bytes: Callable[[str], bytes]) -> None:
    import zoo
    from zoo.errors import CheckpointError

    foreign.list(foreign.row(source_bytes("pth"), task="backbone", config=None))

    with pytest.raises(CheckpointError, match="it is a backbone, which predicts nothing") as caught:
        zoo.load("tiny_other")

    assert caught.value.hint == "train a model from it: zoo train CONFIG --pretrained tiny_other"
