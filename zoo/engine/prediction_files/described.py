# SPDX-License-Identifier: Apache-2.0
"""Results as documents for programs: zoo's own JSON, and COCO JSON; GeoJSON is beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction.results import InstanceResult, SemanticResult
    from zoo.engine.scenes.scene import Georeference

__all__ = [
    "coco_document",
    "coco_image",
    "coco_rows",
    "instance_entry",
    "json_head",
    "results_coco",
    "results_json",
    "semantic_entry",
]


def results_json(
    predictor: Predictor,
    results: Mapping[str, SemanticResult | InstanceResult],
    *,
    identity: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """Return results as the ``predictions.json`` of ``zoo predict``, without files beside it.

    Args:
        predictor: The predictor that returned them.
        results: Name of an image -> its result.
        identity: ``predictor.model.identity()``, if it is known: it may hash the weights.

    Returns:
        JSON values of the schema ``zoo.prediction/1``; ``label``, ``overlay``, ``geojson`` and
        ``coco``, the names of files, are None.
    """
    entries, first = [], 1
    for file, result in results.items():
        if result.task == "semantic":
            entries.append(semantic_entry(result, file))
            continue
        rows = coco_rows(result, 1 + len(entries), first)
        first += len(rows)
        entries.append(instance_entry(result, rows, file))
    head = json_head(predictor, identity or predictor.model.identity())
    shared = {} if predictor.model.task == "semantic" else {"coco": None}
    return {**head, "complete": True, **shared, "images": entries, "failures": []}


def results_coco(results: Mapping[str, InstanceResult]) -> dict[str, Any]:
    """Return results as the ``coco.json`` of ``zoo predict``.

    Args:
        results: Name of an image -> its result, at least one, all of one model.

    Returns:
        COCO JSON with boxes ``xywh`` in px and masks as compact RLE.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    classes: Sequence[str] = ()
    for image_id, (file, result) in enumerate(results.items(), 1):
        classes = result.classes
        images.append(coco_image(result, image_id, file))
        annotations += coco_rows(result, image_id, 1 + len(annotations))
    return coco_document(classes, images, annotations)


def json_head(predictor: Predictor, identity: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the keys of ``predictions.json`` that say which model predicted.

    Args:
        predictor: The predictor.
        identity: What its model's ``identity()`` returns.
    """
    model, postprocess = predictor.model, predictor.postprocess
    return {
        "schema": "zoo.prediction/1",
        "task": model.task,
        "model": dict(identity),
        "classes": list(model.classes),
        "palette": [list(color) for color in model.palette],
        "notice": model.notice,
        "postprocess": postprocess.to_json() if postprocess else None,
    }


def semantic_entry(
    result: SemanticResult, file: str, *, label: str | None = None, overlay: str | None = None
) -> dict[str, Any]:
    """Return what ``predictions.json`` says about an image of a semantic model.

    Args:
        result: The model's prediction.
        file: The image.
        label: Name of the label PNG, if one is written.
        overlay: Name of the overlay PNG, if one is written.
    """
    height_px, width_px = result.labels.shape
    areas_mm2, areas_m2 = result.areas_mm2, result.areas_m2
    return {
        "file": file,
        "label": label,
        "overlay": overlay,
        "height_px": height_px,
        "width_px": width_px,
        **({} if result.windows is None else {"windows": result.windows}),
        "areas": {
            name: {"px": area_px, "fraction": area_px / result.labels.size}
            | ({} if areas_mm2 is None else {"mm2": areas_mm2[name]})
            | ({} if areas_m2 is None else {"m2": round(areas_m2[name], 3)})
            for name, area_px in result.areas_px.items()
        },
        "meta": dict(result.meta),
        **_place(result.georeference),
    }


def instance_entry(
    result: InstanceResult,
    rows: Sequence[Mapping[str, Any]],
    file: str,
    *,
    overlay: str | None = None,
    geojson: str | None = None,
) -> dict[str, Any]:
    """Return what ``predictions.json`` says about an image of an instance model.

    Args:
        result: The model's prediction.
        rows: Its annotations, from `coco_rows`.
        file: The image.
        overlay: Name of the overlay PNG, if one is written.
        geojson: Name of the GeoJSON, if one is written.
    """
    return {
        "file": file,
        "overlay": overlay,
        "geojson": geojson,
        "height_px": result.height_px,
        "width_px": result.width_px,
        "windows": result.windows,
        "score_thr": result.score_thr,
        "counts": result.counts,
        "counts_at": {f"{thr:.1f}": count for thr, count in result.counts_at.items()},
        "instances": [
            {
                "id": row["id"],
                "class": result.classes[row["category_id"] - 1],
                "score": row["score"],
                "box": [*row["bbox"][:2], *_far_corner(row["bbox"])],
                "area_px": row["area"],
            }
            for row in rows
        ],
        "meta": dict(result.meta),
        **_place(result.georeference),
    }


def coco_image(result: InstanceResult, image_id: int, file: str) -> dict[str, Any]:
    """Return an image as COCO lists it.

    Args:
        result: The model's prediction for it.
        image_id: Its id.
        file: Its name.
    """
    size = {"width": result.width_px, "height": result.height_px}
    return {"id": image_id, "file_name": file, **size}


def coco_rows(result: InstanceResult, image_id: int, first: int) -> list[dict[str, Any]]:
    """Return an image's instances as annotations of COCO.

    Args:
        result: The model's prediction.
        image_id: Id of the image.
        first: Id of the first instance.
    """
    areas = result.areas_px.tolist()
    rows = []
    for index, (left, top, right, bottom) in enumerate(result.boxes.tolist()):
        row = {
            "id": first + index,
            "image_id": image_id,
            "category_id": int(result.class_ids[index]) + 1,
            "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
            "area": areas[index],
            "iscrowd": 0,
            "score": round(float(result.scores[index]), 4),
        }
        if result.masks is not None:
            row["segmentation"] = result.rle(index)
        rows.append(row)
    return rows


def coco_document(
    classes: Sequence[str], images: Iterable[object], annotations: Iterable[object]
) -> dict[str, Any]:
    """Return a COCO JSON.

    Args:
        classes: The name of each id; COCO's ids begin at 1.
        images: From `coco_image`; kept as they are, an iterator too.
        annotations: From `coco_rows`.
    """
    return {
        "info": {"description": "instances that zoo predict found", "version": "1"},
        "licenses": [],
        "images": images,
        "categories": [
            {"id": index, "name": name, "supercategory": ""}
            for index, name in enumerate(classes, start=1)
        ],
        "annotations": annotations,
    }


def _place(found: Georeference | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {"georeference": {"crs": found.crs, "transform": list(found.transform)}}


def _far_corner(bbox: Sequence[float]) -> list[float]:
    left, top, width, height = bbox
    return [round(left + width, 2), round(top + height, 2)]
