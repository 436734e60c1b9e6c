# SPDX-License-Identifier: Apache-2.0
"""Predict with the channels of a pixel side by side: the same values, with every model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.engine.stepping.memory_format import (
    in_some_format,
    put_channels_first,
    put_channels_last,
)

pytestmark = pytest.mark.mm


class _Viewing(nn.Module):
    """Reads the memory of its map as if channels came first, as some upstream heads do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of each image as a row."""
        maps = self.convolution(x)
        return maps.view(len(maps), -1)


def _is_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


def test_weights_keep_their_values_and_their_identity() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 2), nn.Linear(2, 2))
    before = {name: (each, each.detach().clone()) for name, each in network.named_parameters()}

    put_channels_last(network)

    assert _is_last(network[0].weight)
    assert _is_last(network[1].weight)
    for name, parameter in network.named_parameters():
        assert parameter is before[name][0]
        assert torch.equal(parameter, before[name][1])
    put_channels_first(network)
    assert all(parameter.is_contiguous() for parameter in network.parameters())


def test_maps_of_convolutions_are_in_the_format_of_the_weights() -> None:
    convolution = nn.Conv2d(3, 4, 3)
    put_channels_last(convolution)

    assert _is_last(convolution(torch.zeros(1, 3, 8, 8)))


def test_model_that_needs_the_usual_format_gets_it_and_can_still_be_trained() -> None:
    torch.manual_seed(0)
    network, x = _Viewing(), torch.rand(2, 3, 8, 8)
    expected = network(x)
    put_channels_last(network)
    with pytest.raises(RuntimeError, match="view size"):
        network(x)

    with torch.inference_mode():
        found = in_some_format(network, lambda: network(x))

    torch.testing.assert_close(found, expected)
    network(x).sum().backward()
    assert network.convolution.weight.grad is not None


def test_other_failure_of_a_model_is_raised_at_once() -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        message = "shapes differ"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_some_format(nn.Conv2d(1, 1, 1), fail)
    assert len(calls) == 1
