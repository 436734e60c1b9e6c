# SPDX-License-Identifier: Apache-2.0
"""From pairs of image and masks to a prepared folder: the whole way that plugins share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from zoo.data.decoders.raster_bands import band_options
from zoo.data.layout.plan import Plan, make_plan
from zoo.data.layout.prepared import DatasetIdentity
from zoo.data.layout.splits import Shares
from zoo.data.pictures.decoding import BandChoice
from zoo.data.pictures.digests import digest_sources
from zoo.data.prepare.dataset_writing import Twin, note_twins, write_facts
from zoo.data.prepare.jobs import Progress, run_jobs
from zoo.data.prepare.pair import EncodeMask, Pair, PairRecord, WriteRules, write_pair
from zoo.data.prepare.rerun import check_same, find_earlier
from zoo.data.report import Report
from zoo.data.source.source import Source
from zoo.data.staging import check_places, staged_folder
from zoo.errors import DataError

__all__ = ["prepare_semantic"]


def prepare_semantic(
    source: Source,
    out: Path,
    *,
    dataset: DatasetIdentity,
    pairs: Iterable[Pair],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    encode_mask: EncodeMask,
    shares: Shares,
    report: Report,
    size: tuple[int, int] | None = None,
    keep_aspect: bool = False,
    labels: str = "true",
    options: Mapping[str, Any] | None = None,
    salt: str = "zoo",
    palette_masks: Literal["colors", "index"] = "colors",
    bands: BandChoice = None,
    progress: Progress | None = None,
    workers: int = 2,
) -> Report:
    """Write the prepared folder of ``pairs``, or nothing.

    The source is only read. Images of 16 bits become 8 bits by :func:`zoo.data.to_uint8`;
    images are resized by area and labels by nearest; groups are split by
    :func:`zoo.data.assign_splits`. The same source and options give the same folder. If ``out``
    holds that folder already, nothing is written; if it holds another, that is an error.

    Args:
        source: What the pairs' paths refer to.
        out: The folder to be made.
        dataset: Goes into ``dataset.json``.
        pairs: In any order; read once.
        classes: Names in the order of their ids, at most 255.
        palette: RGB of each class.
        encode_mask: Gives ``(H, W)`` uint8 ids (255: unknown) of the decoded masks of a pair,
            and a line for each repair. Called from threads, so it keeps no state. Raises
            DataError for a mask that it refuses; the file's name is added.
        shares: Of the splits.
        report: What was found and dropped so far; completed here.
        size: Width and height of what is written, None for each image's own.
        keep_aspect: See :func:`zoo.data.fit_size`.
        labels: ``"derived"`` if masks were made from something weaker, as boxes.
        options: What else decided the result; a later run compares them.
        salt: Of the splits.
        palette_masks: How palette PNG masks are read, see :func:`zoo.data.decode_image`.
        bands: Those of a TIFF that are red, green and blue, from 1, where it does not name them.
        progress: Called with pairs done and pairs in all.
        workers: Threads; each holds one pair, so memory does not grow with the number of files.

    Raises:
        DataError: Anything in the source that cannot be used, each file named; places that
            overlap; ``out`` holding something else; a full disk. Nothing is left at ``out``.
    """
    check_places(source.path, out)
    own = {"size": list(size) if size else None, "keep_aspect": keep_aspect, "salt": salt}
    own |= band_options(bands)
    plan = make_plan(
        dataset,
        pairs,
        classes,
        palette,
        labels=labels,
        options={**(options or {}), **own},
        shares=shares,
        salt=salt,
        synthetic=source.synthetic(),
    )
    earlier = find_earlier(out)
    if earlier is not None:
        return check_same(earlier, plan, _digest_all(source, plan, workers, progress), report)
    rules = WriteRules(plan.classes, encode_mask, size, keep_aspect, palette_masks, bands)
    with staged_folder(out) as folder:
        records = _write_all(source, plan, folder, rules, workers, progress)
        _check_alpha(source, records)
        _complete(report, records, plan)
        files = [record.file for record in records]
        write_facts(folder, plan, files, report, task="semantic")
    return report


def _digest_all(
    source: Source, plan: Plan[Pair], workers: int, progress: Progress | None
) -> dict[str, str]:
    def digest(pair: Pair) -> str:
        return digest_sources([source.read(path) for path in (pair.image, *pair.masks)])

    done = run_jobs(digest, plan.items, what="pairs", workers=workers, progress=progress)
    return {pair.stem: value for pair, value in zip(plan.items, done, strict=True)}


def _write_all(
    source: Source,
    plan: Plan[Pair],
    folder: Path,
    rules: WriteRules,
    workers: int,
    progress: Progress | None,
) -> list[PairRecord]:
    def write(pair: Pair) -> PairRecord:
        return write_pair(source, pair, plan.splits[pair.stem], folder, rules)

    return run_jobs(write, plan.items, what="pairs", workers=workers, progress=progress)


def _check_alpha(source: Source, records: Sequence[PairRecord]) -> None:
    """Raise where some masks lie in their transparency, and of others one cannot tell."""
    found = [line for record in records for line in record.by_alpha]
    taken = next((path for path, is_taken in found if is_taken), None)
    doubtful = next((path for path, is_taken in found if not is_taken), None)
    if taken is not None and doubtful is not None:
        message = f"cannot interpret the mask {doubtful!r}: it is one opaque colour, but "
        message += f"other masks, such as {taken!r}, are in the transparency."
        hint = "export all masks as grey, without transparency."
        raise DataError(message, path=source.where(doubtful), hint=hint)


def _complete(report: Report, records: Sequence[PairRecord], plan: Plan[Pair]) -> None:
    for record in records:
        report.repaired += record.repaired
        report.notes += record.notes
    rows = (record.file for record in records)
    note_twins(report, (Twin(r.image_sha256, r.stem, r.split, r.source_image) for r in rows))
    report.count("written", len(records))
    totals = [sum(counts) for counts in zip(*(row.class_px for row in records), strict=True)]
    report.class_px = dict(zip((*plan.classes, "ignored"), totals, strict=True))
    for name in plan.classes:
        if not report.class_px[name]:
            report.note("", f"class {name!r} occurs in no mask")
