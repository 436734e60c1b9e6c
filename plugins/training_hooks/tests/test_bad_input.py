# SPDX-License-Identifier: Apache-2.0
"""A loss that becomes NaN in a run of the installed command."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytestmark = [pytest.mark.mm, pytest.mark.slow]

PLUGINS = "training_hooks,nans"
MANIFEST = """
[plugin]
name = "nans"
version = "0.1.0"
api = 1
summary = "a loss that breaks"
license = "Apache-2.0"

[[loss]]
name = "BreakingLoss"
target = "zoo_nans.loss:BreakingLoss"
"""
LOSS = """
from mmseg.models.losses import CrossEntropyLoss


class BreakingLoss(CrossEntropyLoss):
    '''Cross-entropy, and not a number at one call.'''

    def __init__(self, breaks_at, **kwargs):
        super().__init__(loss_name='loss_breaking', **kwargs)
        self.breaks_at, self.calls = breaks_at, 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        loss = super().forward(*args, **kwargs)
        return loss * float('nan') if self.calls == self.breaks_at else loss
"""
CONFIG = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[50.0] * 3, size=(16, 16),
        seg_pad_val=255),
    backbone=dict(
        type='UNet', in_channels=3, base_channels=4, num_stages=2, strides=(1, 1),
        enc_num_convs=(1, 1), dec_num_convs=(1,), downsamples=(True,), enc_dilations=(1, 1),
        dec_dilations=(1,), norm_cfg=dict(type='BN'), upsample_cfg=dict(type='InterpConv')),
    decode_head=dict(
        type='FCNHead', in_channels=4, in_index=1, channels=4, num_convs=1, concat_input=False,
        num_classes=2, loss_decode=dict(type='zoo.nans.BreakingLoss', breaks_at=5)))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset', data_root='data', img_suffix='.png', seg_map_suffix='.png',
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        metainfo=dict(classes=['ground', 'blob'], palette=[[0, 0, 0], [250, 200, 0]]),
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
            dict(type='PackSegInputs')]))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6)
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=1))
custom_hooks = [dict(type='zoo.training_hooks.StopOnNonFiniteLoss')]
log_processor = dict(by_epoch=False)
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Write the plugin with the loss, a config that uses it and six pictures; gives its folder."""
    package = tmp_path / "plugins" / "zoo_nans"
    package.mkdir(parents=True)
    (package / "zoo_plugin.toml").write_text(MANIFEST)
    (package / "__init__.py").write_text("import zoo\n")
    (package / "loss.py").write_text(LOSS)
    (tmp_path / "breaking.py").write_text(CONFIG)
    rng = np.random.default_rng(0)
    for folder, bound in (("images", 256), ("masks", 2)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(6):
            picture = rng.integers(0, bound, (16, 16), np.uint8)
            cv2.imwrite(str(tmp_path / "data" / folder / f"p{number}.png"), picture)
    return package.parent


def test_train_when_loss_is_nan_then_refused_and_the_last_good_checkpoint_stays(
    plugins: Path,
    tmp_path: Path,
    check_refused: Callable[..., str],
    run_zoo: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Step, loss and images are named; the checkpoint that stays is one to go on from."""
    run = tmp_path / "run"
    args = ("train", "breaking.py", "--work-dir", "run")
    fence = {"plugins": PLUGINS, "folder": plugins}

    message = check_refused(*args, guilty="loss_breaking is nan at step 5", left=run, **fence)

    # Six pictures in their order, two a step: the fifth step is back at p2 and p3.
    assert "data/images/p2.png, data/images/p3.png" in message
    assert "iter_4.pth is from before this step" in message
    assert [path.name for path in run.glob("*.pth")] == ["iter_4.pth"]
    assert Path((run / "last_checkpoint").read_text()).name == "iter_4.pth"
    weights = torch.load(run / "iter_4.pth", weights_only=False)["state_dict"]  # written above
    assert all(tensor.isfinite().all() for tensor in weights.values())

    mended = (
        "--resume",
        "--other-config",
        "--cfg-options",
        "model.decode_head.loss_decode.breaks_at=0",
    )
    again = run_zoo(*args, *mended, **fence)

    assert again.returncode == 0, again.stderr
    assert [path.name for path in run.glob("*.pth")] == ["iter_6.pth"]
