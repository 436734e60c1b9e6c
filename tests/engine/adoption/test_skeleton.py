# SPDX-License-Identifier: Apache-2.0
"""A model for its names and shapes alone: as the real one, without its memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytestmark = pytest.mark.mm


def _record(name: str) -> Any:
    from zoo.engine.config.reading import read_config
    from zoo.engine.records.record import make_record

    config = read_config(name, pretrained="none")
    facts = {"task": "semantic" if name.startswith("mmseg") else "instance", "labels": "true"}
    facts |= {"licence": "MIT", "data_licence": "MIT", "trained_with": "x"}
    return make_record(
        config, name="x", classes=("a",), palette=((0, 0, 0),), parameters=0, **facts
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
        "mmdet::mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco.py",
        "mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
        "mmseg::dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512.py",
    ],
)
def test_skeleton_has_the_names_and_shapes_of_the_real_model(name: str) -> None:
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.adoption.skeleton import build_skeleton

    record = _record(name)

    found = build_skeleton(record)

    init_default_scope(record.scope)
    real = MODELS.build(ConfigDict(record.model))
    shapes = {key: value.shape for key, value in real.state_dict().items()}
    assert {key: value.shape for key, value in found.state_dict().items()} == shapes
    assert all(parameter.is_meta for parameter in found.parameters())


def test_models_of_other_threads_stay_real() -> None:
    """The registration of parameters is exchanged for the whole process, but not for them."""
    import torch

    from zoo.engine.adoption.skeleton import build_skeleton

    record = _record("mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py")
    ended, built = threading.Event(), []

    def build() -> None:
        while not ended.is_set():
            built.append(torch.nn.Linear(2, 2).weight.is_meta)

    thread = threading.Thread(target=build)
    thread.start()
    for _ in range(3):
        build_skeleton(record)
    ended.set()
    thread.join()

    assert len(built) > 10
    assert not any(built)
