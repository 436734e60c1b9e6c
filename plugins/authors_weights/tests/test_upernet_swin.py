# SPDX-License-Identifier: Apache-2.0
"""The authors' Swin, written again as they published it, gives the maps of the converted model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_authors_weights
from torch import Tensor
from torch.nn import functional as F
from zoo_authors_weights.upernet_swin import upernet_swin_tiny_ade20k

from zoo.errors import ConversionError

pytestmark = pytest.mark.mm
PACKAGE = Path(zoo_authors_weights.__file__).parent
SHELF = json.loads((PACKAGE / "shelf.json").read_text())
WINDOW, SHIFT = 7, 3
DEPTHS, HEADS = (2, 2, 6, 2), (3, 6, 12, 24)


class Twin:
    """The authors' Swin-T for dense prediction; it draws a tensor when it is first asked for."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}
        self.generator = torch.Generator().manual_seed(6)

    def draw(self, key: str, shape: tuple[int, ...], shift: float = 0) -> Tensor:
        if key not in self.values:
            spread = 1 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.2
            noise = torch.randn(shape, generator=self.generator) * spread
            self.values[key] = (noise + shift).double()
        return self.values[key]

    def linear(self, x: Tensor, key: str, out: int) -> Tensor:
        weight = self.draw(f"{key}.weight", (out, x.shape[-1]))
        return F.linear(x, weight, self.draw(f"{key}.bias", (out,)))

    def norm(self, x: Tensor, key: str) -> Tensor:
        size = (x.shape[-1],)
        weight, bias = self.draw(f"{key}.weight", size, 1), self.draw(f"{key}.bias", size)
        return F.layer_norm(x, size, weight, bias, 1e-5)

    def maps(self, image: Tensor) -> list[Tensor]:
        """Return the four normed maps of a ``(1, 3, H, W)`` image, ``(H', W', C)`` each."""
        patches = F.unfold(image, 4, stride=4)[0].t()  # channel, row, column
        weight = self.draw("backbone.patch_embed.proj.weight", (96, 3, 4, 4)).reshape(96, -1)
        x = F.linear(patches, weight, self.draw("backbone.patch_embed.proj.bias", (96,)))
        x = x.reshape(image.shape[2] // 4, image.shape[3] // 4, 96)
        x = self.norm(x, "backbone.patch_embed.norm")
        result = []
        for stage, depth in enumerate(DEPTHS):
            for block in range(depth):
                key = f"backbone.layers.{stage}.blocks.{block}."
                x = self.block(x, key, HEADS[stage], SHIFT if block % 2 else 0)
            result.append(self.norm(x, f"backbone.norm{stage}"))
            if stage < 3:
                x = self.merge(x, f"backbone.layers.{stage}.downsample.")
        return result

    def block(self, x: Tensor, key: str, heads: int, shift: int) -> Tensor:
        size = x.shape[-1]
        x = x + self.attention(self.norm(x, f"{key}norm1"), f"{key}attn.", heads, shift)
        hidden = F.gelu(self.linear(self.norm(x, f"{key}norm2"), f"{key}mlp.fc1", 4 * size))
        return x + self.linear(hidden, f"{key}mlp.fc2", size)

    def attention(self, x: Tensor, key: str, heads: int, shift: int) -> Tensor:
        """Attend within windows, each pair of pixels by itself: no rolling and no masks.

        Windows cover the map padded by zeros to a multiple of 7, rolled by ``shift``; pixels that
        the rolling brought together attend only to those of their own corner.
        """
        height, width, size = x.shape
        padded = F.pad(x, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        rows, columns = padded.shape[:2]
        qkv = self.linear(padded, f"{key}qkv", 3 * size).reshape(rows, columns, 3, heads, -1)
        table = self.draw(f"{key}relative_position_bias_table", (169, heads))
        out = torch.zeros(rows, columns, size, dtype=x.dtype)
        for ys in bands(rows, shift):
            for xs in bands(columns, shift):
                q, k, v = qkv[ys][:, xs].flatten(0, 1).unbind(1)  # (pixels, heads, channels)
                place = torch.cartesian_prod(torch.tensor(ys), torch.tensor(xs))
                delta = place[:, None] - place[None] + WINDOW - 1
                bias = table[delta[..., 0] * (2 * WINDOW - 1) + delta[..., 1]].permute(2, 0, 1)
                scores = torch.einsum("ihc,jhc->hij", q, k) / math.sqrt(q.shape[-1]) + bias
                mixed = torch.einsum("hij,jhc->ihc", scores.softmax(-1), v).flatten(1)
                out[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] = mixed.reshape(len(ys), len(xs), size)
        return self.linear(out[:height, :width], f"{key}proj", size)

    def merge(self, x: Tensor, key: str) -> Tensor:
        """Concatenate the pixels of 2 x 2, column by column, as the authors do."""
        x = F.pad(x, (0, 0, 0, x.shape[1] % 2, 0, x.shape[0] % 2))
        parts = [x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2]]
        x = self.norm(torch.cat(parts, dim=-1), f"{key}norm")
        return F.linear(x, self.draw(f"{key}reduction.weight", (x.shape[-1] // 2, x.shape[-1])))


def bands(size: int, shift: int) -> list[list[int]]:
    """Return the rows that attend to each other: windows from ``shift`` on, and two remainders."""
    starts = [0, *range(shift, size, WINDOW)] if shift else list(range(0, size, WINDOW))
    # The last window reaches over the edge; the rolling fills it with the first rows.
    stops = [*starts[1:], size]
    return [list(range(start, stop)) for start, stop in zip(starts, stops, strict=True)]


@pytest.fixture(scope="module")
def model() -> Any:
    """Return the model of the row's config, without weights."""
    import mmseg.models  # noqa: F401
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    config = Config.fromfile(PACKAGE / "configs" / "upernet_swin-t_ade20k-512x512.py").model
    without_sync(config)
    config.pretrained = None
    init_default_scope("mmseg")
    return MODELS.build(config).eval()


def without_sync(config: Any) -> None:
    """Synchronized batch norm needs several devices; the tensors are the same."""
    if isinstance(config, dict):
        if config.get("type") == "SyncBN":
            config["type"] = "BN"
        for value in config.values():
            without_sync(value)


def file_of(twin: Twin, model: Any) -> dict[str, Tensor]:
    """Return the tensors of the authors' file: their backbone, and heads as upstream names them."""
    heads = {
        key: value
        for key, value in model.state_dict().items()
        if not key.startswith("backbone.") and not key.endswith("num_batches_tracked")
    }
    return {**twin.values, **heads}


@pytest.mark.slow
def test_converted_backbone_gives_the_maps_of_the_authors(model: Any) -> None:
    """Windows, shifts, padding and patch mergings; two of the four maps have odd sides."""
    twin = Twin()
    image = torch.randn(1, 3, 148, 116, generator=torch.Generator().manual_seed(8)).double()
    expected = twin.maps(image)

    converted = upernet_swin_tiny_ade20k(file_of(twin, model))
    model.load_state_dict(converted, strict=True)
    with torch.no_grad():
        found = model.double().backbone(image)

    for level, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        assert (got[0] - wanted.permute(2, 0, 1)).abs().max() < 1e-9, level


def test_heads_and_parameters_are_those_of_the_row(model: Any) -> None:
    """The heads keep their names; the row's number is counted again."""
    twin = Twin()
    twin.maps(torch.zeros(1, 3, 32, 32).double())
    source = file_of(twin, model)

    converted = upernet_swin_tiny_ade20k(source)

    for key, value in source.items():
        if not key.startswith("backbone."):
            assert converted[key] is value
    assert set(converted) == set(model.state_dict())
    (row,) = SHELF["weights"]
    assert row["parameters"] == sum(each.numel() for each in model.parameters())
    assert len(SHELF["class_lists"]["ade20k"]) == model.decode_head.num_classes


def test_files_of_other_models_are_refused(model: Any) -> None:
    """Another number of classes, and a Swin-S."""
    twin = Twin()
    twin.maps(torch.zeros(1, 3, 32, 32).double())
    good = file_of(twin, model)
    key = "decode_head.conv_seg.bias"
    deeper = {
        name.replace("layers.2.blocks.5.", "layers.2.blocks.17."): value
        for name, value in good.items()
        if "layers.2.blocks.5." in name
    }

    with pytest.raises(ConversionError) as fewer:
        upernet_swin_tiny_ade20k({**good, key: good[key][:19]})
    with pytest.raises(ConversionError) as small:
        upernet_swin_tiny_ade20k({**good, **deeper})

    assert fewer.value.misshaped == (key,)
    assert set(small.value.unexpected) == set(deeper)
