# SPDX-License-Identifier: Apache-2.0
"""From flights to a prepared folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data import (
    IGNORE_INDEX,
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    Source,
    open_source,
    parse_size,
    prepare_semantic,
)
from zoo.errors import DataError
from zoo_crops.facts import CLASSES, PALETTE, UNSEEN

__all__ = ["prepare"]

IDENTITY = DatasetIdentity.of("crops", "CropsDataset")


def prepare(
    source: Path,
    out: Path,
    *,
    shares: Shares,
    progress: Callable[[int, int], None] | None = None,
    field: Sequence[str] = (),
    size: str | None = None,
) -> Report:
    """Write the labelled tiles of ``source`` as a prepared folder, split by field.

    Args:
        source: Folder or .zip of flights.
        out: Folder to write.
        shares: Of train, val and test.
        progress: Called with tiles done and in all.
        field: Fields to keep; all if none is given.
        size: Such as ``"256"``; None keeps every tile's own.

    Raises:
        DataError: There is no ``flights.csv``, or a truth has a colour of no class.
    """
    report = Report()
    with open_source(source) as opened:
        return prepare_semantic(
            opened,
            out,
            dataset=IDENTITY,
            pairs=list(_find_pairs(opened, tuple(field or ()))),
            classes=CLASSES,
            palette=PALETTE,
            encode_mask=_encode_truth,
            shares=shares,
            report=report,
            size=parse_size(size or ""),
            options={"field": list(field or ())},
            progress=progress,
        )


def _find_pairs(source: Source, fields: tuple[str, ...]) -> Iterator[Pair]:
    paths = {file.path for file in source.files()}
    if "flights.csv" not in paths:
        message = "cannot read the flights: there is no 'flights.csv', expected one at the top."
        raise DataError(message, path=source.path, hint="give the folder that holds it.")
    table = csv.DictReader(io.StringIO(source.read("flights.csv").decode()))
    flights = {row["flight"]: row for row in table}
    for path in sorted(paths):
        flight, _, tile = path.partition("/")
        truth = path.removesuffix(".png") + ".truth.png"
        if flight not in flights or truth not in paths:
            continue
        facts = flights[flight]
        if not fields or facts["field"] in fields:
            yield Pair(
                stem=f"{flight}_{tile.removesuffix('.png')}",
                group=facts["field"],
                image=path,
                masks=(truth,),
                meta={"sown_days": int(facts["sown_days"])},
            )


def _encode_truth(
    masks: list[NDArray[np.uint8 | np.uint16]], pair: Pair
) -> tuple[NDArray[np.uint8], list[str]]:
    (truth,) = masks
    ids = np.full(truth.shape[:2], IGNORE_INDEX, np.uint8)
    known = (truth == np.array(UNSEEN)).all(-1)
    for label, colour in enumerate(PALETTE):
        here = (truth == np.array(colour)).all(-1)
        ids[here] = label
        known |= here
    if not known.all():
        message = f"cannot use {pair.masks[0]!r}: found colour {truth[~known][0].tolist()}."
        raise DataError(message, hint="paint classes in the colours of the README.")
    return ids, []
