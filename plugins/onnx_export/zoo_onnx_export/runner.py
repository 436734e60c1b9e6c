# SPDX-License-Identifier: Apache-2.0
"""Open an export again: predict with it, and verify it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import zoo
from zoo.data import count_labels, read_picture, to_uint8
from zoo_onnx_export.after import LABELS, PROBABILITIES
from zoo_onnx_export.certificate import certify
from zoo_onnx_export.comparing import UNLABELLED, Measured, measure_metric
from zoo_onnx_export.errors import FileError
from zoo_onnx_export.images import Images, find_held_out, find_images, is_prepared
from zoo_onnx_export.instances.comparing import MeasuredInstances
from zoo_onnx_export.instances.running import Found, find_instances
from zoo_onnx_export.record import make_record, read_export
from zoo_onnx_export.running import Session
from zoo_onnx_export.tolerances import TOLERANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OnnxModel"]

_OF_THE_FILE = {"made_with", "quantisation"}  # keys that the original knows nothing of


class OnnxModel:
    """An export that predicts and verifies itself.

    Args:
        path: The file.

    Raises:
        FileError: It is no file of format 1, was changed, or cannot be run here.
    """

    def __init__(self, path: Path) -> None:
        opened = read_export(path)
        self.path = path
        self.record: Mapping[str, Any] = opened.record
        self.certificate: Mapping[str, Any] = opened.certificate
        self._graph = opened.graph
        self._is_quantised = opened.is_quantised
        self._session = Session(opened.graph, str(path))

    def __call__(self, image: Any) -> zoo.SemanticResult | Found:
        """Return the labels of one image as the network gives them, or the objects in it.

        Args:
            image: A path, or an array ``(H, W)`` or ``(H, W, 3)`` RGB, 8 or 16 bit.
        """
        given = image if isinstance(image, np.ndarray) else read_picture(image).to_uint8()
        if self.record["task"] == "instance":
            return find_instances(self._session, given, self.record["mask_threshold"])
        pixels = _as_rgb(given)
        classes = tuple(self.record["classes"])
        (found,) = self._session(pixels[None], (LABELS,))
        self._check_labels(found, (1, *pixels.shape[:2]), len(classes))
        labels = found[0]
        counts = count_labels(labels)
        return zoo.SemanticResult(
            labels=labels,
            classes=classes,
            palette=tuple((int(r), int(g), int(b)) for r, g, b in self.record["palette"]),
            areas_px={name: int(counts[index]) for index, name in enumerate(classes)},
            meta={},
            shown=pixels,
            notice=self.record.get("notice"),
        )

    def probabilities(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return how probable each class is at each pixel, ``(C, h, w)``.

        Args:
            image: ``(h, w)`` or ``(h, w, 3)`` RGB, 8 or 16 bit.

        Raises:
            FileError: The file returns none of this shape.
        """
        pixels, classes = _as_rgb(image), len(self.record["classes"])
        (found,) = self._session(pixels[None], (PROBABILITIES,))
        expected = (1, classes, *pixels.shape[:2])
        if found.dtype != np.float32 or found.shape != expected:
            message = f"cannot use the probabilities of {self.path.name!r}: they are "
            message += f"{found.dtype} {list(found.shape)}, expected float32 {list(expected)}."
            raise FileError(message, where=self.path, hint="export the model again.")
        shares: NDArray[np.float32] = found[0]
        return shares

    def _check_labels(self, found: Any, shape: tuple[int, ...], classes: int) -> None:
        """Refuse what is no label map of the image: anyone may have made the file."""
        fault = None
        if found.dtype != np.uint8 or found.shape != shape:
            fault = f"they are {found.dtype} {list(found.shape)}, expected uint8 {list(shape)}"
        elif not ((found < classes) | (found == UNLABELLED)).all():
            fault = f"one is not among its {classes} classes"
        if fault is not None:
            message = f"cannot use the labels of {self.path.name!r}: {fault}."
            raise FileError(message, where=self.path, hint="export the model again.")

    def verify(self, model: zoo.Predictor | None, data: Path | None) -> Mapping[str, Any]:
        """Return the certificate, made again if the original is given.

        Without the original, the digest of the graph has been compared with the certificate.

        Args:
            model: The original, or None.
            data: Images to compare on; None for what the weights have as a sample.

        Raises:
            FileError: The original is another one, or the file departs from it.
        """
        if model is None:
            again = {} if data is None else self._measured(data)
            return {**self.certificate, **again, "compared_again": False}
        sha256 = model.model.identity()["sha256"]
        if sha256 != self.record.get("weights_sha256"):
            message = f"cannot verify {self.path.name!r}: it was made from other weights than "
            message += f"{model.model.name!r}: sha256 {self.record.get('weights_sha256')!s:.12}, "
            message += f"found {sha256!s:.12}."
            hint = "name the model that it was made from, or export it again."
            raise FileError(message, where=self.path, hint=hint)
        self._check_record(model)
        images = self._find_images(data)
        certificate, measured = certify(
            model, self._session, images, is_quantised=self._is_quantised
        )
        self._check(measured)
        digest = hashlib.sha256(self._graph).hexdigest()
        return {**certificate, "graph_sha256": digest, "compared_again": True}

    def _check_record(self, model: zoo.Predictor) -> None:
        """Refuse a record that the original would not write, but for what is the file's own."""
        wanted = json.loads(json.dumps(make_record(model, model.model.name)))
        keys = sorted((wanted.keys() | self.record.keys()) - _OF_THE_FILE)
        differing = [key for key in keys if self.record.get(key) != wanted.get(key)]
        if not differing:
            return
        key, name = differing[0], model.model.name
        found, expected = self.record.get(key), wanted.get(key)
        if differing == ["name"]:  # the folder of its run, or its checkpoint, was renamed
            message = f"cannot verify {self.path.name!r}: its model is named {found!r:.60}, and "
            message += f"the same model is now named {name!r}."
            hint = "rename it back, its work dir or its file, or export it again."
        else:
            message = f"cannot verify {self.path.name!r}: its record is not that of {name!r}: "
            message += f"{key!r} is {found!r:.60}, expected {expected!r:.60}."
            hint = "name the model that it was made from, or export it again."
        raise FileError(message, where=self.path, hint=hint)

    def _find_images(self, data: Path | None) -> Images:
        """Return what to compare on; of 8 bits, never what they were calibrated on."""
        classes = self.record["classes"]
        if self._is_quantised and data is not None and is_prepared(data):
            return find_held_out(data, classes)
        return find_images(classes, self.record["name"], data, task=self.record["task"])

    def _measured(self, data: Path) -> Mapping[str, Any]:
        """Return the metric on images with truth; on those of the certificate, it is the same."""
        if self.record["task"] == "instance":
            return {}  # there is no metric to measure without the original
        classes = self.record["classes"]
        images = self._find_images(data)
        metric = measure_metric(self._session, images.samples, len(classes))
        stated = self.certificate.get("metric")
        compared_on = self.certificate.get("data")
        digest = compared_on.get("sha256") if isinstance(compared_on, Mapping) else None
        is_same = images.facts["sha256"] == digest
        if metric is not None and stated is not None and is_same:
            difference = abs(metric["exported"] - stated["exported"])
            if not difference <= TOLERANCE["metric"]:
                message = f"cannot verify {self.path.name!r}: its mean IoU is "
                message += (
                    f"{metric['exported']:.4f}, expected {stated['exported']:.4f} as certified."
                )
                hint = "export it again with this version of onnxruntime."
                raise FileError(message, where=data, hint=hint)
        return {"images": len(images.samples), "data": images.facts, "metric": metric}

    def _check(self, measured: Measured | MeasuredInstances) -> None:
        departures = measured.departures()
        if departures:
            message = f"cannot verify {self.path.name!r}: it departs from its original: "
            message += "; ".join(str(one) for one in departures) + "."
            hint = "export it again with this version of zoo."
            raise FileError(message, where=self.path, hint=hint)


def _as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    pixels = to_uint8(image)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
