# SPDX-License-Identifier: Apache-2.0
"""The two classes that Mask R-CNN needs beside mmdet's: anchors and the loss of 91 channels."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.mm

# Of the padded image, multiples of 32: the coarsest map rounds 1, 3, 5, 7 half steps up.
SIDES = (32, 64, 96, 160, 224, 256, 800)


def map_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes of the five maps of an FPN."""
    sizes = [(height // stride, width // stride) for stride in (4, 8, 16, 32)]
    return [*sizes, tuple((side + 1) // 2 for side in sizes[-1])]  # type: ignore[list-item]


def rpn_anchors(kind: str) -> Any:
    """Return the anchors of the config, of this plugin's type or mmdet's."""
    from mmdet.registry import TASK_UTILS

    import zoo  # noqa: F401

    return TASK_UTILS.build(
        {
            "type": kind,
            "scales": [8],
            "ratios": [0.5, 1.0, 2.0],
            "strides": [4, 8, 16, 32, 64],
        }
    )


def torchvision_anchors(maps: list[tuple[int, int]], height: int, width: int) -> Any:
    """Return torchvision's anchors of one image, ``(A, 4)`` xyxy."""
    import torch
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    generator = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    images = ImageList(torch.zeros(1, 3, height, width), [(height, width)])
    (anchors,) = generator(images, [torch.zeros(1, 1, *size) for size in maps])
    return anchors


@pytest.mark.parametrize("height", SIDES)
def test_anchors_equal_those_of_torchvision(torchvision: Any, height: int) -> None:
    """All corners are equal, for every width; those of mmdet's own class are not."""
    import torch

    ours, stock = (
        rpn_anchors("zoo.torchvision_weights.RoundedAnchors"),
        rpn_anchors("AnchorGenerator"),
    )

    for width in SIDES:
        maps = map_sizes(height, width)
        expected = torchvision_anchors(maps, height, width)
        assert torch.equal(expected, torch.cat(ours.grid_priors(maps, device="cpu")))
        assert not torch.equal(expected, torch.cat(stock.grid_priors(maps, device="cpu")))


def test_anchors_after_a_grid_keep_their_nominal_strides(torchvision: Any) -> None:
    """The strides of one image's grid do not leak into the next, nor into its flags."""
    anchors = rpn_anchors("zoo.torchvision_weights.RoundedAnchors")
    nominal = list(anchors.strides)

    anchors.grid_priors(map_sizes(96, 160), device="cpu")

    assert nominal == anchors.strides
    with pytest.raises(ValueError, match="longer"):
        anchors.grid_priors(map_sizes(96, 160)[:4], device="cpu")
    assert nominal == anchors.strides


def category_loss(num_classes: int) -> Any:
    from zoo_torchvision_weights.softmax import CategoryIdLoss

    loss = CategoryIdLoss()
    loss.channels_of_head = loss.get_cls_channels(num_classes)
    return loss


def test_loss_of_80_classes_is_torchvisions_cross_entropy(torchvision: Any) -> None:
    """Class i is channel COCO_IDS[i], the background, last in mmdet, is channel 0."""
    import torch
    from torchvision.models.detection.roi_heads import fastrcnn_loss
    from zoo_torchvision_weights.categories import COCO_IDS

    loss = category_loss(80)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, loss.channels_of_head, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 81, (200,), generator=generator)
    assert {0, 79, 80} <= set(labels.tolist())
    theirs = torch.tensor([*COCO_IDS, 0])[labels]

    found = loss(logits, labels)

    boxes = torch.zeros(200, 4 * 91, dtype=torch.float64)
    expected, _ = fastrcnn_loss(logits, boxes, [theirs], [torch.zeros(200, 4, dtype=torch.float64)])
    assert float(found) == pytest.approx(float(expected), abs=1e-12)
    scores = loss.get_activation(logits)
    assert torch.equal(logits.softmax(-1)[:, list(COCO_IDS)], scores[:, :80])
    assert torch.equal(logits.softmax(-1)[:, 0], scores[:, 80])
    right = (scores.argmax(1) == labels).double().mean() * 100
    assert float(loss.get_accuracy(logits, labels)["acc"]) == pytest.approx(float(right), abs=1e-4)


@pytest.mark.parametrize("num_classes", [1, 2, 79, 81, 90])
def test_loss_of_other_classes_is_mmdets(num_classes: int) -> None:
    """A head fine-tuned on other data is mmdet's own, also where it has 91 channels by chance."""
    import torch
    from mmdet.models.losses import CrossEntropyLoss

    loss = category_loss(num_classes)
    generator = torch.Generator().manual_seed(num_classes)
    logits = torch.randn(50, num_classes + 1, generator=generator)
    labels = torch.randint(0, num_classes + 1, (50,), generator=generator)
    weights = torch.rand(50, generator=generator)

    assert loss.channels_of_head == num_classes + 1
    expected = CrossEntropyLoss()(logits, labels, weights, avg_factor=7.0)
    assert torch.equal(expected, loss(logits, labels, weights, avg_factor=7.0))
    assert torch.equal(logits.softmax(-1), loss.get_activation(logits))


def test_loss_adds_nothing_to_the_state_dict() -> None:
    """Its table of channels is not a weight."""
    assert not category_loss(80).state_dict()


def test_categories_are_those_that_torchvision_names(torchvision: Any) -> None:
    """The ids in use, and the names that mmdet gives to the classes in their order."""
    from mmdet.datasets import CocoDataset
    from torchvision.models._meta import _COCO_CATEGORIES
    from zoo_torchvision_weights.categories import COCO_IDS, NUM_CHANNELS

    assert len(_COCO_CATEGORIES) == NUM_CHANNELS
    named = [_COCO_CATEGORIES[number] for number in COCO_IDS]
    assert "N/A" not in named
    assert list(CocoDataset.METAINFO["classes"]) == named
