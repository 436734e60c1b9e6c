# SPDX-License-Identifier: Apache-2.0
"""``acc_seg`` without sorting: mmseg's own function is the oracle."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

pytest.importorskip("mmengine")

import torch

from zoo.engine.stepping.accuracy import counting_accuracy

pytestmark = pytest.mark.mm


@pytest.fixture
def heads() -> Any:
    """Return mmseg's module of heads, which the substitute is put into."""
    from mmseg.models.decode_heads import decode_head

    return decode_head


def draw(classes: int, seed: int, *, last: bool = False) -> tuple[Any, Any]:
    """Return scores and labels of two images, with some pixels that are ignored."""
    source = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, classes, 23, 31, generator=source)
    labels = torch.randint(0, classes, (2, 23, 31), generator=source)
    labels[torch.rand(labels.shape, generator=source) < 0.2] = 255
    return scores.to(memory_format=torch.channels_last) if last else scores, labels


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5, 19, 150])
@pytest.mark.parametrize("ignored", [None, 255, 0])
def test_accuracy_equals_that_of_mmseg_to_the_bit(heads: Any, classes: int, ignored: Any) -> None:
    """For both memory layouts, with pixels that are ignored and without."""
    original = heads.accuracy
    for seed, last in itertools.product(range(4), (False, True)):
        scores, labels = draw(classes, seed, last=last)
        expected = original(scores, labels, ignore_index=ignored)

        with counting_accuracy():
            found = heads.accuracy(scores, labels, ignore_index=ignored)

        assert found.shape == expected.shape
        assert torch.equal(found, expected)


def test_accuracy_of_nothing_equals_that_of_mmseg(heads: Any) -> None:
    """No image, and images whose every pixel is ignored."""
    scores, labels = draw(3, 0)
    for given in ((scores[:0], labels[:0]), (scores, torch.full_like(labels, 255))):
        expected = heads.accuracy(*given, ignore_index=255)
        with counting_accuracy():
            assert torch.equal(heads.accuracy(*given, ignore_index=255), expected)


@pytest.mark.parametrize("settings", [{"topk": (1, 2)}, {"topk": (1,)}])
def test_other_settings_are_left_to_mmseg(heads: Any, settings: dict[str, Any]) -> None:
    """What a head of a plugin may ask for."""
    scores, labels = draw(4, 1)
    expected = heads.accuracy(scores, labels, ignore_index=255, **settings)

    with counting_accuracy():
        found = heads.accuracy(scores, labels, ignore_index=255, **settings)

    assert type(found) is type(expected)
    assert torch.equal(torch.cat([*found]), torch.cat([*expected]))


def test_pixels_whose_scores_are_equal_count_for_the_first_class(heads: Any) -> None:
    """mmseg leaves open which class that is; here it is told."""
    labels = torch.tensor([[[0, 1, 2, 3, 4, 5, 255, 0]]])

    with counting_accuracy():
        found = heads.accuracy(torch.zeros(1, 6, 1, 8), labels, ignore_index=255)

    assert found.item() == pytest.approx(100 * 2 / 7)


def test_function_of_mmseg_is_back_after_the_block(heads: Any) -> None:
    """Also where the block fails."""
    before = heads.accuracy

    def fail() -> None:
        with counting_accuracy():
            assert heads.accuracy is not before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert heads.accuracy is before
