# SPDX-License-Identifier: Apache-2.0
"""Mask R-CNN, also in stages, as one file: the objects of the model, certified or refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import get_installed_path
from pycocotools import mask as coco

sys.path.append(str(Path(__file__).resolve().parent))
from instance_toys import RESIZE, SIZES, cascade, write_detector
from zoo_onnx_export.entry import export
from zoo_onnx_export.errors import ExportError, FileError
from zoo_onnx_export.exporter import make_graph
from zoo_onnx_export.images import smooth_noise
from zoo_onnx_export.instances.detector import check_detector
from zoo_onnx_export.instances.running import exported_predictor
from zoo_onnx_export.runner import OnnxModel
from zoo_onnx_export.running import Session

import zoo
from zoo.errors import DataError
from zoo.interfaces import ExportOptions

pytestmark = [pytest.mark.mm, pytest.mark.slow]

FIT = {"type": "Resize", "scale": (120, 90), "keep_ratio": True}
MULTIPLE = {"type": "mmseg.ResizeToMultiple", "size_divisor": 32}  # it notes no scale
TILING = {"tile_px": 96, "overlap_px": 32}


def _check_equal(found: Any, expected: Any) -> None:
    """Compare two results: the same objects in the same order, and masks by pycocotools."""
    assert len(found) == len(expected)
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    differing = total = 0
    for index in range(len(found)):
        pair = [one.rle(index) for one in (found, expected)]
        shared = coco.area(coco.merge(pair, intersect=True))
        differing += int(coco.area(coco.merge(pair)) - shared)
        total += int(coco.area(pair[1]))
    assert differing <= 1e-4 * total + 1


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> zoo.Predictor[zoo.InstanceResult]:
    """A model that sees large images through windows."""
    return write_detector(tmp_path_factory.mktemp("toy"), RESIZE, tiling=TILING)


@pytest.fixture(scope="module")
def done(
    model: zoo.Predictor[zoo.InstanceResult], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """Its file and its certificate."""
    path = tmp_path_factory.mktemp("exported") / "toy.onnx"
    return path, export(model, path, ExportOptions(name="toy"))


def test_certificate_tells_how_far_objects_depart(done: tuple[Path, Any]) -> None:
    """None is missing or new, and there were some to find."""
    stated = done[1]

    assert stated["passed"] is True
    assert stated["objects"] > 20
    assert stated["detections_differ"] == stated["tolerance"]["detections_differ"] == 0
    assert stated["largest_box_px"] <= stated["tolerance"]["largest_box_px"] == 0.01
    assert stated["largest_score"] <= stated["tolerance"]["largest_score"] == 1e-4
    assert stated["masks_differ"] <= stated["tolerance"]["masks_differ"] == 1e-4


@pytest.mark.parametrize("size", [*SIZES, (150, 210)])
def test_zoo_and_runtime_find_in_the_file_what_the_model_finds(
    size: tuple[int, int], done: tuple[Path, Any], model: zoo.Predictor[zoo.InstanceResult]
) -> None:
    """Through its windows, whose overlaps are merged, and at sizes that were never traced."""
    from zoo_runtime import Predictor

    image = smooth_noise(*size, seed=11)
    expected = model(image)

    found = zoo.load(done[0], task="instance", score_thr=0.0)(image)

    _check_equal(found, expected)
    assert (found.windows, found.classes) == (expected.windows, expected.classes)
    _check_equal(Predictor(done[0], score_thr=0.0)(image), expected)


def test_verify_compares_again_and_refuses_another_model(
    done: tuple[Path, Any], model: zoo.Predictor[zoo.InstanceResult], tmp_path: Path
) -> None:
    """With the original at hand; weights that differ in one value are others."""
    again = OnnxModel(done[0]).verify(model, None)
    assert (again["compared_again"], again["detections_differ"]) == (True, 0)

    other = write_detector(tmp_path, RESIZE, tiling=TILING, backbone__departs=True)
    with pytest.raises(FileError, match="'config_sha256' is "):
        OnnxModel(done[0]).verify(other, None)


def test_batches_are_refused(done: tuple[Path, Any]) -> None:
    """Images have different numbers of objects."""
    with pytest.raises(FileError, match="cannot run the graph on an image of 64x64 px"):
        Session(done[0].read_bytes(), "toy")(np.zeros((2, 64, 64, 3), np.uint8), ("boxes",))


OTHERS: dict[str, Any] = {
    "for all classes at once, resized twice": {
        "roi_head__bbox_head__reg_class_agnostic": True,
        "roi_head__mask_head__class_agnostic": True,
        "test_cfg__rcnn__score_thr": 0.3,
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_give_the_same_objects(name: str, tmp_path: Path) -> None:
    """At any size, also where nothing is found."""
    _check_all_sizes(write_detector(tmp_path, FIT, MULTIPLE, **OTHERS[name]))


def test_stages_with_boxes_by_class_give_the_same_objects(tmp_path: Path) -> None:
    """At any size; mmdet fails on boxes that lie wholly in padding, which these images lack."""
    changes = cascade(stages=2, is_agnostic=False, roi_head__mask_head__class_agnostic=True)
    _check_all_sizes(write_detector(tmp_path, RESIZE, **changes))


def _check_all_sizes(model: Any) -> None:
    found = exported_predictor(model, Session(make_graph(model, "toy"), "toy"), tiling=None)

    counts = set()
    for height, width in SIZES:
        image = smooth_noise(height, width, seed=height)
        expected = model(image)
        counts.add(len(expected))
        _check_equal(found(image), expected)
    assert len(counts) > 1


def test_cascade_is_certified_and_predicts_as_a_file(tmp_path: Path) -> None:
    """Three stages with one box for all classes, in zoo and in the runtime."""
    from zoo_runtime import Predictor

    model, out = write_detector(tmp_path, RESIZE, **cascade()), tmp_path / "c.onnx"
    image = smooth_noise(110, 150, seed=11)

    stated = export(model, out, ExportOptions(name="c"))

    assert (stated["passed"], stated["detections_differ"]) == (True, 0)
    assert stated["objects"] > 20
    expected = model(image)
    _check_equal(zoo.load(out, task="instance", score_thr=0.0)(image), expected)
    _check_equal(Predictor(out, score_thr=0.0)(image), expected)


def test_export_that_departs_is_refused_with_the_first_layer(tmp_path: Path) -> None:
    """The layers before it agree, those after it only follow it."""
    model, out = write_detector(tmp_path, RESIZE, backbone__departs=True), tmp_path / "toy.onnx"

    with pytest.raises(ExportError) as caught:
        export(model, out, ExportOptions(name="toy"))

    assert "the first layer that departs is backbone.scale (ToyFactor)." in caught.value.message
    assert not out.exists()


REFUSED: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any], str]] = {
    "no scale": ((), {}, "its test pipeline has no Resize"),
    "suppression": (
        (RESIZE,),
        {"test_cfg__rcnn__nms": {"type": "soft_nms", "iou_threshold": 0.5}},
        "it suppresses boxes by {'type': 'soft_nms'",
    ),
    "proposals": (
        (RESIZE,),
        {"test_cfg__rpn__max_per_img": -1},
        "its rpn states max_per_img=-1, expected 1 or more",
    ),
    "a box head of another kind, by its stage": (
        (RESIZE,),
        cascade(
            roi_head__bbox_head=[
                *cascade()["roi_head__bbox_head"][:2],
                dict(
                    cascade()["roi_head__bbox_head"][2],
                    type="DoubleConvFCBBoxHead",
                    num_convs=1,
                    num_fcs=1,
                    conv_out_channels=8,
                ),
            ]
        ),
        "its roi_head.bbox_head.2 is a DoubleConvFCBBoxHead, expected a ConvFCBBoxHead or",
    ),
    "border": (
        (RESIZE,),
        {"rpn_head__bbox_coder": {"type": "DeltaXYWHBBoxCoder", "clip_border": False}},
        "the boxes of its rpn_head may leave the image",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    """One message, and no file."""
    steps, changes, said = REFUSED[name]
    model, out = write_detector(tmp_path, *steps, **changes), tmp_path / "out.onnx"

    with pytest.raises(ExportError) as caught:
        export(model, out, ExportOptions(name="toy"))

    assert said in caught.value.message
    assert not out.exists()


def test_export_that_was_compared_on_nothing_is_refused(tmp_path: Path) -> None:
    """No object, no proof: this one departs, and nobody could see it."""
    changes = {"test_cfg__rcnn__score_thr": 0.9999, "backbone__departs": True}
    model, out = write_detector(tmp_path, FIT, **changes), tmp_path / "toy.onnx"

    with pytest.raises(DataError, match="it finds no object") as caught:
        export(model, out, ExportOptions(name="toy"))

    assert "--data" in str(caught.value.hint)
    assert not out.exists()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("htc/htc_r50_fpn_1x_coco.py", "HybridTaskCascade"),
        ("mask2former/mask2former_r50_8xb2-lsj-50e_coco.py", "Mask2Former"),
        ("ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco.py", "MaskScoringRCNN"),
        ("point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py", "PointRend"),
        ("queryinst/queryinst_r50_fpn_1x_coco.py", "QueryInst"),
        ("rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py", "RTMDet"),
        ("solov2/solov2-light_r18_fpn_ms-3x_coco.py", "SOLOv2"),
        ("yolact/yolact_r50_1xb8-55e_coco.py", "YOLACT"),
    ],
)
def test_other_detectors_are_refused_by_their_class(config: str, name: str) -> None:
    """Their results are made otherwise."""
    folder = Path(get_installed_path("mmdet")) / ".mim" / "configs"
    stated = Config.fromfile(folder / config).model
    init_default_scope("mmdet")
    with torch.device("meta"):
        module = MODELS.build(stated)

    with pytest.raises(ExportError, match=f"it is a {name}, expected a MaskRCNN or CascadeRCNN of"):
        check_detector(module, "other")


def test_detector_without_masks_is_refused() -> None:
    """A Cascade R-CNN of boxes is of the class of those with masks."""
    folder = Path(get_installed_path("mmdet")) / ".mim" / "configs" / "cascade_rcnn"
    stated = Config.fromfile(folder / "cascade-rcnn_r50_fpn_1x_coco.py").model
    init_default_scope("mmdet")
    with torch.device("meta"):
        module = MODELS.build(stated)

    with pytest.raises(ExportError, match="it predicts boxes only, expected a roi_head with a"):
        check_detector(module, "other")


def test_published_cascade_is_accepted() -> None:
    """The config of mmdet has no part that a graph does not have."""
    folder = Path(get_installed_path("mmdet")) / ".mim" / "configs" / "cascade_rcnn"
    stated = Config.fromfile(folder / "cascade-mask-rcnn_r50_fpn_1x_coco.py").model
    init_default_scope("mmdet")
    with torch.device("meta"):
        module = MODELS.build(stated)

    check_detector(module, "other")
