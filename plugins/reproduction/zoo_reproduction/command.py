# SPDX-License-Identifier: Apache-2.0
"""``zoo reproduce NAME``: both values of each number, and whether they are equal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.texts import printable

if TYPE_CHECKING:
    from zoo import Comparison, Reproduction

__all__ = ["command"]


@click.command("reproduce")
@click.argument("name", metavar="NAME")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Raw data that the card of the weights names, or a folder prepared from it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, name: str, data: Path | None, as_json: bool) -> None:
    """Measure the numbers of the weights NAME again, and say of each whether it is equal.

    Synthetic data is drawn anew. For other data give --data; a number whose data is not given is
    not measured, and neither is one that was published elsewhere. The exit code is 1 if a number
    differs by more than its protocol and its rounding allow on a device of the same class, or if
    nothing could be measured on the data that was given.
    """
    import zoo

    result = zoo.reproduce(name, data, tell=lambda line: click.echo(printable(line), err=True))
    if as_json:
        click.echo(json.dumps(_document(result), indent=2, ensure_ascii=True))
    else:
        click.echo("\n".join(printable(line) for line in _lines(result)))
    is_unmeasured = data is not None and not result.count("equal")
    if result.count("differs") or is_unmeasured:
        ctx.exit(1)


def _document(result: Reproduction) -> dict[str, object]:
    counts = {state: result.count(state) for state in ("equal", "differs", "not measured")}
    return {
        "weights": result.weights,
        "plugin": result.plugin,
        **{state.replace(" ", "_"): count for state, count in counts.items()},
        "numbers": [asdict(each) for each in result.numbers],
    }


def _lines(result: Reproduction) -> list[str]:
    lines = [f"{result.weights} (plugin {result.plugin})"]
    for each in result.numbers:
        lines += _lines_of(each)
    measured = result.count("equal") + result.count("differs")
    total = len(result.numbers)
    return [*lines, f"{result.count('equal')} equal of {measured} measured, {total} stated"]


def _lines_of(each: Comparison) -> list[str]:
    head = f"  {each.metric} ({each.dataset}, {each.split}): {each.state}"
    unit = {"percent": " %", "fraction": ""}.get(each.unit, f" {each.unit}")
    if each.measured is not None and each.tolerance is not None:
        values = f"stated {each.stated:.6g}{unit}, measured {each.measured:.6g}{unit}"
        return [head, f"    {values}, tolerance {each.tolerance:.2g}"]
    lines = [head, f"    stated {each.stated:.6g}{unit}; {each.reason}"]
    return lines if each.get is None else [*lines, f"    get it: {each.get}"]
