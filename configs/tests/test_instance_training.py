# SPDX-License-Identifier: Apache-2.0
"""A shipped network of instances on images without objects, and on masks of run lengths."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mm

CONFIG = Path(__file__).resolve().parent.parent / "mask_rcnn" / "mask_rcnn_small_tanks-384.py"
SIDE = 200


@pytest.fixture(scope="module")
def parts() -> tuple[Any, Any]:
    """Return the small network, from scratch, and the training pipeline after its first step."""
    import torch
    from mmcv.transforms import Compose
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.config_files.files import parse_config_file

    config = parse_config_file(CONFIG)
    init_default_scope("mmdet")
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)
    return MODELS.build(config.model).train(), Compose(config.train_pipeline[1:])


def sample(instances: list[dict[str, Any]]) -> dict[str, Any]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = np.where(np.hypot(rows - 100, columns - 100) < 30, 220, 60).astype(np.uint8)
    shape = (SIDE, SIDE)
    results = {"img": np.repeat(image[..., None], 3, 2), "img_shape": shape, "ori_shape": shape}
    return {**results, "img_path": "a.png", "img_id": 1, "instances": instances}


def losses(parts: tuple[Any, Any], samples: list[dict[str, Any]]) -> dict[str, float]:
    """Return the losses of a batch, after one backward pass over all of them."""
    import torch

    model, pipeline = parts
    np.random.seed(0)
    packed = [pipeline(sample) for sample in samples]
    batch = {key: [one[key] for one in packed] for key in ("inputs", "data_samples")}
    found = model(**model.data_preprocessor(batch, True), mode="loss")
    total, values = model.parse_losses(found)
    model.zero_grad()
    total.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    return {name: float(value) for name, value in values.items() if "loss" in name}


@pytest.mark.slow
def test_batch_of_images_without_objects_gives_finite_losses(parts: tuple[Any, Any]) -> None:
    """What no object is, is learned: by the classes' losses, boxes and masks having none."""
    found = losses(parts, [sample([]), sample([])])

    assert np.isfinite(list(found.values())).all()
    assert found["loss_rpn_cls"] > 0
    assert found["loss_cls"] > 0
    assert [found[name] for name in ("loss_rpn_bbox", "loss_bbox", "loss_mask")] == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["polygons", "run lengths", "box alone"])
def test_object_of_any_kind_of_mask_reaches_every_loss(parts: tuple[Any, Any], kind: str) -> None:
    """Beside an image without objects: the losses of boxes and masks are above 0."""
    from pycocotools import mask as tools

    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = np.asfortranarray(np.hypot(rows - 100, columns - 100) < 30).astype(np.uint8)
    turns = np.linspace(0, 2 * np.pi, 40)
    masks = {
        "polygons": [np.stack([100 + 30 * np.cos(turns), 100 + 30 * np.sin(turns)], 1).ravel()],
        "run lengths": tools.encode(disc),
    }
    row = {"bbox": [70.0, 70.0, 130.0, 130.0], "bbox_label": 0, "ignore_flag": 0}
    if kind in masks:
        row["mask"] = masks[kind]

    found = losses(parts, [sample([row]), sample([])])

    assert min(found[name] for name in ("loss_rpn_bbox", "loss_bbox", "loss_mask")) > 0


@pytest.mark.parametrize("stage", ["rpn", "rcnn"])
def test_what_lies_in_a_crowd_is_neither_object_nor_background(stage: str) -> None:
    """A crowd holds objects that nobody outlined: it must not teach that they are none."""
    import torch
    from mmengine.registry import TASK_UTILS, init_default_scope
    from mmengine.structures import InstanceData

    from zoo.engine.config_files.files import parse_config_file

    config = parse_config_file(CONFIG)
    init_default_scope("mmdet")
    assigner = TASK_UTILS.build(config.model.train_cfg[stage].assigner)
    boxes = torch.tensor([[10.0, 10, 20, 20], [60.0, 60, 70, 70]])
    crowd = InstanceData(bboxes=torch.tensor([[0.0, 0, 40, 40]]))
    one = InstanceData(bboxes=torch.tensor([[80.0, 80, 90, 90]]), labels=torch.tensor([0]))

    found = assigner.assign(InstanceData(priors=boxes), one, crowd)

    # Of an image that shows crowds alone mmdet's assigner does not look at them.
    assert found.gt_inds.tolist() == [-1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("loads_rle", [True, False])
def test_train_on_run_lengths_counts_them_before_the_first_step(
    tmp_path: Path, warm_zoo: Path, loads_rle: bool
) -> None:
    """From outside: with the shipped config they are all there, with mmdet's loader none is."""

    def run(*arguments: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [warm_zoo, *map(str, arguments)]
        return subprocess.run(command, check=check, capture_output=True, text=True)

    raw, data = tmp_path / "raw", tmp_path / "data"
    sampled = ("data", "sample", "folder_data", "--task", "instance", "--count", "4")
    run(*sampled, "--out", raw)
    as_run_lengths(raw)
    shares = ("--task", "instance", "--shares", "1,0,0")
    run("data", "prepare", "folder_data", "--source", raw, "--out", data, *shares)
    load = "train_dataloader.dataset.pipeline.1"
    loading: list[str] = []
    if not loads_rle:
        loading += [f"{load}.type=mmdet.LoadAnnotations", f"{load}.with_bbox=True"]
        loading += [f"{load}.with_mask=True", f"{load}.poly2mask=False"]

    laid = ["--cfg-options", *loading] if loading else []
    checked = run("data", "check", data, "--config", CONFIG, *laid, check=False)
    options = [
        "model.backbone.init_cfg=None",
        "train_cfg.max_iters=1",
        "param_scheduler=None",
        *loading,
    ]
    trained = run(
        "train", CONFIG, "--data", data, "--work-dir", tmp_path / "w", "--cfg-options", *options,
        check=False,
    )  # fmt: skip

    assert "run lengths)" in checked.stdout
    for done in (checked, trained):
        said = done.stderr + done.stdout
        assert "Traceback" not in said
        assert ("are lost by LoadAnnotations, whose masks are run lengths" in said) != loads_rle
        assert ("labels: " in said or "loaded in the" in said) == loads_rle
    assert (checked.returncode == 0) == loads_rle
    if not loads_rle:
        assert trained.returncode == 1


def as_run_lengths(raw: Path) -> None:
    """Turn every polygon of a COCO JSON into run lengths."""
    from pycocotools import mask as tools

    path = raw / "annotations.json"
    content = json.loads(path.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for row in content["annotations"]:
        size = sizes[row["image_id"]]
        polygons = row.get("segmentation")
        if isinstance(polygons, list) and polygons:
            rle = tools.merge(tools.frPyObjects(polygons, *size))
            row["segmentation"] = {"size": list(size), "counts": rle["counts"].decode()}
    path.write_text(json.dumps(content))
