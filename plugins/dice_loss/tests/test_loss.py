# SPDX-License-Identifier: Apache-2.0
"""DiceLoss as heads of mmseg and mmdet build and call it."""

import pickle
from typing import Any

import pytest
import torch
from torch import nn
from zoo_dice_loss.functional import soft_dice_loss
from zoo_dice_loss.loss import DiceLoss

from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm

SEED = 20240611


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(SEED))


@pytest.fixture
def target() -> torch.Tensor:
    ids = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(SEED))
    ids[:, 0, 0] = 255
    return ids


def test_value_with_all_settings_equals_function(
    logits: torch.Tensor, target: torch.Tensor
) -> None:
    weight = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(SEED))
    settings: dict[str, Any] = {
        "squared": True,
        "per_image": True,
        "smooth_px": 0.5,
        "alpha": 0.6,
        "beta": 0.6,
        "gamma": 0.75,
        "generalised": True,
    }
    class_weight = [0.0, 1.0, 2.0]
    loss = DiceLoss(use_sigmoid=True, class_weight=class_weight, loss_weight=3.0, **settings)

    actual = loss(logits, target, weight=weight, ignore_index=255)

    expected = 3.0 * soft_dice_loss(
        logits,
        target,
        activation="sigmoid",
        class_weight=torch.tensor(class_weight),
        pixel_weight=weight,
        **settings,
    )
    assert expected == actual


def test_value_of_mask_head_equals_mean_over_rois_of_their_own_class() -> None:
    """mmdet calls loss_mask(pred, target, labels) by position."""
    generator = torch.Generator().manual_seed(SEED)
    pred = torch.randn(3, 4, 5, 5, generator=generator)
    masks = torch.randint(0, 2, (3, 5, 5), generator=generator).float()
    labels = torch.tensor([2, 0, 3])

    actual = DiceLoss(use_mask=True)(pred, masks, labels)

    one_by_one = []
    for roi, mask, label in zip(pred, masks, labels, strict=True):
        chance = roi[label].sigmoid()
        above = 2 * (chance * mask).sum() + 1.0
        one_by_one.append(1 - above / (chance.sum() + mask.sum() + 1.0))
    torch.testing.assert_close(torch.stack(one_by_one).mean(), actual)


def test_value_of_one_channel_head_equals_two_channel_softmax_foreground(
    target: torch.Tensor,
) -> None:
    """One logit by sigmoid is two logits (0, x) by softmax; only the foreground is scored."""
    scores = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(SEED))
    binary = torch.where(target == 2, 0, target)

    actual = DiceLoss(use_sigmoid=True)(scores, binary)

    both = torch.cat([torch.zeros_like(scores), scores], 1)
    expected = 2 * DiceLoss(class_weight=[0.0, 1.0])(both, binary)
    torch.testing.assert_close(expected, actual)


def test_config_in_list_with_cross_entropy_trains_mmseg_head(target: torch.Tensor) -> None:
    """The head reads loss_name, passes weight and ignore_index, and adds up equal names."""
    from mmengine.registry import DefaultScope
    from mmengine.structures import PixelData
    from mmseg.models.decode_heads import FCNHead
    from mmseg.structures import SegDataSample

    import zoo  # noqa: F401  (the substitute for mmcv._ext, before mmseg)

    # Another test may have left another scope.
    with DefaultScope.overwrite_default_scope("mmseg"):
        head = FCNHead(
            in_channels=2,
            channels=2,
            num_convs=0,
            concat_input=False,
            num_classes=3,
            loss_decode=[{"type": "CrossEntropyLoss", "loss_name": "loss_ce"}] * 2,
        )
    head.loss_decode.append(DiceLoss())
    head.loss_decode.append(DiceLoss(loss_name="loss_tversky"))
    samples = []
    for ids in target:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=ids[None])
        samples.append(sample)

    losses = head.loss([torch.rand(2, 2, 4, 4)], samples, {})
    sum(value for name, value in losses.items() if "loss" in name).backward()

    assert {"loss_ce", "loss_dice", "loss_tversky", "acc_seg"} == set(losses)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert (head.conv_seg.weight.grad != 0).any()


def test_value_under_autocast_with_half_logits_is_finite(target: torch.Tensor) -> None:
    layer = nn.Conv2d(2, 3, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = layer(torch.rand(2, 2, 4, 4))
        loss = DiceLoss()(scores, target)
    loss.backward()

    assert scores.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert torch.isfinite(layer.weight.grad).all()


def test_pickle_of_loss_gives_equal_value(logits: torch.Tensor, target: torch.Tensor) -> None:
    loss = DiceLoss(class_weight=[1.0, 2.0, 3.0])

    again = pickle.loads(pickle.dumps(loss))

    assert loss(logits, target) == again(logits, target)


def test_state_dict_with_class_weights_is_empty() -> None:
    """The weights are the config's: checkpoints of other losses must load."""
    assert DiceLoss(class_weight=[1.0, 2.0]).state_dict() == {}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"smooth_px": -1.0}, "smooth_px holds -1.0, expected a number >= 0"),
        ({"class_weight": [1.0, float("nan")]}, "class_weight holds nan, expected a number >= 0"),
        ({"loss_weight": float("inf")}, "loss_weight holds inf, expected a number >= 0"),
        ({"alpha": -0.1}, "alpha holds -0.1, expected a number >= 0"),
        ({"beta": float("nan")}, "beta holds nan, expected a number >= 0"),
        ({"gamma": 0.0}, "gamma holds 0.0, expected a number > 0"),
        ({"use_mask": True, "ce_weight": -1.0}, "ce_weight holds -1.0, expected a number >= 0"),
        ({"use_mask": True, "class_weight": [1.0]}, "use_mask and class_weight are both given"),
        ({"use_mask": True, "generalised": True}, "use_mask and generalised are both given"),
        ({"use_mask": True, "use_sigmoid": False}, "use_sigmoid is False, so softmax"),
        ({"ce_weight": 1.0}, "ce_weight is set without use_mask"),
        ({"squared": True, "alpha": 0.3}, "squared is given and alpha and beta differ"),
    ],
)
def test_error_when_setting_is_wrong_names_it(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match="cannot build DiceLoss") as caught:
        DiceLoss(**options)

    assert sentence in str(caught.value)
    assert "HINT: " in str(caught.value)


def test_error_when_class_weights_do_not_fit_head_names_both(
    logits: torch.Tensor, target: torch.Tensor
) -> None:
    with pytest.raises(ConfigError, match="class_weight has 2 values and the head 3 channels"):
        DiceLoss(class_weight=[1.0, 2.0])(logits, target)


def test_error_when_mask_head_gives_no_labels_names_shapes() -> None:
    with pytest.raises(ValueError, match=r"pred \(1, 2, 3, 3\), target \(1, 3, 3\), labels None"):
        DiceLoss(use_mask=True)(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3))


@pytest.mark.parametrize(("labels", "found"), [([0, 2], 2), ([0, -1], -1)])
def test_error_when_class_of_roi_is_out_of_range_names_both(labels: list[int], found: int) -> None:
    loss = DiceLoss(use_mask=True)

    with pytest.raises(DataError, match=f"RoI 1 of the batch, counted from 0, is of class {found}"):
        loss(torch.zeros(2, 2, 3, 3), torch.zeros(2, 3, 3), torch.tensor(labels))


def test_value_of_mask_head_without_rois_is_zero() -> None:
    pred = torch.zeros(0, 2, 3, 3, requires_grad=True)

    value = DiceLoss(use_mask=True, ce_weight=1.0)(
        pred, torch.zeros(0, 3, 3), torch.zeros(0, dtype=torch.long)
    )
    value.backward()

    assert float(value.detach()) == 0.0
