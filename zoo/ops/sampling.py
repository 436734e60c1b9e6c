# SPDX-License-Identifier: Apache-2.0
"""Where RoIAlign samples, as weights of the pixels along one axis.

RoIAlign interpolates at points on a grid inside each bin and averages. Both steps are linear and
separable, so a bin is the sum of pixels, each times a weight along y times a weight along x. A few
pixels have a weight; they follow one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["AxisTaps", "find_axis_taps"]


@dataclass(frozen=True, slots=True)
class AxisTaps:
    """The pixels that one axis of each bin reads, for R RoIs of B bins.

    Attributes:
        first: ``(R, B)`` int64, the first pixel with a weight; 0 for a bin that reads nothing.
        count: ``(R, B)`` int64, how many pixels from there have a weight, ``>= 0``.
        weights: ``(R, B, T)`` float, T the largest count; zero beyond a bin's own count.
    """

    first: Tensor
    count: Tensor
    weights: Tensor

    def __getitem__(self, chunk: slice) -> AxisTaps:
        return AxisTaps(self.first[chunk], self.count[chunk], self.weights[chunk])


def find_axis_taps(
    start: Tensor, extent: Tensor, *, bins: int, sampling_ratio: int, length_px: int
) -> AxisTaps:
    """Return the weights of the pixels along one axis.

    A sample beyond ``[-1, length_px]`` counts as zero in the average. A RoI whose start or extent
    is not finite, or whose extent is not above zero under adaptive sampling, reads nothing.

    Args:
        start: ``(R,)`` float, where each RoI begins, in pixels of the feature map.
        extent: ``(R,)`` float, its size along this axis in the same pixels.
        bins: Output size along this axis.
        sampling_ratio: Samples in a bin; 0 takes one a pixel, rounded up.
        length_px: Size of the feature map along this axis.

    Source:
        He et al. 2017, arXiv:1703.06870; order of operations and treatment of the border as in
        mmcv 2.1's ``roi_align.cpp``.
    """
    finite = torch.isfinite(start) & torch.isfinite(extent)
    start, extent = start.where(finite, 0), extent.where(finite, 0)
    bin_px = extent / bins
    grid = bin_px.ceil().clamp(min=0) if sampling_ratio <= 0 else bin_px * 0 + sampling_ratio
    grid = grid.where(finite, 0)[:, None]
    offsets = torch.arange(bins, device=start.device, dtype=start.dtype) * bin_px[:, None]
    begin = start[:, None] + offsets
    low, high, fraction, valid = _interpolate(begin, bin_px[:, None], grid, length_px)
    return _collect(low, high, fraction, valid / grid.clamp(min=1)[..., None])


def _interpolate(
    begin: Tensor, bin_px: Tensor, grid: Tensor, length_px: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return both neighbours of each sample, the fraction of the way, and which samples count."""
    # Only samples that can lie on the map are drawn up: a RoI of a million pixels has no more.
    step = bin_px / grid.clamp(min=1)
    per_px = step.where(step > 0, 1).reciprocal()
    skipped = (((-1 - begin) * per_px).floor() - 1).clamp(min=0).minimum(grid)
    after = (((length_px - begin) * per_px).ceil() + 1).clamp(min=0).minimum(grid)
    after = after.where(step != 0, grid)
    skipped = skipped.where(step != 0, 0)
    drawn = int((after - skipped).max().clamp(min=0)) if begin.numel() else 0

    number = skipped[..., None] + torch.arange(drawn, device=begin.device, dtype=begin.dtype)
    position = (number + 0.5) * bin_px[..., None] / grid.clamp(min=1)[..., None]
    position = begin[..., None] + position
    valid = (number < grid[..., None]) & (position >= -1) & (position <= length_px)
    position = position.clamp(0, length_px - 1)
    low = position.long()
    return low, (low + 1).clamp(max=length_px - 1), position - low, valid


def _collect(low: Tensor, high: Tensor, fraction: Tensor, share: Tensor) -> AxisTaps:
    """Sum the samples of each bin into weights of neighbouring pixels."""
    if low.shape[-1] == 0:
        nothing = low.new_zeros(low.shape[:-1])
        return AxisTaps(nothing, nothing, fraction)
    valid = share > 0
    first = low.where(valid, torch.iinfo(low.dtype).max).amin(-1)
    last = high.where(valid, -1).amax(-1)
    count = (last - first + 1).clamp(min=0)
    first = first.where(count > 0, 0)
    weights = share.new_zeros((*count.shape, max(1, int(count.max()))))
    for pixel, part in ((low, 1 - fraction), (high, fraction)):
        tap = (pixel - first[..., None]).where(valid, 0)
        weights.scatter_add_(-1, tap, part * share)
    return AxisTaps(first, count, weights)
