# SPDX-License-Identifier: Apache-2.0
"""What soft_dice_loss refuses, and how it names it."""

from typing import Any

import pytest
import torch
from zoo_dice_loss.functional import soft_dice_loss

from zoo.errors import DataError

pytestmark = pytest.mark.mm


IGNORED = ", or 255 for ignored pixels."


@pytest.mark.parametrize(
    ("channels", "ids", "ignore_index", "found", "expected"),
    [
        (2, [0, 1, 7], 255, "7", f"an id from 0 to 1{IGNORED}"),
        (2, [0, 255, 7], 255, "7", f"an id from 0 to 1{IGNORED}"),
        (3, [0, -1, 255], 255, "-1", f"an id from 0 to 2{IGNORED}"),
        (3, [9, 17, -1], None, "9", "an id from 0 to 2."),
        (3, [0, 1, 255], None, "255", "an id from 0 to 2."),
        (1, [0, 1, 2], 255, "2", f"an id from 0 to 1{IGNORED}"),
        (2, [16777217, 1, 0], 255, "16777217", f"an id from 0 to 1{IGNORED}"),
    ],
)
@pytest.mark.parametrize("block", [1, 2**19])
def test_error_when_target_is_out_of_range_names_value_and_image(
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    ids: list[int],
    ignore_index: int | None,
    found: str,
    expected: str,
    block: int,
) -> None:
    """The first such pixel, wherever its image falls among the blocks."""
    monkeypatch.setattr("zoo_dice_loss.sums._CPU_BLOCK", block)
    target = torch.tensor([[[0, 0, 1]], [[1, 0, 0]], [ids]])

    with pytest.raises(DataError, match="cannot compute Dice") as caught:
        soft_dice_loss(
            torch.zeros(3, channels, 1, 3), target, activation="sigmoid", ignore_index=ignore_index
        )

    image = "the target of image 2 of the batch, counted from 0,"
    assert f"{image} holds {found}, expected {expected}" in str(caught.value)
    assert caught.value.image == 2
    assert "HINT: " in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_error_when_target_of_any_integer_type_is_out_of_range_names_value(
    dtype: torch.dtype,
) -> None:
    target = torch.tensor([[[0, 1, 77]]], dtype=dtype)

    with pytest.raises(DataError, match="holds 77, expected an id from 0 to 1"):
        soft_dice_loss(torch.zeros(1, 2, 1, 3), target, ignore_index=-100)


@pytest.mark.parametrize(
    ("share", "ignore_index", "found"),
    [(255.0, None, "255.0"), (-0.5, 255, "-0.5"), (float("nan"), 255, "nan"), (7.0, 1, "7.0")],
)
def test_error_when_share_is_out_of_range_names_value_and_image(
    share: float, ignore_index: int | None, found: str
) -> None:
    """Masks of 0 and 255 given as shares would count each pixel 255 times."""
    target = torch.zeros(3, 2, 1, 3)
    target[1, 0, 0, 2] = share

    with pytest.raises(DataError, match="image 1 of the batch") as caught:
        soft_dice_loss(torch.zeros(3, 2, 1, 3), target, ignore_index=ignore_index)

    assert f"holds {found}, expected a share from 0 to 1" in str(caught.value)


@pytest.mark.parametrize("channels", [2, 3])
def test_value_when_unchecked_ids_are_out_of_range_leaves_them_to_no_class(channels: int) -> None:
    logits = torch.zeros(1, channels, 1, 2, dtype=torch.float64)

    actual = soft_dice_loss(logits, torch.tensor([[[0, 9]]]), check_target=False, smooth_px=0.0)

    # Equal chances in both pixels; one pixel of class 0, none of the others.
    chance = 1 / channels
    expected = ((1 - 2 * chance / (2 * chance + 1)) + channels - 1) / channels
    assert expected == pytest.approx(float(actual))


@pytest.mark.parametrize(
    ("logits", "target", "options", "sentence"),
    [
        ((2, 3, 4, 4), (2, 1, 4, 4), {}, r"target has shape \(2, 1, 4, 4\) and logits"),
        ((2, 3, 4, 4), (2, 4, 5), {}, r"target has shape \(2, 4, 5\)"),
        ((2, 3), (2,), {}, r"logits \(2, 3\)"),
        ((2, 1, 4, 4), (2, 4, 4), {}, "softmax over one channel is always 1"),
        ((2, 3, 4, 4), (2, 4, 4), {"activation": "tanh"}, "no activation named 'tanh'"),
        ((2, 3, 4, 4), (2, 4, 4), {"pixel_weight": torch.ones(2)}, r"have shape \(2,\)"),
        ((2, 3, 4, 4), (2, 4, 4), {"squared": True, "alpha": 0.3}, "alpha and beta that differ"),
    ],
)
def test_error_when_shapes_or_names_do_not_fit_names_them(
    logits: tuple[int, ...], target: tuple[int, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        soft_dice_loss(torch.zeros(logits), torch.zeros(target, dtype=torch.long), **options)


def test_error_when_ids_are_floats_names_the_dtype() -> None:
    with pytest.raises(ValueError, match=r"target is torch\.float32, expected ids as integers"):
        soft_dice_loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2))


def test_error_when_target_or_weight_wants_a_gradient_names_what_to_do() -> None:
    """They get none; staying silent would train on half of the gradient."""
    logits, soft = torch.zeros(1, 2, 2, 2), torch.full((1, 2, 2, 2), 0.5, requires_grad=True)
    weight = torch.ones(1, 2, 2, requires_grad=True)

    with pytest.raises(ValueError, match=r"only the logits get one; detach\(\) the others"):
        soft_dice_loss(logits, soft)
    with pytest.raises(ValueError, match=r"only the logits get one; detach\(\) the others"):
        soft_dice_loss(logits, soft.detach(), pixel_weight=weight)
