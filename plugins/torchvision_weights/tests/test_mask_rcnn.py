# SPDX-License-Identifier: Apache-2.0
"""Mask R-CNN beside torchvision itself: features, proposals, boxes, and masks before pasting.

In float64, because a score near a threshold or two boxes near the limit of NMS flip in float32.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from zoo.errors import ConversionError

pytestmark = pytest.mark.mm

CONFIGS = {1: "tv_mask_rcnn_r50_fpn_coco", 2: "tv_mask_rcnn_r50_fpn_v2_coco"}
# Heights and widths of the images of a batch: odd, of any shape, padded as both libraries do, by at
# least 4 px: beyond a map's edge torchvision's Python formula of RoIAlign repeats the last pixel,
# where its compiled kernels, and mmdet's, read zeros.
BATCHES = ([(57, 75)], [(43, 33), (21, 59)])
PROPOSALS, DETECTIONS = 6, 1000


def torchvision_model(torchvision: Any, version: int) -> Any:
    """Return torchvision's network as its builders make it when they load weights."""
    detection = torchvision.models.detection
    limits = {"rpn_post_nms_top_n_test": PROPOSALS, "box_detections_per_img": DETECTIONS}
    if version == 2:
        return detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **limits)
    from torchvision.models.detection._utils import overwrite_eps
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops.misc import FrozenBatchNorm2d

    body = torchvision.models.resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    model = detection.MaskRCNN(_resnet_fpn_extractor(body, 3), num_classes=91, **limits)
    overwrite_eps(model, 0.0)
    return model


def convert(version: int, state_dict: Mapping[str, Any]) -> dict[str, Any]:
    from zoo_torchvision_weights.mask_rcnn import convert_v1, convert_v2

    return {1: convert_v1, 2: convert_v2}[version](state_dict)


def in_old_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state dict under the names that version 1 had when its file was written."""
    renamed = {}
    for key, tensor in state_dict.items():
        key = re.sub(r"(fpn\.(?:inner|layer)_blocks\.\d)\.0\.", r"\1.", key)
        key = key.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        key = re.sub(
            r"mask_head\.(\d)\.0\.", lambda match: f"mask_head.mask_fcn{int(match[1]) + 1}.", key
        )
        renamed[key] = tensor
    return renamed


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def version(request: pytest.FixtureRequest) -> int:
    """Return the version of the model."""
    found: int = request.param
    return found


@pytest.fixture
def theirs(torchvision: Any, version: int, randomise: Any) -> Any:
    """Return torchvision's model with random weights, whose boxes and scores are spread."""
    import torch

    model = randomise(torchvision_model(torchvision, version), seed=version)
    with torch.no_grad():
        model.rpn.head.bbox_pred.weight.mul_(0.3)
        model.roi_heads.box_predictor.cls_score.weight.mul_(5)  # few classes a box
        model.roi_heads.mask_predictor.mask_fcn_logits.weight.mul_(4)
    return model


def draw_batch(sizes: list[tuple[int, int]], seed: int) -> tuple[Any, list[Any]]:
    """Return padded images ``(N, 3, H, W)`` and mmdet's samples."""
    import torch
    from mmdet.structures import DetDataSample

    padded = tuple(-(-max(sides) // 32) * 32 for sides in zip(*sizes, strict=True))
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(len(sizes), 3, *padded, dtype=torch.float64)
    for image, (height, width) in zip(images, sizes, strict=True):
        pixels = torch.randn(3, height, width, generator=generator, dtype=torch.float64)
        image[:, :height, :width] = pixels
    known = {"batch_input_shape": padded, "pad_shape": padded, "scale_factor": (1.0, 1.0)}
    samples = [
        DetDataSample(metainfo={**known, "img_shape": size, "ori_shape": size}) for size in sizes
    ]
    return images, samples


def assert_near(expected: Any, found: Any, limit: float) -> None:
    assert expected.shape == found.shape
    if expected.numel():
        assert float((expected - found).abs().max()) <= limit


@pytest.mark.slow
def test_model_when_converted_predicts_what_torchvision_predicts(
    version: int, theirs: Any, build: Any
) -> None:
    """Logits within 1e-9 of their range, boxes within 1e-6 px, classes and masks equal."""
    import torch
    from torchvision.models.detection.image_list import ImageList

    ours = build(CONFIGS[version])
    ours.load_state_dict(convert(version, theirs.state_dict()), strict=True)
    assert ours.rpn_head.test_cfg.max_per_img == 1000  # torchvision's own number
    ours.rpn_head.test_cfg.max_per_img = PROPOSALS
    assert ours.roi_head.test_cfg.max_per_img == 100
    ours.roi_head.test_cfg.max_per_img = DETECTIONS
    theirs.double()
    ours.double()

    seen = set()
    for seed, sizes in enumerate(BATCHES):
        images, samples = draw_batch(sizes, seed)
        with torch.no_grad():
            maps = theirs.backbone(images)
            features = ours.extract_feat(images)
            for expected, found in zip(maps.values(), features, strict=True):
                assert_near(expected, found, 1e-9 * float(expected.abs().max()))
            proposals, _ = theirs.rpn(ImageList(images, sizes), maps)
            found_proposals = ours.rpn_head.predict(features, samples, rescale=False)
            for boxes, instances in zip(proposals, found_proposals, strict=True):
                assert len(boxes) == PROPOSALS
                assert_near(boxes, instances.bboxes, 1e-6)
            detections, _ = theirs.roi_heads(maps, proposals, sizes)
            metas = [sample.metainfo for sample in samples]
            instances = ours.roi_head.predict_bbox(
                features, metas, found_proposals, ours.roi_head.test_cfg, rescale=False
            )
            for detected, found in zip(detections, instances, strict=True):
                compare_detections(detected, found)
                seen |= set(found.labels.tolist())
            compare_masks(ours, features, detections)
    assert len(seen) > 1


def compare_detections(expected: Mapping[str, Any], found: Any) -> None:
    """Compare boxes, classes and scores in the order of the scores.

    torchvision has classes that nothing belongs to, and drops boxes narrower than 0.01 px.
    """
    import torch
    from zoo_torchvision_weights.categories import COCO_IDS

    ids = torch.tensor(COCO_IDS)
    is_class = torch.isin(expected["labels"], ids)
    assert is_class.any()
    sides = found.bboxes[:, 2:] - found.bboxes[:, :2]
    found = found[(sides >= 1e-2).all(dim=1)]
    assert torch.equal(expected["labels"][is_class], ids[found.labels])
    assert_near(expected["scores"][is_class], found.scores, 1e-9)
    assert_near(expected["boxes"][is_class], found.bboxes, 1e-6)


def compare_masks(ours: Any, features: Any, detections: list[dict[str, Any]]) -> None:
    """Compare the masks of 28x28 px that both libraries paste into the image."""
    import torch
    from mmdet.structures.bbox import bbox2roi
    from zoo_torchvision_weights.categories import COCO_IDS

    ids = torch.tensor(COCO_IDS)
    kept = [torch.isin(one["labels"], ids) for one in detections]
    boxes = [one["boxes"][is_class] for one, is_class in zip(detections, kept, strict=True)]
    masks = [one["masks"][is_class] for one, is_class in zip(detections, kept, strict=True)]
    labels = [one["labels"][is_class] for one, is_class in zip(detections, kept, strict=True)]

    logits = ours.roi_head._mask_forward(features, bbox2roi(boxes))["mask_preds"]

    classes = torch.searchsorted(ids, torch.cat(labels))
    found = logits[torch.arange(len(logits)), classes].sigmoid()
    assert float(found.std()) > 0.1
    assert_near(torch.cat(masks)[:, 0], found, 1e-9)


def test_version_1_when_its_names_are_old_becomes_the_same(torchvision: Any) -> None:
    """The published file is of 2019; torchvision reads its names, and so does the converter."""
    import torch

    with torch.device("meta"):
        model, again = torchvision_model(torchvision, 1), torchvision_model(torchvision, 1)
    shapes = model.state_dict()
    state = {
        key: torch.full(one.shape, number, dtype=one.dtype)
        for number, (key, one) in enumerate(shapes.items())
    }
    old = in_old_names(state)
    again.load_state_dict(old, strict=True, assign=True)  # torchvision's renaming is the oracle

    found = convert(1, old)

    assert "rpn.head.conv.weight" in old
    assert "roi_heads.mask_head.mask_fcn4.bias" in old
    expected = convert(1, again.state_dict())
    assert list(expected) == list(found)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_converter_when_given_another_architecture_names_what_differs(torchvision: Any) -> None:
    """A file of the other version, keys left out or added, or other classes: nothing is guessed."""
    import torch

    with torch.device("meta"):
        models = {version: torchvision_model(torchvision, version) for version in (1, 2)}
        body = torchvision.models.resnet50(weights=None).state_dict()
    states = {version: dict(model.state_dict()) for version, model in models.items()}

    for version, other in ((1, 2), (2, 1)):
        state = states[version]
        first = next(iter(state))
        scores = "roi_heads.box_predictor.cls_score.weight"
        for wrong, names in (
            (states[other], ("missing", "unexpected")),
            (body, ("missing", "unexpected")),
            ({}, ("missing",)),
            ({key: one for key, one in state.items() if key != first}, ("missing",)),
            ({**state, "head.extra": torch.zeros(2)}, ("unexpected",)),
            ({**state, scores: torch.zeros(21, 1024)}, ("misshaped",)),
            ({**state, first: torch.zeros(())}, ("misshaped",)),
        ):
            with pytest.raises(ConversionError, match="cannot convert the weights to") as caught:
                convert(version, wrong)
            found = {
                name
                for name in ("missing", "unexpected", "misshaped")
                if getattr(caught.value, name)
            }
            assert set(names) <= found, (version, names, str(caught.value))
            assert caught.value.hint


def test_converter_when_run_twice_returns_equal_tensors(torchvision: Any) -> None:
    """The digest of the result is pinned, and the source is not changed."""
    import torch

    state = torchvision_model(torchvision, 2).state_dict()
    before = {key: one.clone() for key, one in state.items()}

    once, twice = convert(2, state), convert(2, state)

    assert list(once) == list(twice)
    assert all(torch.equal(once[key], twice[key]) for key in once)
    assert all(torch.equal(before[key], state[key]) for key in before)
