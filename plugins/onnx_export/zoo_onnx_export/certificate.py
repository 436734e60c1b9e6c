# SPDX-License-Identifier: Apache-2.0
"""The certificate of an export: made by comparing, and told in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnxruntime

import zoo
from zoo_onnx_export.comparing import (
    QUANTISED_TOLERANCE,
    TOLERANCE,
    Measured,
    compare,
    measure_memory,
    measure_speed,
)
from zoo_onnx_export.images import Images
from zoo_onnx_export.running import Session

__all__ = ["certify", "find_fault", "tell"]

_SIDES = ("original", "exported")


def certify(
    model: zoo.Predictor, session: Session, images: Images, *, is_quantised: bool = False
) -> tuple[dict[str, Any], Measured]:
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
    memory = measure_memory(model, session, images.samples[0])
    measured = compare(model, session, images.samples, is_quantised=is_quantised)
    machine = zoo.find_machine()
    certificate = {
        "images": measured.images,
        "data": images.facts,
        "sizes": measured.sizes,
        "labels_differ": measured.labels_differ,
        "largest_difference": measured.largest,
        "metric": measured.metric(),
        "tolerance": dict(measured.tolerance),
        "speed": measure_speed(model, session, images.samples[0]),
        "memory": memory,
        "machine": f"{machine.cpus} CPUs",
        "versions": {"onnxruntime": onnxruntime.__version__, "zoo": zoo.__version__},
        "passed": not measured.departures(),
    }
    return certificate, measured


def find_fault(certificate: Mapping[str, Any], *, is_quantised: bool = False) -> str | None:
    """Return what a certificate of a file says against the file, as a clause, or None.

    The tolerance is this version's: one that the certificate states is what its author wants.

    Args:
        certificate: What the file holds, which anyone may have written.
        is_quantised: Whether the file says that its graph is in 8 bits.
    """
    tolerance = QUANTISED_TOLERANCE if is_quantised else TOLERANCE
    if certificate.get("passed") is not True:
        return "its certificate does not say that it passed"
    values: dict[str, Any] = {"labels_differ": certificate.get("labels_differ")}
    # Other writers of format 1 may compare labels alone.
    if certificate.get("largest_difference") is not None and not is_quantised:
        values["largest_difference"] = certificate["largest_difference"]
    if certificate.get("metric") is not None:
        values["metric"] = _difference(certificate["metric"])
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
    lines = [
        f"compared on {certificate['images']} images: {data['kind']} {data['name']}",
        f"labels that differ: {certificate['labels_differ']:.4%}",
        f"largest difference of a probability: {certificate['largest_difference']:.2g}",
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
