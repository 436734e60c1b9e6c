# SPDX-License-Identifier: Apache-2.0
"""Write the split lists, ``report.json`` and ``dataset.json`` at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zoo.data.bands.table import BandTable
from zoo.data.layout.plan import Item, Plan
from zoo.data.layout.prepared import Prepared, PreparedFile, splits_of
from zoo.data.layout.splits import SPLITS
from zoo.data.report import Report
from zoo.files import write_file

__all__ = ["Twin", "note_twins", "write_facts"]


class Twin(NamedTuple):
    """The digest of an image and its name in notes."""

    sha256: str
    stem: str
    split: str
    source_image: str


def note_twins(report: Report, pictures: Iterable[Twin]) -> None:
    """Note equal images in two splits, because a test image must not be a training image.

    Args:
        report: Report of the run; notes are added to it.
        pictures: Every prepared image, with its digest and split.
    """
    first: dict[str, Twin] = {}
    for picture in pictures:
        twin = first.setdefault(picture.sha256, picture)
        if twin.split != picture.split:
            text = f"same pixels as {twin.stem!r} in {twin.split}, but it is in {picture.split}"
            report.note(picture.source_image, text)


def write_facts(
    folder: Path,
    plan: Plan[Item],
    files: Sequence[PreparedFile],
    report: Report,
    *,
    task: str,
    annotations: Mapping[str, str] | None = None,
    bands: BandTable | None = None,
) -> None:
    """Write the three kinds of files, and add the splits to the report.

    Args:
        folder: The staging folder.
        plan: Plan of the run.
        files: Rows of ``dataset.json``, in the order of their stems.
        report: Report of the run; completed in place.
        task: ``semantic`` or ``instance``.
        annotations: sha256 of each split's COCO JSON.
        bands: The bands of images that are kept as stored.

    Raises:
        DataError: The disk is full, or the folder cannot be written.
    """
    prepared = Prepared(
        root=folder,
        task=task,
        dataset=plan.dataset,
        classes=plan.classes,
        palette=plan.palette,
        labels=plan.labels,
        options=plan.options,
        shares=plan.shares,
        splits=splits_of(files),
        files=tuple(files),
        annotations=annotations or {},
        synthetic=plan.synthetic,
        bands=bands,
    )
    if plan.synthetic is not None:
        report.note("", f"a synthetic sample, drawn by the plugin {plan.synthetic.plugin}")
    for name in SPLITS:
        text = "".join(f"{stem}\n" for stem in prepared.splits[name].stems)
        write_file(prepared.split_path(name), text.encode())
    report.splits = {name: split.to_dict() for name, split in prepared.splits.items()}
    _write_json(folder / "report.json", report.to_dict())
    _write_json(folder / "dataset.json", prepared.to_dict())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # A file name that is not UTF-8 contains lone surrogates; backslash escapes are valid JSON.
    write_file(path, f"{text}\n".encode("utf-8", "backslashreplace"))
