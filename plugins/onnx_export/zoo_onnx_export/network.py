# SPDX-License-Identifier: Apache-2.0
"""The network between pre- and post-processing as nodes of ONNX, through ``torch.export``."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor, nn

from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.graph import OPSET
from zoo_onnx_export.pooling import poolings_as_products

__all__ = ["TRACED_PX", "Network", "Traced", "check_segmentor", "trace", "trace_network"]

# No length equals another, or 0 or 1, at any stride up to 64.
TRACED_PX = (128, 160)
"""Height and width at which a network of any size is traced."""
_OPERATOR = re.compile(r"op='([\w.:]+)'|torch\.ops\.(\w+\.\w+)")
_QUIET = ("torch.onnx", "torch.export", "torch._dynamo", "torch.fx", "onnxscript", "onnx_ir")


class Network(nn.Module):
    """A segmentor from its normalised input to the scores of its head.

    Args:
        model: An ``EncoderDecoder`` of mmseg, or one like it.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Return scores.

        Args:
            x: ``(N, C, H, W)``.
        """
        size = (x.shape[2], x.shape[3])
        metas = [{"img_shape": size, "pad_shape": size, "ori_shape": size}]
        scores: Tensor = self.model.encode_decode(x, metas)
        return scores


@dataclass(frozen=True, slots=True)
class Traced:
    """A network as a model of ONNX.

    Attributes:
        model: With one input and one output.
        channels: Channels of the output.
    """

    model: ModelProto
    channels: int

    @property
    def input(self) -> str:
        """Name of its input."""
        return str(self.model.graph.input[0].name)

    @property
    def output(self) -> str:
        """Name of its output."""
        return str(self.model.graph.output[0].name)


def trace_network(
    module: Any, name: str, channels: int, fixed: tuple[int, int] | None, *, optimize: bool = True
) -> Traced:
    """Return a network as a model of ONNX, for any batch and, unless it is fixed, any size.

    Args:
        module: The model, as ``zoo.Predictor`` has it.
        name: Its name, for messages.
        channels: Channels of its input.
        fixed: Height and width of its input, if all images are resized to them.
        optimize: Whether to fold and fuse nodes.

    Raises:
        ExportError: The network holds something that ONNX or torch.export cannot; it is named.
    """
    check_segmentor(module, name)
    example = torch.zeros(2, channels, *(fixed or TRACED_PX))
    axes = (0,) if fixed else (0, 2, 3)
    model, program = trace(Network(module), example, axes, name, optimize=optimize)
    (scores,) = (value for value in program.graph_signature.user_outputs)
    found = next(node for node in program.graph.nodes if node.name == scores)
    return Traced(model, int(found.meta["val"].shape[1]))


def trace(
    network: nn.Module, example: Tensor, axes: Sequence[int], name: str, *, optimize: bool = True
) -> tuple[ModelProto, Any]:
    """Return a network with one input ``x`` as a model of ONNX, and torch's program.

    Args:
        network: Is set to evaluation.
        example: An input.
        axes: The axes of the input that may have other lengths.
        name: Of the model, for messages.
        optimize: Whether to fold and fuse nodes.

    Raises:
        ExportError: The network holds something that ONNX or torch.export cannot; it is named.
    """
    network.eval()
    shapes = {"x": dict.fromkeys(axes, torch.export.Dim.DYNAMIC)}
    with torch.no_grad(), _quiet(), _channels_first(network), poolings_as_products(network):
        program = _export(network, example, shapes, name)
        try:
            made = torch.onnx.export(
                program, (example,), opset_version=OPSET, optimize=optimize, verbose=False
            )
        except Exception as error:
            raise _refused(name, error) from error
        if made is None:  # pragma: no cover  # torch returns None only if it writes a file
            raise _refused(name, RuntimeError("torch.onnx returns nothing"))
    return made.model_proto, program


@contextmanager
def _channels_first(network: nn.Module) -> Iterator[None]:
    """Lay weights out as ONNX has them: ``torch.export`` fixes sizes for another memory format."""
    before = [(weight, weight.data) for weight in network.parameters()]
    try:
        for weight, data in before:
            weight.data = data.contiguous()
        yield
    finally:
        for weight, data in before:
            weight.data = data


def check_segmentor(module: Any, name: str) -> None:
    """Refuse a model that cannot be one pass over the image.

    Args:
        module: The model.
        name: Its name, for messages.

    Raises:
        ExportError: It is no encoder-decoder, or predicts in windows.
    """
    what = hint = None
    if module is None:
        what, hint = "it is an exported file already", "name the model that it was made from."
    elif not callable(getattr(module, "encode_decode", None)):
        what = f"it is a {type(module).__name__}, expected an EncoderDecoder of mmseg"
    elif (getattr(module, "test_cfg", None) or {}).get("mode", "whole") != "whole":
        what = "it predicts in sliding windows (test_cfg mode 'slide')"
        hint = "state test_cfg=dict(mode='whole') in its config."
    if what is not None:
        message = f"cannot export {name!r}: {what}."
        raise ExportError(message, where="model", hint=hint)


def _export(network: nn.Module, example: Tensor, shapes: Any, name: str) -> Any:
    """Return the exported program; what the plain tracer cannot solve, dynamo may."""
    try:
        return torch.export.export(network, (example,), dynamic_shapes=shapes, strict=False)
    except Exception:  # noqa: BLE001  # of any of torch's parts; the second attempt tells
        try:
            return torch.export.export(network, (example,), dynamic_shapes=shapes, strict=True)
        except Exception as error:
            raise _refused(name, error) from error


def _refused(name: str, error: Exception) -> ExportError:
    """Return the error that names the operator, or else says what torch says first."""
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < 8:
        causes.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    found = next((match for text in causes if (match := _OPERATOR.search(text))), None)
    if found is not None:
        operator = (found[1] or found[2]).replace("::", ".")
        message = f"cannot export {name!r}: ONNX has no counterpart of the operator {operator}."
    else:
        said = next((line.strip() for line in causes[0].splitlines() if line.strip()), "")
        message = f"cannot export {name!r}: torch.export cannot follow it: {said[:200]}."
    return ExportError(message, where="model", hint="zoo predict runs it as it is.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch logs and warns on its way out of the command's output."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
