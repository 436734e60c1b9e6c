# SPDX-License-Identifier: Apache-2.0
"""Prepare a folder from pairs of image and masks; shared by plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from zoo.data.bands.counting import make_table
from zoo.data.bands.reading import choose_bands
from zoo.data.bands.table import BandTable
from zoo.data.decoders.raster_bands import band_options
from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.plan import Plan, make_plan
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
    exact_shares: bool = False,
    palette_masks: Literal["colors", "index"] = "colors",
    bands: BandChoice = None,
    keep_bands: str | None = None,
    progress: Progress | None = None,
    workers: int = 2,
) -> Report:
    """Write the prepared folder of ``pairs``, or nothing.

    The source is not changed. :func:`zoo.data.to_uint8` converts 16-bit images to 8 bits. Images
    are resized by area, labels by nearest neighbour. :func:`zoo.data.assign_splits` splits the
    groups. The same source and options give the same folder. If ``out`` already contains that
    folder, nothing is written; any other content is an error.

    Args:
        source: Source that the paths of pairs refer to.
        out: Folder to create.
        dataset: Identity of the data set, for ``dataset.json``.
        pairs: Pairs in any order; iterated once.
        classes: Class names, in the order of their ids, at most 255.
        palette: RGB colour of each class.
        encode_mask: Converts the decoded masks of a pair to ``(H, W)`` uint8 ids (255: unknown)
            and a line for each repair. Called from threads, so it must be stateless. It raises
            DataError to refuse a mask; zoo adds the file name.
        shares: Shares of the splits.
        report: Report so far; completed in place.
        size: Output width and height; None to keep the size of each image.
        keep_aspect: See :func:`zoo.data.fit_size`.
        labels: ``"derived"`` if masks were made from weaker labels, such as boxes.
        options: Other options that affect the result; a later run compares them.
        salt: Salt of the splits.
        exact_shares: Whether the splits have exact counts of groups, as a small set needs; see
            :func:`zoo.data.assign_exact_splits`.
        palette_masks: How to read palette PNG masks, see :func:`zoo.data.decode_image`.
        bands: Red, green and blue band of a TIFF, from 1, if the file does not name them.
        keep_bands: Keep these bands of the images, which are TIFFs, as they are stored: ``all``, or
            names and numbers, from 1, with commas between them. ``dataset.json`` gets their
            statistics over the train split (over all images if it is empty), and labels are
            unknown, 255, where a band has no data. ``size`` must be None.
        progress: Called with pairs done and pairs in total.
        workers: Number of threads; each holds one pair in memory.

    Raises:
        DataError: The source contains unusable files (each is named), source and output overlap,
            ``out`` has other content, or the disk is full. Nothing is left at ``out``.
    """
    check_places(source.path, out)
    own = {"size": list(size) if size else None, "keep_aspect": keep_aspect, "salt": salt}
    own |= band_options(bands)
    if keep_bands is not None:
        own["keep_bands"] = keep_bands
        if size is not None:
            message = "cannot resize images whose bands are kept as stored."
            raise DataError(message, where="--size", hint="leave --size out.")
    plan = make_plan(
        dataset,
        pairs,
        classes,
        palette,
        labels=labels,
        options={**(options or {}), **own},
        shares=shares,
        salt=salt,
        is_exact=exact_shares,
        synthetic=source.synthetic(),
    )
    earlier = find_earlier(out)
    if earlier is not None:
        return check_same(earlier, plan, _digest_all(source, plan, workers, progress), report)
    kept = None
    if keep_bands is not None:
        first = plan.items[0].image  # all others must be like it
        kept = choose_bands(source.read(first), source.where(first), keep_bands)
    rules = WriteRules(plan.classes, encode_mask, size, keep_aspect, palette_masks, bands, kept)
    with staged_folder(out) as folder:
        records = _write_all(source, plan, folder, rules, workers, progress)
        _check_alpha(source, records)
        _complete(report, records, plan)
        files = [record.file for record in records]
        table = _band_table(rules, records)
        write_facts(folder, plan, files, report, task="semantic", bands=table)
    return report


def _band_table(rules: WriteRules, records: Sequence[PairRecord]) -> BandTable | None:
    if rules.kept is None:
        return None
    train = [record for record in records if record.file.split == "train"]
    nodata = [record.nodata for record in records if record.nodata is not None]
    return make_table(rules.kept, (record.counts for record in train or records), nodata)


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
    """Raise an error if some masks are in the transparency and others are doubtful."""
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
