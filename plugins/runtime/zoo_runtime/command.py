# SPDX-License-Identifier: Apache-2.0
"""``python -m zoo_runtime MODEL IMAGE... --out DIR``: labels, overlays and one JSON."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_runtime.copied.documents import DocumentError, Limits, read_json
from zoo_runtime.errors import DataError, ZooRuntimeError

if TYPE_CHECKING:
    from zoo_runtime.predictor import Predictor
    from zoo_runtime.results import InstanceResult, SemanticResult

__all__ = ["main"]

_JSON_NAME = "predictions.json"
_SCHEMA = "zoo.runtime-prediction/1"
_EARLIER = Limits(size_bytes=2**29, values=2**26)  # of an earlier document of this command
_ELSEWHERE = "choose another folder with --out."


def main(words: Sequence[str] | None = None) -> int:
    """Predict images and write the results; return the exit code.

    It is 1 if an image failed, whose message is on stderr and in the JSON, and 2 if the model or
    an option is wrong.

    Args:
        words: Words of the command line; None for those of the process.
    """
    options = _parser().parse_args(words)
    try:
        outputs = list(_named(options.images, options.out))
        return _predict(options, outputs)
    except ZooRuntimeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1 if isinstance(error, DataError) else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zoo_runtime", description="Segment images with a model of zoo export."
    )
    parser.add_argument("model", metavar="MODEL", help="an .onnx that zoo export wrote")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="a PNG, JPEG, TIFF or BMP")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="output folder")
    parser.add_argument("--threads", type=int, help="default: the CPUs that it may use")
    parser.add_argument("--engine", default="onnxruntime", help="or openvino if it is installed")
    parser.add_argument("--score-thr", type=float, default=0.5, help="of instances; default: 0.5")
    parser.add_argument("--no-overlays", action="store_true", help="write no overlay PNGs")
    parser.add_argument(
        "--no-postprocess", action="store_true", help="return the network's own labels"
    )
    return parser


def _named(images: Sequence[str], out: Path) -> Iterator[tuple[str, str]]:
    """Yield each image with the start of its outputs' names, which must be different."""
    taken: dict[str, str] = {}
    for image in images:
        name = Path(image).stem
        if name in taken and taken[name] != image:
            message = f"cannot write into {str(out)!r}: {taken[name]!r} and {image!r} would have "
            message += "results of one name."
            raise DataError(message, path=image, hint="predict them into different folders.")
        if name not in taken:
            yield image, name
        taken[name] = image


def _predict(options: argparse.Namespace, outputs: Sequence[tuple[str, str]]) -> int:
    from zoo_runtime.predictor import Predictor

    predictor = Predictor(
        options.model,
        threads=options.threads,
        engine=options.engine,
        score_thr=options.score_thr,
        postprocess=None if options.no_postprocess else "model",
    )
    kinds = [] if predictor.task == "instance" else ["label"]
    kinds += [] if options.no_overlays else ["overlay"]
    files = [f"{name}_{kind}.png" for _, name in outputs for kind in kinds]
    path = options.out / _JSON_NAME
    known = _check_replaced(options.images, [*(options.out / name for name in files), path])
    entries: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    document = {**_head(predictor), "images": entries, "failures": failures}
    # Before the first image: what an interrupted run leaves is then known to the next one.
    _replace(path, _as_json({**document, "files": sorted(known.union(files))}))
    for image, name in outputs:
        try:
            result = predictor(image)
        except DataError as error:
            failures.append({"file": image, "error": error.message, "hint": error.hint})
            sys.stderr.write(f"failed: {error}\n")
            continue
        entries.append(_write(result, image, options.out / name, not options.no_overlays))
    made = {each[kind] for each in entries for kind in kinds}
    _replace(path, _as_json({**document, "files": sorted(known | made)}))
    sys.stdout.write(f"predicted {len(entries)} of {len(outputs)} images: {path}\n")
    return 1 if failures else 0


def _check_replaced(images: Sequence[str], paths: Sequence[Path]) -> set[str]:
    """Return the files that earlier runs wrote; refuse to replace any others, and the images."""
    given = set(filter(None, map(_identity, images)))
    known = _earlier(paths[-1])
    for path in paths:
        found = _identity(path)
        if found is None or (found not in given and path.name in known):
            continue
        fault = "it is one of the images" if found in given else "this command did not write it"
        message = f"cannot replace {path.name!r}: {fault}."
        raise DataError(message, path=path, hint=_ELSEWHERE)
    folder = paths[-1].parent
    return {name for name in known - {_JSON_NAME} if os.path.lexists(folder / name)}


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Return what tells a file from all others, whatever its path; None if there is none."""
    for look in (os.stat, os.lstat):  # of a link that leads nowhere, the link
        try:
            found = look(path)
        except (OSError, ValueError):
            continue
        return found.st_dev, found.st_ino
    return None


def _earlier(path: Path) -> set[str]:
    """Return the files that a document of this command lists, and itself; none of another's."""
    try:
        document = read_json(path, _EARLIER)
    except (OSError, DocumentError):
        return set()
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        return set()
    files = document.get("files")
    names = files if isinstance(files, list) else []
    return {_JSON_NAME, *(name for name in names if isinstance(name, str))}


def _as_json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


def _head(predictor: Predictor) -> dict[str, Any]:
    postprocess = predictor.postprocess
    return {
        "schema": _SCHEMA,
        "task": predictor.task,
        "model": {
            "name": predictor.record.name,
            "file": predictor.path.name,
            "sha256": predictor.sha256,
        },
        "classes": list(predictor.classes),
        "palette": [list(color) for color in predictor.record.palette],
        "notice": predictor.record.notice,
        "postprocess": postprocess.to_json() if postprocess else None,
    }


def _write(
    result: SemanticResult | InstanceResult, image: str, start: Path, with_overlay: bool
) -> dict[str, Any]:
    """Write the files of an image, and return its entry in the JSON."""
    from zoo_runtime.copied.pictures.pixels import encode_png

    entry: dict[str, Any] = {"file": Path(image).as_posix()}
    if with_overlay:
        overlay = start.with_name(f"{start.name}_overlay.png")
        _replace(overlay, encode_png(result.overlay()))
        entry["overlay"] = overlay.name
    if result.task == "instance":
        rows = zip(result.class_ids, result.scores, result.boxes, result.areas_px, strict=True)
        found = [
            {
                "class": result.classes[index],
                "score": round(float(score), 4),
                "box": [round(float(side), 2) for side in box],
                "area_px": int(area),
            }
            for index, score, box, area in rows
        ]
        if result.masks is not None:
            found = [{**each, "segmentation": result.rle(i)} for i, each in enumerate(found)]
        size = {"height_px": result.height_px, "width_px": result.width_px}
        return {**entry, **size, "score_thr": result.score_thr, "instances": found}
    label = start.with_name(f"{start.name}_label.png")
    _replace(label, encode_png(result.labels))
    height_px, width_px = result.labels.shape
    areas = {
        name: {"px": area, "fraction": area / result.labels.size}
        for name, area in result.areas_px.items()
    }
    size = {"height_px": height_px, "width_px": width_px}
    return {**entry, "label": label.name, **size, "areas": areas}


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    staged = path.with_name(f".{secrets.token_hex(8)}.part")  # two runs may write into one folder
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with staged.open("xb") as file:
                file.write(data)
            os.replace(staged, path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"cannot write {path.name!r}: {error.strerror}."
        raise DataError(message, path=path, hint=_ELSEWHERE) from error
