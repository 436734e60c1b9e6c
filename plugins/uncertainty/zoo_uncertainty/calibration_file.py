# SPDX-License-Identifier: Apache-2.0
"""``calibration.json``: what was found for exactly one checkpoint, or for several together."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from zoo.data import replace_file
from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import DataError
from zoo.texts import printable, shown

if TYPE_CHECKING:
    from zoo_uncertainty.members import Members

__all__ = [
    "NAME",
    "Calibration",
    "ClassCalibration",
    "has_place",
    "read_calibration",
    "write_calibration",
]

NAME = "calibration.json"
_SCHEMA = "zoo.calibration/1"
_LIMITS = Limits(size_bytes=2**22, values=100_000)
_AGAIN = "calibrate again: zoo calibrate WORK_DIR --data DIR."
_FIRST = "calibrate the model: zoo calibrate WORK_DIR --data DIR."


@dataclass(frozen=True, slots=True)
class ClassCalibration:
    """What was found of a foreground class.

    Attributes:
        name: Of the class.
        groups: Groups that have pixels of it.
        threshold: A pixel counts as of the class from this probability on, before the temperature,
            and no more than ``alpha`` is missed; None if there are too few groups.
        missed: Mean missed share of these groups at the threshold; None without one.
        dice_groups: Groups in which it is predicted.
        dice_width: Distance of the Dice from the expected one that a new group exceeds with
            probability ``alpha`` at most; None if there are too few groups.
    """

    name: str
    groups: int
    threshold: float | None
    missed: float | None
    dice_groups: int
    dice_width: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "groups": self.groups,
            "threshold": self.threshold,
            "missed": self.missed,
            "dice_groups": self.dice_groups,
            "dice_width": self.dice_width,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """The content of the file.

    Attributes:
        members: Name, checkpoint, and digests of checkpoint and config of each model.
        tta: How images were flipped.
        alpha: The share that may be missed, and the probability of leaving the interval.
        temperature: Of the probabilities.
        classes: The foreground classes.
        facts: Everything else that it tells: data, split, errors, and the check.
    """

    members: Sequence[Mapping[str, str]]
    tta: str
    alpha: float
    temperature: float
    classes: Sequence[ClassCalibration]
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as the file holds them."""
        return {
            "schema": _SCHEMA,
            "members": [dict(each) for each in self.members],
            "tta": self.tta,
            "alpha": self.alpha,
            "temperature": self.temperature,
            "classes": [each.to_json() for each in self.classes],
            **self.facts,
        }

    def check_members(self, members: Members, path: Path) -> None:
        """Refuse models other than those that were calibrated.

        Args:
            members: The models.
            path: The file, for messages.

        Raises:
            DataError: One has another checkpoint or config, or the images are flipped otherwise.
        """
        found = members.identity()
        for key, what in (("checkpoint_sha256", "checkpoint"), ("config_sha256", "config")):
            wanted = sorted(each[key] for each in self.members)
            if wanted != sorted(each[key] for each in found):
                told = ", ".join(printable(each["checkpoint"]) for each in self.members)
                message = f"cannot use {path.name!r}: it is of another {what} ({told})."
                raise DataError(message, path=path, hint=_AGAIN)
        if self.tta != members.tta:
            message = f"cannot use {path.name!r}: it was made with --tta {self.tta}, found "
            message += f"{members.tta}."
            raise DataError(message, path=path, hint=f"use --tta {self.tta}, or {_AGAIN}")


def has_place(spec: str) -> bool:
    """Return whether a model lies in a folder of its user, where ``calibration.json`` is kept.

    The weights of a name lie in a plugin or in the cache, together with those of other models.

    Args:
        spec: What the model is opened by.
    """
    return "," in spec or Path(spec).exists()


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the file whole, in place of an earlier one.

    Args:
        path: The file.
        calibration: Its content.

    Raises:
        DataError: It cannot be written.
    """
    text = json.dumps(calibration.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(path, f"{text}\n".encode("utf-8", "backslashreplace"))


def read_calibration(path: Path) -> Calibration:
    """Return the content of the file.

    Args:
        path: The file.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return _parse(read_json(path, _LIMITS))
    except (OSError, DocumentError) as error:
        message = f"cannot read {path.name!r}: {reason_of(error)}."
        hint = _FIRST if isinstance(error, FileNotFoundError) else _AGAIN
        raise DataError(message, path=path, hint=hint) from error


_MEMBER = ("name", "checkpoint", "checkpoint_sha256", "config_sha256")
_KEYS = ("schema", "members", "tta", "alpha", "temperature", "classes")


def _parse(values: Any) -> Calibration:
    _table(values, "it")
    if values.get("schema") != _SCHEMA:
        message = f"schema is {shown(values.get('schema'))}, expected {_SCHEMA!r}"
        raise DocumentError(message)
    members = _rows(values, "members")
    for row in members:
        for key in _MEMBER:
            if not isinstance(row.get(key), str):
                _fail(f"members: {key}", row.get(key), "a text")
    if not isinstance(values.get("tta"), str):
        _fail("tta", values.get("tta"), "a text")
    alpha = _number(values, "alpha", 0, 1)
    temperature = _number(values, "temperature", 0, 1000)
    if not alpha or not temperature:
        _fail("alpha and temperature", 0, "more")
    return Calibration(
        members=members,
        tta=values["tta"],
        alpha=alpha,
        temperature=temperature,
        classes=[_class(row) for row in _rows(values, "classes")],
        facts={key: value for key, value in values.items() if key not in _KEYS},
    )


def _class(row: dict[str, Any]) -> ClassCalibration:
    name, groups, dice_groups = row.get("name"), row.get("groups"), row.get("dice_groups")
    if not isinstance(name, str):
        _fail("classes: name", name, "a text")
    if type(groups) is not int or type(dice_groups) is not int or min(groups, dice_groups) < 0:
        _fail("classes: groups", (groups, dice_groups), "whole numbers")
    threshold, missed, width = (
        None if row.get(key) is None else _number(row, key, 0, 1)
        for key in ("threshold", "missed", "dice_width")
    )
    return ClassCalibration(name, groups, threshold, missed, dice_groups, width)


def _rows(values: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = values.get(key)
    if not isinstance(rows, list) or not rows:
        _fail(key, rows, "a list of objects")
    return [_table(row, key) for row in rows]


def _table(value: Any, label: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _fail(label, value, "an object")
    return value


def _number(values: dict[str, Any], key: str, least: float, most: float) -> float:
    value = values.get(key)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not least <= value <= most:  # type: ignore[arg-type, operator]
        _fail(key, value, f"a number from {least} to {most}")
    return float(value)  # type: ignore[arg-type]


def _fail(key: str, value: object, wanted: str) -> Never:
    message = f"{key} is {shown(value)}, expected {wanted}"
    raise DocumentError(message)
