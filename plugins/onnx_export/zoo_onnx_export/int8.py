# SPDX-License-Identifier: Apache-2.0
"""``zoo export --to onnx_int8``: a file in 8 bits, kept only where it is faster."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zoo
from zoo.data import write_file
from zoo.interfaces import ExportOptions
from zoo_onnx_export.after import LABELS
from zoo_onnx_export.certificate import certify
from zoo_onnx_export.comparing import Measured, compare
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.exporter import make_graph
from zoo_onnx_export.images import Images, Sample, find_held_out, is_prepared, read_split
from zoo_onnx_export.instances.comparing import MeasuredInstances
from zoo_onnx_export.quantising import METHOD, count_quantised, quantise
from zoo_onnx_export.record import add_record, with_certificate
from zoo_onnx_export.running import Session

__all__ = ["write_int8"]

_REPEATS = 7


def write_int8(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model in 8 bits as one certified file, and return its certificate.

    Args:
        model: A semantic model, on the CPU.
        out: The file to write. It appears whole or not at all.
        options: What the command was told; its data are a prepared folder.

    Raises:
        ExportError: There are no data, a part of the model cannot be exported, the file departs
            from the model by more than 8 bits may, or it is not faster than one of floats.
        DataError: The data cannot be read.
    """
    name, classes, task = options.name, model.model.classes, model.model.task
    if task != "semantic":
        message = f"cannot export {name!r} in 8 bits: its task is {task!r}, expected 'semantic'."
        raise ExportError(message, where="--to onnx_int8", hint="zoo predict runs it as it is.")
    calibration, held_out = _read_data(options, classes)
    floats = make_graph(model, name)
    quantised = quantise(floats, calibration.samples, name)
    add_record(quantised, model, name, quantisation=_state(count_quantised(quantised), calibration))
    graph = quantised.SerializeToString(deterministic=True)
    certificate, measured = certify(model, Session(graph, str(out)), held_out, is_quantised=True)
    if not certificate["passed"]:
        message = f"cannot export {name!r} in 8 bits: it departs from the model: {_told(measured)}."
        raise ExportError(message, where=_where(options), hint="use --to onnx.")
    # Of other sizes and batches, the file in floats answers for both.
    measured = compare(model, Session(floats, str(out)), held_out.samples)
    if measured.departures():
        message = f"cannot export {name!r} in 8 bits: it departs in floats: {_told(measured)}."
        raise ExportError(message, where=str(out), hint="use --to onnx, which names the layer.")
    speed = {**certificate["speed"], **_measure_cores(floats, graph, held_out.samples[0])}
    if not speed["exported_core_ms"] < speed["float_core_ms"]:
        message = f"cannot export {name!r} in 8 bits: it is not faster on this machine: an image "
        message += f"takes {speed['exported_core_ms']:.1f} ms of one core, and in floats "
        message += f"{speed['float_core_ms']:.1f} ms."
        hint = "use --to onnx, or export it on the machine that is to run it."
        raise ExportError(message, where=_where(options), hint=hint)
    certificate["speed"] = speed
    # The calibration leaves memory behind, with which a first call makes do: it tells nothing.
    certificate["memory"] = dict.fromkeys(certificate["memory"])
    write_file(out, with_certificate(graph, certificate))
    return certificate


def _told(measured: Measured | MeasuredInstances) -> str:
    return "; ".join(str(one) for one in measured.departures())


def _where(options: ExportOptions) -> str:
    return f"--data {options.data}"


def _read_data(options: ExportOptions, classes: tuple[str, ...]) -> tuple[Images, Images]:
    """Return the images to calibrate on, and those to compare on."""
    start = f"cannot export {options.name!r} in 8 bits: it is calibrated on images, and "
    hint = "give a folder of zoo data prepare: --data DIR."
    if options.data is None:
        message = start + "there are none."
        raise ExportError(message, where="--data", hint=hint)
    if not is_prepared(options.data):
        message = start + f"{options.data.name!r} is no prepared folder."
        raise ExportError(message, where=_where(options), hint=hint)
    calibration = read_split(options.data, classes, "train")
    if not calibration.samples:
        message = start + f"the train split of {options.data.name!r} is empty."
        hint = "prepare it with --shares, for example 0.8,0.1,0.1."
        raise ExportError(message, where=_where(options), hint=hint)
    return calibration, find_held_out(options.data, classes)


def _state(layers: int, calibration: Images) -> dict[str, Any]:
    """Return what the record says of the quantisation."""
    on = {**calibration.facts, "images": len(calibration.samples)}
    return {**METHOD, "layers": layers, "calibrated_on": on}


def _measure_cores(floats: bytes, quantised: bytes, sample: Sample) -> dict[str, float]:
    """Return the least time that one core computes for an image, in turns; both wait for nobody.

    A core's own time tells which is faster also where other work wants the same cores.
    """
    sessions = {
        side: Session(graph, side, threads=1)
        for side, graph in (("float", floats), ("exported", quantised))
    }
    times: dict[str, list[float]] = {side: [] for side in sessions}
    for _ in range(_REPEATS):
        for side, session in sessions.items():
            started = time.thread_time()
            session(sample.pixels[None], (LABELS,))
            times[side].append(1000 * (time.thread_time() - started))
    return {f"{side}_core_ms": round(min(one), 2) for side, one in times.items()}
