# SPDX-License-Identifier: Apache-2.0
"""``--keep-largest``, ``--fill-holes`` and ``--no-postprocess``: postprocessing of label maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from zoo.engine.prediction.model import LoadedModel

__all__ = ["choose_postprocess", "postprocess_options"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _parse_parts(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> int | dict[str, int] | None:
    """Return one number for all classes, or one per class."""
    found: dict[str, int] = {}
    for value in values:
        name, _, count = value.rpartition("=")
        if not count.isascii() or not count.isdigit() or int(count) < 1:
            message = f"expected N or CLASS=N with N of 1 or more, got {value!r}"
            raise click.BadParameter(message, context, parameter)
        found[name.strip()] = int(count)
    if "" not in found:
        return found or None
    if len(values) > 1:
        message = "give one N for all classes, or CLASS=N for each"
        raise click.BadParameter(message, context, parameter)
    return found[""]


def postprocess_options(function: _Function) -> _Function:
    """Add the options ``keep_largest``, ``fill_holes`` and ``no_postprocess`` to a command.

    Args:
        function: The function of a click command.
    """
    for option in (
        click.option(
            "--no-postprocess",
            is_flag=True,
            help="Skip the postprocessing that the model states.",
        ),
        click.option(
            "--fill-holes/--no-fill-holes",
            default=None,
            help="Fill enclosed background in every class (default: as the model states).",
        ),
        click.option(
            "--keep-largest",
            multiple=True,
            metavar="[CLASS=]N",
            callback=_parse_parts,
            help="Keep the N largest connected parts of CLASS, or of every class but the "
            "background; repeatable by class (default: as the model states).",
        ),
    ):
        function = option(function)
    return function


def choose_postprocess(
    model: LoadedModel,
    *,
    keep_largest: int | dict[str, int] | None,
    fill_holes: bool | None,
    no_postprocess: bool,
) -> dict[str, Any] | None:
    """Return a model's postprocessing after the options; each option replaces its own part.

    Args:
        model: The loaded model.
        keep_largest: Number of largest parts to keep, for every class or by class name; None leaves
            the model's value.
        fill_holes: Whether to fill holes; None leaves the model's value.
        no_postprocess: Whether to ignore what the model's config states.

    Raises:
        BadParameter: An option does not fit the model.
    """
    from zoo.engine.cleaning.postprocess import parse_postprocess
    from zoo.errors import ConfigError

    stated = {} if no_postprocess else model.config.get("postprocess")
    chosen = dict(stated or {})
    if keep_largest is not None:
        chosen["keep_largest"] = keep_largest
    if fill_holes is not None:
        chosen["fill_holes"] = fill_holes
    try:
        parse_postprocess(chosen, model.classes, task=model.task)
    except ConfigError as error:
        if keep_largest is None and not fill_holes:
            raise  # the model's own statement is invalid
        reason = error.message.partition(": ")[2].rstrip(".")
        option = "--fill-holes" if keep_largest is None else "--keep-largest"
        raise click.BadParameter(reason, param_hint=option) from error
    return chosen or None
