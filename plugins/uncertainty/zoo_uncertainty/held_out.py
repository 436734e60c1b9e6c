# SPDX-License-Identifier: Apache-2.0
"""Whether a model has seen the images that are to say how good it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from zoo.errors import DataError
from zoo_uncertainty.calibration_file import has_place
from zoo_uncertainty.configured_data import digests_of_config

if TYPE_CHECKING:
    from zoo.data import Prepared, PreparedFile
    from zoo_uncertainty.members import Members

__all__ = ["check_apart", "check_unseen", "rows_of"]

_STATES = ("unknown", "configured", "selected", "unseen")  # the weakest counts
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
        one, ``configured`` if one does not say what it was trained on and the folder that its
        config names trains on none of them, ``unknown`` if that folder is not here either.

    Raises:
        DataError: A model was trained on one.
    """
    digests = {each for row in rows for each in (row.image_sha256, row.source_sha256)}
    states = set()
    for spec, predictor in zip(specs, members.predictors, strict=True):
        model = predictor.model
        seen, told = model.images_seen(digests), "it was trained on"
        if seen is not None:
            state = "selected" if model.images_seen(digests, ("val",)) else "unseen"
        else:
            # The config of a name is of whoever published it, and not of this machine.
            is_own = has_place(spec) and not model.is_published
            configured = digests_of_config(model.config) if is_own else None
            state = "unknown" if configured is None else "configured"
            seen, told = digests & (configured or frozenset()), "its config trains on"
        _refuse(model.name, told, prepared, rows, seen)
        states.add(state)
    return next(state for state in _STATES if state in states)


def _refuse(
    name: str,
    told: str,
    prepared: Prepared,
    rows: Sequence[PreparedFile],
    seen: Collection[str],
) -> None:
    known = sorted(
        row.stem for row in rows if not {row.image_sha256, row.source_sha256}.isdisjoint(seen)
    )
    if known:
        message = f"cannot calibrate {name!r} on {len(rows)} images: {told} {len(known)} of them, "
        message += f"such as {known[0]!r}."
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
