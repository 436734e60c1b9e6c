# SPDX-License-Identifier: Apache-2.0
"""A model whose every answer is known: a plugin that tells bright pixels from dark ones."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parent.parent
for _name, _folder in (
    ("download_faults", "tools"),
    ("terminal", "tools"),
    ("cluster", "tests/tools"),
    ("hostile_pickles", "tests/engine/checkpoints"),
    ("hint_inventory", "tests"),
    ("dynamic_mutations", "tests/checking"),
    ("static_mutations", "tests/checking"),
    ("gauge_plugin", "tests/checking"),
    ("weights_rows", "tests"),
    ("broken_environments", "tests/cli/diagnosis"),
    ("plugin_project", "tests"),
    ("pickle_attacks", "tests/engine/checkpoints"),
):
    _spec = importlib.util.spec_from_file_location(_name, _ROOT / _folder / f"{_name}.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_name] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_name])

_MANIFEST = """
[plugin]
name = "bright"
version = "0.1.0"
api = 1
summary = "tells bright pixels from dark ones"
license = "Apache-2.0"

[requires]
distributions = []

[[model]]
name = "Threshold"
target = "zoo_bright.parts:Threshold"

[[transform]]
name = "ReadRaw"
target = "zoo_bright.parts:ReadRaw"
"""

_PARTS = """
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.models import BaseSegmentor


class Threshold(BaseSegmentor):
    '''Class 1 is what is brighter than ``level``, in the grey values of the file.'''

    align_corners = False

    def __init__(self, fails_above=None):
        super().__init__(data_preprocessor=dict(type='SegDataPreProcessor'))
        self.level = torch.nn.Parameter(torch.tensor(127.5))
        self.fails_above = fails_above

    def predict(self, inputs, data_samples=None):
        if self.fails_above is not None and inputs.shape[-1] > self.fails_above:
            raise RuntimeError(f'width {inputs.shape[-1]} is too much')
        above = inputs.mean(1, keepdim=True) - self.level
        return self.postprocess_result(torch.cat([-above, above], 1), data_samples)

    def extract_feat(self, inputs): raise NotImplementedError
    def encode_decode(self, inputs, data_samples): raise NotImplementedError
    def loss(self, inputs, data_samples): raise NotImplementedError
    def _forward(self, inputs, data_samples=None): raise NotImplementedError


class ReadRaw(BaseTransform):
    '''Reads two numbers, height and width, then that many bytes.'''

    def reads(self, path):
        return path.suffix == '.scan'

    def transform(self, results):
        data = np.fromfile(results['img_path'], np.uint8)
        image = data[2:].reshape(int(data[0]), int(data[1]))
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape
        results['spacing_mm'] = np.array([0.5, np.float32(0.25)])
        results['patient'] = {'sex': 'F', 'age': np.int64(61)}
        return results
"""

_CONFIG = """
default_scope = 'mmseg'
model = dict(type='zoo.bright.Threshold'{model})
test_pipeline = [
    {loader},
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'{pack}),
]
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', img_suffix='{suffix}', pipeline=test_pipeline,
    metainfo=dict(classes=['background', 'lung'], palette=[[0, 0, 0], [200, 40, 10]])))
"""


@pytest.fixture
def server() -> Iterator[Any]:
    """Serve on loopback, badly where a test says so; see ``tools/faulty_server.py``."""
    with sys.modules["faulty_server"].FaultyServer() as started:
        yield started


@pytest.fixture(scope="session")
def payload() -> bytes:
    """Return 300,000 bytes that do not compress."""
    return random.Random(0).randbytes(300_000)


@pytest.fixture(scope="session")
def bright_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the plugin, once: a package is imported from one place only."""
    folder = tmp_path_factory.mktemp("bright")
    package = folder / "zoo_bright"
    package.mkdir()
    (package / "__init__.py").write_text('"""Bright."""\nimport zoo\n')
    (package / "zoo_plugin.toml").write_text(_MANIFEST)
    (package / "parts.py").write_text(_PARTS)
    return folder


@pytest.fixture
def write_level() -> Callable[..., Path]:
    """Return a function that writes a checkpoint of the threshold model as mmengine would."""
    import torch

    def write(
        path: Path, level: float, classes: tuple[str, ...] = ("background", "lung"), **more: Any
    ) -> Path:
        palette = [[0, 0, 0], [200, 40, 10]]
        meta = {"dataset_meta": {"classes": classes, "palette": palette}, "iter": 20}
        state_dict = {"level": torch.tensor(level), **more}
        torch.save({"meta": meta, "state_dict": state_dict}, path)
        return path

    return write


@pytest.fixture
def make_bright_run(
    bright_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_level: Callable[..., Path],
) -> Callable[..., Path]:
    """Return a function that writes a work dir of the threshold model as a run leaves it.

    The best weights cut at grey 100.5, the last at 150.5.
    """
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(bright_folder))

    def make(
        loader: str = "dict(type='LoadImageFromFile')",
        *,
        model: str = "",
        pack: str = "",
        suffix: str = ".png",
    ) -> Path:
        folder = tmp_path / "bright_run"
        folder.mkdir()
        text = _CONFIG.format(loader=loader, model=model, pack=pack, suffix=suffix)
        (folder / "bright.py").write_text(text)
        write_level(folder / "best_dice_iter_20.pth", 100.5)
        write_level(folder / "iter_40.pth", 150.5)
        (folder / "last_checkpoint").write_text(str(folder / "iter_40.pth"))
        return folder

    return make


@pytest.fixture
def bright_run(make_bright_run: Callable[..., Path]) -> Path:
    """Return a work dir of the threshold model."""
    return make_bright_run()


_SQUARES_MANIFEST = """
[plugin]
name = "squares"
version = "0.1.0"
api = 1
summary = "bright squares on dark ground"
license = "Apache-2.0"

[[dataset]]
name = "SquareDataset"
task = "semantic"
target = "zoo_squares.parts:SquareDataset"
prepare = "zoo_squares.raw:prepare"
sample = "zoo_squares.raw:write_sample"
classes = "from data"
licence = "CC0-1.0"
"""

# Its raw layout, images/ and masks/ of equal names, and a sample in it.
_SQUARES_RAW = """
import cv2
import numpy as np
from zoo.data import DatasetIdentity, Pair, Report, open_source, prepare_semantic, staged_folder


def write_sample(out, *, seed=0, count=None, progress=None):
    with staged_folder(out) as folder:
        for number in range(count or 16):
            rng = np.random.default_rng([seed, number])
            mask = np.zeros((32, 32), np.uint8)
            top, left = rng.integers(2, 14, 2)
            mask[top : top + 14, left : left + 14] = 1
            image = (rng.integers(0, 90, mask.shape) + 150 * mask).astype(np.uint8)
            for name, array in (("images", image), ("masks", mask)):
                (folder / name).mkdir(exist_ok=True)
                cv2.imwrite(str(folder / name / f"s{number:02}.png"), array)


def prepare(source, out, *, shares, progress=None):
    with open_source(source) as opened:
        images = [file for file in opened.files() if file.folder.endswith("images")]
        return prepare_semantic(
            opened,
            out,
            dataset=DatasetIdentity("squares", "SquareDataset", "0.1.0"),
            pairs=[
                Pair(file.stem, file.stem, file.path, (file.path.replace("images", "masks"),))
                for file in images
            ],
            classes=["ground", "square"],
            palette=[(0, 0, 0), (250, 200, 0)],
            encode_mask=lambda masks, _: (masks[0].astype(np.uint8), []),
            shares=shares,
            report=Report(),
        )
"""

_SQUARES_PARTS = """
from mmseg.datasets import BaseSegDataset


class SquareDataset(BaseSegDataset):
    def __init__(self, **kwargs):
        kwargs = dict(img_suffix='.png', seg_map_suffix='.png', reduce_zero_label=False) | kwargs
        super().__init__(**kwargs)
"""

# A U-Net of mmseg with three stages, for data that is not there, as upstream writes configs.
_SQUARES_CONFIG = """
default_scope = 'mmseg'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[50.0] * 3, bgr_to_rgb=True,
        size=(32, 32), seg_pad_val=255),
    backbone=dict(
        type='UNet', in_channels=3, base_channels=4, num_stages=3, strides=(1, 1, 1),
        enc_num_convs=(1, 1, 1), dec_num_convs=(1, 1), downsamples=(True, True),
        enc_dilations=(1, 1, 1), dec_dilations=(1, 1), norm_cfg=norm_cfg,
        act_cfg=dict(type='ReLU'), upsample_cfg=dict(type='InterpConv')),
    decode_head=dict(
        type='FCNHead', in_channels=4, in_index=2, channels=4, num_convs=1, concat_input=False,
        dropout_ratio=0.0, num_classes=19, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='RepeatDataset', times=2, dataset=dict(
        type='CityscapesDataset', data_root='data/cityscapes/', img_suffix='_leftImg8bit.png',
        data_prefix=dict(img_path='a', seg_map_path='b'), pipeline=train_pipeline)))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesDataset', data_root='data/cityscapes/',
        data_prefix=dict(img_path='a', seg_map_path='b'), pipeline=train_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mDice'])
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.02))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'), logger=dict(type='LoggerHook', interval=2),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3, save_best='mDice'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
"""


@pytest.fixture(scope="session")
def squares_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the plugin of bright squares, once: a package is imported from one place only."""
    folder = tmp_path_factory.mktemp("squares")
    package = folder / "zoo_squares"
    package.mkdir()
    (package / "__init__.py").write_text('"""Squares."""\nimport zoo\n')
    (package / "zoo_plugin.toml").write_text(_SQUARES_MANIFEST)
    (package / "parts.py").write_text(_SQUARES_PARTS)
    (package / "raw.py").write_text(_SQUARES_RAW)
    return folder


@pytest.fixture
def squares(squares_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the fenced discovery find the plugin of bright squares."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(squares_folder))
    return squares_folder


@pytest.fixture(scope="session")
def squares_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare 16 pictures of 32x32 px: a bright square of noise on dark noise."""
    import cv2
    import numpy as np

    from zoo.data import DatasetIdentity, Pair, Report, Shares, open_source, prepare_semantic

    root = tmp_path_factory.mktemp("squares_data")
    pairs = []
    for number in range(16):
        rng = np.random.default_rng(number)
        mask = np.zeros((32, 32), np.uint8)
        top, left = rng.integers(2, 14, 2)
        mask[top : top + 14, left : left + 14] = 1
        image = (rng.integers(0, 90, mask.shape) + 150 * mask).astype(np.uint8)
        for name, array in (("images", image), ("masks", mask)):
            (root / "raw" / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / "raw" / name / f"s{number:02}.png"), array)
        file = f"s{number:02}.png"
        pairs.append(Pair(file[:3], file[:3], f"images/{file}", (f"masks/{file}",)))
    with open_source(root / "raw") as source:
        prepare_semantic(
            source,
            root / "data",
            dataset=DatasetIdentity("squares", "SquareDataset", "0.1.0"),
            pairs=pairs,
            classes=["ground", "square"],
            palette=[(0, 0, 0), (250, 200, 0)],
            encode_mask=lambda masks, _: (masks[0].astype(np.uint8), []),
            shares=Shares(0.6, 0.2, 0.2),
            report=Report(),
        )
    return root / "data"


@pytest.fixture(scope="session")
def squares_text() -> str:
    """Return a whole mmseg config of upstream's kind, for data that does not exist."""
    return _SQUARES_CONFIG


@pytest.fixture
def squares_config(tmp_path: Path, squares_text: str) -> Path:
    """Write the squares' config."""
    path = tmp_path / "squares.py"
    path.write_text(squares_text)
    return path


@pytest.fixture
def bound_by_permissions() -> list[str]:
    """Return what to write before a command that root starts, for modes of folders to bind it."""
    if os.name == "posix" and os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("modes of folders do not bind root, and setpriv is not installed")
    lost = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}"]
