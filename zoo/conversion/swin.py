# SPDX-License-Identifier: Apache-2.0
"""The tensors of a Swin Transformer in its authors' names, which timm shares, and OpenMMLab's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.conversion.tables import Entry
from zoo.conversion.tensors import swin_merging, window_index

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SWIN_BUFFERS", "Swin"]

SWIN_BUFFERS = r".*\.(attn\.relative_position_index|attn_mask)"
"""What files may hold besides parameters; the model makes it itself."""


@dataclass(frozen=True, slots=True)
class Swin:
    """Sizes of a Swin Transformer with patches of 4 px.

    Attributes:
        channels: Of the first stage; each further one has twice as many.
        depths: Blocks of each stage.
        heads: Attention heads of each stage.
        window: Side of a window, in patches.
    """

    channels: int = 96
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    window: int = 7

    def entries(self, source: str, target: str, *, merges_first: bool) -> Iterator[Entry]:
        """Yield all tensors but the norms of the outputs.

        Args:
            source: Prefix of the keys in the file.
            target: Prefix in the OpenMMLab model.
            merges_first: Whether a stage begins with its patch merging, as in timm since 0.9; else
                a stage ends with that of the next.
        """
        size = self.channels
        patch = f"{source}patch_embed."
        yield Entry(
            f"{patch}proj.weight", f"{target}patch_embed.projection.weight", (size, 3, 4, 4)
        )
        yield Entry(f"{patch}proj.bias", f"{target}patch_embed.projection.bias", (size,))
        yield from _pair(f"{patch}norm", f"{target}patch_embed.norm", (size,))
        for stage, depth in enumerate(self.depths):
            for block in range(depth):
                old = f"{source}layers.{stage}.blocks.{block}."
                yield from self._block(stage, old, f"{target}stages.{stage}.blocks.{block}.")
            if stage + 1 < len(self.depths):
                old = f"{source}layers.{stage + merges_first}.downsample."
                yield from self._merging(stage, old, f"{target}stages.{stage}.downsample.")

    def indices(self, target: str) -> Mapping[str, Tensor]:
        """Return the buffers that each attention of the OpenMMLab model has.

        Args:
            target: Prefix in the OpenMMLab model.
        """
        return {
            f"{target}stages.{stage}.blocks.{block}.attn.w_msa.relative_position_index": (
                window_index(self.window)
            )
            for stage, depth in enumerate(self.depths)
            for block in range(depth)
        }

    def _block(self, stage: int, source: str, target: str) -> Iterator[Entry]:
        size = self.channels * 2**stage
        for norm in ("norm1", "norm2"):
            yield from _pair(f"{source}{norm}", f"{target}{norm}", (size,))
        table = "relative_position_bias_table"
        rows = (2 * self.window - 1) ** 2
        yield Entry(
            f"{source}attn.{table}", f"{target}attn.w_msa.{table}", (rows, self.heads[stage])
        )
        for old, new, shape in (
            ("attn.qkv", "attn.w_msa.qkv", (3 * size, size)),
            ("attn.proj", "attn.w_msa.proj", (size, size)),
            ("mlp.fc1", "ffn.layers.0.0", (4 * size, size)),
            ("mlp.fc2", "ffn.layers.1", (size, 4 * size)),
        ):
            yield from _pair(f"{source}{old}", f"{target}{new}", shape)

    def _merging(self, stage: int, source: str, target: str) -> Iterator[Entry]:
        size = self.channels * 2**stage
        for part, shape in (
            ("norm.weight", (4 * size,)),
            ("norm.bias", (4 * size,)),
            ("reduction.weight", (2 * size, 4 * size)),
        ):
            yield Entry(f"{source}{part}", f"{target}{part}", shape, swin_merging)


def _pair(source: str, target: str, shape: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{source}.weight", f"{target}.weight", shape)
    yield Entry(f"{source}.bias", f"{target}.bias", shape[:1])
