# SPDX-License-Identifier: Apache-2.0
"""Options that select rows of weights, for every command that lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli.options.completion import complete_plugin
from zoo.manifest.rows import LISTED_TASKS

if TYPE_CHECKING:
    from zoo.cli.options.metric_filter import MetricFilter
    from zoo.cli.options.weights_filters import Filters

__all__ = ["filter_options", "filters_of"]

_Value = TypeVar("_Value")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _metric(_: click.Context, __: click.Parameter, value: str | None) -> MetricFilter | None:
    from zoo.cli.options.metric_filter import parse_metric

    return _parsed(value, parse_metric, "NAME, NAME>=VALUE or NAME<=VALUE")


def _amount(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from zoo.cli.options.weights_filters import parse_amount

    return _parsed(value, parse_amount, "a number with a unit, as 200MB or 30M")


def _parsed(value: str | None, parse: Callable[[str], _Value | None], wanted: str) -> _Value | None:
    """Return the parsed value of an option; one that cannot be parsed is wrong usage."""
    if value is None:
        return None
    found = parse(value)
    if found is None:
        message = f"expected {wanted}, got {value!r}"
        raise click.BadParameter(message)
    return found


_OPTIONS = (
    click.option("--task", type=click.Choice(LISTED_TASKS), help="Show only this task."),
    click.option(
        "--plugin",
        metavar="P",
        shell_complete=complete_plugin,
        help="Show only the weights of this plugin.",
    ),
    click.option(
        "--dataset",
        metavar="D",
        help="Show only weights measured on this data set, by part of its name.",
    ),
    click.option("--arch", metavar="A", help="Show only this architecture, by part of its name."),
    click.option(
        "--metric",
        metavar="M",
        callback=_metric,
        help="Show only weights with this metric, highest first: mIoU, 'mIoU>=80%' or 'RMSE<=0.3'.",
    ),
    click.option(
        "--has", "classes", multiple=True, metavar="C", help="Show only weights with this class."
    ),
    click.option(
        "--licence", metavar="L", help="Show only weights with this licence, by part of it."
    ),
    click.option(
        "--commercial",
        is_flag=True,
        help="Show only weights whose licence is known and does not forbid commercial use.",
    ),
    click.option(
        "--max-size", metavar="BYTES", callback=_amount, help="Show only smaller files: 200MB."
    ),
    click.option(
        "--max-parameters", metavar="N", callback=_amount, help="Show only smaller models: 30M."
    ),
    click.option("--here", is_flag=True, help="Show only weights whose file is on this machine."),
    click.option(
        "--sort", metavar="KEY", help="Sort by name, size, parameters, or a metric, highest first."
    ),
)


def filter_options(function: _Function) -> _Function:
    """Add the options that select rows of weights to a command.

    Args:
        function: The function of a click command; `filters_of` takes their values.
    """
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def filters_of(texts: tuple[str, ...], given: Mapping[str, Any]) -> Filters:
    """Return the filters that a user gave.

    Args:
        texts: Texts that the rows must contain.
        given: Values of the options, by their names.
    """
    from zoo.cli.options.weights_filters import Filters

    return Filters(
        texts=texts,
        task=given["task"],
        plugin=given["plugin"],
        dataset=given["dataset"],
        architecture=given["arch"],
        metric=given["metric"],
        classes=given["classes"],
        licence=given["licence"],
        is_commercial=given["commercial"],
        most_bytes=given["max_size"],
        most_parameters=given["max_parameters"],
        is_here=given["here"],
        sort=given["sort"],
    )
