# SPDX-License-Identifier: Apache-2.0
"""The folder to measure on: what the user has, or what is drawn and prepared for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from zoo.data import read_prepared
from zoo.engine.preparation import prepare as prepare_data
from zoo.engine.preparation import sample as sample_data
from zoo.engine.reproducing.recipes import Prepare, Recipe, Sample
from zoo.errors import DataError

__all__ = ["AbsentError", "Folders", "check_same"]


class AbsentError(Exception):
    """The data of a number is not here.

    Args:
        reason: What is missing.
        get: How to get it, or None.
    """

    def __init__(self, reason: str, get: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.get = get


@dataclass
class Folders:
    """Prepared folders, each made once.

    Attributes:
        scratch: A folder for what is drawn and prepared.
        given: What the user has: a prepared folder or raw data; None for nothing.
        drawn: Samples that were drawn.
        prepared: Folders that were prepared.
    """

    scratch: Path
    given: Path | None
    drawn: dict[Sample, Path] = field(default_factory=dict)
    prepared: dict[str, Path] = field(default_factory=dict)

    @property
    def is_prepared(self) -> bool:
        """Return whether the user gave a prepared folder."""
        return self.given is not None and (self.given / "dataset.json").is_file()

    def of(self, recipe: Recipe) -> Path:
        """Return the prepared folder of a recipe.

        Args:
            recipe: How a number was measured.

        Raises:
            AbsentError: The data is not given, or is other data.
            DataError: It cannot be read.
            PluginError: The plugin of the data set cannot be used.
        """
        if self.is_prepared and self.given is not None:
            folder = self.given
        else:
            folder = self._prepare(self._raw(recipe), recipe.prepare)
        check_same(folder, recipe.prepare)
        return folder

    def _raw(self, recipe: Recipe) -> Path:
        if self.given is not None:
            return self.given
        if recipe.sample is None:
            source = recipe.source or "the card of the plugin says where it comes from"
            msg = "its data is not given"
            raise AbsentError(msg, f"--data DIR: {source}")
        if recipe.sample not in self.drawn:
            sample = recipe.sample
            out = self.scratch / f"raw_{len(self.drawn)}"
            self.drawn[sample] = sample_data(
                sample.dataset, out, seed=sample.seed, count=sample.count
            )
        return self.drawn[recipe.sample]

    def _prepare(self, raw: Path, prepare: Prepare) -> Path:
        key = json.dumps([str(raw), prepare.dataset, prepare.shares, dict(prepare.options)])
        if key not in self.prepared:
            out = self.scratch / f"prepared_{len(self.prepared)}"
            try:
                prepare_data(
                    prepare.dataset, raw, out, shares=prepare.shares, **dict(prepare.options)
                )
            except DataError as error:
                reason = f"the data cannot be prepared for it: {error.message}"
                raise AbsentError(reason, error.hint) from error
            self.prepared[key] = out
        return self.prepared[key]


def check_same(folder: Path, prepare: Prepare) -> None:
    """Raise unless a prepared folder has the images that were measured.

    Args:
        folder: A prepared folder.
        prepare: How it is to be prepared.

    Raises:
        AbsentError: It is of another data set, or lists other images.
        DataError: It is no prepared folder.
    """
    found = read_prepared(folder)
    split = found.splits.get(prepare.split)
    if found.type.removeprefix("zoo.") != prepare.dataset:
        msg = f"the data given is {found.type}, it was measured on {prepare.dataset}"
        raise AbsentError(msg)
    other = {key: value for key, value in prepare.options.items() if key in found.options}
    if any(found.options[key] != value for key, value in other.items()):
        msg = "the data given was prepared with other options"
        raise AbsentError(msg)
    if split is None or split.digest != prepare.digest:
        count = 0 if split is None else len(split.stems)
        msg = f"the data given has {count} other images in its split {prepare.split}"
        raise AbsentError(msg)
