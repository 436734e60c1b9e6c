# SPDX-License-Identifier: Apache-2.0
"""A model of one layer, and a real mmengine Runner around it."""

from __future__ import annotations

from collections.abc import Callable
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
            "experiment_name": f"{folder}-{id(object())}",
            "log_level": "ERROR",
            **over,
        }
        return Runner(**settings)

    return build
