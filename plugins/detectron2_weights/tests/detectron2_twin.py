# SPDX-License-Identifier: Apache-2.0
"""detectron2's Mask R-CNN from its published description, written again in plain torch.

It makes its own tensors: whatever the forward pass asks for by detectron2's name and shape is drawn
on first use, so the state dict has exactly what the computation needs. Nothing here knows
OpenMMLab.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
MEAN = (103.53, 116.28, 123.675)  # blue, green, red
STD = (57.375, 57.12, 58.395)
LARGEST = math.log(1000 / 16)


@dataclass
class Tensors:
    """A state dict that draws a tensor when it is first asked for."""

    dtype: torch.dtype = torch.float64
    values: dict[str, Tensor] = field(default_factory=dict)
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(3))

    def draw(self, key: str, shape: tuple[int, ...], scale: float, shift: float = 0) -> Tensor:
        if key not in self.values:
            drawn = torch.randn(shape, generator=self.generator) * scale + shift
            self.values[key] = drawn.to(self.dtype)
        assert tuple(self.values[key].shape) == shape
        return self.values[key]

    def conv(self, key: str, shape: tuple[int, ...], gain: float = 1) -> Tensor:
        return self.draw(f"{key}.weight", shape, gain / math.sqrt(math.prod(shape[1:])))

    def bias(self, key: str, size: int) -> Tensor:
        return self.draw(f"{key}.bias", (size,), 0.1)

    def norm(self, x: Tensor, key: str, kind: str) -> Tensor:
        size = x.shape[1]
        weight = self.draw(f"{key}.weight", (size,), 0.05, 0.6)
        bias = self.draw(f"{key}.bias", (size,), 0.1)
        if kind == "gn":
            return F.group_norm(x, 32, weight, bias, 1e-5)
        mean = self.draw(f"{key}.running_mean", (size,), 0.1)
        key = f"{key}.running_var"
        if key not in self.values:
            drawn = 0.5 + torch.rand(size, generator=self.generator)
            self.values[key] = drawn.to(self.dtype)
        return F.batch_norm(x, mean, self.values[key], weight, bias, eps=1e-5)


@dataclass
class Twin:
    """One model: what its detectron2 config says.

    Attributes:
        depth: Of the ResNet.
        form: ``fpn``, ``c4`` or ``dc5``.
        classes: Number of classes.
        groups: NUM_GROUPS, 32 for X101-32x8d.
        width: WIDTH_PER_GROUP.
        stride_in_1x1: STRIDE_IN_1X1.
        norm: Norm of the backbone, ``bn`` or ``gn``.
        head_norm: Norm of FPN and heads, or None.
        std: PIXEL_STD.
        pre_nms: Proposals of a level before suppression.
        post_nms: Proposals of an image.
        score: SCORE_THRESH_TEST.
        most: DETECTIONS_PER_IMAGE.
    """

    depth: int = 50
    form: str = "fpn"
    classes: int = 80
    groups: int = 1
    width: int = 64
    stride_in_1x1: bool = True
    norm: str = "bn"
    head_norm: str | None = None
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    pre_nms: int = 100
    post_nms: int = 12
    score: float = 0.05
    most: int = 10
    tensors: Tensors = field(default_factory=Tensors)

    def predict(self, image: Tensor) -> dict[str, Tensor]:
        """Return proposals, boxes, scores, labels and masks of a ``(3, H, W)`` BGR image."""
        size = (image.shape[1], image.shape[2])
        x = (
            image.to(self.tensors.dtype)
            - torch.tensor(MEAN, dtype=self.tensors.dtype)[:, None, None]
        )
        x = x / torch.tensor(self.std, dtype=self.tensors.dtype)[:, None, None]
        # FPN pads to 32; a batch of one image is not padded for C4 and DC5, whose sizes the tests
        # therefore choose as multiples of 32.
        x = F.pad(x, (0, -size[1] % 32, 0, -size[0] % 32))[None]
        maps = self.features(x)
        proposals = self.proposals(maps, size)
        scores, boxes = self.boxes(maps, proposals)
        boxes, scores, labels = self.detections(boxes, scores, size)
        return {
            "proposals": proposals,
            "boxes": boxes,
            "scores": scores,
            "labels": labels,
            "masks": self.masks(maps, boxes, labels),
        }

    # Backbone and neck.

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Return level -> map: 2 to 6 for FPN, 4 for C4 and DC5 (both of stride 16)."""
        if self.form == "fpn":
            return self.pyramid(self.levels(x, "backbone.bottom_up.", 5))
        last = 4 if self.form == "c4" else 5
        return {4: self.levels(x, "backbone.", last)[last]}

    def levels(self, x: Tensor, prefix: str, last: int) -> dict[int, Tensor]:
        """Return level -> map of the ResNet, from 2 to the last one."""
        t = self.tensors
        # Pixels are as large as 150 where std is 1.
        weight = t.conv(f"{prefix}stem.conv1", (64, 3, 7, 7), 1 / 50 if self.std[0] == 1 else 1)
        x = F.conv2d(x, weight, stride=2, padding=3)
        x = F.relu(t.norm(x, f"{prefix}stem.conv1.norm", self.norm))
        x = F.max_pool2d(x, 3, 2, 1)
        maps = {}
        for level in range(2, last + 1):
            x = maps[level] = self.stage(x, f"{prefix}res{level}", level)
        return maps

    def stage(self, x: Tensor, key: str, level: int) -> Tensor:
        is_dilated = self.form == "dc5" and level == 5
        for block in range(BLOCKS[self.depth][level - 2]):
            stride = 2 if block == 0 and level > 2 and not is_dilated else 1
            x = self.bottleneck(x, f"{key}.{block}", level, stride, 2 if is_dilated else 1)
        return x

    def bottleneck(self, x: Tensor, key: str, level: int, stride: int, dilation: int) -> Tensor:
        t = self.tensors
        out, inner = 256 * 2 ** (level - 2), self.groups * self.width * 2 ** (level - 2)
        first, second = (stride, 1) if self.stride_in_1x1 else (1, stride)
        y = F.conv2d(x, t.conv(f"{key}.conv1", (inner, x.shape[1], 1, 1)), stride=first)
        y = F.relu(t.norm(y, f"{key}.conv1.norm", self.norm))
        weight = t.conv(f"{key}.conv2", (inner, inner // self.groups, 3, 3))
        y = F.conv2d(
            y, weight, stride=second, padding=dilation, dilation=dilation, groups=self.groups
        )
        y = F.relu(t.norm(y, f"{key}.conv2.norm", self.norm))
        y = F.conv2d(y, t.conv(f"{key}.conv3", (out, inner, 1, 1)))
        y = t.norm(y, f"{key}.conv3.norm", self.norm)
        if x.shape[1] != out:
            x = F.conv2d(x, t.conv(f"{key}.shortcut", (out, x.shape[1], 1, 1)), stride=stride)
            x = t.norm(x, f"{key}.shortcut.norm", self.norm)
        return F.relu(x + y)

    def pyramid(self, maps: dict[int, Tensor]) -> dict[int, Tensor]:
        result: dict[int, Tensor] = {}
        above = None
        for level in (5, 4, 3, 2):
            lateral = self.conv(maps[level], f"backbone.fpn_lateral{level}", 256, 1)
            if above is not None:
                lateral = lateral + F.interpolate(above, scale_factor=2.0, mode="nearest")
            above = lateral
            result[level] = self.conv(lateral, f"backbone.fpn_output{level}", 256, 3)
        result[6] = F.max_pool2d(result[5], 1, 2)
        return dict(sorted(result.items()))

    def conv(self, x: Tensor, key: str, out: int, side: int, gain: float = 1) -> Tensor:
        """A convolution of neck or heads, with its norm or else a bias."""
        t = self.tensors
        weight = t.conv(key, (out, x.shape[1], side, side), gain)
        if self.head_norm is None:
            return F.conv2d(x, weight, t.bias(key, out), padding=side // 2)
        return t.norm(F.conv2d(x, weight, padding=side // 2), f"{key}.norm", self.head_norm)

    # Proposals.

    def anchors(self, level: int, height: int, width: int) -> Tensor:
        """Return ``(H * W * A, 4)``; the ratios of one size follow each other."""
        sizes = (2.0 ** (level + 3),) if self.form == "fpn" else (32.0, 64.0, 128.0, 256.0, 512.0)
        cells = []
        for size in sizes:
            for ratio in (0.5, 1.0, 2.0):
                w = math.sqrt(size * size / ratio)
                cells.append([-w / 2, -w * ratio / 2, w / 2, w * ratio / 2])
        cell = torch.tensor(cells, dtype=self.tensors.dtype)
        ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        shift = torch.stack([xs, ys, xs, ys], dim=-1).reshape(-1, 1, 4) * 2**level
        return (shift.to(cell) + cell).reshape(-1, 4)

    def proposals(self, maps: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        boxes, logits, levels = [], [], []
        key, t = "proposal_generator.rpn_head", self.tensors
        for level, x in maps.items():
            channels, count = x.shape[1], 3 if self.form == "fpn" else 15
            hidden = F.conv2d(
                x,
                t.conv(f"{key}.conv", (channels, channels, 3, 3)),
                t.bias(f"{key}.conv", channels),
                padding=1,
            )
            hidden = F.relu(hidden)
            logit = self.rpn_output(hidden, f"{key}.objectness_logits", count, 1)
            delta = self.rpn_output(hidden, f"{key}.anchor_deltas", count * 4, 0.3)
            logit = logit[0].permute(1, 2, 0).reshape(-1)
            delta = delta[0].reshape(count, 4, *x.shape[2:]).permute(2, 3, 0, 1).reshape(-1, 4)
            logit, index = logit.topk(min(self.pre_nms, len(logit)))
            anchors = self.anchors(level, *x.shape[2:])
            boxes.append(decode(anchors[index], delta[index], (1, 1, 1, 1)))
            logits.append(logit)
            levels.append(torch.full_like(index, level))
        found, scores, groups = torch.cat(boxes), torch.cat(logits), torch.cat(levels)
        found = clip(found, size)
        valid = (found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])
        found, scores, groups = found[valid], scores[valid], groups[valid]
        return found[suppress(found, scores, groups, 0.7)[: self.post_nms]]

    def rpn_output(self, x: Tensor, key: str, out: int, gain: float) -> Tensor:
        weight = self.tensors.conv(key, (out, x.shape[1], 1, 1), gain)
        return F.conv2d(x, weight, self.tensors.bias(key, out))

    # Heads.

    def crops(self, maps: dict[int, Tensor], boxes: Tensor, side: int) -> Tensor:
        """Return ``(K, C, side, side)``, each box cut from the level of its size."""
        if self.form != "fpn":
            return torch.stack([crop(maps[4][0], box, 1 / 16, side) for box in boxes])
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        levels = torch.floor(4 + torch.log2(areas.sqrt() / 224 + 1e-8)).clamp(2, 5).int().tolist()
        pairs = zip(boxes, levels, strict=True)
        return torch.stack([crop(maps[level][0], box, 2.0**-level, side) for box, level in pairs])

    def boxes(self, maps: dict[int, Tensor], proposals: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores ``(K, C)`` and boxes ``(K, C, 4)`` of the proposals."""
        if self.form == "c4":
            x = self.stage(self.crops(maps, proposals, 14), "roi_heads.res5", 5).mean(dim=(2, 3))
        else:
            x = self.crops(maps, proposals, 7)
            for number in range(4 if self.head_norm else 0):
                x = F.relu(self.conv(x, f"roi_heads.box_head.conv{number + 1}", 256, 3))
            x = x.flatten(1)
            for number in range(1 if self.head_norm else 2):
                x = F.relu(self.linear(x, f"roi_heads.box_head.fc{number + 1}", 1024))
        scores = self.linear(x, "roi_heads.box_predictor.cls_score", self.classes + 1, 8)
        deltas = self.linear(x, "roi_heads.box_predictor.bbox_pred", 4 * self.classes)
        deltas = deltas.reshape(len(x), self.classes, 4)
        boxes = decode(proposals[:, None].expand_as(deltas), deltas, (10, 10, 5, 5))
        return scores.softmax(dim=1)[:, :-1], boxes

    def linear(self, x: Tensor, key: str, out: int, gain: float = 1) -> Tensor:
        weight = self.tensors.conv(key, (out, x.shape[1]), gain)
        return F.linear(x, weight, self.tensors.bias(key, out))

    def detections(
        self, boxes: Tensor, scores: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, labels = (scores > self.score).nonzero(as_tuple=True)
        boxes, scores = clip(boxes, size)[rows, labels], scores[rows, labels]
        kept = suppress(boxes, scores, labels, 0.5)[: self.most]
        return boxes[kept], scores[kept], labels[kept]

    def masks(self, maps: dict[int, Tensor], boxes: Tensor, labels: Tensor) -> Tensor:
        """Return ``(K, 28, 28)`` probabilities (14 x 14 for C4) of the boxes' own classes."""
        x = self.crops(maps, boxes, 14)
        if self.form == "c4":
            x = self.stage(x, "roi_heads.res5", 5)
        else:
            for number in range(4):
                x = F.relu(self.conv(x, f"roi_heads.mask_head.mask_fcn{number + 1}", 256, 3))
        key, t = "roi_heads.mask_head", self.tensors
        weight = t.conv(f"{key}.deconv", (x.shape[1], 256, 2, 2), 2)
        x = F.relu(F.conv_transpose2d(x, weight, t.bias(f"{key}.deconv", 256), stride=2))
        weight = t.conv(f"{key}.predictor", (self.classes, 256, 1, 1), 6)
        x = F.conv2d(x, weight, t.bias(f"{key}.predictor", self.classes))
        return x[torch.arange(len(x)), labels].sigmoid()


def decode(anchors: Tensor, deltas: Tensor, weights: tuple[int, int, int, int]) -> Tensor:
    """Return boxes from deltas of centre and logarithm of size."""
    sizes = anchors[..., 2:] - anchors[..., :2]
    centres = anchors[..., :2] + 0.5 * sizes
    deltas = deltas / torch.tensor(weights, dtype=deltas.dtype)
    centres = centres + deltas[..., :2] * sizes
    half = 0.5 * sizes * deltas[..., 2:].clamp(max=LARGEST).exp()
    return torch.cat([centres - half, centres + half], dim=-1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    limits = torch.tensor([size[1], size[0], size[1], size[0]], dtype=boxes.dtype)
    return torch.minimum(boxes.clamp(min=0), limits)


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, limit: float) -> list[int]:
    """Return the kept indices, best first; boxes of other groups do not suppress."""
    order = scores.argsort(descending=True, stable=True)
    boxes, groups = boxes[order], groups[order]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    overlaps = common / (areas[:, None] + areas[None] - common) > limit
    overlaps &= groups[:, None] == groups[None]
    alive = torch.ones(len(boxes), dtype=torch.bool)
    kept = []
    for index in range(len(boxes)):
        if alive[index]:
            kept.append(int(order[index]))
            alive &= ~overlaps[index]
    return kept


def crop(features: Tensor, box: Tensor, scale: float, side: int) -> Tensor:
    """Return ``(C, side, side)``: RoIAlign, aligned, with as many samples as a cell has pixels."""
    x0, y0, x1, y1 = (box * scale - 0.5).tolist()
    rows = weights_of(y0, y1, features.shape[1], side).to(features)
    columns = weights_of(x0, x1, features.shape[2], side).to(features)
    return torch.einsum("chw,ih,jw->cij", features, rows, columns)


def weights_of(start: float, stop: float, size: int, side: int) -> Tensor:
    """Return ``(side, size)``: the weight of each pixel of an axis in each cell."""
    cell = (stop - start) / side
    samples = max(math.ceil(cell), 1)
    result = torch.zeros(side, size, dtype=torch.float64)
    for row, position in samples_of(start, cell, samples, side):
        if not -1 <= position <= size:
            continue
        position = min(max(position, 0.0), size - 1)
        low = int(position)
        high = min(low + 1, size - 1)
        result[row, low] += (1 - (position - low)) / samples
        result[row, high] += (position - low) / samples
    return result


def samples_of(start: float, cell: float, samples: int, side: int) -> Iterator[tuple[int, float]]:
    for row in range(side):
        for sample in range(samples):
            yield row, start + cell * (row + (sample + 0.5) / samples)
