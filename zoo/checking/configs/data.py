# SPDX-License-Identifier: Apache-2.0
"""A small prepared folder for a config: the sample of its own data set, or one of its task."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import Found, read_catalog
from zoo.checking.dynamic.author import kit_of
from zoo.checking.expecting import Unchecked
from zoo.checking.folders import made_once, scratch_of_process
from zoo.checking.lookup import subject_of_folder
from zoo.checking.subject import Subject
from zoo.engine.config_parts.parts import family_of, iterate_leaves
from zoo.errors import DataError, UnknownNameError, ZooError
from zoo.manifest.rows import DatasetRow

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["find_data"]

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_SHARES = "0.5,0.25,0.25"
# A few more until no split is empty: splits are drawn by a hash of names.
_COUNTS = (12, 24, 48)
_SIZE_PX = 256
_SAMPLE = "give the data set a sample target: see zoo.interfaces.SampleTarget."


def find_data(subject: Subject, config: Config) -> Path:
    """Return a prepared folder for a config.

    Args:
        subject: The plugin under check.
        config: The config, not bound to data.

    Raises:
        Unchecked: No data set of its task has a sample.
        ZooError: The sample cannot be written or prepared.
    """
    found = _data_set(subject, config)
    row = found.row
    if not isinstance(row, DatasetRow):
        raise TypeError(row)
    name = f"{found.record.name}.{row.name}"
    options = _options(subject, found)

    def make(folder: Path) -> None:
        _write(folder, name, options)

    try:
        return made_once(scratch_of_process(), f"data_{name}", make) / "prepared"
    except ZooError as error:
        if found.record.name == subject.name:
            raise
        message = f"the sample of {name} cannot be prepared ({error.message.removesuffix('.')}): "
        message += "the config is not run"
        raise Unchecked(message) from error


def _data_set(subject: Subject, config: Config) -> Found:
    """Return the data set that the config names, or another of its task with a sample."""
    named = _named_type(config)
    if named is not None and named.startswith("zoo."):
        with contextlib.suppress(UnknownNameError):
            found = read_catalog().find("dataset", named.removeprefix("zoo."))
            if _has_sample(found):
                return found
            message = f"its data set {named} has no sample: the config is not run"
            raise Unchecked(message, _SAMPLE)
    task = family_of(config._cfg_dict)
    fitting = [
        found
        for found in read_catalog().rows("dataset")
        if _has_sample(found) and getattr(found.row, "task", None) == task
    ]
    if not fitting:
        message = f"no data set of the task {task!r} has a sample here: the config is not run"
        raise Unchecked(message, _SAMPLE)
    # The plugin's own first, then those that take any classes.
    return min(fitting, key=lambda each: _distance(subject, each))


def _distance(subject: Subject, found: Found) -> tuple[bool, bool, str]:
    takes_all = getattr(found.row, "classes", None) == "from data"
    return (found.record.name != subject.name, not takes_all, found.record.name)


def _named_type(config: Config) -> str | None:
    for loader in _LOADERS:
        dataset = (config.get(loader) or {}).get("dataset")
        if isinstance(dataset, dict):
            _, leaf = next(iterate_leaves(dataset, ""))
            return str(leaf.get("type"))
    return None


def _has_sample(found: Found) -> bool:
    return bool(getattr(found.row, "sample", None) and getattr(found.row, "prepare", None))


def _options(subject: Subject, found: Found) -> dict[str, Any]:
    """Return the options that the author of a data set states for preparing its sample."""
    owner = subject
    if found.record.name != subject.name:
        owner = subject_of_folder(found.record.checked().folder)
    return dict(kit_of(owner).prepare_options.get(found.row.name, {}))


def _write(folder: Path, name: str, options: dict[str, Any]) -> None:
    from zoo.engine.preparation import prepare

    for place, count in enumerate(_COUNTS):
        raw = _sample(name, folder / f"raw_{count}", count)
        try:
            prepare(name, raw, folder / "prepared", shares=_SHARES, **options)
        except DataError:
            if place + 1 == len(_COUNTS):
                raise
        else:
            return


def _sample(name: str, out: Path, count: int) -> Path:
    from zoo.engine.preparation import sample

    try:
        return sample(name, out, count=count, size_px=_SIZE_PX)
    except ZooError:  # the size of its images is fixed
        return sample(name, out, count=count)
