# SPDX-License-Identifier: Apache-2.0
"""From flights to a prepared folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zoo.data import (
    IGNORE_INDEX,
    ColorEncoder,
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    Source,
    open_source,
    parse_size,
    prepare_semantic,
    read_table,
)
from zoo_crops.facts import CLASSES, PALETTE, UNSEEN

__all__ = ["prepare"]

COLOR_IDS = {color: label for label, color in enumerate(PALETTE)} | {UNSEEN: IGNORE_INDEX}
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
    with open_source(source, expects=["flights.csv"]) as opened:
        return prepare_semantic(
            opened,
            out,
            dataset=IDENTITY,
            pairs=list(_find_pairs(opened, tuple(field or ()))),
            classes=CLASSES,
            palette=PALETTE,
            encode_mask=ColorEncoder(COLOR_IDS),
            shares=shares,
            report=report,
            size=parse_size(size or ""),
            options={"field": list(field or ())},
            progress=progress,
        )


def _find_pairs(source: Source, fields: tuple[str, ...]) -> Iterator[Pair]:
    columns = {"flight": str, "field": str, "sown_days": int}
    data, where = source.read("flights.csv"), source.where("flights.csv")
    with read_table(data, where, columns, unique=["flight"]) as table:
        flights = {row["flight"]: row for row in table}
    paths = {file.path for file in source.files()}
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
                meta={"sown_days": facts["sown_days"]},
            )
