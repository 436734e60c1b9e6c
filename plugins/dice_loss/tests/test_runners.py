# SPDX-License-Identifier: Apache-2.0
"""The same numbers in a decode head of mmseg and in a mask head of mmdet."""

from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData

import zoo  # noqa: F401  (the substitute for mmcv._ext, before mmseg and mmdet)

pytestmark = pytest.mark.mm

SEED = 20240611
SIZE_PX = 12
CLASSES = 3


def numpy_twin(
    logits: np.ndarray, masks: np.ndarray, alpha: float, beta: float, gamma: float, ce: float
) -> float:
    """Focal Tversky of each mask by itself, then the mean, plus the cross-entropy of all pixels."""
    chances = 1 / (1 + np.exp(-logits))
    losses = []
    for p, t in zip(chances, masks, strict=True):
        hit, false, missed = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
        score = (2 * hit + 1) / (2 * hit + 2 * alpha * false + 2 * beta * missed + 1)
        losses.append((1 - score) ** gamma)
    entropy = -(masks * np.log(chances) + (1 - masks) * np.log(1 - chances)).mean()
    return float(np.mean(losses) + ce * entropy)


@pytest.fixture
def masks() -> np.ndarray:
    return np.random.default_rng(SEED).integers(0, 2, (4, SIZE_PX, SIZE_PX)).astype(np.uint8)


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(SEED + 1).normal(0, 2, (4, SIZE_PX, SIZE_PX))


def loss_in_mmseg(logits: np.ndarray, masks: np.ndarray, ce: float, **options: Any) -> float:
    """One channel; cross-entropy is mmseg's own, beside ours in the list."""
    from mmseg.models.decode_heads import FCNHead
    from mmseg.structures import SegDataSample

    dice = {"type": "zoo.dice_loss.DiceLoss", "use_sigmoid": True, "per_image": True, **options}
    entropy = {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": ce}
    with DefaultScope.overwrite_default_scope("mmseg"):
        head = FCNHead(
            in_channels=1,
            channels=1,
            num_convs=0,
            concat_input=False,
            num_classes=2,
            out_channels=1,
            threshold=0.5,
            loss_decode=[dice, entropy],
        )
    samples = []
    for mask in masks:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.as_tensor(mask)[None].long())
        samples.append(sample)
    losses = head.loss_by_feat(torch.as_tensor(logits)[:, None].float(), samples)
    return float(sum(value for name, value in losses.items() if "loss" in name))


def loss_in_mmdet(logits: np.ndarray, masks: np.ndarray, ce: float, **options: Any) -> float:
    """Each mask fills its RoI; the planes of other classes hold noise."""
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead
    from mmdet.structures.mask import BitmapMasks

    loss = {"type": "zoo.dice_loss.DiceLoss", "use_mask": True, "ce_weight": ce, **options}
    with DefaultScope.overwrite_default_scope("mmdet"):
        head = FCNMaskHead(
            num_convs=0, in_channels=1, conv_out_channels=1, num_classes=CLASSES, loss_mask=loss
        )
    labels = torch.arange(len(masks)) % CLASSES
    generator = torch.Generator().manual_seed(SEED)
    pred = 9 * torch.randn(len(masks), CLASSES, SIZE_PX, SIZE_PX, generator=generator)
    pred[torch.arange(len(masks)), labels] = torch.as_tensor(logits).float()
    box = torch.tensor([0.0, 0.0, SIZE_PX, SIZE_PX])
    sampled = InstanceData(
        priors=box.repeat(len(masks), 1),
        pos_priors=box.repeat(len(masks), 1),
        pos_gt_labels=labels,
        pos_assigned_gt_inds=torch.arange(len(masks)),
    )
    truth = InstanceData(labels=labels)
    truth.masks = BitmapMasks(masks, SIZE_PX, SIZE_PX)
    found = head.loss_and_target(pred, [sampled], [truth], ConfigDict(mask_size=SIZE_PX))
    assert np.array_equal(found["mask_targets"].numpy(), masks)
    return float(found["loss_mask"]["loss_mask"])


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"), [(0.5, 0.5, 1.0), (0.3, 0.7, 1.0), (0.3, 0.7, 0.75)]
)
@pytest.mark.parametrize("ce", [0.0, 2.0])
@pytest.mark.filterwarnings("ignore")
def test_value_in_both_runners_equals_numpy_twin(
    logits: np.ndarray, masks: np.ndarray, alpha: float, beta: float, gamma: float, ce: float
) -> None:
    """On equal logits and masks; what the one adds by a list, the other adds by ce_weight."""
    expected = numpy_twin(logits, masks, alpha, beta, gamma, ce)

    options = {"alpha": alpha, "beta": beta, "gamma": gamma}
    of_mmseg = loss_in_mmseg(logits, masks, ce, **options)
    of_mmdet = loss_in_mmdet(logits, masks, ce, **options)

    assert expected == pytest.approx(of_mmseg, abs=1e-5)
    assert expected == pytest.approx(of_mmdet, abs=1e-5)
