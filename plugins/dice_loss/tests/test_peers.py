# SPDX-License-Identifier: Apache-2.0
"""soft_dice_loss against MONAI, in the settings that both have."""

import itertools

import pytest
import torch
from zoo_dice_loss.functional import soft_dice_loss

# MONAI's import warns.
pytestmark = [
    pytest.mark.mm,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SEED = 20240611

MONAI_SETTINGS = list(
    itertools.product(["softmax", "sigmoid"], [False, True], [False, True], [False, True])
)


@pytest.mark.parametrize(("activation", "squared", "per_image", "weighted"), MONAI_SETTINGS)
@pytest.mark.parametrize("channels", [2, 3])
def test_value_and_gradient_in_shared_settings_equal_monai(
    activation: str, squared: bool, per_image: bool, weighted: bool, channels: int
) -> None:
    """Both smoothing terms of MONAI are our one. 1e-7: MONAI takes norms of float32 targets."""
    monai_losses = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(2, channels, 5, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, channels, (2, 5, 4), generator=generator)
    class_weight = torch.arange(1.0, channels + 1.0, dtype=torch.float64) if weighted else None
    oracle = monai_losses.DiceLoss(
        to_onehot_y=True,
        softmax=activation == "softmax",
        sigmoid=activation == "sigmoid",
        squared_pred=squared,
        batch=not per_image,
        smooth_nr=0.5,
        smooth_dr=0.5,
        weight=class_weight,
    )
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()

    actual = soft_dice_loss(
        ours,
        target,
        activation=activation,
        squared=squared,
        per_image=per_image,
        smooth_px=0.5,
        class_weight=class_weight,
    )
    expected = oracle(theirs, target[:, None])
    actual.backward()
    expected.backward()

    torch.testing.assert_close(actual, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-7, rtol=0)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (1.0, 1.0), (0.5, 0.5)])
def test_value_and_gradient_of_tversky_equal_monai(
    activation: str, per_image: bool, alpha: float, beta: float
) -> None:
    """MONAI's fraction is ours halved, its smoothing too."""
    monai_losses = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (2, 5, 4), generator=generator)
    oracle = monai_losses.TverskyLoss(
        to_onehot_y=True,
        softmax=activation == "softmax",
        sigmoid=activation == "sigmoid",
        alpha=alpha,
        beta=beta,
        batch=not per_image,
        smooth_nr=0.5,
        smooth_dr=0.5,
    )
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()

    actual = soft_dice_loss(
        ours, target, activation=activation, per_image=per_image, alpha=alpha, beta=beta
    )
    expected = oracle(theirs, target[:, None])
    actual.backward()
    expected.backward()

    torch.testing.assert_close(actual, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-7, rtol=0)


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("classes_there", [3, 2])
def test_value_and_gradient_of_generalised_dice_equal_monai(
    per_image: bool, classes_there: int
) -> None:
    """Without smoothing, whose unit is MONAI's own; a class that is absent weighs as the rarest."""
    monai_losses = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(SEED)
    logits = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, classes_there, (2, 5, 4), generator=generator)
    oracle = monai_losses.GeneralizedDiceLoss(
        to_onehot_y=True, softmax=True, batch=not per_image, smooth_nr=0.0, smooth_dr=0.0
    )
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()

    actual = soft_dice_loss(ours, target, per_image=per_image, smooth_px=0.0, generalised=True)
    expected = oracle(theirs, target[:, None])
    actual.backward()
    expected.backward()

    # MONAI weighs in float32.
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=0)
