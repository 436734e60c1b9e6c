# SPDX-License-Identifier: Apache-2.0
"""``zoo export --to onnx``: one file that is the whole model and proves that it still is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zoo
from zoo.data import write_file
from zoo.interfaces import ExportOptions
from zoo_onnx_export.assembly import assemble
from zoo_onnx_export.before import build_before
from zoo_onnx_export.certificate import certify
from zoo_onnx_export.comparing import Measured
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.images import find_images
from zoo_onnx_export.instances.building import build_instances
from zoo_onnx_export.instances.comparing import MeasuredInstances
from zoo_onnx_export.instances.layers import first_departing_part
from zoo_onnx_export.layers import first_departing
from zoo_onnx_export.network import check_segmentor, trace_network
from zoo_onnx_export.record import add_record, with_certificate
from zoo_onnx_export.running import Session

__all__ = ["make_certified", "make_graph", "write_export"]


def write_export(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model as one certified file, and return its certificate.

    Args:
        model: A semantic or instance model, on the CPU.
        out: The file to write. It appears whole or not at all.
        options: What the command was told.

    Raises:
        ExportError: A part of the model cannot be exported, or the file departs from the model.
        DataError: The images of the comparison cannot be read.
    """
    graph, certificate = make_certified(model, out, options)
    write_file(out, with_certificate(graph, certificate))
    return certificate


def make_certified(
    model: zoo.Predictor, out: Path, options: ExportOptions
) -> tuple[bytes, dict[str, Any]]:
    """Return the file without its certificate, and the certificate, which passed.

    Args:
        model: A semantic model, on the CPU.
        out: The file that will be written, for messages.
        options: What the command was told.

    Raises:
        ExportError: A part of the model cannot be exported, or the file departs from the model.
        DataError: The images of the comparison cannot be read.
    """
    graph = make_graph(model, options.name)
    images = find_images(model.model.classes, options.name, options.data, task=model.model.task)
    certificate, measured = certify(model, Session(graph, str(out)), images)
    if not certificate["passed"]:
        raise _departed(model, options.name, measured)
    return graph, certificate


def make_graph(model: zoo.Predictor, name: str) -> bytes:
    """Return the file without its certificate; equal models give equal bytes.

    Args:
        model: A semantic or instance model, on the CPU.
        name: Its name.

    Raises:
        ExportError: A part of it cannot be exported.
    """
    opened = model.model
    if opened.task == "instance":
        made = build_instances(model, name).model
    else:
        check_segmentor(opened.module, name)
        before = build_before(model)
        traced = trace_network(opened.module, name, before.channels, before.fixed)
        made = assemble(before, traced, opened.module, len(opened.classes), name)
    add_record(made, model, name)
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _departed(
    model: zoo.Predictor, name: str, measured: Measured | MeasuredInstances
) -> ExportError:
    """Return the error of an export that is not its original, with the first layer at fault."""
    said = "; ".join(str(one) for one in measured.departures())
    find = first_departing_part if isinstance(measured, MeasuredInstances) else first_departing
    layer = None if measured.worst is None else find(model, measured.worst)
    if layer is None:
        place = "every layer agrees by itself: it is in the pre- or post-processing"
    else:
        place = f"the first layer that departs is {layer}"
    message = f"cannot export {name!r}: the export departs from it: {said}; {place}."
    where = None if measured.worst is None else os.fspath(measured.worst.name)
    return ExportError(message, where=where, hint="run it by zoo predict, or exchange that layer.")
