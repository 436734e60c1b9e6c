# SPDX-License-Identifier: Apache-2.0
"""Calibrate models on images that they were not trained on, and check it on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import read_prepared
from zoo.errors import ConfigError
from zoo_uncertainty.calibration_file import NAME, Calibration, ClassCalibration, has_place
from zoo_uncertainty.dice_estimate import conformal_width, largest_by_group
from zoo_uncertainty.evidence import Evidence, collect, dice_errors
from zoo_uncertainty.held_out import check_apart, check_unseen, rows_of
from zoo_uncertainty.members import open_members
from zoo_uncertainty.risk_control import find_threshold, missed_share
from zoo_uncertainty.temperature import (
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
)

if TYPE_CHECKING:
    from zoo.data import Prepared, PreparedFile
    from zoo_uncertainty.members import Members

__all__ = ["Request", "calibrate"]

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Request:
    """What to calibrate, and on what.

    Attributes:
        specs: The models, each a work dir, a published file, a name or ``CONFIG,CHECKPOINT``.
        data: A prepared folder.
        split: Whose images calibrate.
        alpha: The share that may be missed, within ``(0, 1)``.
        check_split: Whose images check what was found; None for no check.
        tta: One of `zoo_uncertainty.members.TTA`.
        device: As for `zoo.load`.
        out: File to write; None for ``calibration.json`` beside the first model's checkpoint.
    """

    specs: Sequence[str]
    data: Path
    split: str = "val"
    alpha: float = 0.1
    check_split: str | None = None
    tta: str = "none"
    device: str = "auto"
    out: Path | None = None


def calibrate(
    request: Request, progress: Callable[[int, int], None] | None = None
) -> tuple[Calibration, Path]:
    """Return what was found, and the file to write it into.

    Args:
        request: What to calibrate.
        progress: Called with images done and images in total.

    Raises:
        ConfigError: A model is not semantic, gives no scores, ``alpha`` is out of range, or a name
            has no place for a calibration.
        CheckpointError: Weights cannot be read.
        DataError: The folder is damaged, or one of the models was trained on some of its images.
    """
    if not 0 < request.alpha < 1:
        message = f"cannot let a share of {request.alpha:g} be missed: expected above 0, below 1."
        raise ConfigError(message, where="--alpha", hint="use for example 0.1.")
    prepared = read_prepared(request.data)
    members = open_members(request.specs, tta=request.tta, device=request.device)
    path = request.out or _usual_place(members, request.specs[0])
    rows = rows_of(members, prepared, request.split)
    known = check_unseen(members, request.specs, prepared, rows)
    others: list[PreparedFile] = []
    if request.check_split is not None:
        others = rows_of(members, prepared, request.check_split)
        check_apart(prepared, rows, others)
        check_unseen(members, request.specs, prepared, others)
    count = _Counter(progress, 2 * (len(rows) + len(others)))
    evidence = collect(members, prepared, rows, count)
    temperature = fit_temperature(evidence.logs, evidence.truth)
    errors = dice_errors(members, prepared, rows, temperature, count)
    classes = [_class(members, k, evidence, errors[k], request.alpha) for k in members.foreground]
    facts: dict[str, Any] = {
        "data": _data_facts(prepared, request.split, rows, evidence),
        "images_known": known,
        "pixels": len(evidence.truth),
        "before": _scores(evidence, 1.0),
        "after": _scores(evidence, temperature),
    }
    if others:
        checked = collect(members, prepared, others, count)
        found = dice_errors(members, prepared, others, temperature, count)
        facts["check"] = {
            "data": _data_facts(prepared, str(request.check_split), others, checked),
            "before": _scores(checked, 1.0),
            "after": _scores(checked, temperature),
            "classes": [
                _checked(each, checked, index, found[index])
                for each, index in zip(classes, members.foreground, strict=True)
            ],
        }
    identity = members.identity()
    made = Calibration(identity, request.tta, request.alpha, temperature, classes, facts)
    return made, path


def _usual_place(members: Members, spec: str) -> Path:
    if not has_place(spec):
        message = f"cannot choose where to write the calibration of {spec!r}: it is a name, whose "
        message += "weights lie beside those of other models."
        raise ConfigError(message, where="--out", hint="name a file: --out calibration.json")
    return members.checkpoint.parent / NAME


class _Counter:
    """Counts images; the function that is told has no more to know."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _class(
    members: Members,
    index: int,
    evidence: Evidence,
    errors: Sequence[tuple[str, float]],
    alpha: float,
) -> ClassCalibration:
    missed = evidence.missed[index]
    threshold = find_threshold(missed, alpha)
    largest = largest_by_group(errors)
    return ClassCalibration(
        name=members.classes[index],
        groups=len(missed),
        threshold=threshold,
        missed=None if threshold is None else float(missed_share(missed, threshold).mean()),
        dice_groups=len(largest),
        dice_width=conformal_width(list(largest.values()), alpha),
    )


def _checked(
    each: ClassCalibration,
    evidence: Evidence,
    index: int,
    errors: Sequence[tuple[str, float]],
) -> dict[str, Any]:
    """Return what other images say about a class: what is missed, and how often Dice is within."""
    missed, largest = evidence.missed[index], largest_by_group(errors)
    is_known = each.threshold is not None and len(missed) > 0
    share = missed_share(missed, each.threshold or 0.0).mean() if is_known else None
    within = None
    if each.dice_width is not None and largest:
        within = sum(value <= each.dice_width for value in largest.values()) / len(largest)
    return {
        "name": each.name,
        "groups": len(missed),
        "missed": None if share is None else float(share),
        "dice_groups": len(largest),
        "dice_within": within,
    }


def _data_facts(
    prepared: Prepared, split: str, rows: Sequence[PreparedFile], evidence: Evidence
) -> dict[str, Any]:
    return {
        "name": f"{prepared.dataset.plugin}.{prepared.dataset.name}",
        "digest": prepared.digest,
        "split": split,
        "split_digest": prepared.splits[split].digest,
        "images": len(rows),
        "groups": evidence.groups,
    }


def _scores(evidence: Evidence, temperature: float) -> Mapping[str, float]:
    pixels = (evidence.logs, evidence.truth, temperature)
    return {
        "nll": round(negative_log_likelihood(*pixels), _DIGITS),
        "ece": round(calibration_error(*pixels), _DIGITS),
    }
