# SPDX-License-Identifier: Apache-2.0
"""Options of ``zoo publish --source``: the index to write, and what to say in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["index_options"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_DIR = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--source", metavar="DIR", type=_DIR, help="List the weights in the index here."),
    click.option("--key", metavar="FILE", type=_FILE, help="Private key that signs the index."),
    click.option("--scope", metavar="NAME", help="Name of the source, for a new index."),
    click.option("--homepage", metavar="URL", help="Page of the publisher, for the index."),
    click.option("--index-licence", metavar="L", help="Licence of the index (default: CC0-1.0)."),
    click.option(
        "--days",
        type=click.IntRange(1, 3650),
        metavar="N",
        help="Days until the index expires (default: 365).",
    ),
    click.option(
        "--plugin",
        metavar="PATH",
        multiple=True,
        help="List the plugin here, a project or a wheel, in the index; repeatable.",
    ),
    click.option(
        "--yank",
        metavar="NAME=REASON",
        multiple=True,
        help="Withdraw NAME or NAME@VERSION in the index; repeatable.",
    ),
    click.option(
        "--deprecate",
        metavar="NAME=SUCCESSOR",
        multiple=True,
        help="Name the weights to use instead of NAME; repeatable.",
    ),
)


def index_options(function: _Function) -> _Function:
    """Add the options of an index to a command.

    Args:
        function: The function of a click command.
    """
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
