# SPDX-License-Identifier: Apache-2.0
"""A model of one layer, and a real mmengine Runner around it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def toy_runner(tmp_path: Path) -> Callable[..., Any]:
    """Return a function that builds a Runner on eight random points; dropout draws from torch."""
    import torch
    from mmengine.evaluator import BaseMetric
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Points(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.metainfo = {"classes": ("background", "lung")}

        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> dict[str, Any]:
            import numpy as np

            noise = np.random.rand(4).astype(np.float32)  # as random augmentation does
            return {"inputs": torch.full((4,), float(index)) + torch.from_numpy(noise)}

    class Toy(BaseModel):  # type: ignore[misc]
        def __init__(self, width: int = 4) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(width, 1)

        def forward(self, inputs: list[torch.Tensor], mode: str = "tensor") -> Any:
            dropped = torch.nn.functional.dropout(torch.stack(inputs), 0.5, self.training)
            loss = (self.layer(dropped) - 1).square().mean()
            return {"loss": loss} if mode == "loss" else [loss.item()]

    class Falling(BaseMetric):  # type: ignore[misc]
        values = iter(range(1, 1000))

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.append(0)

        def compute_metrics(self, results: list[Any]) -> dict[str, float]:
            return {"acc": float(next(self.values))}

    def build(folder: str = "run", *, width: int = 4, by_epoch: bool = True, **over: Any) -> Any:
        sampler = {"type": "DefaultSampler" if by_epoch else "InfiniteSampler", "shuffle": True}
        train = {"batch_size": 2, "num_workers": 0, "dataset": Points(), "sampler": sampler}
        val = {**train, "sampler": {"type": "DefaultSampler", "shuffle": False}}
        ends = {"max_epochs": 4} if by_epoch else {"max_iters": 8}
        steps = {"by_epoch": by_epoch, "interval": 1 if by_epoch else 2}
        torch.manual_seed(5)
        settings: dict[str, Any] = {
            "model": Toy(width),
            "work_dir": str(tmp_path / folder),
            "train_dataloader": train,
            "val_dataloader": val,
            "val_evaluator": [Falling()],
            "val_cfg": {},
            "train_cfg": {"by_epoch": by_epoch, "val_interval": steps["interval"], **ends},
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
            "param_scheduler": {"type": "PolyLR", "by_epoch": False, "power": 0.9},
            "default_hooks": {"checkpoint": {"type": "CheckpointHook", **steps}},
            "randomness": {"seed": 3},
            "experiment_name": f"{folder}-{uuid.uuid4().hex}",  # mmengine keeps state by name
            "log_level": "ERROR",
            **over,
        }
        return Runner(**settings)

    return build


_BLOBS_MANIFEST = """
[plugin]
name = "blobs"
version = "0.1.0"
api = 1
summary = "bright blobs are instances, by their connected pixels"
license = "Apache-2.0"

[[model]]
name = "Blobs"
target = "zoo_blobs.parts:Blobs"
"""

# A whole detector without weights to speak of: what it finds in a window, NumPy can tell.
_BLOBS_PARTS = """
import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModel
from mmengine.structures import InstanceData


class Blobs(BaseModel):
    def __init__(self, data_preprocessor=None, with_masks=True, bbox_head=None):
        super().__init__(data_preprocessor)
        self.level = torch.nn.Parameter(torch.tensor(40.0))
        self.with_masks = with_masks

    def forward(self, inputs, data_samples, mode='tensor'):
        assert mode == 'predict'
        return [self._find(one, sample) for one, sample in zip(inputs, data_samples)]

    def _find(self, image, sample):
        grey = image[0].numpy().astype(np.uint8)
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(
            (grey > self.level.item()).astype(np.uint8))
        found = [labels == index for index in range(1, count)]
        grey_of = [float(grey[mask].max()) for mask in found]
        xywh = torch.tensor(boxes[1:, :4], dtype=torch.float32).reshape(-1, 4)
        instances = InstanceData(
            bboxes=torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1),
            scores=torch.tensor([min(grey, 200.0) / 200 for grey in grey_of]),
            labels=torch.tensor([int(grey > 200) for grey in grey_of], dtype=torch.long))
        if self.with_masks:
            masks = np.array(found, bool).reshape(-1, *grey.shape)
            instances.masks = torch.from_numpy(masks)
        sample.pred_instances = instances
        return sample
"""

_BLOBS_CONFIG = """
default_scope = 'mmdet'
{tiling}
model = dict(
    type='zoo.blobs.Blobs', with_masks={with_masks}, bbox_head=dict(num_classes={num_classes}),
    data_preprocessor=dict(type='mmengine.BaseDataPreprocessor'))
test_pipeline = [
    {loader},
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape')),
]
test_dataloader = dict(dataset=dict(
    type='CocoDataset', pipeline=test_pipeline,
    metainfo=dict(classes=('tank', 'roof'), palette=[(220, 20, 60), (0, 114, 178)])))
"""


@pytest.fixture(scope="session")
def blobs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the plugin whose model takes bright blobs for instances."""
    folder = tmp_path_factory.mktemp("blobs")
    package = folder / "zoo_blobs"
    package.mkdir()
    (package / "__init__.py").write_text('"""Blobs."""\nimport zoo\n')
    (package / "zoo_plugin.toml").write_text(_BLOBS_MANIFEST)
    (package / "parts.py").write_text(_BLOBS_PARTS)
    return folder


@pytest.fixture
def make_blobs_run(
    blobs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that writes a work dir of the model of blobs.

    A blob above grey 40 is an instance; its brightest pixel over 200 is its score, above 200 it
    is a roof, else a tank.
    """
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(blobs_folder))

    def make(
        tiling: str = "tiling = dict(tile_px=64, overlap_px=24)",
        *,
        with_masks: bool = True,
        num_classes: int = 2,
        loader: str = "dict(type='LoadImageFromFile')",
    ) -> Path:
        import torch

        folder = tmp_path / "blobs_run"
        folder.mkdir()
        text = _BLOBS_CONFIG.format(
            tiling=tiling, with_masks=with_masks, num_classes=num_classes, loader=loader
        )
        (folder / "blobs.py").write_text(text)
        torch.save({"state_dict": {"level": torch.tensor(40.0)}}, folder / "iter_10.pth")
        (folder / "last_checkpoint").write_text(str(folder / "iter_10.pth"))
        return folder

    return make


@pytest.fixture
def given_scores() -> Callable[[Sequence[float]], Any]:
    """Return a function that makes a metric ``acc``, which gives one score after another."""
    from mmengine.evaluator import BaseMetric

    class Given(BaseMetric):  # type: ignore[misc]
        def __init__(self, scores: Sequence[float]) -> None:
            super().__init__()
            self.scores = iter(scores)

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.append(0)

        def compute_metrics(self, results: list[Any]) -> dict[str, float]:
            return {"acc": next(self.scores)}

    return Given
