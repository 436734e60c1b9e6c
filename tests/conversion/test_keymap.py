# SPDX-License-Identifier: Apache-2.0
"""A key map accepts every file of its architecture, whatever its sizes, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.conversion import KeyMap, window_index
from zoo.errors import ConversionError

torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from torch import Tensor

TABLE = """
# a backbone with stages of blocks
stem.{i}.weight                     -> patch.{i}.weight          : C{i} * 3 3
stage.{i}.{b}.norm.{weight,bias}    -> layers.{i}.{b}.ln.{weight,bias} : C{i}
stage.{i}.{b}.{q,k,v}.weight        -> layers.{i}.{b}.qkv.weight@{0,1,2} : C{i} C{i}
stage.{i}.{b}.mlp.weight            -> layers.{i}.{b}.mlp.weight : 4*C{i} C{i}
? stage.{i}.{b}.pool.{weight,bias}  -> layers.{i}.{b}.pool.{weight,bias} : C{i}
out.stage{1,2}.bias                 -> out{0,1}.bias             : C{0,1}
head.steps                          -> -                         :
? head.unused                       -> -                         : *
"""
KEYMAP = KeyMap("a small net", TABLE)


def make(
    depths: tuple[int, ...] = (2, 3), widths: tuple[int, ...] = (4, 6), pooled: tuple[int, ...] = ()
) -> dict[str, Tensor]:
    """Return a file of the architecture, each tensor filled with its own number."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        shapes[f"stem.{i}.weight"] = (width, 5, 3, 3)
        shapes[f"out.stage{i + 1}.bias"] = (width,)
        for b in range(depth):
            at = f"stage.{i}.{b}"
            names = ["norm.weight", "norm.bias"]
            names += ["pool.weight", "pool.bias"] if i in pooled else []
            shapes |= {f"{at}.{name}": (width,) for name in names}
            shapes |= {f"{at}.{name}.weight": (width, width) for name in "qkv"}
            shapes[f"{at}.mlp.weight"] = (4 * width, width)
    shapes["head.steps"] = ()
    return {key: torch.full(shape, float(n)) for n, (key, shape) in enumerate(shapes.items())}


@pytest.mark.parametrize("pooled", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("depths", [(1, 1), (2, 3), (1, 12)])
def test_apply_keeps_every_tensor_under_its_new_name(
    depths: tuple[int, ...], pooled: tuple[int, ...]
) -> None:
    """Nothing lost, nothing mixed: all tensors but the dropped one, joined in order."""
    source = make(depths, (4, 6), pooled)

    mapped = KEYMAP.apply(source)

    assert mapped.sizes == {"C0": 4, "C1": 6}
    last = f"layers.1.{depths[1] - 1}"
    assert torch.equal(
        mapped.tensors[f"{last}.qkv.weight"],
        torch.cat([source[f"stage.1.{depths[1] - 1}.{name}.weight"] for name in "qkv"]),
    )
    assert torch.equal(mapped.tensors["out1.bias"], source["out.stage2.bias"])
    kept = sum(tensor.sum() for key, tensor in source.items() if key != "head.steps")
    assert sum(tensor.sum() for tensor in mapped.tensors.values()) == kept


@pytest.mark.parametrize("key", make(pooled=(1,)))
def test_apply_without_a_key_names_it(key: str) -> None:
    """Whichever it is."""
    source = make(pooled=(1,))
    del source[key]

    with pytest.raises(ConversionError) as caught:
        KEYMAP.apply(source)

    assert caught.value.missing == (key,)
    assert "a small net" in caught.value.message
    assert key in caught.value.message


@pytest.mark.parametrize("key", [key for key in make() if not key.startswith("stem")])
def test_apply_to_a_tensor_of_another_shape_names_it_with_both(key: str) -> None:
    """The other tensors outvote it; a stem's shape belongs to several letters."""
    source = make()
    source[key] = torch.zeros(7, 1)

    with pytest.raises(ConversionError) as caught:
        KEYMAP.apply(source)

    assert caught.value.misshaped == (key,)
    assert f"{key} is 7x1, expected " in caught.value.message


@pytest.mark.parametrize(
    "key",
    [
        *("stage.0.0.norm.gain", "stage.0.0.norm.weight.x", "stage.0.00.norm.weight", "fc.bias"),
        *(f"stage.0.{number}.norm.weight" for number in ("99999", "9" * 5000)),
    ],
    ids=range(6),
)
def test_apply_to_an_unknown_key_names_it(key: str) -> None:
    with pytest.raises(ConversionError) as caught:
        KEYMAP.apply({**make(), key: torch.ones(1)})

    assert caught.value.unexpected == (key,)


def test_apply_to_an_optional_part_of_a_stage_misses_the_rest_of_it() -> None:
    """A stage has a pooling in all of its blocks or in none."""
    source = make(pooled=(1,))
    for name in ("weight", "bias"):
        del source[f"stage.1.1.pool.{name}"]

    with pytest.raises(ConversionError) as caught:
        KEYMAP.apply(source)

    assert caught.value.missing == ("stage.1.1.pool.weight", "stage.1.1.pool.bias")


def test_apply_drops_what_the_table_drops() -> None:
    mapped = KEYMAP.apply({**make(), "head.unused": torch.ones(9)})

    assert not [key for key in mapped.tensors if "head" in key]


def test_apply_to_nothing_lists_what_one_unit_has() -> None:
    """An empty file is not an architecture without blocks."""
    with pytest.raises(ConversionError) as caught:
        KEYMAP.apply({})

    assert "stage.0.0.norm.weight" in caught.value.missing
    assert "head.steps" in caught.value.missing


@pytest.mark.mm
@pytest.mark.parametrize("window", [1, 2, 7, 12])
def test_window_index_is_that_of_both_swins(window: int) -> None:
    """Those of mmseg and mmdet, which compute it in their own way."""
    from mmdet.models.backbones.swin import WindowMSA as OfDetection
    from mmseg.models.backbones.swin import WindowMSA as OfSegmentation

    for attention in (OfDetection, OfSegmentation):
        theirs = attention(embed_dims=4, num_heads=2, window_size=(window, window))
        assert torch.equal(window_index(window), theirs.relative_position_index)
