# SPDX-License-Identifier: Apache-2.0
"""Whether a model has seen the images that are to say how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo.errors import DataError, ZooError

if TYPE_CHECKING:
    from zoo.data import Prepared, PreparedFile
    from zoo_uncertainty.members import Members

__all__ = ["check_apart", "check_unseen", "rows_of"]

_OTHER = "give images that the model has not seen: --data, or --split val."


def rows_of(members: Members, prepared: Prepared, split: str) -> list[PreparedFile]:
    """Return the images of a split, for models of its classes.

    Args:
        members: The models.
        prepared: The folder.
        split: ``train``, ``val`` or ``test``.

    Raises:
        DataError: The folder is of instances or of other classes, or the split is empty.
    """
    root = prepared.root
    if prepared.task != "semantic":
        message = f"cannot calibrate on {str(root)!r}: it is of instances, expected label maps."
        raise DataError(message, path=root, hint="give data with one mask for each image.")
    if prepared.classes != members.classes:
        message = f"cannot calibrate on {str(root)!r}: its classes are "
        message += f"{', '.join(prepared.classes)}, the model's {', '.join(members.classes)}."
        raise DataError(message, path=root, hint="give data of the model's classes.")
    rows = [row for row in prepared.files if row.split == split]
    if not rows:
        message = f"cannot use the split {split!r} of {str(root)!r}: it has no images."
        raise DataError(message, path=root, hint="prepare the data with other --shares.")
    return rows


def check_unseen(
    members: Members, specs: Sequence[str], prepared: Prepared, rows: Sequence[PreparedFile]
) -> str:
    """Refuse images that a model was trained on, by their digests.

    Args:
        members: The models.
        specs: What they were opened by.
        prepared: The folder of the images.
        rows: The images.

    Returns:
        What the models know of the images: ``unseen``, ``selected`` if they chose a checkpoint of
        one, ``unknown`` if one does not say what it was trained on.

    Raises:
        DataError: A model was trained on one.
    """
    digests = {each for row in rows for each in (row.image_sha256, row.source_sha256)}
    states = set()
    for spec, predictor in zip(specs, members.predictors, strict=True):
        run = _find_run(spec)
        seen = None if run is None else run.images_seen(digests)
        if run is None or seen is None:
            states.add("unknown")
            continue
        _refuse(predictor.model.name, prepared, rows, seen)
        states.add("selected" if run.images_seen(digests, ("val",)) else "unseen")
    return next(state for state in ("unknown", "selected", "unseen") if state in states)


def _refuse(
    name: str, prepared: Prepared, rows: Sequence[PreparedFile], seen: frozenset[str]
) -> None:
    known = sorted(row.stem for row in rows if {row.image_sha256, row.source_sha256} & seen)
    if known:
        message = f"cannot calibrate {name!r} on {len(rows)} images: it was trained on "
        message += f"{len(known)} of them, such as {known[0]!r}."
        raise DataError(message, path=prepared.root, hint=_OTHER)


def check_apart(
    prepared: Prepared, rows: Sequence[PreparedFile], others: Sequence[PreparedFile]
) -> None:
    """Refuse to check on images or groups of the calibration itself.

    Args:
        prepared: The folder.
        rows: The images of the calibration.
        others: Those of the check.

    Raises:
        DataError: Some are the same, or of the same group.
    """
    digests = {each for row in rows for each in (row.image_sha256, row.source_sha256)}
    groups = {row.group for row in rows}
    shared = sorted(
        row.stem
        for row in others
        if row.group in groups or {row.image_sha256, row.source_sha256} & digests
    )
    if shared:
        message = f"cannot check on {len(others)} images: {len(shared)} of them, such as "
        message += f"{shared[0]!r}, are of the calibration or of its groups."
        raise DataError(message, path=prepared.root, hint="give another --check-split.")


def _find_run(spec: str) -> Any:
    """Return the run of a work dir, or None: other models do not say what they were trained on."""
    if not Path(spec).is_dir():
        return None
    try:
        return zoo.read_run(spec)
    except ZooError:  # without its log
        return None
