# SPDX-License-Identifier: Apache-2.0
"""Sigmoid focal loss, through mmcv's wrapper, against the formula and its derivative."""

from __future__ import annotations

import math

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss

pytestmark = pytest.mark.mm

TARGET = torch.tensor([2, 0, 3])  # of three classes: 3 is background


def _scores() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(3, 3, generator=generator, dtype=torch.float64)).requires_grad_()


@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 3.0]])
def test_loss_when_written_out_number_by_number_is_the_same(weight: list[float] | None) -> None:
    """The paper's formula; class weights go with the sample's own class."""
    scores = _scores()
    weights = None if weight is None else torch.tensor(weight, dtype=torch.float64)

    loss = sigmoid_focal_loss(scores, TARGET, 1.5, 0.3, weights, "none")

    for (row, column), score in zip(
        torch.ones(3, 3).nonzero().tolist(), scores.flatten(), strict=True
    ):
        p = 1 / (1 + math.exp(-float(score)))
        target = int(TARGET[row])
        expected = -0.7 * p**1.5 * math.log(1 - p)
        if column == target:
            expected = -0.3 * (1 - p) ** 1.5 * math.log(p)
        if weight is not None and target < 3:
            expected *= weight[target]
        assert float(loss[row, column]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradient_when_differenced_numerically_agrees(reduction: str) -> None:
    """Gradcheck in float64, with class weights."""
    weights = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)

    assert torch.autograd.gradcheck(
        lambda x: sigmoid_focal_loss(x, TARGET, 2.0, 0.25, weights, reduction), [_scores()]
    )


def test_loss_and_gradient_when_scores_are_huge_are_finite() -> None:
    """The logarithm is taken of the score, not of a probability that is rounded to zero."""
    scores = torch.tensor([[200.0, -200.0]], requires_grad=True)

    loss = sigmoid_focal_loss(scores, torch.tensor([1]), 2.0, 0.25, None, "none")
    loss.sum().backward()

    assert loss.detach().tolist() == [[150.0, 50.0]]
    assert scores.grad is not None
    assert scores.grad.tolist() == [[0.75, -0.25]]
