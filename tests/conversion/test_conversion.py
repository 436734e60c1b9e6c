# SPDX-License-Identifier: Apache-2.0
"""Renaming by rules forgets no key; Swin's patch merging equals the original computation."""

from __future__ import annotations

import pytest

from zoo.conversion import Rule, join_qkv, rename, require_shape, swin_merging
from zoo.errors import ConversionError

torch = pytest.importorskip("torch")


def test_rename_uses_the_first_rule_that_matches_and_drops_on_purpose() -> None:
    one = torch.ones(1)
    rules = [Rule(r"a\.(\d)", r"b.\1"), Rule(r"a\..*", "rest"), Rule("fc", None)]

    renamed = rename({"a.1": one, "a.x": one, "fc": one}, rules, what="a net")

    assert list(renamed) == ["b.1", "rest"]


def test_rename_when_a_key_is_forgotten_names_it() -> None:
    """A key that no rule matches belongs to another architecture."""
    with pytest.raises(ConversionError) as caught:
        rename(
            {"a": torch.ones(1), "b": torch.ones(1)}, [Rule("a", "x")], what="a net", required=["c"]
        )

    assert caught.value.unexpected == ("b",)
    assert caught.value.missing == ("c",)
    assert "a net" in caught.value.message


def test_rename_when_two_keys_get_one_name_is_refused() -> None:
    with pytest.raises(ConversionError):
        rename({"a": torch.ones(1), "b": torch.ones(1)}, [Rule("[ab]", "x")], what="a net")


def test_require_shape_names_the_key_and_both_shapes() -> None:
    assert require_shape(torch.ones(2, 3), (2, None), "k", what="a net").shape == (2, 3)
    with pytest.raises(ConversionError) as caught:
        require_shape(torch.ones(2, 3), (2, 4), "k", what="a net")

    assert caught.value.misshaped == ("k",)
    assert "2x3" in caught.value.message
    assert "2x4" in caught.value.message


def test_join_qkv_stacks_in_the_order_query_key_value() -> None:
    joined = join_qkv(*(torch.full((2, 2), float(value)) for value in (1, 2, 3)))

    assert joined[:, 0].tolist() == [1, 1, 2, 2, 3, 3]


@pytest.mark.mm
def test_swin_merging_equals_the_original_patch_merging() -> None:
    """The original: four strided quarters side by side, then norm and reduction."""
    from mmcv.cnn.bricks.transformer import PatchMerging

    channels, out = 3, 5
    generator = torch.Generator().manual_seed(7)
    image = torch.randn(2, channels, 6, 8, generator=generator)
    weight = torch.randn(out, 4 * channels, generator=generator)
    scale, shift = torch.randn(2, 4 * channels, generator=generator)
    x = image.permute(0, 2, 3, 1)
    quarters = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    normed = torch.nn.functional.layer_norm(
        torch.cat(quarters, dim=-1), (4 * channels,), scale, shift
    )
    expected = (normed @ weight.T).flatten(1, 2)

    ours = PatchMerging(channels, out)
    state = {
        "reduction.weight": swin_merging(weight),
        "norm.weight": swin_merging(scale),
        "norm.bias": swin_merging(shift),
    }
    ours.load_state_dict(state)
    with torch.no_grad():
        found, size = ours(image.flatten(2).transpose(1, 2), (6, 8))

    assert size == (3, 4)
    assert torch.allclose(found, expected, atol=1e-5)
