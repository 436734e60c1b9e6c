# SPDX-License-Identifier: Apache-2.0
"""The service described by OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_service.asking import INCLUDES, STYLES
from zoo_service.negotiation import COCO, GEOJSON, JSON, PNG, offered_types
from zoo_service.problems import MEDIA_TYPE
from zoo_service.settings import MEGABYTE, Settings

__all__ = ["describe"]

_PROBLEMS = {
    400: "The body, the form or a parameter cannot be read.",
    404: "No model has that name.",
    406: "No answer is of a type that the client accepts.",
    408: "The body did not arrive in time.",
    413: "The body or the image is too large.",
    415: "The body is no image that the model reads.",
    422: "The image is damaged, or the model fails on it.",
    429: "Too many requests wait; Retry-After says when to come again.",
    431: "The header is too large.",
    500: "The process ended while it predicted, or the model does not fit its config.",
    501: "The server cannot write GeoJSON.",
    503: "Models are being opened, the service stops, or there are too many connections.",
    504: "There is no answer in time.",
    507: "The server's disk is full.",
}
_CONTENTS = {
    JSON: ({"type": "object"}, "`predictions.json` of `zoo predict`, for one image"),
    PNG: ({"type": "string", "format": "binary"}, "class ids, 8 bit, at the image's size"),
    COCO: ({"type": "object"}, "`coco.json` of `zoo predict`"),
    GEOJSON: ({"type": "object"}, "polygons, of an image with coordinates"),
}


def describe(settings: Settings, models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the description of a service.

    Args:
        settings: Its limits.
        models: Name of a model -> what clients may know of it.
    """
    import zoo

    paths: dict[str, Any] = {
        "/v1/models": _get("Models, their classes and answers", JSON, 503),
        "/health/live": _get("Whether the service answers", JSON, 503),
        "/health/ready": _get("Whether a model can predict", JSON, 503),
        "/metrics": _get("Counters, for Prometheus", "text/plain"),
        "/openapi.json": _get("This description", JSON),
    }
    for name, facts in models.items():
        address = f"/v1/models/{name}"
        paths[address] = _get(f"What {name} is", JSON, 404, 503)
        paths[f"{address}/predict"] = _predict(name, facts, settings)
        paths[f"{address}/overlay"] = _overlay(name, facts, settings)
    if len(models) == 1:
        name, facts = next(iter(models.items()))
        paths["/predict"] = _predict(name, facts, settings)
        paths["/overlay"] = _overlay(name, facts, settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zoo serve",
            "version": zoo.__version__,
            "description": "Image segmentation. Answers are those of `zoo predict`.",
        },
        "paths": paths,
        "components": {"schemas": {"Problem": _problem_schema()}},
    }


def _get(summary: str, media_type: str, *problems: int) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "object" if media_type == JSON else "string"}}}
    responses = {"200": {"description": summary, "content": content}, **_problems(*problems)}
    return {"get": {"summary": summary, "responses": responses}}


def _predict(name: str, facts: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    task = facts["task"]
    content = {}
    for media_type in offered_types(task):
        schema, text = _CONTENTS[media_type]
        content[media_type] = {"schema": {**schema, "description": text}}
    include = {"type": "array", "items": {"enum": list(INCLUDES[task])}}
    parameters = [
        _parameter("include", include, "Pixels that the JSON holds too.", explode=False),
        *_threshold(task),
    ]
    return _post(f"Segment an image with {name}", content, parameters, settings)


def _overlay(name: str, facts: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    content = {PNG: {"schema": {"type": "string", "format": "binary"}}}
    parameters = [
        _parameter("style", {"enum": list(STYLES)}, "How an object is drawn."),
        _parameter("opacity", _share(0.35), "Opacity of the fill."),
        *_threshold(facts["task"]),
    ]
    return _post(f"Draw what {name} finds over the image", content, parameters, settings)


def _threshold(task: str) -> list[dict[str, Any]]:
    found = _parameter("score_thr", _share(0.5), "Least score of an instance.")
    return [found] if task == "instance" else []


def _share(default: float) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": 1, "default": default}


def _parameter(name: str, schema: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema, **more}


def _post(
    summary: str, content: dict[str, Any], parameters: list[dict[str, Any]], settings: Settings
) -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "properties": {"image": image["schema"]}, "required": ["image"]}
    limits = f"At most {settings.max_bytes / MEGABYTE:g} MB and {settings.most_px / 1e6:g} million "
    limits += "pixels: PNG, JPEG, TIFF or BMP, 8 or 16 bit; DICOM if the model reads it."
    body = {
        "required": True,
        "description": limits,
        "content": {
            "image/*": image,
            "application/dicom": image,
            "application/octet-stream": image,
            "multipart/form-data": {"schema": form},
        },
    }
    responses = {"200": {"description": summary, "content": content}, **_problems(*_PROBLEMS)}
    operation = {"summary": summary, "parameters": parameters, "requestBody": body}
    return {"post": {**operation, "responses": responses}}


def _problems(*statuses: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": _PROBLEMS[status], "content": content} for status in statuses
    }


def _problem_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Problem details, RFC 9457.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "hint": {"type": "string", "description": "One thing to do."},
        },
    }
