# SPDX-License-Identifier: Apache-2.0
"""The original Mask2Former with a ResNet from its published description, in plain torch.

As in ``detectron2_twin``, the forward pass draws the tensors that it asks for by the original's
names. Nothing here knows OpenMMLab or transformers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from detectron2_twin import Tensors, Twin
from torch import Tensor
from torch.nn import functional as F

SIZE, HEADS, POINTS, LEVELS = 256, 8, 4, 3
MEAN = (123.675, 116.28, 103.53)  # red, green, blue
STD = (58.395, 57.12, 57.375)
PIXELS = "sem_seg_head.pixel_decoder."
QUERIES = "sem_seg_head.predictor."


@dataclass
class Mask2FormerTwin:
    """One model: depth of its ResNet and number of its classes."""

    classes: int
    depth: int = 50
    tensors: Tensors = field(default_factory=Tensors)

    def predict(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits ``(Q, C + 1)`` and mask logits ``(Q, H / 4, W / 4)``.

        Args:
            image: ``(3, H, W)`` in blue, green, red; sides are multiples of 32.
        """
        mean, std = (torch.tensor(each).double()[:, None, None] for each in (MEAN, STD))
        x = ((image.flip(0).double() - mean) / std)[None]
        net = Twin(depth=self.depth, stride_in_1x1=False, std=STD, tensors=self.tensors)
        maps = net.levels(x, "backbone.", 5)
        scales, features = self.pixel_decoder(maps)
        return self.queries(scales, features)

    def linear(self, x: Tensor, key: str, out: int, gain: float = 1) -> Tensor:
        weight = self.tensors.conv(key, (out, x.shape[-1]), gain)
        return F.linear(x, weight, self.tensors.bias(key, out))

    def layer_norm(self, x: Tensor, key: str) -> Tensor:
        weight = self.tensors.draw(f"{key}.weight", (SIZE,), 0.1, 1)
        return F.layer_norm(x, (SIZE,), weight, self.tensors.bias(key, SIZE))

    def ffn(self, x: Tensor, key: str, hidden: int) -> Tensor:
        inner = F.relu(self.linear(x, f"{key}linear1", hidden))
        return self.linear(inner, f"{key}linear2", SIZE)

    # Pixel decoder.

    def pixel_decoder(self, maps: dict[int, Tensor]) -> tuple[list[Tensor], Tensor]:
        """Return maps of strides 32, 16, 8, and the map of stride 4 that masks are made from."""
        sources = []
        for number, level in enumerate((5, 4, 3)):
            key = f"{PIXELS}input_proj.{number}"
            x = maps[level]
            weight = self.tensors.conv(f"{key}.0", (SIZE, x.shape[1], 1, 1))
            x = F.conv2d(x, weight, self.tensors.bias(f"{key}.0", SIZE))
            sources.append(self.tensors.norm(x, f"{key}.1", "gn"))
        encoded = self.encoder(sources)
        lateral = self.conv(maps[2], f"{PIXELS}adapter_1", 1)
        above = F.interpolate(
            encoded[-1], size=lateral.shape[-2:], mode="bilinear", align_corners=False
        )
        finest = F.relu(self.conv(lateral + above, f"{PIXELS}layer_1", 3))
        key = f"{PIXELS}mask_features"
        weight = self.tensors.conv(key, (SIZE, SIZE, 1, 1))
        return encoded, F.conv2d(finest, weight, self.tensors.bias(key, SIZE))

    def conv(self, x: Tensor, key: str, side: int) -> Tensor:
        weight = self.tensors.conv(key, (SIZE, x.shape[1], side, side))
        return self.tensors.norm(F.conv2d(x, weight, padding=side // 2), f"{key}.norm", "gn")

    def encoder(self, sources: list[Tensor]) -> list[Tensor]:
        shapes = [(x.shape[2], x.shape[3]) for x in sources]
        levels = self.tensors.draw(f"{PIXELS}transformer.level_embed", (LEVELS, SIZE), 0.5)
        x = torch.cat([tokens(source) for source in sources])
        places = [places_of(*shape) + level for shape, level in zip(shapes, levels, strict=True)]
        points = torch.cat([centres_of(*shape) for shape in shapes])
        for layer in range(6):
            key = f"{PIXELS}transformer.encoder.layers.{layer}."
            mixed = self.sampled(x + torch.cat(places), x, points, shapes, f"{key}self_attn.")
            x = self.layer_norm(x + mixed, f"{key}norm1")
            x = self.layer_norm(x + self.ffn(x, key, 1024), f"{key}norm2")
        parts = x.split([height * width for height, width in shapes])
        return [
            part.t().reshape(1, SIZE, *shape) for part, shape in zip(parts, shapes, strict=True)
        ]

    def sampled(
        self, query: Tensor, x: Tensor, points: Tensor, shapes: list[tuple[int, int]], key: str
    ) -> Tensor:
        """Deformable attention: each head reads four points of each level near its own place."""
        count, samples = len(query), LEVELS * POINTS
        values = self.linear(x, f"{key}value_proj", SIZE).reshape(count, HEADS, -1)
        moves = self.linear(query, f"{key}sampling_offsets", HEADS * samples * 2, 2)
        moves = moves.reshape(count, HEADS, LEVELS, POINTS, 2)
        shares = self.linear(query, f"{key}attention_weights", HEADS * samples)
        shares = shares.reshape(count, HEADS, samples).softmax(-1)
        shares = shares.reshape(count, HEADS, LEVELS, POINTS)
        result = torch.zeros_like(values)
        parts = values.split([height * width for height, width in shapes])
        for level, (height, width) in enumerate(shapes):
            plane = parts[level].permute(1, 2, 0).reshape(HEADS, -1, height, width)
            size = torch.tensor([width, height], dtype=x.dtype)
            place = points[:, None, None] + moves[:, :, level] / size
            grid = 2 * place.permute(1, 0, 2, 3) - 1  # (heads, tokens, points, 2)
            read = F.grid_sample(plane, grid, align_corners=False)  # (heads, C, tokens, points)
            result += torch.einsum("hcnp,nhp->nhc", read, shares[:, :, level])
        return self.linear(result.flatten(1), f"{key}output_proj", SIZE)

    # Queries.

    def queries(self, scales: list[Tensor], features: Tensor) -> tuple[Tensor, Tensor]:
        levels = self.tensors.draw(f"{QUERIES}level_embed.weight", (LEVELS, SIZE), 0.5)
        x = self.tensors.draw(f"{QUERIES}query_feat.weight", (100, SIZE), 1)
        place = self.tensors.draw(f"{QUERIES}query_embed.weight", (100, SIZE), 1)
        logits, masks = self.answers(x, features)
        for layer in range(9):
            scale = scales[layer % LEVELS]
            memory = tokens(scale) + levels[layer % LEVELS]
            keys = memory + places_of(*scale.shape[2:])
            hidden = self.hidden(masks, scale)
            at = f"{QUERIES}transformer_cross_attention_layers.{layer}."
            read = self.attention(x + place, keys, memory, f"{at}multihead_attn.", hidden)
            x = self.layer_norm(x + read, f"{at}norm")
            at = f"{QUERIES}transformer_self_attention_layers.{layer}."
            read = self.attention(x + place, x + place, x, f"{at}self_attn.", None)
            x = self.layer_norm(x + read, f"{at}norm")
            at = f"{QUERIES}transformer_ffn_layers.{layer}."
            x = self.layer_norm(x + self.ffn(x, at, 2048), f"{at}norm")
            logits, masks = self.answers(x, features)
        return logits, masks

    def answers(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layer_norm(x, f"{QUERIES}decoder_norm")
        logits = self.linear(x, f"{QUERIES}class_embed", self.classes + 1, 3)
        for layer in range(3):
            x = self.linear(x, f"{QUERIES}mask_embed.layers.{layer}", SIZE)
            x = F.relu(x) if layer < 2 else x
        return logits, torch.einsum("qc,chw->qhw", x, features[0])

    def hidden(self, masks: Tensor, scale: Tensor) -> Tensor:
        """Return ``(Q, tokens)``: where a query must not look; one that sees nothing sees all."""
        small = F.interpolate(
            masks[None], size=scale.shape[-2:], mode="bilinear", align_corners=False
        )
        hidden = small[0].flatten(1).sigmoid() < 0.5
        return hidden & ~hidden.all(dim=1, keepdim=True)

    def attention(
        self, query: Tensor, keys: Tensor, values: Tensor, key: str, hidden: Tensor | None
    ) -> Tensor:
        weight = self.tensors.draw(f"{key}in_proj_weight", (3 * SIZE, SIZE), 1 / math.sqrt(SIZE))
        bias = self.tensors.draw(f"{key}in_proj_bias", (3 * SIZE,), 0.1)
        q, k, v = (
            F.linear(x, w, b).reshape(len(x), HEADS, -1)
            for x, w, b in zip((query, keys, values), weight.chunk(3), bias.chunk(3), strict=True)
        )
        scores = torch.einsum("qhc,khc->hqk", q, k) / math.sqrt(SIZE // HEADS)
        if hidden is not None:
            scores = scores.masked_fill(hidden, -math.inf)
        mixed = torch.einsum("hqk,khc->qhc", scores.softmax(-1), v).flatten(1)
        return self.linear(mixed, f"{key}out_proj", SIZE)


def tokens(x: Tensor) -> Tensor:
    return x[0].flatten(1).t()


def places_of(height: int, width: int) -> Tensor:
    """Return ``(H * W, 256)``: sines and cosines of the row, then of the column."""
    powers = 10000 ** (2 * (torch.arange(SIZE // 2) // 2) / (SIZE // 2)).double()
    sides = []
    for length in (height, width):
        angle = torch.arange(1, length + 1).double() / (length + 1e-6) * 2 * math.pi
        turned = angle[:, None] / powers
        sides.append(torch.stack([turned[:, 0::2].sin(), turned[:, 1::2].cos()], 2).flatten(1))
    rows = sides[0][:, None].expand(height, width, -1)
    columns = sides[1][None].expand(height, width, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)


def centres_of(height: int, width: int) -> Tensor:
    """Return ``(H * W, 2)``: column and row of pixel centres, in shares of the map."""
    rows = (torch.arange(height).double() + 0.5) / height
    columns = (torch.arange(width).double() + 0.5) / width
    return torch.cartesian_prod(rows, columns).flip(1)
