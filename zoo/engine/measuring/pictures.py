# SPDX-License-Identifier: Apache-2.0
"""A picture of each tested image, prediction beside truth, and an index with the worst first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook

from zoo.data import encode_png
from zoo.documents import DocumentError, Limits, read_json
from zoo.engine.measuring.compared import Comparer
from zoo.files import replace_file

__all__ = ["INDEX_NAME", "TestPictures"]

INDEX_NAME = "index.json"
_SCHEMA = "zoo.test-pictures/1"
_LIMITS = Limits(size_bytes=2**27, values=10_000_000)
_LEAST_DIGITS = 3


class TestPictures(Hook):
    """Draws every image of a test into a folder; `rank` then puts the worst first.

    Args:
        folder: Created if missing; pictures of an earlier test that its index lists are removed.
        comparer: Draws one image.
        dataset: The tested data set, from which each picture gets a unique name.
    """

    def __init__(self, folder: Path, comparer: Comparer, dataset: Any) -> None:
        self._folder = folder
        self._comparer = comparer
        self._places = _places(dataset)
        self._names = _names([*self._places])
        self._rows: dict[str, dict[str, Any]] = {}
        if is_main_process():
            _remove_listed(folder)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draw the images of a batch.

        Args:
            runner: The run.
            batch_idx: Index of the batch, from 0.
            data_batch: The model's input.
            outputs: Data samples with its predictions.
        """
        dataset = runner.test_loop.dataloader.dataset
        for sample in outputs or ():
            file = self._comparer.file_of(sample)
            name = self._names.get(file) or f"{Path(file).stem}"
            index = self._places.get(file)
            info = {} if index is None else dataset.get_data_info(index)
            picture, score = self._comparer.draw(sample, info)
            replace_file(self._folder / f"{name}.png", encode_png(picture))
            self._rows[file] = {"picture": f"{name}.png", "file": file, "score": score}

    def rank(self) -> None:
        """Number the pictures of all processes, lowest score first, and write the index."""
        rows = self._rows
        if get_world_size() > 1:
            parts: list[dict[str, dict[str, Any]]] = all_gather_object(self._rows)
            rows = {file: row for part in parts for file, row in part.items()}
        if not is_main_process():
            return
        ordered = sorted(rows.values(), key=_worst_first)
        digits = max(_LEAST_DIGITS, len(str(len(ordered))))
        for number, row in enumerate(ordered, start=1):
            numbered = f"{number:0{digits}d}_{row['picture']}"
            (self._folder / row["picture"]).replace(self._folder / numbered)
            row["picture"] = numbered
        document = {"schema": _SCHEMA, "score": self._comparer.score_name, "pictures": ordered}
        text = json.dumps(document, indent=1, allow_nan=False)
        replace_file(self._folder / INDEX_NAME, f"{text}\n".encode())


def _worst_first(row: Mapping[str, Any]) -> tuple[float, str]:
    score = row["score"]
    return (2.0 if score is None else float(score), str(row["file"]))


def _places(dataset: Any) -> dict[str, int]:
    """Return the index of each image in the data set, by its path."""
    if not hasattr(dataset, "get_data_info"):
        return {}
    paths = (dataset.get_data_info(index).get("img_path") for index in range(len(dataset)))
    return {str(path): index for index, path in enumerate(paths) if path is not None}


def _names(files: list[str]) -> dict[str, str]:
    """Return a name for each file: its stem, with its folders where two have the same."""
    if not files:
        return {}
    stems = [Path(file).stem.casefold() for file in files]
    root = os.path.commonpath([os.path.dirname(file) for file in files])
    names: dict[str, str] = {}
    taken: set[str] = set()
    for file, stem in zip(files, stems, strict=True):
        path = Path(file)
        parts = Path(os.path.relpath(path.with_suffix(""), root)).parts
        name = path.stem if stems.count(stem) == 1 else "_".join(parts)
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        names[file] = name
    return names


def _remove_listed(folder: Path) -> None:
    """Remove the pictures of an earlier test, which would mix with the new ones."""
    try:
        document = read_json(folder / INDEX_NAME, _LIMITS)
    except (OSError, DocumentError):
        return
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        return
    for row in document.get("pictures") or ():
        name = row.get("picture") if isinstance(row, dict) else None
        if isinstance(name, str) and name.endswith(".png") and Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
    (folder / INDEX_NAME).unlink()
