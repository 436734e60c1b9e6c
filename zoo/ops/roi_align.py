# SPDX-License-Identifier: Apache-2.0
"""RoIAlign, average pooling, forward and backward, with the signatures of mmcv's kernels.

Each output is a weighted sum of pixels (:mod:`zoo.ops.sampling`), so the forward pass is one
``embedding_bag`` over the map's pixels, and the backward pass one over the outputs' gradients,
with the same weights sorted by pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from zoo.errors import UnsupportedOpError
from zoo.ops.sampling import AxisTaps, find_axis_taps
from zoo.ops.unsupported import COMPILED_HINT

__all__ = ["roi_align_backward", "roi_align_forward"]

_AVERAGE = 1
# Bounds the memory: about 40 bytes a term.
_MAX_TERMS = 2**22


@dataclass(frozen=True, slots=True)
class _Terms:
    """Output cell ``i`` is the sum of ``weight * pixel`` over its terms, which lie together.

    Attributes:
        rois: The RoIs that these cells belong to.
        pixel: ``(M,)`` int64, into the map's N x H x W pixels.
        weight: ``(M,)`` float.
        start: ``(cells,)`` int64, where each cell's terms begin.
        count: ``(cells,)`` int64, how many it has.
    """

    rois: slice
    pixel: Tensor
    weight: Tensor
    start: Tensor
    count: Tensor


@torch.no_grad()
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the pooled features of each RoI into ``output``.

    Args:
        input: ``(N, C, H, W)`` float, any strides. Half precision is summed in float32.
        rois: ``(R, 5)`` float, image index and ``x1, y1, x2, y2`` in pixels of the image.
        output: ``(R, C, aligned_height, aligned_width)``, overwritten.
        argmax_y: Unused: only max pooling fills it.
        argmax_x: Unused, likewise.
        aligned_height: Bins along y.
        aligned_width: Bins along x.
        spatial_scale: Feature map pixels in one image pixel.
        sampling_ratio: Samples along each axis of a bin; 0 takes one a pixel, rounded up.
        pool_mode: 1 for average.
        aligned: Shift by half a pixel, and leave RoIs below one pixel as small as they are.

    Raises:
        UnsupportedOpError: ``pool_mode`` is 0, max pooling.
        ValueError: A RoI names an image that does not exist.
    """
    _check_pool_mode(pool_mode)
    if output.numel() == 0:
        return
    geometry = _Geometry(spatial_scale, sampling_ratio, aligned)
    pixels = _as_rows(input.to(_sum_dtype(input)))
    n, channels, height, width = input.shape
    bins = (aligned_height, aligned_width)
    for terms in _list_terms(rois, (n, height, width), bins, geometry, pixels.dtype):
        pooled = _sum_terms(terms.pixel, pixels, terms.start, terms.weight)
        cells = pooled.view(-1, aligned_height, aligned_width, channels)
        output[terms.rois] = cells.permute(0, 3, 1, 2)


@torch.no_grad()
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient with respect to the features to ``grad_input``.

    Args:
        grad_output: ``(R, C, aligned_height, aligned_width)`` float.
        rois: As in the forward pass.
        argmax_y: Unused: only max pooling reads it.
        argmax_x: Unused, likewise.
        grad_input: ``(N, C, H, W)``, added to.
        aligned_height: As in the forward pass, like all that follow.
        aligned_width: Bins along x.
        spatial_scale: Feature map pixels in one image pixel.
        sampling_ratio: Samples along each axis of a bin.
        pool_mode: 1 for average.
        aligned: Shift by half a pixel.

    Raises:
        UnsupportedOpError: ``pool_mode`` is 0, max pooling.
        ValueError: A RoI names an image that does not exist.
    """
    _check_pool_mode(pool_mode)
    if grad_output.numel() == 0:
        return
    geometry = _Geometry(spatial_scale, sampling_ratio, aligned)
    n, _, height, width = grad_input.shape
    bins = (aligned_height, aligned_width)
    dtype = _sum_dtype(grad_output)
    for terms in _list_terms(rois, (n, height, width), bins, geometry, dtype):
        cells = _as_rows(grad_output[terms.rois].to(dtype))
        cell = torch.repeat_interleave(terms.count)
        pixel, order = terms.pixel.sort(stable=True)
        count = torch.bincount(pixel, minlength=n * height * width)
        pixels = _sum_terms(cell[order], cells, count.cumsum(0) - count, terms.weight[order])
        _add_rows(grad_input, pixels)


@dataclass(frozen=True, slots=True)
class _Geometry:
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


def _check_pool_mode(pool_mode: int) -> None:
    if pool_mode != _AVERAGE:
        op = "roi_align(pool_mode='max')"
        message = f"cannot run mmcv's op {op}: zoo has a replacement only for 'avg'."
        raise UnsupportedOpError(message, op=op, hint=COMPILED_HINT)


def _sum_dtype(values: Tensor) -> torch.dtype:
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def _as_rows(values: Tensor) -> Tensor:
    """Return ``(A, C, H, W)`` as rows ``(A * H * W, C)``; free for channels-last memory."""
    rows = values.permute(0, 2, 3, 1)
    if rows.is_contiguous() or values.device.type != "cpu":
        return rows.reshape(-1, values.shape[1])
    # On a CPU, torch transposes matrices in blocks but four dimensions number by number.
    rows = torch.empty(rows.shape, dtype=rows.dtype).flatten(1, 2)
    for target, source in zip(rows, values, strict=True):
        target.copy_(source.flatten(1).t())
    return rows.flatten(0, 1)


def _add_rows(values: Tensor, rows: Tensor) -> None:
    """Add rows ``(A * H * W, C)`` to ``(A, C, H, W)``."""
    channels, height, width = values.shape[1:]
    for target, source in zip(values, rows.view(len(values), -1, channels), strict=True):
        target += source.t().contiguous().view(channels, height, width)


def _sum_terms(index: Tensor, rows: Tensor, start: Tensor, weight: Tensor) -> Tensor:
    return embedding_bag(index, rows, start, mode="sum", per_sample_weights=weight)


def _list_terms(
    rois: Tensor,
    map_shape: tuple[int, int, int],
    bins: tuple[int, int],
    geometry: _Geometry,
    dtype: torch.dtype,
) -> Iterator[_Terms]:
    """Yield the terms of all RoIs, at most ``_MAX_TERMS`` at a time unless one RoI has more."""
    n, height, width = map_shape
    image = rois[:, 0].long()
    missing = image[(image < 0) | (image >= n)]
    if len(missing):
        message = f"RoI of image {int(missing[0])}, expected an index in [0, {n})."
        raise ValueError(message)
    along_y, along_x = _find_taps(rois.to(dtype), (height, width), bins, geometry)
    counts = along_y.count.sum(1) * along_x.count.sum(1)
    for chunk in _split(counts):
        yield _expand(chunk, image[chunk], along_y[chunk], along_x[chunk], (height, width))


def _find_taps(
    rois: Tensor, size_px: tuple[int, int], bins: tuple[int, int], geometry: _Geometry
) -> tuple[AxisTaps, AxisTaps]:
    corners = rois[:, 1:] * geometry.spatial_scale - (0.5 if geometry.aligned else 0.0)
    x1, y1, x2, y2 = corners.unbind(1)
    extents = (y2 - y1, x2 - x1)
    if not geometry.aligned:
        extents = (extents[0].clamp(min=1), extents[1].clamp(min=1))
    taps = [
        find_axis_taps(
            start, extent, bins=b, sampling_ratio=geometry.sampling_ratio, length_px=length
        )
        for start, extent, b, length in zip((y1, x1), extents, bins, size_px, strict=True)
    ]
    return taps[0], taps[1]


def _split(counts: Tensor) -> Iterator[slice]:
    """Yield slices of RoIs with about ``_MAX_TERMS`` terms each."""
    total = int(counts.sum())
    if total <= _MAX_TERMS:
        yield slice(0, len(counts))
        return
    block = (counts.cumsum(0) - counts).div(_MAX_TERMS, rounding_mode="floor")
    start = 0
    for size in torch.unique_consecutive(block, return_counts=True)[1].tolist():
        yield slice(start, start + size)
        start += size


def _expand(
    rois: slice, image: Tensor, along_y: AxisTaps, along_x: AxisTaps, size_px: tuple[int, int]
) -> _Terms:
    """Write out the product of the weights along both axes."""
    height, width = size_px
    shape = (*along_y.count.shape, along_x.count.shape[1])
    rows_of_cell = along_y.count[:, :, None].expand(shape).reshape(-1)
    row_size = along_x.count[:, None, :].expand(shape).reshape(-1)

    # One row is what a cell reads of one line of the map.
    cell = torch.repeat_interleave(rows_of_cell)
    line = torch.arange(len(cell), device=cell.device) - _starts(rows_of_cell)[cell]
    size = row_size[cell]
    row_start = _starts(size)

    def per_row(values: Tensor, bins_dim: int) -> Tensor:
        return values.unsqueeze(bins_dim).expand(shape).reshape(-1)[cell]

    bin_y = torch.arange(along_y.count.numel(), device=cell.device).view_as(along_y.count)
    bin_x = torch.arange(along_x.count.numel(), device=cell.device).view_as(along_x.count)
    weight_y = along_y.weights.flatten()[per_row(bin_y, 2) * along_y.weights.shape[2] + line]
    weight_x_at = per_row(bin_x, 1) * along_x.weights.shape[2] - row_start
    line_px = per_row(image[:, None] * height + along_y.first, 2) + line
    pixel_at = line_px * width + per_row(along_x.first, 1) - row_start

    row = torch.repeat_interleave(size)
    number = torch.arange(len(row), device=row.device)
    weight_x = along_x.weights.flatten()[weight_x_at[row] + number]
    count = rows_of_cell * row_size
    return _Terms(rois, pixel_at[row] + number, weight_y[row] * weight_x, _starts(count), count)


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts
