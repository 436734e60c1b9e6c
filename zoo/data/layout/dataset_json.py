# SPDX-License-Identifier: Apache-2.0
"""Read ``dataset.json``: check each key, then verify its digest."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.data.bands.table import BandTable
from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.plan import is_stem
from zoo.data.layout.prepared import (
    LABELS,
    SCHEMA,
    MaskedFile,
    Prepared,
    PreparedFile,
    Split,
    WindowFile,
    digest_of_content,
    splits_of,
)
from zoo.data.layout.splits import SPLITS, Shares
from zoo.data.source.synthetic import Synthetic
from zoo.documents import DocumentError, Limits, read_file, read_json, read_text, reason_of
from zoo.errors import DataError
from zoo.fields import Fields

__all__ = ["LIMITS", "is_prepared", "read_prepared"]

LIMITS = Limits(size_bytes=2**28, values=10_000_000)
"""Of what ``zoo data prepare`` writes: room for some 400,000 images."""
_AGAIN = "remove the folder and prepare it again."
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,199}"


def is_prepared(root: Path) -> bool:
    """Is there a ``dataset.json`` in the folder?

    Args:
        root: Any path.
    """
    return os.path.isfile(Path(root) / "dataset.json")


def read_prepared(root: Path) -> Prepared:
    """Return the facts in ``dataset.json`` of a prepared folder, without opening images.

    An unchanged folder is read only once per process.

    Args:
        root: A folder that ``zoo data prepare`` wrote.

    Raises:
        DataError: It is not a prepared folder, was written by a newer zoo, or ``dataset.json`` and
            the split lists disagree.
    """
    return _read(Path(root), _stamp(Path(root)))


def _stamp(root: Path) -> tuple[object, ...]:
    """Return a value that changes with the files read; used to cache repeated reads."""
    lists = (root / "splits" / f"{split}.txt" for split in SPLITS)
    return tuple(_stamp_of_file(path) for path in (root / "dataset.json", *lists))


def _stamp_of_file(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=4)
def _read(root: Path, stamp: tuple[object, ...]) -> Prepared:
    content = _read_content(root)
    try:
        prepared = _parse(root, content)
    except (DocumentError, DataError) as error:
        message = f"cannot read dataset.json: {reason_of(error)}."
        raise DataError(message, path=root / "dataset.json", hint=_AGAIN) from error
    if prepared.digest != digest_of_content(content):
        message = "cannot trust dataset.json: it was changed after it was written."
        raise DataError(message, path=root / "dataset.json", hint=_AGAIN)
    for name, split in prepared.splits.items():
        _check_list(prepared.split_path(name), split)
    return prepared


def _read_content(root: Path) -> dict[str, Any]:
    path = root / "dataset.json"
    hint = "prepare it: zoo data prepare NAME --source PATH --out DIR."
    try:
        content = read_json(path, LIMITS)
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "it holds no dataset.json" if os.path.isdir(root) else "it does not exist"
        message = f"cannot use {str(root)!r} as a prepared data set: {what}."
        raise DataError(message, path=root, hint=hint) from error
    except (OSError, DocumentError) as error:
        message = f"cannot read dataset.json: {reason_of(error)}."
        raise DataError(message, path=path, hint=_AGAIN) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema != SCHEMA:
        message = f"cannot read dataset.json: found schema {schema!r:.80}, expected {SCHEMA}."
        raise DataError(message, path=path, hint="upgrade zoo, or prepare the folder again.")
    return dict(content)


def _parse(root: Path, content: dict[str, Any]) -> Prepared:
    fields = Fields(content)
    fields.take("schema")
    task = fields.choice("task", ("semantic", "instance"))
    dataset = _parse_identity(Fields(fields.take("dataset"), "dataset"))
    if fields.take("type") != dataset.type:
        fields.fail("type", repr(dataset.type))
    classes = fields.texts("classes")
    if not classes:
        fields.fail("classes", "at least one")
    bands = _parse_bands(fields)
    suffix = ".png" if bands is None else ".tif"
    files = tuple(_parse_file(task, row, suffix) for row in fields.rows("files"))
    _check_once([file.stem for file in files])
    prepared = Prepared(
        root=root,
        task=task,
        dataset=dataset,
        classes=classes,
        palette=_parse_palette(fields, len(classes)),
        labels=fields.choice("labels", LABELS),
        options=fields.table("options"),
        shares=_parse_shares(fields),
        splits=splits_of(files),
        files=files,
        annotations=_parse_annotations(fields, task),
        synthetic=_parse_synthetic(fields),
        bands=bands,
        digest=fields.digest("digest"),
    )
    if fields.take("splits") != {key: split.to_dict() for key, split in prepared.splits.items()}:
        fields.fail("splits", "what its files say")
    fields.done()
    return prepared


def _parse_identity(fields: Fields) -> DatasetIdentity:
    wanted = "a name of letters, digits and _"
    identity = DatasetIdentity(
        plugin=fields.text("plugin", pattern=_NAME, wanted=wanted),
        name=fields.text("name", pattern=_NAME, wanted=wanted),
        version=fields.text("version"),
    )
    fields.done()
    return identity


def _parse_synthetic(fields: Fields) -> Synthetic | None:
    if "synthetic" not in fields.values:
        return None
    return Synthetic.from_fields(Fields(fields.take("synthetic"), "synthetic"))


def _parse_bands(fields: Fields) -> BandTable | None:
    if "bands" not in fields.values:
        return None
    return BandTable.from_fields(Fields(fields.take("bands"), "bands"))


def _parse_palette(fields: Fields, count: int) -> tuple[tuple[int, int, int], ...]:
    colors = fields.items("palette")
    for color in colors:
        fits = isinstance(color, list) and len(color) == 3
        if not fits or not all(type(part) is int and 0 <= part <= 255 for part in color):
            fields.fail("palette", "[red, green, blue] of 0..255 for each class")
    if len(colors) != count:
        fields.fail("palette", f"{count} colours, one for each class")
    return tuple((red, green, blue) for red, green, blue in colors)


def _parse_shares(fields: Fields) -> Shares:
    shares = fields.items("shares")
    if len(shares) != 3 or not all(type(share) in (int, float) for share in shares):
        fields.fail("shares", "three numbers in 0..1 that sum to 1")
    return Shares(*shares)


def _parse_annotations(fields: Fields, task: str) -> dict[str, str]:
    if task == "semantic":
        return {}
    digests = Fields(fields.take("annotations"), "annotations")
    found = {split: digests.digest(split) for split in SPLITS}
    digests.done()
    return found


def _parse_file(task: str, row: Fields, suffix: str) -> PreparedFile:
    common: dict[str, Any] = {
        "stem": _parse_stem(row, "stem"),
        "group": row.string("group"),
        "split": row.choice("split", SPLITS),
        "height_px": row.whole("height_px", 1),
        "width_px": row.whole("width_px", 1),
        "image_sha256": row.digest("image_sha256"),
        "source_image": row.string("source_image"),
        "source_sha256": row.digest("source_sha256"),
        "source_height_px": row.whole("source_height_px", 1),
        "source_width_px": row.whole("source_width_px", 1),
        "meta": row.table("meta"),
    }
    if task == "semantic":
        file: PreparedFile = MaskedFile(
            **common,
            mask_sha256=row.digest("mask_sha256"),
            source_masks=row.texts("source_masks"),
            suffix=suffix,
        )
    else:
        file = WindowFile(
            **common,
            scene=_parse_stem(row, "scene"),
            left_px=row.whole("left_px"),
            top_px=row.whole("top_px"),
            suffix=row.choice("suffix", (".png", ".jpg")),
            instances=row.whole("instances"),
        )
    row.done()
    return file


def _parse_stem(row: Fields, key: str) -> str:
    # A stem is a file name: one with a separator could point outside the folder.
    if not isinstance(row.take(key), str) or not is_stem(row.values[key]):
        row.fail(key, "a file's name, without its suffix")
    return str(row.values[key])


def _check_once(stems: list[str]) -> None:
    if len(set(stems)) < len(stems):
        message = "two rows of files have the same stem"
        raise DocumentError(message)


def _check_list(path: Path, split: Split) -> None:
    try:
        text = read_text(read_file(path, LIMITS.size_bytes))
    except (OSError, DocumentError) as error:
        message = f"cannot read the split {path.stem!r}: {reason_of(error)}."
        raise DataError(message, path=path, hint=_AGAIN) from error
    stems = tuple(text.split("\n")[:-1])
    if stems != split.stems:
        message = (
            f"cannot use the split {path.stem!r}: its list holds {len(stems)} stems that are not "
            f"the {split.count} of dataset.json."
        )
        raise DataError(message, path=path, hint=_AGAIN)
