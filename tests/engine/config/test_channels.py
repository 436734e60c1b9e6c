# SPDX-License-Identifier: Apache-2.0
"""Wrong numbers of channels in a config: the part, both numbers and the key to set."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config.channels import Channels, channels_hint, find_channels
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


def _layers() -> dict[str, tuple[Any, Any]]:
    """Return layers made for 6 channels, and inputs with 4."""
    import torch
    from torch import nn

    image = torch.ones(2, 4, 8, 8)
    return {
        "conv": (nn.Conv2d(6, 3, 3), image),
        "depthwise": (nn.Conv2d(6, 6, 3, groups=6), image),
        "conv of one image": (nn.Conv2d(6, 3, 1), torch.ones(4, 8, 8)),
        "transposed": (nn.ConvTranspose2d(6, 3, 2), image),
        "linear": (nn.Linear(6, 3), torch.ones(2, 4)),
        "linear of tokens": (nn.Linear(6, 3), torch.ones(2, 5, 4)),
        "batch norm": (nn.BatchNorm2d(6), image),
        "batch norm, evaluated": (nn.BatchNorm2d(6).eval(), image),
        "group norm": (nn.GroupNorm(2, 6), image),
        "layer norm": (nn.LayerNorm(6), torch.ones(2, 5, 4)),
    }


@pytest.mark.parametrize("name", list(_layers()))
def test_numbers_are_read_from_the_error_of_each_kind_of_layer(name: str) -> None:
    """From torch itself, whose words may change."""
    layer, value = _layers()[name]

    with pytest.raises(RuntimeError) as caught:
        layer(value)

    assert find_channels(caught.value) == Channels(takes=6, found=4)


def test_other_error_has_no_numbers() -> None:
    for error in (RuntimeError("CUDA out of memory"), ValueError("to have 3 channels")):
        assert find_channels(error) is None


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"in_channels": 6}, "set model.neck.in_channels=4, or change the part before it."),
        ({"in_channels": [3, 6]}, "correct 6 in model.neck.in_channels, or change the part before"),
        ({"depth": 18}, "make the number of channels of model.neck and of what it gets equal"),
        (None, "make the number of channels of model.neck and of what it gets equal"),
    ],
)
def test_hint_names_the_key_that_states_the_number(node: Any, expected: str) -> None:
    assert channels_hint("model.neck", node, Channels(6, 4)).startswith(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (
            "model.decode_head.in_channels=8",
            "cannot do the first step: model.decode_head takes 8 channels, found 4 in its input.",
        ),
        (
            "model.backbone.in_channels=1",
            "cannot do the first step: model.backbone takes 1 channel, found 3 in its input.",
        ),
    ],
)
def test_config_with_a_wrong_number_is_refused_in_words(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path, option: str,
    expected: str,
) -> None:  # fmt: skip
    """And with the number that is right, the same run trains."""
    from zoo import train

    words: dict[str, Any] = {"data": squares_data, "max_steps": 1}
    with pytest.raises(ConfigError) as caught:
        train(squares_config, **words, work_dir=tmp_path / "run", cfg_options=[option])
    key, _, wrong = option.partition("=")
    found = expected.rpartition("found ")[2].split()[0]
    mended = copy.copy(words) | {"cfg_options": [f"{key}={found}"]}
    result = train(squares_config, **mended, work_dir=tmp_path / "mended")

    assert caught.value.message == expected
    assert caught.value.hint == f"set {key}={found}, or change the part before it."
    assert str(caught.value.where).startswith(key.rpartition(".")[0])
    assert wrong not in (found, "")
    assert result.steps == 1
