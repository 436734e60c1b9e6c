# SPDX-License-Identifier: Apache-2.0
"""The test pipeline and the data pre-processor of a config as nodes of ONNX.

Each transform is known by its exact type: a subclass may do something else, and is refused by its
name like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.graph import Graph
from zoo_onnx_export.loaders import check_loader
from zoo_onnx_export.resizing import INTERPOLATIONS, Size, resize

__all__ = ["IMAGE", "Before", "build_before"]

IMAGE = "image"
"""The input of an export: ``(N, H, W, 3)`` uint8, RGB."""


@dataclass(slots=True)
class Before:
    """The graph from an image to the input of the network, while it is built and afterwards.

    Attributes:
        graph: Its nodes.
        pixels: Its last value: ``(N, H, W, C)``, and ``(N, C, H, W)`` float32 in the end.
        image: Size of the image.
        size: Size of ``pixels``.
        fixed: The same as integers, if it does not depend on the image.
        kept: Size without the padding that the post-processing cuts off; None without any.
        channels: 1 or 3.
        is_float: Whether ``pixels`` are float32 rather than uint8.
        resizing: The sizes before and after the last ``Resize``; None without any.
        is_reversed: Whether the channels of the pipeline are BGR; those of ``pixels`` are RGB.
    """

    graph: Graph
    pixels: str
    image: Size
    size: Size
    fixed: tuple[int, int] | None = None
    kept: Size | None = None
    channels: int = 3
    is_float: bool = False
    is_reversed: bool = field(default=True)
    resizing: tuple[Size, Size] | None = None

    def number(self, value: int) -> str:
        """Return a length as a constant."""
        return self.graph.constant(value, "int64")

    def resized(self, size: Size, fixed: tuple[int, int] | None, kind: str) -> None:
        """Resize the pixels."""
        self.pixels = resize(
            self.graph, self.pixels, self.size, size, kind=kind, is_float=self.is_float
        )
        self.resizing = self.size, size
        self.size, self.fixed = size, fixed

    def padded(self, size: Size, fixed: tuple[int, int] | None, value: float, axis: int) -> None:
        """Pad below and on the right; the height is the axis ``axis``."""
        graph, zero = self.graph, self.number(0)
        below = graph("Sub", size.height, self.size.height)
        right = graph("Sub", size.width, self.size.width)
        rest = [zero] * (3 - axis - 1)
        ends = graph.vector(*[zero] * 4, *[zero] * axis, below, right, *rest)
        filled = graph.constant(value, "float32" if self.is_float else "uint8")
        self.pixels = graph("Pad", self.pixels, ends, filled)
        self.size, self.fixed = size, fixed


def build_before(predictor: Any) -> Before:
    """Return the graph from an image to the input of the network.

    Args:
        predictor: A ``zoo.Predictor``.

    Raises:
        ExportError: A transform or the pre-processor cannot be a part of a graph.
    """
    graph = Graph("before")
    size = Size(graph.dimension(IMAGE, 1), graph.dimension(IMAGE, 2))
    built = Before(graph, IMAGE, size, size)
    loader, *steps = predictor.transforms
    color = check_loader(loader)
    if color.startswith("grayscale"):
        _grey(built)
    if getattr(loader, "to_float32", False):
        built.pixels, built.is_float = graph.as_type(built.pixels, "float32"), True
    for step in steps:
        name = f"{type(step).__module__}.{type(step).__qualname__}"
        if name not in _STEPS:
            message = f"cannot export {predictor.model.name!r}: its test pipeline has the "
            message += f"transform {type(step).__name__}, which a graph of ONNX cannot hold."
            hint = "write the config without it, or apply it to the images beforehand."
            raise ExportError(message, where="test_pipeline", hint=hint)
        _STEPS[name](built, step)
    _preprocess(built, predictor.model.module.data_preprocessor)
    return built


def _refuse(what: str, where: str = "test_pipeline") -> ExportError:
    message = f"cannot export the model: {what}."
    return ExportError(message, where=where, hint="write the config without it.")


def _grey(built: Before) -> None:
    """Convert as OpenCV's ``COLOR_RGB2GRAY`` does: coefficients of 15 bits."""
    graph = built.graph
    weights = graph.constant([9798, 19235, 3735], "int32")
    products = graph("Mul", graph.as_type(built.pixels, "int32"), weights)
    total = graph("ReduceSum", products, graph.constant([3], "int64"), keepdims=1)
    total = graph("Add", total, graph.constant(1 << 14, "int32"))
    built.pixels = graph.as_type(graph("Div", total, graph.constant(1 << 15, "int32")), "uint8")
    built.channels = 1


def _resize(built: Before, step: Any) -> None:
    kind, backend = step.interpolation, step.backend
    if kind not in INTERPOLATIONS or backend != "cv2":
        what = f"Resize interpolates by {kind!r} of {backend!r}"
        raise _refuse(what)
    if step.scale is None:
        factors = step.scale_factor
        factors = factors if isinstance(factors, tuple) else (factors, factors)
        width, height = _scaled(built, factors[0], factors[1])
        if not step.keep_ratio:
            built.resized(Size(height, width), None, kind)
            return
        long, short = (built.graph(which, width, height) for which in ("Max", "Min"))
    else:
        edges = [int(one) for one in step.scale]
        if not step.keep_ratio:
            size = Size(built.number(edges[1]), built.number(edges[0]))
            built.resized(size, (edges[1], edges[0]), kind)
            return
        long, short = built.number(max(edges)), built.number(min(edges))
    built.resized(_fitted(built, long, short), None, kind)


def _scaled(built: Before, across: float, down: float) -> tuple[str, str]:
    """Return width and height times factors, rounded half up in float64, as mmcv does."""
    return (
        _rounded(built, built.size.width, built.graph.constant(float(across), "float64")),
        _rounded(built, built.size.height, built.graph.constant(float(down), "float64")),
    )


def _rounded(built: Before, length: str, factor: str) -> str:
    graph = built.graph
    product = graph("Mul", graph.as_type(length, "float64"), factor)
    return graph.as_type(graph("Add", product, graph.constant(0.5, "float64")), "int64")


def _fitted(built: Before, long: str, short: str) -> Size:
    """Return the largest size of the same shape within a long and a short edge."""
    graph = built.graph
    edges = [graph(which, built.size.height, built.size.width) for which in ("Max", "Min")]
    ratios = [graph.ratio(new, old) for new, old in zip((long, short), edges, strict=True)]
    factor = graph("Min", *ratios)
    return Size(
        _rounded(built, built.size.height, factor), _rounded(built, built.size.width, factor)
    )


def _resize_to_multiple(built: Before, step: Any) -> None:
    kind = step.interpolation or "bilinear"
    if kind not in INTERPOLATIONS or not isinstance(step.size_divisor, int):
        what = f"ResizeToMultiple interpolates by {kind!r} to {step.size_divisor!r}"
        raise _refuse(what)
    size, fixed = _multiple(built, step.size_divisor)
    scaled = built.resizing
    built.resized(size, fixed, kind)
    built.resizing = scaled  # mmseg notes no scale of it


def _multiple(built: Before, divisor: int) -> tuple[Size, tuple[int, int] | None]:
    """Return the size rounded up to multiples."""
    graph, by, rest = built.graph, built.number(divisor), built.number(divisor - 1)
    height, width = (
        graph("Mul", graph("Div", graph("Add", length, rest), by), by)
        for length in (built.size.height, built.size.width)
    )
    known = built.fixed
    if known is None:
        return Size(height, width), None
    high, wide = (-(-length // divisor) * divisor for length in known)
    return Size(built.number(high), built.number(wide)), (high, wide)


def _at_least(built: Before, height: int, width: int) -> tuple[Size, tuple[int, int] | None]:
    """Return the size, and what it lacks to a least one: a larger image is not cut."""
    graph, known = built.graph, built.fixed
    size = Size(
        graph("Max", built.size.height, built.number(height)),
        graph("Max", built.size.width, built.number(width)),
    )
    return size, None if known is None else (max(known[0], height), max(known[1], width))


def _pad(built: Before, step: Any) -> None:
    value = step.pad_val.get("img", 0)
    if step.padding_mode != "constant" or not isinstance(value, (int, float)):
        what = f"Pad fills by {step.padding_mode!r} with {value!r}"
        raise _refuse(what)
    if step.pad_to_square:
        what = "Pad has pad_to_square=True"
        raise _refuse(what)
    if step.size_divisor is not None:
        size, fixed = _multiple(built, int(step.size_divisor))
    else:
        width, height = (int(one) for one in step.size)
        size, fixed = _at_least(built, height, width)
    built.padded(size, fixed, value, axis=1)


def _normalize(built: Before, step: Any) -> None:
    if step.to_rgb and built.channels == 3:
        built.is_reversed = not built.is_reversed
    order = -1 if built.is_reversed and built.channels == 3 else 1
    mean, std = ([float(one) for one in values][::order] for values in (step.mean, step.std))
    graph = built.graph
    pixels = graph.as_type(built.pixels, "float64")
    pixels = graph("Sub", pixels, graph.constant(mean, "float64"))
    pixels = graph.as_type(pixels, "float32")
    inverse = graph.constant([1 / one for one in std], "float64")
    pixels = graph("Mul", graph.as_type(pixels, "float64"), inverse)
    built.pixels, built.is_float = graph.as_type(pixels, "float32"), True


def _flip(built: Before, step: Any) -> None:
    chance = step.prob
    chances = chance if isinstance(chance, list) else [chance or 0]
    if any(chances):
        what = f"{type(step).__name__} flips images by chance"
        raise _refuse(what)


def _nothing(built: Before, step: Any) -> None:
    """Leave the pixels alone."""


_STEPS: dict[str, Callable[[Before, Any], None]] = {
    "mmcv.transforms.processing.Resize": _resize,
    "mmseg.datasets.transforms.transforms.Resize": _resize,
    "mmdet.datasets.transforms.transforms.Resize": _resize,
    "mmseg.datasets.transforms.transforms.ResizeToMultiple": _resize_to_multiple,
    "mmcv.transforms.processing.Pad": _pad,
    "mmcv.transforms.processing.Normalize": _normalize,
    "mmcv.transforms.processing.RandomFlip": _flip,
    "mmseg.datasets.transforms.transforms.RandomFlip": _flip,
    "mmdet.datasets.transforms.transforms.RandomFlip": _flip,
    "mmseg.datasets.transforms.formatting.PackSegInputs": _nothing,
    "mmdet.datasets.transforms.formatting.PackDetInputs": _nothing,
}


def _preprocess(built: Before, preprocessor: Any) -> None:
    """Order the channels, normalise and pad as the pre-processors of mmseg and mmdet do."""
    name = f"{type(preprocessor).__module__}.{type(preprocessor).__qualname__}"
    if name not in _PREPROCESSORS:
        what = f"its data pre-processor is {type(preprocessor).__name__}"
        raise _refuse(what, "model.data_preprocessor")
    is_exchanged, padding = _PREPROCESSORS[name](preprocessor)
    graph = built.graph
    pixels = graph("Transpose", built.pixels, perm=[0, 3, 1, 2])
    if built.channels == 3 and built.is_reversed != is_exchanged:
        pixels = graph("Gather", pixels, graph.constant([2, 1, 0], "int64"), axis=1)
    pixels = pixels if built.is_float else graph.as_type(pixels, "float32")
    if preprocessor._enable_normalize:
        for kind, values in (("Sub", preprocessor.mean), ("Div", preprocessor.std)):
            pixels = graph(kind, pixels, graph.constant(values.tolist(), "float32"))
    built.pixels, built.is_float = pixels, True
    if padding is None:
        return
    built.kept = built.size
    if padding.size is not None:
        size, fixed = _at_least(built, *padding.size)
    else:
        size, fixed = _multiple(built, padding.divisor)
    built.padded(size, fixed, padding.value, axis=2)


@dataclass(frozen=True, slots=True)
class _Padding:
    """To a least height and width, or to multiples of a length, with a value."""

    value: float
    size: tuple[int, int] | None = None
    divisor: int = 1


def _of_mmseg(preprocessor: Any) -> tuple[bool, _Padding | None]:
    stated, is_exchanged = preprocessor.test_cfg, bool(preprocessor.channel_conversion)
    if not stated:
        return is_exchanged, None
    value = float(preprocessor.pad_val)
    if stated.get("size") is not None:
        height, width = stated["size"][-2:]
        return is_exchanged, _Padding(value, size=(int(height), int(width)))
    return is_exchanged, _Padding(value, divisor=int(stated["size_divisor"]))


def _of_mmdet(preprocessor: Any) -> tuple[bool, _Padding | None]:
    divisor = int(preprocessor.pad_size_divisor)
    padding = _Padding(float(preprocessor.pad_value), divisor=divisor)
    return bool(preprocessor._channel_conversion), padding if divisor > 1 else None


_PREPROCESSORS: dict[str, Callable[[Any], tuple[bool, _Padding | None]]] = {
    "mmseg.models.data_preprocessor.SegDataPreProcessor": _of_mmseg,
    "mmdet.models.data_preprocessors.data_preprocessor.DetDataPreprocessor": _of_mmdet,
}
