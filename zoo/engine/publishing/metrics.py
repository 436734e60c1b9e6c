# SPDX-License-Identifier: Apache-2.0
"""The numbers that may be published for a checkpoint: those that a run or a test wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.engine.dataset.facts import contents_of_splits, evaluator_text, facts_of_images
from zoo.engine.dataset.history import short
from zoo.engine.measuring.test import SCHEMA
from zoo.engine.metric_facts import MetricFacts, types_in
from zoo.engine.scenes.tiling import windows_text
from zoo.engine.work_dir.no_results import is_no_result
from zoo.engine.work_dir.scalars import read_run
from zoo.errors import CheckpointError, DataError
from zoo.fields import Fields

if TYPE_CHECKING:
    from mmengine.config import Config

    from zoo.engine.checkpoints.checkpoint import Checkpoint
    from zoo.engine.work_dir.run_facts import RunFacts

__all__ = ["find_test_files", "read_test_rows", "validation_rows"]

LIMITS = Limits(size_bytes=2**28, values=20_000_000)
"""Of what ``zoo test --out`` writes, with values of every image."""
_MOST_CHARACTERS = 1_000
_HINT = "measure this one: zoo test CONFIG CHECKPOINT --out FILE.json."
_MEASURING = frozenset(
    f"{split}_{part}" for split in ("train", "val", "test") for part in ("dataloader", "evaluator")
)
# Keys of a data loader that cannot change a result except by rounding.
_LOADING = frozenset(
    {"batch_size", "num_workers", "persistent_workers", "pin_memory", "prefetch_factor"}
)
_NOT_COMPARED = {
    True: "; not compared with what the run was trained on earlier",
    False: ", and not compared with what it was trained on",
}
# Measured split -> the run's splits whose images must not be in it.
_SEEN = {"test": ("train", "val"), "val": ("train",)}


def find_test_files(work_dir: Path, sha256: str) -> list[Path]:
    """Return the files of ``zoo test --out`` in a work dir for the checkpoint with this digest.

    Args:
        work_dir: The run's folder.
        sha256: Digest of the checkpoint, 64 hex digits.
    """
    found = []
    for path in sorted(work_dir.glob("*.json")):
        try:
            document = read_json(path, LIMITS)
        except (OSError, DocumentError):  # some other JSON
            continue
        keys = ("schema", "checkpoint_sha256")
        if isinstance(document, dict) and [document.get(key) for key in keys] == [SCHEMA, sha256]:
            found.append(path)
    return found


def read_test_rows(path: Path, sha256: str, run: RunFacts | None = None) -> list[dict[str, Any]]:
    """Return the metric rows of a file of ``zoo test --out``.

    Args:
        path: The JSON.
        sha256: Digest of the checkpoint to publish: results of another one are refused.
        run: The run that trained it, to compare its images with the measured ones; None if unknown.

    Returns:
        Rows of name, value, dataset, split, labels, protocol, images and images_sha256 (of their
        list); values that are no result, such as NaN and COCO's -1, are left out.

    Raises:
        CheckpointError: It is not such a file, is of another checkpoint, has no number, or one
            that is not of the whole split, or of images that the run has seen.
    """
    document = _read_document(path)
    measured = document.get("checkpoint_sha256")
    if measured != sha256:
        msg = f"they are for the checkpoint {document.get('checkpoint')!r} with sha256 {measured}, "
        raise _refused(path, f"{msg}expected {sha256}", _HINT)
    data, metrics, evaluator = (document.get(key) for key in ("data", "metrics", "evaluator"))
    is_named = isinstance(data, dict) and isinstance(data.get("name"), str)
    if not (is_named and isinstance(metrics, dict) and isinstance(evaluator, str)):
        raise _unreadable(path, "it does not state its data and metrics")
    try:
        images = document.get("images") or facts_of_images(_files(document))
        counted = Fields(images, "images")
        counted.whole("count")
        counted.digest("digest")
        _check_options(path, document)
        _check_whole(path, document, images)
        place = "" if run is None else _place(path, document, images, run)
        protocol = f"{_way(document)}{_images_text(images)}{place}"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = "its statement of what was measured is not as expected"
        if isinstance(error, DocumentError):
            reason = f"{reason} ({reason_of(error)})"
        raise _unreadable(path, reason) from error
    facts = MetricFacts.of_types(types_in(evaluator))
    rows = _rows(metrics, dict(data or {}), str(document.get("split")), protocol, facts)
    if not rows:
        raise _unreadable(path, "it holds no finite number")
    known = {"images": images["count"], "images_sha256": images["digest"]}
    return [{**row, **known} if images["count"] else row for row in rows]


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = read_json(path, LIMITS)
    except (OSError, DocumentError) as error:
        raise _unreadable(path, reason_of(error)) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _unreadable(path, f"its schema is not {SCHEMA!r}")
    return document


def _files(document: Mapping[str, Any]) -> list[str]:
    """Return the images of an older file, which does not count them."""
    return [str(row["file"]) for row in document.get("per_image") or ()]


def _check_options(path: Path, document: Mapping[str, Any]) -> None:
    """Refuse options that affect what is measured, and how."""
    for option in document.get("cfg_options") or ():
        part, *rest = str(option).partition("=")[0].split(".")
        if part in _MEASURING and not (part.endswith("loader") and set(rest[:1]) & _LOADING):
            reason = f"they were measured with --cfg-options {option}, which changes the evaluation"
            hint = "measure without it: zoo test WORK_DIR --out FILE.json."
            raise _refused(path, reason, hint)


def _check_whole(path: Path, document: Mapping[str, Any], images: Mapping[str, Any]) -> None:
    """Refuse images that are not those of the stated split."""
    split, splits = str(document.get("split")), document["data"].get("splits") or {}
    # Training may skip images by a rule of its config, and proves nothing anyway.
    if not images["count"] or split == "train" or split not in splits:
        return
    if images["digest"] == splits[split]["digest"]:
        return
    others = [name for name in splits if splits[name]["digest"] == images["digest"]]
    if others:
        reason = f"they are for the split {others[0]!r}, and called {split!r}"
        hint = (
            f"measure it under its own name: zoo test WORK_DIR --split {others[0]} --out FILE.json."
        )
        raise _refused(path, reason, hint)
    reason = f"{images['count']} images were measured, which are not the "
    reason += f"{splits[split]['count']} of the split {split!r}"
    hint = "measure the whole split: zoo test WORK_DIR --out FILE.json."
    raise _refused(path, reason, hint)


def _place(
    path: Path, document: Mapping[str, Any], images: Mapping[str, Any], run: RunFacts
) -> str:
    """Return the protocol's text on data that is not the run's; refuse images that it has seen."""
    split, data = str(document.get("split")), document["data"]
    own = run.data.get("digest") or run.data.get("name")
    is_own = (data.get("digest") or data.get("name")) == own
    if is_own and not run.earlier:
        return ""
    place = "" if is_own else "; of other data than the run's"
    if "contents" not in images or not (is_own or run.data_root):
        return f"{place}{_NOT_COMPARED[is_own]}"
    if any(not use.images for use in run.earlier):
        return f"{place}{_NOT_COMPARED[True]}"
    splits = _SEEN.get(split, ())
    seen = run.seen_before(splits, with_own=not is_own)
    if not is_own and run.data_root is not None:
        seen |= short(contents_of_splits(run.data_root, splits))
    known = sorted(stem for stem, found in images["contents"].items() if seen & short(found))
    if known:
        reason = f"{len(known)} of the {images['count']} images, such as {known[0]!r}, are "
        reason += "among those that the run was trained or selected on, and the split is called "
        reason += f"{split!r}"
        hint = "measure images that the run has never seen: zoo test WORK_DIR --data DIR."
        raise _refused(path, reason, hint)
    return place


def _way(document: Mapping[str, Any]) -> str:
    tta = " with test-time augmentation" if document.get("tta") else ""
    options = " ".join(map(str, document.get("cfg_options") or ()))
    laid = f" --cfg-options {options}" if options else ""
    seen = f", {windows_text(document['tiling'])}" if "tiling" in document else ""
    cleaned = document.get("postprocess")
    after = f", after postprocessing: {cleaned}" if isinstance(cleaned, str) else ""
    return f"zoo test{tta}{laid}, {document['evaluator']}{seen}{after}"


def _images_text(images: Mapping[str, Any]) -> str:
    count = int(images["count"])
    if not count:  # an older file without per-image values
        return ""
    return f", {count} image{'s' * (count > 1)}, sha256 of their list {images['digest'][:12]}"


def validation_rows(
    work_dir: Path,
    checkpoint: Checkpoint,
    config: Config,
    data: Mapping[str, Any],
    run: RunFacts | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of the validation at the step of a checkpoint, if any.

    Args:
        work_dir: The run's folder.
        checkpoint: The one to publish.
        config: The run's config.
        data: Facts of the data, as `facts_of_folder` returns them.
        run: Facts of the run; None if unknown.

    Raises:
        CheckpointError: The run trained on images of the validation before, with other data.
    """
    if run is not None:
        _check_validation(work_dir, run)
    step = checkpoint.meta.get("iter")
    try:
        curves = read_run(work_dir).metrics
    except DataError:  # a checkpoint that was moved away from its log
        return []
    is_step = type(step) is int
    metrics = {name: curve[step] for name, curve in curves.items() if is_step and step in curve}
    evaluator = evaluator_text(config.get("val_evaluator"))
    protocol = f"validation while training, {evaluator}"
    return _rows(metrics, data, "val", protocol, MetricFacts.of_types(types_in(evaluator)))


def _check_validation(work_dir: Path, run: RunFacts) -> None:
    if run.data_root is None or not run.earlier:
        return
    validated = short(contents_of_splits(run.data_root, ["val"]))
    if validated & run.seen_before(["train"]):
        names = ", ".join(use.name for use in run.earlier)
        message = f"cannot publish the validation in {str(work_dir)!r}: the run was earlier "
        message += f"trained on some of its images, with other data ({names})."
        hint = "measure images that the run has never seen: "
        hint += "zoo test WORK_DIR --data DIR --out FILE.json."
        raise CheckpointError(message, path=work_dir, hint=hint)


def _rows(
    metrics: Mapping[str, Any],
    data: Mapping[str, Any],
    split: str,
    protocol: str,
    facts: MetricFacts,
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": float(value),
            "dataset": str(data["name"]),
            "split": split,
            "labels": str(data.get("labels", "true")),
            "protocol": protocol,
            **_unit(name, protocol, facts),
        }
        for name, value in sorted(metrics.items())
        if isinstance(value, (int, float))
        and not is_no_result(name, value)
        and name not in _NOT_METRICS
    ]


def _unit(name: str, protocol: str, facts: MetricFacts) -> dict[str, str]:
    """Return the unit for a row, which needs none for fractions."""
    guessed = "percent" if name in _PERCENT and "IoUMetric" in protocol else "fraction"
    unit = facts.unit(name) or guessed
    return {} if unit == "fraction" else {"unit": unit}


_NOT_METRICS = frozenset({"data_time", "time"})
# What mmseg's IoUMetric multiplies by 100; values without a stated unit are taken for fractions.
_PERCENT = frozenset({"aAcc", "mIoU", "mAcc", "mDice", "mFscore", "mPrecision", "mRecall"})


def _unreadable(path: Path, reason: str) -> CheckpointError:
    return _refused(path, f"{reason}, expected the JSON of zoo test", _HINT)


def _refused(path: Path, reason: str, hint: str) -> CheckpointError:
    if len(reason) > _MOST_CHARACTERS:  # it quotes the file
        reason, hint = f"{reason[:_MOST_CHARACTERS]}...", hint[:_MOST_CHARACTERS]
    msg = f"cannot publish the metrics in {path.name!r}: {reason}."
    return CheckpointError(msg, path=path, hint=hint)
