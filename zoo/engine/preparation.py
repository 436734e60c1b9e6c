# SPDX-License-Identifier: Apache-2.0
"""Turn raw data into a prepared folder, by the data set's name: what ``zoo data prepare`` runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine import plugin_options
from zoo.engine.exchanges import open_reader
from zoo.engine.plugin_code import naming_plugin
from zoo.errors import DataError, PluginError, UnknownNameError

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.data import Report, Shares

__all__ = ["bind_options", "find_dataset", "load_dataset_target", "prepare", "sample"]

_DEFAULT_SHARES = "0.8,0.1,0.1"


def prepare(
    dataset: str,
    source: str | Path,
    out: str | Path,
    *,
    task: str | None = None,
    shares: Shares | str | Sequence[float] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Report:
    """Turn raw data into a folder to train on; the same as ``zoo data prepare``.

    Args:
        dataset: A data set or its plugin, such as ``"folder_data"``. A plugin with several means
            the first, or the first of ``task``.
        source: Folder or .zip with the raw data. It is never changed.
        out: Output folder. It appears complete or not at all; if it already holds the same,
            nothing is written and the report is ``unchanged``.
        task: ``"semantic"`` or ``"instance"``.
        shares: Shares of train, val and test, as ``(0.8, 0.1, 0.1)`` or ``"0.8,0.1,0.1"``; None for
            the data set's own.
        progress: Called with the number of files done and the total.
        options: Options of the data set, with underscores: ``mask_suffix="_mask"``.
            `zoo data prepare NAME --help` lists them.

    Returns:
        Counts, splits, pixels or instances of each class, and what was dropped, repaired or noted.
        ``out/report.json`` contains the same.

    Raises:
        UnknownNameError: No data set or task has that name.
        PluginError: The plugin cannot be used.
        DataError: An option is unknown or of the wrong type, or the source or ``out`` does not fit.

    Example:
        >>> report = zoo.prepare("folder_data", "my_data", "data/mine")  # doctest: +SKIP
        >>> report.counts["written"]  # doctest: +SKIP
        48
    """
    found = find_dataset(dataset, task)
    run = load_dataset_target(found, dataset, "prepare")
    bound = bind_options(found, dataset, options)
    wanted = _read_shares(found, shares)
    with naming_plugin():
        report: Report = run(Path(source), Path(out), shares=wanted, progress=progress, **bound)
    return report


def sample(
    dataset: str,
    out: str | Path,
    *,
    task: str | None = None,
    seed: int = 0,
    count: int | None = None,
    size_px: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic data set in the raw layout; the same as ``zoo data sample``.

    A mark in it ensures that models and metrics from it are published as synthetic.

    Args:
        dataset: A data set or its plugin, such as ``"oil_storage"``.
        out: Output folder. It appears complete or not at all.
        task: ``"semantic"`` or ``"instance"``.
        seed: Random seed; equal seeds give equal bytes.
        count: Number of images; None for the plugin's own.
        size_px: Side length of the images; None for the plugin's own.
        progress: Called with the number of images done and the total.

    Returns:
        The output folder, to pass to `zoo.prepare` as its source.

    Raises:
        UnknownNameError: No data set or task has that name.
        PluginError: The plugin cannot be used, or draws no sample.
        DataError: ``out`` is not free, or the size of the images is fixed.

    Example:
        >>> zoo.sample("oil_storage", "raw", count=3)  # doctest: +SKIP
        PosixPath('raw')
    """
    from zoo.data import staged_folder
    from zoo.data.source.synthetic import Synthetic, mark_sample

    found = find_dataset(dataset, task)
    write_sample = load_dataset_target(found, dataset, "sample")
    sized = _sized(write_sample, dataset, size_px)
    manifest = found.record.checked()
    with staged_folder(Path(out)) as staging:
        inner = staging / ".sample"  # unlike any name in a raw layout
        with naming_plugin():
            write_sample(inner, seed=seed, count=count, progress=progress, **sized)
        for path in inner.iterdir():
            path.rename(staging / path.name)
        inner.rmdir()
        drawn = Synthetic(manifest.plugin, manifest.version, manifest.license, seed)
        mark_sample(staging, drawn)
    return Path(out)


def _sized(write_sample: Any, name: str, size_px: int | None) -> dict[str, int]:
    """Return the keyword for the size of images, which not every sample has."""
    import inspect

    if size_px is None:
        return {}
    if "size_px" not in inspect.signature(write_sample).parameters:
        message = f"cannot draw a sample of {name!r} at {size_px} px: its size is fixed."
        raise DataError(message, where="--size", hint="drop --size.")
    return {"size_px": size_px}


def find_dataset(name: str, task: str | None) -> Found:
    """Return a data set; for a plugin with several, the first, or the first of a task.

    Args:
        name: ``Name``, ``plugin.Name`` or ``plugin``.
        task: ``semantic`` or ``instance``, None for any.

    Raises:
        UnknownNameError: No data set has that name; for a folder, the hint says how to prepare it.
    """
    from zoo.catalog import read_catalog

    catalog = read_catalog()
    for record in catalog.plugins:
        if record.name == name and record.error is None:
            rows = [row for row in record.checked().datasets if task in (None, row.task)]
            if len(rows) > 1:
                return catalog.find_dataset(f"{name}.{rows[0].name}")
    try:
        return catalog.find_dataset(name, task=task)
    except UnknownNameError as error:
        own = [found for found in catalog.rows("dataset") if _takes_own_data(found.row)]
        if own and os.path.exists(name):  # also False for what cannot be a path
            command = f"zoo data prepare {own[0].record.name} --source {shlex.quote(name)}"
            error.hint = f"{name!r} is a folder or file; for your own images, run {command}."
        raise


def _takes_own_data(row: Any) -> bool:
    return row.prepare is not None and row.classes == "from data"


def load_dataset_target(found: Found, name: str, what: str) -> Any:
    """Return a function of a data set, imported.

    Args:
        found: The data set.
        name: What the user calls it, for messages.
        what: ``prepare``, ``init`` or ``sample``.

    Raises:
        PluginError: The data set has no such function, or it cannot be imported.
    """
    from zoo.loading import load_target

    target: str | None = getattr(found.row, what)
    if target is None:
        message = f"cannot {what} {name!r}: the plugin names no {what} function."
        hint = "`zoo data list --json` says which data sets have one."
        if what == "init":
            hint = "leave out --init: there is no file of classes to write for this data set."
        raise PluginError(
            message,
            plugin=found.record.name,
            manifest=found.record.path,
            hint=hint,
        )
    return load_target(found, target)


def bind_options(found: Found, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of a data set, with defaults for those that are not given.

    Args:
        found: The data set.
        name: What the user calls it, for messages.
        given: Values by name, with underscores.

    Raises:
        DataError: A name is unknown, or a value is of another type than the option.
    """
    options = getattr(found.row, "options", ())
    doing = f"prepare {name!r}"
    return plugin_options.bind_options(options, given, doing=doing, made={"exchange": open_reader})


def _read_shares(found: Found, given: Shares | str | Sequence[float] | None) -> Shares:
    from zoo.data import Shares, parse_shares

    if isinstance(given, Shares):
        return given
    if given is None:
        return parse_shares(getattr(found.row, "shares", None) or _DEFAULT_SHARES)
    return parse_shares(given if isinstance(given, str) else ",".join(map(str, given)))
