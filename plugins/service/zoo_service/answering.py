# SPDX-License-Identifier: Apache-2.0
"""An image and a model: the answer in the form that a client wants, or a problem."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import encode_jpeg, encode_png, kind_of, read_header
from zoo.errors import DataError, ZooError
from zoo_service.asking import OVERLAY, Asked
from zoo_service.jobs import Answer
from zoo_service.negotiation import COCO, GEOJSON, JSON, PNG
from zoo_service.problems import MEDIA_TYPE, Problem, problem_body, without_paths

if TYPE_CHECKING:
    import zoo

__all__ = ["Served", "answer"]

_LOG = logging.getLogger(__name__)
_HEAD_BYTES = 1024
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "BMP": ".bmp", "JPEG 2000": ".jp2"}
# How the engine passes on what code of a model or of its transforms says, which may be anything.
_IS_OF_MODEL = re.compile(r"cannot predict on .*: the model fails: ", re.DOTALL)
_IS_OF_TRANSFORM = re.compile(r"cannot read '")
_DICOM_MARK = slice(128, 132)


@dataclass(frozen=True, slots=True)
class Served:
    """A model that answers.

    Args:
        predictor: The model.
        identity: What a result states about it.
        most_px: Pixels of an image.
    """

    predictor: zoo.Predictor
    identity: Mapping[str, str | None]
    most_px: int


def answer(served: Served, path: Path, name: str, asked: Asked) -> Answer:
    """Predict one image; whatever is wrong with it is an answer too.

    Args:
        served: The model.
        path: The image, alone in a folder; it gets the suffix that its content has.
        name: Its name in the answer.
        asked: What the client wants.
    """
    try:
        image = _as_file(served, path, name)
        served.predictor.score_thr = asked.score_thr
        result = served.predictor(image)
        media_type, body = _FORMS[asked.form](served, result, name, asked)
        return Answer(200, media_type, body)
    except Problem as problem:
        return _refused(problem.status, problem.detail, problem.hint)
    except DataError as error:
        return _bad_image(served, path.parent, error)
    except MemoryError:
        return _refused(422, "the image cannot be predicted: there is not enough memory.")
    except ZooError as error:
        _LOG.error("%s: %s", served.predictor.model.name, error)
        return _refused(500, "the model cannot predict this image; the server's log says why.")
    except Exception:  # noqa: BLE001 - whatever it is, it may be of this image alone
        _LOG.exception("%s fails", served.predictor.model.name)
        return _refused(500, "the image cannot be predicted; the server's log says why.")


def _bad_image(served: Served, folder: Path, error: DataError) -> Answer:
    """Say what is wrong with an image; what a model's own code says stays in the log."""
    hint = _for_clients(error.hint)
    if _IS_OF_MODEL.search(error.message):
        _LOG.error("%s: %s", served.predictor.model.name, error.message, exc_info=error.__cause__)
        return _refused(422, "the model fails on this image; the server's log says why.", hint)
    message = error.message.replace(f"{folder}/", "")
    if _IS_OF_TRANSFORM.match(message) and error.__cause__ is not None and error.hint is None:
        _LOG.error("%s: %s", served.predictor.model.name, error.message, exc_info=error.__cause__)
        message = "the model cannot read this image; the server's log says why."
    return _refused(422, without_paths(message), hint)


def _refused(status: int, detail: str, hint: str | None = None) -> Answer:
    return Answer(status, MEDIA_TYPE, problem_body(status, detail, hint))


def _for_clients(hint: str | None) -> str | None:
    """Return a hint that helps somebody who has no command line here."""
    if hint is None or "--" in hint or "pip install" in hint:
        return None
    return without_paths(hint)


def _as_file(served: Served, path: Path, name: str) -> Path:
    """Check an image by its first bytes, and give its file a name that readers expect."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    kind = kind_of(head)
    stem = name.rpartition(".")[0] or name
    if kind == "VRT":  # it would name files of the server
        message = "the body is a VRT, which names other files: expected one image."
        raise Problem(415, message, hint="gdal_translate IN.vrt OUT.tif makes one file of it.")
    suffix = ".dcm" if head[_DICOM_MARK] == b"DICM" else _SUFFIXES.get(kind or "")
    if suffix is None:
        message = "the body is no image: expected PNG, JPEG, TIFF, BMP or DICOM."
        raise Problem(415, message)
    image = path.rename(path.with_name(stem + suffix))
    if kind is not None:
        _check_size(image, served.most_px)
    elif not served.predictor.reads(image):
        message = f"the model {served.predictor.model.name!r} reads no DICOM: expected PNG, JPEG, "
        message += "TIFF or BMP."
        raise Problem(415, message)
    return image


def _check_size(image: Path, most_px: int) -> None:
    header = read_header(image.read_bytes(), image.name)
    if header.width_px * header.height_px > most_px:
        message = f"the image has {header.width_px}x{header.height_px} pixels: expected at most "
        message += f"{most_px / 1e6:g} million."
        raise Problem(413, message, hint="send a smaller image.")


def _json(served: Served, result: Any, name: str, asked: Asked) -> tuple[str, bytes]:
    import zoo

    document = zoo.results_json(served.predictor, {name: result}, identity=served.identity)
    entry = document["images"][0]
    if "label" in asked.include:
        entry["label"] = _data_url(PNG, encode_png(result.labels))
    if "masks" in asked.include and result.masks is not None:
        for index, instance in enumerate(entry["instances"]):
            instance["segmentation"] = result.rle(index)
    if "image" in asked.include:
        entry["image"] = _data_url("image/jpeg", encode_jpeg(result.shown))
    return JSON, json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def _labels(served: Served, result: Any, name: str, asked: Asked) -> tuple[str, bytes]:
    return PNG, encode_png(result.labels)


def _overlay(served: Served, result: Any, name: str, asked: Asked) -> tuple[str, bytes]:
    return PNG, encode_png(result.overlay(style=asked.style, opacity=asked.opacity))


def _coco(served: Served, result: Any, name: str, asked: Asked) -> tuple[str, bytes]:
    import zoo

    document = zoo.results_coco({name: result})
    text = json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"
    return COCO, text.encode()


def _geojson(served: Served, result: Any, name: str, asked: Asked) -> tuple[str, bytes]:
    import zoo

    if result.georeference is None:
        message = "the image states no coordinates: expected a GeoTIFF for GeoJSON."
        raise Problem(422, message, hint="send Accept: application/json.")
    try:
        return GEOJSON, zoo.geojson_text(result).encode()
    except ImportError as error:
        message = "this server writes no GeoJSON: it has no shapely."
        raise Problem(501, message, hint="send Accept: application/json.") from error


_FORMS = {JSON: _json, PNG: _labels, OVERLAY: _overlay, COCO: _coco, GEOJSON: _geojson}
