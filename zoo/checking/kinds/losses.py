# SPDX-License-Identifier: Apache-2.0
"""Checks of losses, called like mmseg decode heads and mmdet mask heads call them."""

from __future__ import annotations

from typing import Any

from zoo.checking.expecting import expect, named, needs
from zoo.checking.kinds.base import KindChecks

__all__ = ["LossChecks"]

IGNORED = 255
CLASSES = 3
# Where a hundred makes exp() overflow in 16 bits, and ten thousand in 32.
HUGE = 1e4


class LossChecks(KindChecks):
    """Checks of ``[[loss]]`` rows; those in ``mask_settings`` are checked in mask heads."""

    def test_loss_in_mmseg_head_trains_beside_cross_entropy(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """In a head with two losses, each loss has its own entry in the log."""
        config = _of_mmseg(each_head_loss)
        said = named(config)
        head = _decode_head([_cross_entropy(), config])
        logits, samples = _logits(requires_grad=True), _samples()

        values = head.loss_by_feat(logits, samples)
        sum(value for name, value in values.items() if "loss" in name).backward()

        name = head.loss_decode[1].loss_name
        expect("loss" in name, f"{said}: mmengine trains on names with 'loss', not {name!r}")
        wanted, found = {"loss_ce", name, "acc_seg"}, set(values)
        expect(
            found == wanted,
            f"{said}: the log has {sorted(found)}, expected {sorted(wanted)}",
        )
        expect(logits.grad.isfinite().all(), f"{said}: the gradient is not finite in a head")

    def test_loss_when_called_by_keywords_is_a_finite_scalar_with_gradient(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """``loss(pred, target, weight=None, ignore_index=255)`` is differentiable in ``pred``."""
        config = _of_mmseg(each_head_loss)
        said = named(config)
        loss, logits = _build(config), _logits(requires_grad=True)

        value = loss(logits, _target(), weight=None, ignore_index=IGNORED)
        value.backward()

        shape = tuple(value.shape)
        expect(shape == (), f"{said}: it returns the shape {shape}, expected a scalar")
        expect(
            value.isfinite(),
            f"{said}: it returns {_shown(value)}, expected a finite value",
        )
        expect(logits.grad.isfinite().all(), f"{said}: the gradient is not finite")
        expect(logits.grad.abs().sum() > 0, f"{said}: no gradient reaches the logits")

    def test_loss_at_ignored_pixels_has_no_gradient_and_no_say(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """``ignore_index`` masks pixels: predictions there have no effect."""
        config = _of_mmseg(each_head_loss)
        said = named(config)
        loss, target = _build(config), _target()
        logits, changed = _logits(requires_grad=True), _logits()
        ignored = (target == IGNORED).unsqueeze(1).expand_as(logits)
        changed[ignored] += 5.0

        value = loss(logits, target, weight=None, ignore_index=IGNORED)
        value.backward()
        other = loss(changed, target, weight=None, ignore_index=IGNORED)

        before, after = float(value.detach()), float(other)
        is_equal = abs(after - before) <= max(1e-6, 1e-6 * abs(before))
        expect(is_equal, f"{said}: other scores at ignored pixels change {before} to {after}")
        reaching = float(logits.grad[ignored].abs().max())
        expect(reaching == 0, f"{said}: a gradient of {reaching:g} reaches ignored pixels")

    def test_loss_when_all_is_ignored_or_a_class_is_absent_stays_finite(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """Where every pixel is ignored, or has one class, value and gradient stay finite."""
        import torch

        config = _of_mmseg(each_head_loss)
        said = named(config)
        for fill in (IGNORED, 0):
            loss, logits = _build(config), _logits(requires_grad=True)
            target = torch.full((2, 6, 7), fill)

            value = loss(logits, target, weight=None, ignore_index=IGNORED)
            value.backward()

            case = f"{said}, every pixel {fill}"
            expect(value.isfinite(), f"{case}: it returns {_shown(value)}, expected a finite value")
            expect(logits.grad.isfinite().all(), f"{case}: the gradient is not finite")

    def test_loss_when_in_bfloat16_stays_finite(self, each_head_loss: dict[str, Any]) -> None:
        """In bfloat16, as mixed precision passes it, large scores give a finite value."""
        import torch

        config = _of_mmseg(each_head_loss)
        said = named(config)
        value = _build(config)(
            (100 * _logits()).to(torch.bfloat16), _target(), weight=None, ignore_index=IGNORED
        )

        expect(value.isfinite(), f"{said}: it is {_shown(value)} in bfloat16")

    def test_loss_when_given_pixel_weights_takes_them(self, each_head_loss: dict[str, Any]) -> None:
        """It takes ``weight`` ``(N, H, W)``, which a head with a pixel sampler passes."""
        import torch

        config = _of_mmseg(each_head_loss)
        said = named(config)
        value = _build(config)(
            _logits(), _target(), weight=torch.ones(2, 6, 7), ignore_index=IGNORED
        )

        expect(value.isfinite(), f"{said}: it is {_shown(value)} with pixel weights of 1")

    def test_loss_at_huge_scores_stays_finite(self, each_head_loss: dict[str, Any]) -> None:
        """Scores of a network that is sure of right or wrong give finite values and gradients."""
        import torch

        config, target = _of_mmseg(each_head_loss), _target()
        said = named(config)
        sure = torch.full((2, CLASSES, 6, 7), -HUGE)
        sure.scatter_(1, target.clamp(max=CLASSES - 1).unsqueeze(1), HUGE)
        for name, scores in (("right", sure), ("wrong", -sure)):
            logits: Any = scores.clone().requires_grad_(True)

            value = _build(config)(logits, target, weight=None, ignore_index=IGNORED)
            value.backward()

            case = f"{said}, scores of {HUGE:g} that are {name}"
            expect(value.isfinite(), f"{case}: it returns {_shown(value)}, expected a finite value")
            expect(logits.grad.isfinite().all(), f"{case}: the gradient is not finite")

    def test_loss_has_the_gradient_of_its_value(self, each_head_loss: dict[str, Any]) -> None:
        """In float64, the gradient agrees with finite differences."""
        import torch

        config, target = _of_mmseg(each_head_loss), _target()[:1, :3, :3]
        said = named(config)
        loss, logits = _build(config), _logits()[:1, :, :3, :3].double().requires_grad_(True)

        def value(scores: Any) -> Any:
            return loss(scores, target, weight=None, ignore_index=IGNORED).double()

        try:
            # The tolerance leaves room for sums that a loss takes in float32.
            torch.autograd.gradcheck(value, (logits,), eps=1e-3, atol=1e-3, rtol=1e-2)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            self.fail(f"{said}: its gradient is not that of its value: {reason[:300]}")

    def test_loss_in_mmdet_mask_head_is_called_by_position(
        self, each_mask_loss: dict[str, Any]
    ) -> None:
        """``loss(pred, target, labels)`` is logged as ``loss_mask``; one plane gets gradient."""
        import torch

        config = each_mask_loss
        said = named(config)
        head = _mask_head(config)
        pred: Any = torch.randn(4, CLASSES, 5, 5, requires_grad=True)
        target = (torch.arange(100).view(4, 5, 5) % 3 == 0).float()

        value = head.loss_mask(pred, target, torch.tensor([0, 1, 2, 1]))
        value.sum().backward()

        count = value.numel()
        expect(count == 1, f"{said}: it returns {count} values in a mask head, expected one")
        expect(value.isfinite().all(), f"{said}: its value is not finite in a mask head")
        expect(
            pred.grad.isfinite().all(),
            f"{said}: its gradient is not finite in a mask head",
        )
        reaching = pred.grad.abs().sum()
        expect(reaching > 0, f"{said}: no gradient reaches the masks in a mask head")


def _of_mmseg(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for mmseg heads, or leave the check out if mmseg is missing."""
    needs("mmseg")
    return config


def _shown(value: Any) -> str:
    return f"{float(value.detach()):g}" if value.numel() == 1 else f"a {tuple(value.shape)}"


def _build(config: dict[str, Any]) -> Any:
    from mmseg.registry import MODELS

    return MODELS.build(config)


def _cross_entropy() -> dict[str, Any]:
    return {"type": "mmseg.CrossEntropyLoss"}


def _decode_head(losses: list[dict[str, Any]]) -> Any:
    return _build(
        {
            "type": "mmseg.FCNHead",
            "in_channels": 4,
            "channels": 4,
            "num_convs": 1,
            "num_classes": CLASSES,
            "norm_cfg": {"type": "BN"},
            "loss_decode": losses,
        }
    )


def _mask_head(loss: dict[str, Any]) -> Any:
    needs("mmdet")
    from mmdet.registry import MODELS

    return MODELS.build(
        {
            "type": "mmdet.FCNMaskHead",
            "num_convs": 1,
            "in_channels": 4,
            "conv_out_channels": 4,
            "num_classes": CLASSES,
            "loss_mask": loss,
        }
    )


def _logits(*, requires_grad: bool = False) -> Any:
    import torch

    values = torch.randn(2, CLASSES, 6, 7, generator=torch.Generator().manual_seed(0))
    return values.requires_grad_(requires_grad)


def _target() -> Any:
    import torch

    target = torch.arange(2 * 6 * 7).view(2, 6, 7) % CLASSES
    target[:, 0] = IGNORED
    return target


def _samples() -> list[Any]:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    samples = []
    for labels in _target():
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=labels.unsqueeze(0))
        samples.append(sample)
    return samples
