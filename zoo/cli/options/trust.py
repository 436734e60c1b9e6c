# SPDX-License-Identifier: Apache-2.0
"""``--trust SHA256``: the only override of loading without running code, for a single file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["trust_option"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def trust_option(function: _Function) -> _Function:
    """Add ``--trust`` to a command that loads checkpoints; it applies while the command runs.

    Args:
        function: The function of a click command.
    """
    option = click.option(
        "--trust",
        metavar="SHA256",
        multiple=True,
        expose_value=False,
        callback=_trust,
        help="Allow the .pth with this sha256 to run its code when loaded; repeatable.",
    )
    return option(function)


def _trust(ctx: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    digests = [value.lower() for value in values]
    for digest in digests:
        if re.fullmatch(r"[0-9a-f]{64}", digest) is None:
            message = (
                f"{digest!r} is not a sha256: expected 64 hex digits, as sha256sum prints them"
            )
            raise click.BadParameter(message)
    if digests and not ctx.resilient_parsing:
        from zoo.engine.checkpoints.pickles import trusting

        ctx.with_resource(trusting(digests))
