# SPDX-License-Identifier: Apache-2.0
"""Checks of losses, called like mmseg decode heads and mmdet mask heads call them."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.testing.subject import Subject

__all__ = ["LossChecks"]

IGNORED = 255
CLASSES = 3


class LossChecks(Subject):
    """Checks of ``[[loss]]`` rows; those in ``mask_settings`` are checked in mask heads."""

    def test_loss_in_mmseg_head_trains_beside_cross_entropy(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """In a head with two losses, each loss has its own entry in the log."""
        config = _of_mmseg(each_head_loss)
        head = _decode_head([_cross_entropy(), config])
        logits, samples = _logits(requires_grad=True), _samples()

        values = head.loss_by_feat(logits, samples)
        sum(value for name, value in values.items() if "loss" in name).backward()

        name = head.loss_decode[1].loss_name
        assert "loss" in name, f"{config}: mmengine trains on names with 'loss', not {name!r}"
        assert set(values) == {"loss_ce", name, "acc_seg"}, config
        assert logits.grad.isfinite().all(), config

    def test_loss_when_called_by_keywords_is_a_finite_scalar_with_gradient(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """``loss(pred, target, weight=None, ignore_index=255)`` is differentiable in ``pred``."""
        config = _of_mmseg(each_head_loss)
        loss, logits = _build(config), _logits(requires_grad=True)

        value = loss(logits, _target(), weight=None, ignore_index=IGNORED)
        value.backward()

        assert value.shape == (), config
        assert value.isfinite(), config
        assert logits.grad.isfinite().all(), config
        assert logits.grad.abs().sum() > 0, f"{config}: no gradient reaches the logits"

    def test_loss_at_ignored_pixels_has_no_gradient_and_no_say(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """``ignore_index`` masks pixels: predictions there have no effect."""
        config = _of_mmseg(each_head_loss)
        loss, target = _build(config), _target()
        logits, changed = _logits(requires_grad=True), _logits()
        ignored = (target == IGNORED).unsqueeze(1).expand_as(logits)
        changed[ignored] += 5.0

        value = loss(logits, target, weight=None, ignore_index=IGNORED)
        value.backward()
        other = loss(changed, target, weight=None, ignore_index=IGNORED)

        assert float(other) == pytest.approx(float(value.detach()), abs=1e-6), config
        assert logits.grad[ignored].abs().max() == 0, config

    def test_loss_when_all_is_ignored_or_a_class_is_absent_stays_finite(
        self, each_head_loss: dict[str, Any]
    ) -> None:
        """Crops without labelled pixels and images with one class are common."""
        import torch

        config = _of_mmseg(each_head_loss)
        for fill in (IGNORED, 0):
            loss, logits = _build(config), _logits(requires_grad=True)
            target = torch.full((2, 6, 7), fill)

            value = loss(logits, target, weight=None, ignore_index=IGNORED)
            value.backward()

            assert value.isfinite(), f"{config}, every pixel {fill}"
            assert logits.grad.isfinite().all(), f"{config}, every pixel {fill}"

    def test_loss_when_in_bfloat16_stays_finite(self, each_head_loss: dict[str, Any]) -> None:
        """Mixed precision passes 16-bit logits, including large ones."""
        import torch

        config = _of_mmseg(each_head_loss)
        value = _build(config)(
            (100 * _logits()).to(torch.bfloat16), _target(), weight=None, ignore_index=IGNORED
        )

        assert value.isfinite(), config

    def test_loss_when_given_pixel_weights_takes_them(self, each_head_loss: dict[str, Any]) -> None:
        """A head with a pixel sampler passes ``weight`` ``(N, H, W)``."""
        import torch

        config = _of_mmseg(each_head_loss)
        value = _build(config)(
            _logits(), _target(), weight=torch.ones(2, 6, 7), ignore_index=IGNORED
        )

        assert value.isfinite(), config

    def test_loss_in_mmdet_mask_head_is_called_by_position(
        self, each_mask_loss: dict[str, Any]
    ) -> None:
        """``loss(pred, target, labels)`` is logged as ``loss_mask``; one plane gets gradient."""
        import torch

        head = _mask_head(each_mask_loss)
        pred: Any = torch.randn(4, CLASSES, 5, 5, requires_grad=True)
        target = (torch.arange(100).view(4, 5, 5) % 3 == 0).float()

        value = head.loss_mask(pred, target, torch.tensor([0, 1, 2, 1]))
        value.sum().backward()

        assert value.numel() == 1, each_mask_loss
        assert value.isfinite().all(), each_mask_loss
        assert pred.grad.isfinite().all(), each_mask_loss
        assert pred.grad.abs().sum() > 0, each_mask_loss


def _of_mmseg(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for mmseg heads, or skip the test if mmseg is missing."""
    pytest.importorskip("mmseg")
    return config


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
    pytest.importorskip("mmdet")
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
