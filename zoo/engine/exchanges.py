# SPDX-License-Identifier: Apache-2.0
"""Formats of labels that plugins read and write, found by their names: ``[[exchange]]`` rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from zoo.catalog import read_catalog
from zoo.engine.plugin_code import naming_plugin
from zoo.engine.plugin_options import bind_options
from zoo.errors import DataError, PluginError, UnknownNameError
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo.loading import load_target
from zoo.manifest.rows import ExchangeRow

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.data import Report, Source
    from zoo.interfaces import Exchange
    from zoo.manifest.rows import Option

__all__ = ["FormatReader", "FormatWriter", "open_reader", "open_writer", "options_of"]


class FormatReader:
    """Reads the labels of a source; a ``zoo.interfaces.SourceReader``.

    Args:
        found: A row that reads.
    """

    def __init__(self, found: Found) -> None:
        self._found, self._row = found, cast("ExchangeRow", found.row)
        self.name = found.row.name
        self._exchange = _built(found)

    def __call__(self, source: Source, report: Report, /, *, only: str = "") -> Labels:
        """Return the labels of a source, checked.

        Args:
            source: A folder or a zip.
            report: Receives what is left out or mended.
            only: Path of the label file in the source; empty for all of the format's suffixes.

        Raises:
            DataError: There is no such file, or it is not of this format.
            PluginError: The plugin returns labels that its own list of classes does not have.
        """
        files = self._files(source, only)
        with naming_plugin():
            labels = self._exchange.read(source, files, report)
            images = tuple(labels.images)
        return replace(labels, images=tuple(_checked(images, labels.classes, self._found)))

    def _files(self, source: Source, only: str) -> list[str]:
        from zoo.data import compose

        suffixes = self._row.suffixes
        found = [file.path for file in source.files() if file.suffix in suffixes]
        if only:
            wanted = compose(only)
            named = [file for file in found if compose(file) == wanted]
            found = named or [file for file in found if compose(file).endswith(f"/{wanted}")]
        if not found or (only and len(found) > 1):
            expected = repr(only) if only else " or ".join(suffixes)
            many = f"{len(found)} files" if found else "no file"
            message = f"cannot read labels as {self.name!r}: found {many}, expected {expected}."
            hint = f"formats that read files of this source: {_told_formats(source) or 'none'}."
            if only:
                hint = "give the path of the label file from the top of the source."
            raise DataError(message, path=source.path, hint=hint)
        return found


class FormatWriter:
    """Writes labels as one file.

    Args:
        found: A row that writes.
        options: Options of the format that were given, with underscores.

    Raises:
        DataError: An option is unknown, or its value is not one that the format takes.
    """

    def __init__(self, found: Found, options: Mapping[str, Any]) -> None:
        self.name = found.row.name
        self.suffix = cast("ExchangeRow", found.row).suffixes[0]
        self._found, self._exchange = found, _built(found, options)

    def __call__(self, labels: Labels, out: Path) -> Report:
        """Write labels, and return what the format could not say.

        Args:
            labels: What to write.
            out: The file; its name ends with ``suffix``.

        Raises:
            DataError: It cannot be written.
            PluginError: The plugin wrote no file.
        """
        from zoo.data import Report

        report = Report()
        with naming_plugin():
            self._exchange.write(labels, out, report)
        if not out.is_file():
            message = f"cannot write {out.name!r}: {self.name!r} returned without a file."
            raise PluginError(
                message, plugin=self._found.record.name, manifest=self._found.record.path
            )
        return report


def open_reader(name: str) -> FormatReader:
    """Return the reader of a format.

    Args:
        name: ``Name`` or ``plugin.Name`` of an ``[[exchange]]`` row.

    Raises:
        UnknownNameError: No format of that name reads; the message lists those that do.
        PluginError: The plugin cannot be used.
    """
    return FormatReader(_find(name, "reads"))


def open_writer(name: str, options: Mapping[str, Any] | None = None) -> FormatWriter:
    """Return the writer of a format.

    Args:
        name: ``Name`` or ``plugin.Name`` of an ``[[exchange]]`` row.
        options: Options of the format by name, with underscores; None for its defaults.

    Raises:
        UnknownNameError: No format of that name writes; the message lists those that do.
        DataError: An option is unknown, or its value is not one that the format takes.
        PluginError: The plugin cannot be used.
    """
    return FormatWriter(_find(name, "writes"), options or {})


def options_of(name: str) -> tuple[Option, ...]:
    """Return the options of a format that writes.

    Args:
        name: ``Name`` or ``plugin.Name`` of an ``[[exchange]]`` row.

    Raises:
        UnknownNameError: No format of that name writes; the message lists those that do.
    """
    return cast("ExchangeRow", _find(name, "writes").row).options


def _find(name: str, way: Literal["reads", "writes"]) -> Found:
    """Return a row that reads or writes; the error lists all that do."""
    names = sorted(row.name for row in _rows() if getattr(row, way))
    listed = ", ".join(names) or "none"
    try:
        found = read_catalog().find("exchange", name)
    except UnknownNameError as error:
        message = f"no format named {name!r} {way} labels: there are {listed}."
        hint = error.hint if names else 'pip install "mmzoo-label-exchange"'
        raise UnknownNameError(
            message, kind="exchange", name=name, near=error.near, hint=hint
        ) from error
    if not getattr(found.row, way):
        other = {"reads": "writes", "writes": "reads"}[way]
        message = f"cannot use the format {name!r}: it only {other} labels."
        raise UnknownNameError(
            message, kind="exchange", name=name, near=(), hint=f"one that {way}: {listed}."
        )
    return found


def _rows() -> Iterator[ExchangeRow]:
    for found in read_catalog().rows("exchange"):
        if isinstance(found.row, ExchangeRow):
            yield found.row


def _told_formats(source: Source) -> str:
    """Return the formats that read a suffix in a source, for a hint."""
    suffixes = {file.suffix for file in source.files()}
    return ", ".join(
        sorted(row.name for row in _rows() if row.reads and suffixes & {*row.suffixes})
    )


def _built(found: Found, given: Mapping[str, Any] | None = None) -> Exchange:
    row = cast("ExchangeRow", found.row)
    options = bind_options(row.options, given or {}, doing=f"write labels as {row.name!r}")
    build = cast("type[Exchange]", load_target(found))
    with naming_plugin():
        return build(**options)


def _checked(
    images: tuple[object, ...], classes: tuple[str, ...], found: Found
) -> Iterator[LabelledImage]:
    """Yield what a plugin has read; refuse what its interface does not allow."""
    if len({*classes}) < len(classes) or not all(classes):
        raise _broken(found, f"the classes {classes!r:.80}, expected names that differ")
    for image in images:
        if not isinstance(image, LabelledImage):
            raise _broken(found, f"{image!r:.80}, expected zoo.interfaces.LabelledImage")
        for each in image.objects:
            if not isinstance(each, LabelledObject):
                raise _broken(found, f"{each!r:.80}, expected zoo.interfaces.LabelledObject")
            shapes = [bool(each.polygons), each.rle is not None]
            if sum(shapes) > 1 or not (any(shapes) or each.box is not None):
                raise _broken(found, f"an object with {sum(shapes)} shapes, expected one")
            if fault := _fault(each, image.size):
                raise _broken(found, f"an object of {image.name!r:.80} with {fault}")
            if each.label not in classes:
                raise _broken(found, f"an object of {each.label!r}, which its classes lack")
        yield image


def _fault(each: LabelledObject, size: tuple[int, int] | None) -> str | None:
    """Return what is wrong with the shape of an object, or None."""
    from zoo.data.coco.masks import find_rle_fault

    if each.box is not None and (len(each.box) != 4 or not all(map(math.isfinite, each.box))):
        return f"the box {each.box!r:.80}, expected four finite numbers"
    for polygon in each.polygons:
        for ring in (polygon.outline, *polygon.holes):
            if len(ring) % 2 or len(ring) < 6 or not all(map(math.isfinite, ring)):
                return f"the outline {ring!r:.80}, expected x and y of three points or more"
    if each.rle is None:
        return None
    rle = dict(each.rle)
    height_px, width_px = rle.get("size", (0, 0)) if size is None else size[::-1]
    return find_rle_fault(rle, height_px, width_px)


def _broken(found: Found, what: str) -> PluginError:
    message = f"cannot read labels as {found.row.name!r}: the plugin returns {what}."
    hint = f"report it to the author of plugin {found.record.name!r}."
    return PluginError(message, plugin=found.record.name, manifest=found.record.path, hint=hint)
