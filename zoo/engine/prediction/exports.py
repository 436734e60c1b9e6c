# SPDX-License-Identifier: Apache-2.0
"""Files that exporters of plugins write: known by their suffix, opened by the plugin's runner."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo.catalog import read_catalog
from zoo.engine.plugin_code import naming_plugin
from zoo.engine.prediction.export_record import check_export_record
from zoo.errors import ConfigError
from zoo.loading import load_target
from zoo.manifest.rows import ExporterRow

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.interfaces import ExportedModel, Runner

__all__ = ["ExportReader", "check_export_device", "find_runner", "open_exported"]


class ExportReader:
    """What the reader of a config says of itself, for a file that holds its own pipeline."""

    steps: tuple[Callable[[dict[str, Any]], dict[str, Any] | None], ...] = ()
    takes_pixels = True
    takes_pictures = True

    def reads(self, path: Path) -> bool:
        """Return whether a file of an unusual suffix is an image to it: none is.

        Args:
            path: A file.
        """
        return False


def find_runner(path: str | os.PathLike[str]) -> Found | None:
    """Return the ``[[exporter]]`` row that opens files of this ending again, or None.

    The longest ending counts, and of equal ones the first.

    Args:
        path: A path; whether it exists does not matter.
    """
    name = Path(path).name.lower() if Path(path).suffix else ""
    fitting = [
        (len(row.suffix), found)
        for found in (read_catalog().rows("exporter") if name else ())
        if isinstance(row := found.row, ExporterRow)
        and row.runner is not None
        and name.endswith(row.suffix)
    ]
    return max(fitting, key=lambda pair: pair[0], default=(0, None))[1]


def open_exported(found: Found, path: str | os.PathLike[str]) -> ExportedModel:
    """Return an opened file of an exporter.

    Args:
        found: What `find_runner` returned for it.
        path: The file.

    Raises:
        LoadError: The plugin's code cannot be imported.
        CheckpointError: What it says of its model is of the wrong shape.
        ZooError: What its runner raises: the file was changed, or cannot be run here.
    """
    row = found.row
    target = row.runner if isinstance(row, ExporterRow) else None
    runner = cast("Runner", load_target(found, target))
    with naming_plugin():
        opened = runner(Path(path))
    check_export_record(opened.record, Path(path))
    return opened


def check_export_device(device: object, path: Path) -> None:
    """Refuse a device for a file that runs on the CPU.

    Args:
        device: As it was asked for.
        path: The file.

    Raises:
        ConfigError: It is neither ``cpu`` nor ``auto``.
    """
    if str(device).partition(":")[0] not in ("auto", "cpu"):
        message = f"cannot run {path.name!r} on the device {str(device)!r:.40}: an exported file "
        message += "runs on the CPU."
        raise ConfigError(message, where="--device", hint="use --device cpu, or leave it out.")
