# SPDX-License-Identifier: Apache-2.0
"""A file of another architecture is refused, and every tensor at fault is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo.errors import ConversionError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.mm, pytest.mark.slow]

CONVERTERS = {
    "segformer": "segformer:convert",
    "upernet": "upernet:convert",
    "mask2former": "mask2former:convert_instance",
    "dpt": "dpt:convert",
    "beit": "beit:convert",
}
# Buffers that a file may have, and that follow from the rest.
FREE = ("relative_position_index", "criterion.empty_weight")
# Parts that a file may have: only all of them together may be missing.
PARTS = ("auxiliary_head.head.",)


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    """A small file of each family."""
    swin = transformers.SwinConfig(
        embed_dim=4,
        depths=[1, 2, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=3,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    models = {
        "segformer": transformers.SegformerForSemanticSegmentation(
            transformers.SegformerConfig(hidden_sizes=[8, 16, 40, 64], decoder_hidden_size=12)
        ),
        "upernet": transformers.UperNetForSemanticSegmentation(
            transformers.UperNetConfig(
                backbone_config=swin, hidden_size=12, auxiliary_in_channels=16
            )
        ),
        "mask2former": transformers.Mask2FormerForUniversalSegmentation(
            transformers.Mask2FormerConfig(
                backbone_config=swin,
                num_queries=7,
                hidden_dim=32,
                feature_size=32,
                mask_feature_size=64,
                encoder_layers=2,
                decoder_layers=3,
            )
        ),
        "dpt": transformers.DPTForSemanticSegmentation(
            transformers.DPTConfig(
                hidden_size=24,
                num_hidden_layers=4,
                num_attention_heads=3,
                intermediate_size=40,
                image_size=64,
                backbone_out_indices=[0, 1, 2, 3],
                neck_hidden_sizes=[8, 16, 20, 28],
                fusion_hidden_size=12,
                use_batch_norm_in_fusion_residual=True,
            )
        ),
        "beit": transformers.BeitForSemanticSegmentation(
            transformers.BeitConfig(
                hidden_size=24,
                num_hidden_layers=6,
                num_attention_heads=3,
                intermediate_size=40,
                image_size=64,
                out_indices=[1, 2, 3, 5],
                use_relative_position_bias=True,
            )
        ),
    }
    return {family: model.state_dict() for family, model in models.items()}


@pytest.fixture
def convert() -> Callable[..., dict[str, Any]]:
    """Return a function that converts by the family's name."""
    import importlib

    def run(family: str, state_dict: dict[str, Any]) -> dict[str, Any]:
        module, _, name = CONVERTERS[family].partition(":")
        function = getattr(importlib.import_module(f"zoo_transformers_weights.{module}"), name)
        converted: dict[str, Any] = function(state_dict)
        return converted

    return run


@pytest.mark.parametrize("family", CONVERTERS)
def test_file_without_one_of_its_tensors_is_refused(
    files: dict[str, Any], convert: Callable[..., Any], family: str
) -> None:
    """Whichever it is; without what may be missing, the result is equal."""
    whole = convert(family, files[family])
    for key in files[family]:
        rest = {name: value for name, value in files[family].items() if name != key}
        if not key.endswith(FREE) and not key.startswith(PARTS):
            with pytest.raises(ConversionError) as caught:
                convert(family, rest)
            assert caught.value.missing == (key,)
    least = {
        key: value
        for key, value in files[family].items()
        if not key.endswith(FREE) and not key.startswith(PARTS)
    }
    converted = convert(family, least)
    assert converted.keys() == whole.keys()
    assert all(converted[name].equal(value) for name, value in whole.items())


@pytest.mark.parametrize("family", CONVERTERS)
def test_file_with_a_tensor_of_another_shape_is_refused(
    files: dict[str, Any], convert: Callable[..., Any], family: str
) -> None:
    """One axis more, of whichever tensor."""
    for key, value in files[family].items():
        with pytest.raises(ConversionError) as caught:
            convert(family, {**files[family], key: value[None]})
        assert key in (*caught.value.misshaped, *caught.value.unexpected)
        assert key in caught.value.message


@pytest.mark.parametrize("family", CONVERTERS)
def test_file_with_an_unknown_tensor_is_refused(
    files: dict[str, Any], convert: Callable[..., Any], family: str
) -> None:
    first = next(iter(files[family]))
    for key in (f"module.{first}", "teacher.weight", f"{first}.scale"):
        with pytest.raises(ConversionError) as caught:
            convert(family, {**files[family], key: torch.ones(1)})
        assert caught.value.unexpected == (key,)


@pytest.mark.parametrize("family", CONVERTERS)
@pytest.mark.parametrize("other", CONVERTERS)
def test_file_of_another_family_is_refused(
    files: dict[str, Any], convert: Callable[..., Any], family: str, other: str
) -> None:
    if family == other:
        pytest.skip("this is the right one")

    with pytest.raises(ConversionError) as caught:
        convert(family, files[other])

    assert caught.value.missing
    assert caught.value.unexpected


@pytest.mark.parametrize("family", ["upernet", "mask2former", "beit"])
def test_file_with_another_index_of_positions_is_refused(
    files: dict[str, Any], convert: Callable[..., Any], family: str
) -> None:
    """The same shape with other values would compute something else."""
    keys = [key for key in files[family] if key.endswith(FREE[0])]
    if not keys:
        table = next(key for key in files[family] if key.endswith("relative_position_bias_table"))
        keys = [table.removesuffix("bias_table") + "index"]
        side = 17
        files = {family: {**files[family], keys[0]: torch.zeros((side, side), dtype=torch.int64)}}
    changed = files[family][keys[0]].flip(0) + 1

    with pytest.raises(ConversionError, match="other values") as caught:
        convert(family, {**files[family], keys[0]: changed})

    assert caught.value.unexpected


@pytest.mark.parametrize("family", ["upernet", "mask2former", "beit"])
def test_file_with_a_table_of_no_square_window_is_refused(
    files: dict[str, Any], convert: Callable[..., Any], family: str
) -> None:
    changed = {
        key: value[:-1] if key.endswith("bias_table") else value
        for key, value in files[family].items()
        if not key.endswith(FREE[0])
    }

    with pytest.raises(ConversionError) as caught:
        convert(family, changed)

    assert caught.value.misshaped


@pytest.mark.parametrize("family", CONVERTERS)
def test_conversion_leaves_the_source_alone_and_repeats_itself(
    files: dict[str, Any], convert: Callable[..., Any], family: str
) -> None:
    """The digest of the result is pinned, so equal input must give equal tensors."""
    before = {key: value.clone() for key, value in files[family].items()}

    first, second = convert(family, files[family]), convert(family, files[family])

    assert all(value.equal(before[key]) for key, value in files[family].items())
    assert list(first) == list(second)
    assert all(value.equal(second[key]) for key, value in first.items())
