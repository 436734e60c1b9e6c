# SPDX-License-Identifier: Apache-2.0
"""The certificate of an export: made by comparing, and told in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnxruntime

import zoo
from zoo_onnx_export.comparing import Measured, compare, semantic_calls
from zoo_onnx_export.images import Images
from zoo_onnx_export.instances.comparing import MeasuredInstances, compare_instances
from zoo_onnx_export.instances.running import instance_calls
from zoo_onnx_export.running import Session
from zoo_onnx_export.timing import measure_memory, measure_speed
from zoo_onnx_export.tolerances import INSTANCE_TOLERANCE, QUANTISED_TOLERANCE, TOLERANCE

__all__ = ["certify", "find_fault", "tell"]

_SIDES = ("original", "exported")


def certify(
    model: zoo.Predictor, session: Session, images: Images, *, is_quantised: bool = False
) -> tuple[dict[str, Any], Measured | MeasuredInstances]:
    """Return a certificate and what it is made from.

    Args:
        model: The original.
        session: The graph.
        images: What to compare on.
        is_quantised: Whether the graph is in 8 bits.

    Raises:
        DataError: The original fails on an image.
        FileError: The graph fails on one.
    """
    is_semantic, first = model.model.task == "semantic", images.samples[0].pixels
    calls = (semantic_calls if is_semantic else instance_calls)(model, session, first)
    memory = measure_memory(calls)
    measured: Measured | MeasuredInstances = (
        compare(model, session, images.samples, is_quantised=is_quantised)
        if is_semantic
        else compare_instances(model, session, images.samples)
    )
    machine = zoo.find_machine()
    certificate = {
        "images": measured.images,
        "data": images.facts,
        "sizes": measured.sizes,
        **measured.values(),
        "tolerance": dict(measured.tolerance),
        "speed": measure_speed(calls),
        "memory": memory,
        "machine": f"{machine.cpus} CPUs",
        "versions": {"onnxruntime": onnxruntime.__version__, "zoo": zoo.__version__},
        "passed": not measured.departures(),
    }
    return certificate, measured


def find_fault(
    certificate: Mapping[str, Any], task: str = "semantic", *, is_quantised: bool = False
) -> str | None:
    """Return what a certificate of a file says against the file, as a clause, or None.

    The tolerance is this version's: one that the certificate states is what its author wants.

    Args:
        certificate: What the file holds, which anyone may have written.
        task: What the model predicts.
        is_quantised: Whether the file says that its graph is in 8 bits.
    """
    tolerance = QUANTISED_TOLERANCE if is_quantised else TOLERANCE
    if certificate.get("passed") is not True:
        return "its certificate does not say that it passed"
    if task == "instance":
        return _out_of(
            INSTANCE_TOLERANCE, {key: certificate.get(key) for key in INSTANCE_TOLERANCE}
        )
    values: dict[str, Any] = {"labels_differ": certificate.get("labels_differ")}
    # Other writers of format 1 may compare labels alone.
    if certificate.get("largest_difference") is not None and not is_quantised:
        values["largest_difference"] = certificate["largest_difference"]
    if certificate.get("metric") is not None:
        values["metric"] = _difference(certificate["metric"])
    return _out_of(tolerance, values)


def _out_of(tolerance: Mapping[str, float], values: Mapping[str, Any]) -> str | None:
    for name, value in values.items():
        if not (_is_number(value) and 0 <= value <= tolerance[name]):
            return f"its certificate states no {name} from 0 to {tolerance[name]}"
    return None


def _difference(metric: Any) -> Any:
    """Return by how much both sides of a metric differ; None if it has no such shape."""
    table: Mapping[str, Any] = metric if isinstance(metric, Mapping) else {}
    sides: list[Any] = [table.get(side) for side in _SIDES]
    return abs(sides[0] - sides[1]) if all(map(_is_number, sides)) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def tell(certificate: Mapping[str, Any]) -> list[str]:
    """Return a certificate as lines for people.

    Args:
        certificate: As `certify` returns it.
    """
    data, speed = certificate["data"], certificate["speed"]
    lines = [f"compared on {certificate['images']} images: {data['kind']} {data['name']}"]
    if "labels_differ" in certificate:
        lines += [
            f"labels that differ: {certificate['labels_differ']:.4%}",
            f"largest difference of a probability: {certificate['largest_difference']:.2g}",
        ]
    else:
        lines += [
            f"objects: {certificate['objects']}, differing {certificate['detections_differ']}",
            f"largest difference of a box: {certificate['largest_box_px']:.2g} px",
            f"largest difference of a score: {certificate['largest_score']:.2g}",
            f"pixels of masks that differ: {certificate['masks_differ']:.4%}",
        ]
    metric = certificate["metric"]
    if metric is not None:
        lines.append(f"mean IoU: {metric['original']:.4f}, exported {metric['exported']:.4f}")
    lines.append(
        f"time of an image: {speed['original_ms']:.0f} ms, exported {speed['exported_ms']:.0f} ms"
    )
    if "float_core_ms" in speed:
        pair = [f"{speed[key]:.0f} ms" for key in ("float_core_ms", "exported_core_ms")]
        lines.append(f"time of an image on one core: {pair[0]} in floats, {pair[1]} in 8 bits")
    memory = certificate["memory"]
    if None not in memory.values():
        original, exported = (memory[f"{side}_bytes"] / 2**20 for side in ("original", "exported"))
        lines.append(f"memory on top: {original:.0f} MB, exported {exported:.0f} MB")
    return lines
