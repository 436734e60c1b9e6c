# SPDX-License-Identifier: Apache-2.0
"""A model whose every answer is known: a plugin that tells bright pixels from dark ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
