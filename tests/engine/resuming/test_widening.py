# SPDX-License-Identifier: Apache-2.0
"""A first layer for red, green and blue, widened to the bands of the data, against NumPy."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from zoo.engine.resuming.widening import widen, widened  # noqa: E402

BANDS = ("blue", "nir", "red", "green", "swir")


def _widened_by_numpy(weight: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """The stated rule, as a loop."""
    out = np.empty((weight.shape[0], len(names), *weight.shape[2:]), np.float64)
    for place, name in enumerate(names):
        color = {"red": 0, "green": 1, "blue": 2}.get(name)
        out[:, place] = weight.mean(axis=1) if color is None else weight[:, color]
    return out * 3 / len(names)


@pytest.mark.parametrize("names", [BANDS, ("nir",), ("red", "nir")])
def test_weights_when_widened_then_follow_the_rule_and_keep_their_response(
    names: tuple[str, ...],
) -> None:
    weight = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))

    found = widen(weight, names)

    assert np.allclose(found.numpy(), _widened_by_numpy(weight.numpy().astype(np.float64), names))
    if set(BANDS[:1] + BANDS[2:4]) <= set(names):  # each colour once: equal bands, equal response
        assert torch.allclose(found.sum(dim=1), weight.sum(dim=1), atol=1e-5)


def test_state_when_a_model_reads_bands_then_only_its_first_layer_is_widened() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(5, 3, 3), torch.nn.Conv2d(3, 5, 1), torch.nn.Conv2d(5, 2, 1)
    )
    start = torch.nn.Sequential(
        torch.nn.Conv2d(3, 3, 3), torch.nn.Conv2d(3, 5, 1), torch.nn.Conv2d(5, 2, 1)
    ).state_dict()

    found, names = widened(model, start, BANDS)

    assert names == ["0.weight"]
    assert torch.equal(found["0.weight"], widen(start["0.weight"], BANDS))
    assert all(found[name] is start[name] for name in start if name != "0.weight")
    assert start["0.weight"].shape[1] == 3
    model.load_state_dict(found)
    assert widened(model, start, ()) == (start, [])
