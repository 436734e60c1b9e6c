# SPDX-License-Identifier: Apache-2.0
"""A graph of ONNX, node by node: each call returns the name of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["OPSET", "Graph"]

OPSET = 20
"""The newest that onnxruntime 1.17 runs."""


class Graph:
    """Nodes and constants of a part of a model.

    Args:
        prefix: Start of the name of each value, which no other part of the model has.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._count = 0
        self._known: dict[tuple[Any, ...], str] = {}

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self.prefix}_{self._count}_{kind}"

    def constant(self, value: Any, dtype: str) -> str:
        """Return a constant; equal ones are one.

        Args:
            value: A number, or nested lists of numbers.
            dtype: Of numpy, such as ``"int64"``.
        """
        array: NDArray[Any] = np.asarray(value, dtype)
        key = (array.shape, dtype, array.tobytes())
        if key not in self._known:
            self._known[key] = self._name("constant")
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return the output.

        Args:
            kind: Operator of ONNX.
            inputs: Values; an empty text leaves one out.
            attributes: Of the operator.
        """
        output = self._name(kind)
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def several(self, count: int, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs, and return them.

        Args:
            count: Number of the outputs.
            kind: Operator of ONNX.
            inputs: Values.
            attributes: Of the operator.
        """
        outputs = [self._name(kind) for _ in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))
        return outputs

    def include(self, part: GraphProto, values: Sequence[str]) -> list[str]:
        """Add a whole graph, and return its outputs.

        Args:
            part: A graph whose names are its own; it must not be used again.
            values: What its inputs are, in their order.
        """
        given = {one.name: value for one, value in zip(part.input, values, strict=True)}
        for node in part.node:
            node.input[:] = [given.get(one, one) for one in node.input]
        self.nodes.extend(part.node)
        self.constants.extend(part.initializer)
        return [one.name for one in part.output]

    def as_type(self, value: str, dtype: str) -> str:
        """Return a value as another type; float to int cuts towards zero.

        Args:
            value: A value.
            dtype: Of numpy.
        """
        return self("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def dimension(self, value: str, axis: int) -> str:
        """Return a length as an int64 of shape ``()``.

        Args:
            value: A value.
            axis: Its axis.
        """
        return self("Gather", self("Shape", value), self.constant(axis, "int64"))

    def ratio(self, one: str, other: str) -> str:
        """Return the quotient of two scalars, int64 or float64, as the nearest float64.

        onnxruntime divides a scalar by multiplying with an inverse, which rounds twice; of vectors,
        it divides.

        Args:
            one: Of shape ``()``.
            other: Of shape ``()``.
        """
        axes = self.constant([0], "int64")
        flat = [self("Unsqueeze", self.as_type(one, "float64"), axes) for one in (one, other)]
        pairs = [self("Concat", each, each, axis=0) for each in flat]
        return self("Gather", self("Div", *pairs), self.constant(0, "int64"))

    def vector(self, *lengths: str) -> str:
        """Return scalars as one int64 vector.

        Args:
            lengths: Values of shape ``()``.
        """
        axes = self.constant([0], "int64")
        return self("Concat", *(self("Unsqueeze", one, axes) for one in lengths), axis=0)

    def rename(self, value: str, name: str) -> None:
        """Give a value the name by which another part of the model knows it.

        Args:
            value: A value of this graph.
            name: Its new name.
        """
        for node in self.nodes:
            node.input[:] = [name if one == value else one for one in node.input]
            node.output[:] = [name if one == value else one for one in node.output]

    def choose(self, condition: str, one: Graph, first: str, other: Graph, second: str) -> str:
        """Return ``first`` if the condition holds, else ``second``; only that is computed.

        Args:
            condition: A bool of shape ``()``.
            one: The graph of ``first``; it may use the values of this graph.
            first: A value of ``one``.
            other: The graph of ``second``.
            second: A value of ``other``.
        """
        branches = {"then_branch": one.finish([first]), "else_branch": other.finish([second])}
        return self("If", condition, **branches)

    def finish(self, outputs: Sequence[str]) -> GraphProto:
        """Return it as the body of a branch.

        Args:
            outputs: Its outputs; their types follow from the nodes.
        """
        values = [helper.make_empty_tensor_value_info(name) for name in outputs]
        return helper.make_graph(self.nodes, self.prefix, [], values, self.constants)
