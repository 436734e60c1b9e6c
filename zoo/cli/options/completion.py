# SPDX-License-Identifier: Apache-2.0
"""Names for shell completion: from the manifests only, nothing is imported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from zoo.catalog import Catalog, Found

__all__ = [
    "complete_any_name",
    "complete_cached",
    "complete_config",
    "complete_dataset",
    "complete_file",
    "complete_model",
    "complete_plugin",
    "complete_plugin_or_path",
    "complete_source",
    "complete_weights",
    "without_warnings",
]

_Named = Iterable[tuple[str, str | None]]
"""Names, each with what a shell may show beside it."""
_Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(names: Callable[[str], _Named], *, or_file: bool = False) -> _Completer:
    """Return the function that click calls to complete a word.

    Args:
        names: Called with the text typed so far.
        or_file: Whether a path is accepted too: the shell offers its files if no name fits.
    """

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from zoo.errors import ZooError

        with without_warnings():
            try:
                found = dict(names(incomplete))
            except (OSError, ZooError):  # running the command reports it
                found = {}
        items = [
            CompletionItem(name, help=help_)
            for name, help_ in sorted(found.items())
            if name.startswith(incomplete)
        ]
        return items or ([CompletionItem(incomplete, type="file")] if or_file else [])

    return complete


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep zoo's warnings out of the line that is being typed."""
    logger = logging.getLogger("zoo")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _catalog() -> Catalog:
    from zoo.catalog import read_catalog

    return read_catalog()


def _called(found: list[Found]) -> Iterator[tuple[str, str | None]]:
    """Yield the name of each row, prefixed with its plugin's if two have the same name."""
    names = [each.row.name for each in found]
    for each in found:
        name = each.row.name
        is_alone = names.count(name) == 1
        called = name if is_alone else f"{each.record.name}.{name}"
        yield called, getattr(each.row, "summary", None) or f"{each.row.kind} of {each.record.name}"


def _weights(typed: str) -> _Named:
    from zoo.weights.lock import read_pins

    if "/" in typed:
        yield from _of_source(typed)
        return
    yield from ((pin.name, f"adopted, of {pin.plugin}") for pin in read_pins().values())
    yield from _called(list(_catalog().rows("weights")))


def _sources(_: str) -> _Named:
    from zoo.weights.sources.book import read_book

    return [(name, f"{source.rows:,} rows") for name, source in read_book().items()]


def _of_source(typed: str) -> _Named:
    """Return the rows of the source that a name begins with, such as ``acme/``."""
    from zoo.weights.sources.lookup import rows_of_source

    return [(found.row.name, found.record.label) for found in rows_of_source(typed.split("/")[0])]


def _configs(_: str) -> _Named:
    return _called(list(_catalog().rows("config")))


def _datasets(_: str) -> _Named:
    found = list(_catalog().rows("dataset"))
    yield from _called(found)
    yield from ((each.record.name, each.record.checked().summary) for each in found)


def _plugins(_: str) -> _Named:
    for record in _catalog().plugins:
        yield record.name, None if record.manifest is None else record.manifest.summary


def _models(typed: str) -> _Named:
    yield from _weights(typed)
    yield from _configs(typed)


def _cached(_: str) -> _Named:
    from zoo.weights import find_cached

    by_digest = {getattr(each.row, "sha256", ""): each.row for each in _catalog().rows("weights")}
    for file in find_cached():
        row = by_digest.get(file.sha256)
        yield (file.name if row is None else row.name), f"{file.size_bytes / 1e6:,.1f} MB"


def _any_names(typed: str) -> _Named:
    """Return all names that `zoo info` takes, with a kind before them once a slash is typed."""
    kind, slash, _ = typed.rpartition("/")
    if slash and kind in dict(_sources(typed)):
        return _of_source(typed)
    if slash:
        named = _plugins(typed) if kind == "plugin" else _called(list(_catalog().rows(kind)))
        return [(f"{kind}/{name}", help_) for name, help_ in named]
    named = [*_called(list(_catalog().rows())), *_plugins(typed)]
    return [*named, *(_legacy() if typed else [])]  # more than a thousand


def _legacy() -> _Named:
    from zoo.weights.legacy import legacy_rows

    return [(each.row.name, "old checkpoint") for each in legacy_rows(_catalog())[0]]


complete_any_name = _completer(_any_names, or_file=True)
complete_cached = _completer(_cached)
complete_config = _completer(_configs, or_file=True)
complete_dataset = _completer(_datasets)
complete_file = _completer(lambda _: (), or_file=True)
complete_model = _completer(_models, or_file=True)
complete_plugin = _completer(_plugins)
complete_plugin_or_path = _completer(_plugins, or_file=True)
complete_source = _completer(_sources)
complete_weights = _completer(_weights)
