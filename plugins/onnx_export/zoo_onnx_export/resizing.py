# SPDX-License-Identifier: Apache-2.0
"""OpenCV's resizing as nodes of ONNX, to the bit where OpenCV computes in integers.

Source:
    OpenCV 4.12, ``modules/imgproc/src/resize.cpp``: coefficients of 11 bits and the shifts of
    ``VResizeLinear`` for bytes; ``computeResizeAreaTab`` and its fast case for ``INTER_AREA``.
"""

from __future__ import annotations

from dataclasses import dataclass

from zoo_onnx_export.graph import Graph

__all__ = ["INTERPOLATIONS", "Size", "resize"]

_ONE = 2048  # of a coefficient of 11 bits


@dataclass(frozen=True, slots=True)
class Size:
    """Height and width as int64 values of a graph."""

    height: str
    width: str


def resize(
    graph: Graph, image: str, before: Size, after: Size, *, kind: str, is_float: bool
) -> str:
    """Return images as ``cv2.resize`` does.

    Args:
        graph: The graph to extend.
        image: ``(N, H, W, C)``, uint8 or float32.
        before: Its size.
        after: The new size.
        kind: One of `INTERPOLATIONS`.
        is_float: Whether it is float32.
    """
    if kind == "nearest":
        return _nearest(graph, image, before, after)
    if kind == "bilinear":
        return _linear(graph, image, before, after, is_float=is_float, is_area=False)
    one, other = Graph(f"{graph.prefix}_area"), Graph(f"{graph.prefix}_larger")
    shrunk = _area(one, image, before, after, is_float=is_float)
    enlarged = _linear(other, image, before, after, is_float=is_float, is_area=True)
    shrinks = [
        graph("GreaterOrEqual", old, new)
        for old, new in ((before.height, after.height), (before.width, after.width))
    ]
    return graph.choose(graph("And", *shrinks), one, shrunk, other, enlarged)


INTERPOLATIONS = ("nearest", "bilinear", "area")
"""Names of mmcv that a graph can hold."""


def _places(graph: Graph, length: str) -> str:
    """Return 0, 1, 2, ... as float64."""
    zero, one = graph.constant(0, "int64"), graph.constant(1, "int64")
    return graph.as_type(graph("Range", zero, length, one), "float64")


def _scale(graph: Graph, before: str, after: str) -> str:
    return graph.ratio(before, after)


def _last(graph: Graph, length: str) -> str:
    return graph("Sub", length, graph.constant(1, "int64"))


def _nearest(graph: Graph, image: str, before: Size, after: Size) -> str:
    for axis, old, new in ((1, before.height, after.height), (2, before.width, after.width)):
        # OpenCV multiplies by the inverse of the inverse scale.
        inverse = graph.ratio(graph.constant(1.0, "float64"), _scale(graph, new, old))
        places = graph("Floor", graph("Mul", _places(graph, new), inverse))
        places = graph("Min", graph.as_type(places, "int64"), _last(graph, old))
        image = graph("Gather", image, places, axis=axis)
    return image


@dataclass(frozen=True, slots=True)
class _Taps:
    """Two source pixels of each target pixel along one axis, and their weights."""

    first: str
    second: str
    weights: tuple[str, str]


def _taps(
    graph: Graph, old: str, new: str, *, is_column: bool, is_float: bool, is_area: bool
) -> _Taps:
    start, share = _starts(graph, old, new, is_float=is_float, is_area=is_area)
    last, zero = _last(graph, old), graph.constant(0, "int64")
    if is_column:  # of rows, OpenCV clips the place and keeps the weights
        inside = graph("And", graph("GreaterOrEqual", start, zero), graph("Less", start, last))
        share = graph("Where", inside, share, graph.constant(0.0, "float32"))
    first = graph("Max", zero, graph("Min", start, last))
    following = graph("Add", start, graph.constant(1, "int64"))
    second = graph("Max", zero, graph("Min", following, last))
    weights = [graph("Sub", graph.constant(1.0, "float32"), share), share]
    if not is_float:
        one = graph.constant(float(_ONE), "float32")
        weights = [
            graph.as_type(graph("Round", graph("Mul", each, one)), "int32") for each in weights
        ]
    axes = graph.constant([1] if is_column else [1, 2], "int64")
    first_weight, second_weight = (graph("Unsqueeze", each, axes) for each in weights)
    return _Taps(first, second, (first_weight, second_weight))


def _starts(graph: Graph, old: str, new: str, *, is_float: bool, is_area: bool) -> tuple[str, str]:
    """Return the first source pixel of each target pixel, int64, and the share of the second."""
    places, scale = _places(graph, new), _scale(graph, old, new)
    if is_area:
        start = graph("Floor", graph("Mul", places, scale))
        following = graph("Add", places, graph.constant(1.0, "float64"))
        covered = graph("Add", start, graph.constant(1.0, "float64"))
        rest = graph("Sub", following, graph("Mul", covered, _scale(graph, new, old)))
        rest = graph.as_type(rest, "float32")
        zero = graph.constant(0.0, "float32")
        share = graph("Where", graph("Greater", rest, zero), _fraction(graph, rest), zero)
        return graph.as_type(start, "int64"), share
    half = graph.constant(0.5, "float64")
    centre = graph("Sub", graph("Mul", graph("Add", places, half), scale), half)
    if is_float:  # of floats, OpenCV does not round the place before it takes the share
        share = graph.as_type(_fraction(graph, centre), "float32")
    else:
        centre = graph.as_type(centre, "float32")
        share = _fraction(graph, centre)
    return graph.as_type(graph("Floor", centre), "int64"), share


def _fraction(graph: Graph, value: str) -> str:
    return graph("Sub", value, graph("Floor", value))


def _linear(
    graph: Graph, image: str, before: Size, after: Size, *, is_float: bool, is_area: bool
) -> str:
    rows = _taps(
        graph, before.height, after.height, is_column=False, is_float=is_float, is_area=is_area
    )
    columns = _taps(
        graph, before.width, after.width, is_column=True, is_float=is_float, is_area=is_area
    )
    terms: list[str] = []
    for row, weight in zip((rows.first, rows.second), rows.weights, strict=True):
        line = _mixed(graph, graph("Gather", image, row, axis=1), columns, is_float=is_float)
        if is_float:
            terms.append(graph("Mul", line, weight))
        else:
            line = graph("Div", line, graph.constant(1 << 4, "int32"))
            product = graph("Mul", line, weight)
            terms.append(graph("Div", product, graph.constant(1 << 16, "int32")))
    total = graph("Add", *terms)
    if is_float:
        return total
    total = graph("Add", total, graph.constant(2, "int32"))
    return graph.as_type(graph("Div", total, graph.constant(1 << 2, "int32")), "uint8")


def _mixed(graph: Graph, lines: str, columns: _Taps, *, is_float: bool) -> str:
    """Return lines resized along the width: sums of two pixels, weighted."""
    parts: list[str] = []
    for column, weight in zip((columns.first, columns.second), columns.weights, strict=True):
        pixels = graph("Gather", lines, column, axis=2)
        pixels = pixels if is_float else graph.as_type(pixels, "int32")
        parts.append(graph("Mul", pixels, weight))
    return graph("Add", *parts)


def _area(graph: Graph, image: str, before: Size, after: Size, *, is_float: bool) -> str:
    """Return the mean over the part of the image that each target pixel covers."""
    scales = [
        _scale(graph, before.height, after.height),
        _scale(graph, before.width, after.width),
    ]
    whole = graph("And", *(graph("Equal", one, graph("Floor", one)) for one in scales))
    rows = _cover(graph, before.height, after.height, whole)
    columns = _cover(graph, before.width, after.width, whole)
    pixels = image if is_float else graph.as_type(image, "float32")
    # (N, H, W, C) -> (N, C, H, W) for the products.
    pixels = graph("Transpose", pixels, perm=[0, 3, 1, 2])
    pixels = graph("MatMul", pixels, graph("Transpose", columns, perm=[1, 0]))
    pixels = graph("MatMul", rows, pixels)
    # Whole scales: OpenCV sums integers and multiplies once.
    area = graph.as_type(graph("Mul", *scales), "float32")
    one = graph.constant(1.0, "float32")
    share = graph("Where", whole, graph("Div", one, area), one)
    mean = graph("Mul", pixels, share)
    if not is_float:
        two = graph.constant(2.0, "float64")
        by_two = graph("And", *(graph("Equal", scale, two) for scale in scales))
        half_up = graph("Floor", graph("Add", mean, graph.constant(0.5, "float32")))
        mean = graph("Where", by_two, half_up, graph("Round", mean))
        mean = graph.as_type(mean, "uint8")
    return graph("Transpose", mean, perm=[0, 2, 3, 1])


def _cover(graph: Graph, old: str, new: str, whole: str) -> str:
    """Return ``(new, old)`` weights: 1 for each source pixel, or its share if scales are broken."""
    scale, axes = _scale(graph, old, new), graph.constant([1], "int64")
    one = graph.constant(1.0, "float64")
    begin = graph("Unsqueeze", graph("Mul", _places(graph, new), scale), axes)
    end = graph("Add", begin, scale)
    source = _places(graph, old)
    reach = graph("Min", end, graph("Add", source, one))
    covered = graph("Sub", reach, graph("Max", begin, source))
    # OpenCV drops what covers a thousandth of a pixel or less.
    is_seen = graph("Greater", covered, graph.constant(1e-3, "float64"))
    covered = graph("Where", is_seen, graph("Min", covered, one), graph.constant(0.0, "float64"))
    width = graph("Min", scale, graph("Sub", graph.as_type(old, "float64"), begin))
    share = graph("Where", whole, covered, graph("Div", covered, width))
    return graph.as_type(share, "float32")
