# SPDX-License-Identifier: Apache-2.0
"""The backbone as configs set it: shapes, freezing, norms, errors."""

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from zoo_efficientnet_lite.backbone import LEVEL_CHANNELS, LEVEL_STRIDES, EfficientNetLite0

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


def make_batch(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, 37, 50, generator=torch.Generator().manual_seed(seed))


def split_norms(backbone: EfficientNetLite0, levels: int) -> list[list[nn.BatchNorm2d]]:
    """Return the norms of the stem and the first ``levels`` levels, those after, and the outer."""
    first = [backbone.stem, *backbone.levels[:levels]]
    return [
        [
            module
            for part in parts
            for module in part.modules()
            if isinstance(module, nn.BatchNorm2d)
        ]
        for parts in (first, backbone.levels[levels:], [backbone.out_norms])
    ]


def test_parameters_of_the_whole_backbone_are_those_of_the_paper_without_head() -> None:
    """4,652,008 of the classifier, less 1x1 convolution, its norm and 1,000 classes."""
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000

    count = sum(parameter.numel() for parameter in EfficientNetLite0().parameters())

    assert count == 4_652_008 - head


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
def test_maps_of_any_image_size_are_ceiled_quotients(height_px: int, width_px: int) -> None:
    backbone = EfficientNetLite0().eval()

    maps = backbone(torch.zeros(1, 3, height_px, width_px))

    expected = [
        (1, channels, -(-height_px // stride), -(-width_px // stride))
        for channels, stride in zip(LEVEL_CHANNELS, LEVEL_STRIDES, strict=True)
    ]
    assert [tuple(found.shape) for found in maps] == expected


def test_maps_when_some_are_chosen_are_those_and_no_later_level_is_built() -> None:
    torch.manual_seed(0)
    every = EfficientNetLite0().eval()
    chosen = EfficientNetLite0(out_indices=(1, 3)).eval()
    chosen.load_state_dict({k: every.state_dict()[k] for k in chosen.state_dict()})

    maps = chosen(make_batch())

    assert len(chosen.levels) == 4
    expected = every(make_batch())
    torch.testing.assert_close([expected[1], expected[3]], list(maps))


@pytest.mark.parametrize("frozen_stages", [0, 2, 5])
def test_frozen_stages_when_trained_keep_weights_and_statistics(frozen_stages: int) -> None:
    backbone = EfficientNetLite0(frozen_stages=frozen_stages, out_norm=True).train()
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)

    sum(found.square().mean() for found in backbone(make_batch())).backward()
    optimizer.step()

    frozen, trained, outer = split_norms(backbone, frozen_stages)
    after = backbone.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    prefixes = ("stem.", *(f"levels.{i}." for i in range(frozen_stages)))
    assert not [name for name in changed if name.startswith(prefixes)]
    assert not any(norm.training for norm in frozen)
    assert all(norm.training and norm.num_batches_tracked == 1 for norm in (*trained, *outer))
    assert all(found in changed for found in after if found.endswith("out_norms.0.running_mean"))


def test_norm_eval_when_trained_keeps_statistics_of_levels_alone() -> None:
    backbone = EfficientNetLite0(norm_eval=True, out_norm=True).train()

    backbone(make_batch())

    first, rest, outer = split_norms(backbone, 2)
    assert all(norm.num_batches_tracked == 0 and norm.weight.requires_grad for norm in first + rest)
    assert all(norm.num_batches_tracked == 1 for norm in outer)


def test_maps_of_out_norm_in_training_have_mean_zero_and_unit_scale() -> None:
    torch.manual_seed(0)
    backbone = EfficientNetLite0(out_norm=True).train()

    for found in backbone(5 * make_batch()):
        torch.testing.assert_close(
            torch.zeros(found.shape[1]), found.mean((0, 2, 3)), atol=1e-4, rtol=0
        )
        scale = found.std((0, 2, 3), correction=0)
        torch.testing.assert_close(torch.ones(found.shape[1]), scale, atol=1e-2, rtol=0)


def test_gradients_with_cp_equal_those_without() -> None:
    torch.manual_seed(0)
    plain = EfficientNetLite0(out_indices=(2,), norm_eval=True).train()
    saving = EfficientNetLite0(out_indices=(2,), norm_eval=True, with_cp=True).train()
    saving.load_state_dict(plain.state_dict())

    for backbone in (plain, saving):
        backbone(make_batch())[0].square().sum().backward()

    for ours, theirs in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_drop_rates_rise_from_none_to_the_given_one() -> None:
    backbone = EfficientNetLite0(drop_path_rate=0.3)

    rates = [block.drop_rate for level in backbone.levels for block in level]

    assert rates == pytest.approx([0.3 * number / 15 for number in range(16)])


def test_backbone_when_pickled_gives_equal_maps() -> None:
    backbone = EfficientNetLite0(out_indices=(1, 4), frozen_stages=1, out_norm=True).eval()

    twin = pickle.loads(pickle.dumps(backbone))

    torch.testing.assert_close(backbone(make_batch()), twin(make_batch()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out_indices": ()}, r"out_indices is \(\), expected ascending numbers from 0 to 4\."),
        ({"out_indices": (3, 1)}, r"out_indices is \(3, 1\), expected ascending"),
        ({"out_indices": (1, 5)}, r"out_indices is \(1, 5\), expected ascending"),
        ({"out_indices": (1, 1)}, r"out_indices is \(1, 1\), expected ascending"),
        ({"frozen_stages": 6}, r"frozen_stages is 6, expected -1 to 5\."),
        ({"frozen_stages": 3, "out_indices": (0, 1)}, r"frozen_stages is 3, expected -1 to 2\."),
        ({"frozen_stages": -2}, r"frozen_stages is -2, expected"),
        ({"drop_path_rate": 1.0}, r"drop_path_rate is 1\.0, expected 0 or more, and less than 1\."),
        ({"drop_path_rate": -0.1}, r"drop_path_rate is -0\.1, expected"),
    ],
)
def test_backbone_of_an_argument_out_of_range_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        EfficientNetLite0(**arguments)

    assert caught.value.hint
