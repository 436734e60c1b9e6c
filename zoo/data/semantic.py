# SPDX-License-Identifier: Apache-2.0
"""From pairs of image and masks to a prepared folder: the whole way that plugins share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from zoo.data.pairs import EncodeMask, Pair, PairRecord, WriteRules, digest_sources, write_pair
from zoo.data.plan import Plan, make_plan
from zoo.data.prepared import DatasetIdentity, Prepared, PreparedFile, splits_of
from zoo.data.report import Report
from zoo.data.rerun import check_same, find_earlier
from zoo.data.source import Source
from zoo.data.splits import SPLITS, Shares
from zoo.data.staging import check_places, is_disk_full, staged_folder, write_file
from zoo.errors import DataError

__all__ = ["prepare_semantic"]

Progress = Callable[[int, int], None]
_T = TypeVar("_T")
_MOST_FAILURES = 20


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
        progress: Called with pairs done and pairs in all.
        workers: Threads; each holds one pair, so memory does not grow with the number of files.

    Raises:
        DataError: Anything in the source that cannot be used, each file named; places that
            overlap; ``out`` holding something else; a full disk. Nothing is left at ``out``.
    """
    check_places(source.path, out)
    own = {"size": list(size) if size else None, "keep_aspect": keep_aspect, "salt": salt}
    plan = make_plan(
        dataset,
        pairs,
        classes,
        palette,
        labels=labels,
        options={**(options or {}), **own},
        shares=shares,
        salt=salt,
    )
    earlier = find_earlier(out)
    if earlier is not None:
        return check_same(earlier, plan, _digest_all(source, plan, workers, progress), report)
    rules = WriteRules(plan.classes, encode_mask, size, keep_aspect, palette_masks)
    with staged_folder(out) as folder:
        records = _write_all(source, plan, folder, rules, workers, progress)
        _complete(report, records, plan)
        _write_facts(folder, plan, records, report)
    return report


def _digest_all(
    source: Source, plan: Plan, workers: int, progress: Progress | None
) -> dict[str, str]:
    def digest(pair: Pair) -> str:
        return digest_sources([source.read(path) for path in (pair.image, *pair.masks)])

    done = _run(digest, plan.pairs, workers, progress)
    return {pair.stem: value for pair, value in zip(plan.pairs, done, strict=True)}


def _write_all(
    source: Source,
    plan: Plan,
    folder: Path,
    rules: WriteRules,
    workers: int,
    progress: Progress | None,
) -> list[PairRecord]:
    def write(pair: Pair) -> PairRecord:
        return write_pair(source, pair, plan.splits[pair.stem], folder, rules)

    return _run(write, plan.pairs, workers, progress)


def _run(
    work: Callable[[Pair], _T], pairs: Sequence[Pair], workers: int, progress: Progress | None
) -> list[_T]:
    """Return the results in the order of ``pairs``; raise one error for all that cannot be used."""
    results: list[_T] = []
    failures: list[DataError] = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for number, future in enumerate(_submit(pool, work, pairs, ahead=2 * workers), start=1):
            try:
                results.append(future.result())
            except DataError as error:
                if is_disk_full(error):
                    raise  # as every later pair would
                failures.append(error)
                if len(failures) == _MOST_FAILURES:
                    break
            if progress is not None:
                progress(number, len(pairs))
    if failures:
        raise _combine(failures)
    return results


def _submit(
    pool: ThreadPoolExecutor, work: Callable[[Pair], _T], pairs: Iterable[Pair], ahead: int
) -> Iterator[Future[_T]]:
    """Yield futures in order, with no more than ``ahead`` of them waiting."""
    rest = iter(pairs)
    waiting = [pool.submit(work, pair) for pair in islice(rest, ahead)]
    while waiting:
        yield waiting.pop(0)
        waiting += [pool.submit(work, pair) for pair in islice(rest, 1)]


def _combine(failures: Sequence[DataError]) -> DataError:
    first = failures[0]
    if len(failures) == 1:
        return first
    more = "at least " if len(failures) == _MOST_FAILURES else ""
    lines = [f"cannot prepare {more}{len(failures)} pairs:"]
    lines += [f"  {error.message} ({error.where})" for error in failures]
    return DataError("\n".join(lines), path=first.path, where=first.where, hint=first.hint)


def _complete(report: Report, records: Sequence[PairRecord], plan: Plan) -> None:
    for record in records:
        report.repaired += record.repaired
        report.notes += record.notes
    _note_twins(report, (record.file for record in records))
    report.count("written", len(records))
    totals = [sum(counts) for counts in zip(*(row.class_px for row in records), strict=True)]
    report.class_px = dict(zip((*plan.classes, "ignored"), totals, strict=True))
    for name in plan.classes:
        if not report.class_px[name]:
            report.note("", f"class {name!r} occurs in no mask")


def _note_twins(report: Report, files: Iterable[PreparedFile]) -> None:
    """Note images of equal pixels in two splits: what was trained on must not be tested on."""
    first: dict[str, PreparedFile] = {}
    for row in files:
        twin = first.setdefault(row.image_sha256, row)
        if twin.split != row.split:
            text = f"same pixels as {twin.stem!r} in {twin.split}, though it lies in {row.split}"
            report.note(row.source_image, text)


def _write_facts(folder: Path, plan: Plan, records: Sequence[PairRecord], report: Report) -> None:
    files = tuple(record.file for record in records)
    prepared = Prepared(
        root=folder,
        task="semantic",
        dataset=plan.dataset,
        classes=plan.classes,
        palette=plan.palette,
        labels=plan.labels,
        options=plan.options,
        shares=plan.shares,
        splits=splits_of(files),
        files=files,
    )
    for name in SPLITS:
        text = "".join(f"{stem}\n" for stem in prepared.splits[name].stems)
        write_file(prepared.split_path(name), text.encode())
    report.splits = {name: split.to_dict() for name, split in prepared.splits.items()}
    _write_json(folder / "report.json", report.to_dict())
    _write_json(folder / "dataset.json", prepared.to_dict())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # A file's name that is no UTF-8 holds lone surrogates; as backslash escapes they are JSON.
    write_file(path, f"{text}\n".encode("utf-8", "backslashreplace"))
