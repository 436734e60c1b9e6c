# SPDX-License-Identifier: Apache-2.0
"""``zoo compare A B``: what appeared, went and changed between two results of one place."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.texts import printable

if TYPE_CHECKING:
    from zoo_geo_vectors.comparing import Changes

__all__ = ["command"]

_COLUMNS = ("class", "in A", "in B", "appeared", "gone", "changed", "same")


@click.command("compare")
@click.argument("earlier", metavar="A", type=click.Path(path_type=Path))
@click.argument("later", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all objects and what became of them: .gpkg, .geojson or .shp.",
)
@click.option(
    "--match",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.3,
    show_default=True,
    help="Least IoU of one object in A and B.",
)
@click.option(
    "--same",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Least IoU of an object that has not changed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    earlier: Path, later: Path, out: Path | None, match: float, same: float, as_json: bool
) -> None:
    """Say what differs between A and B, two results of one place.

    Each is the --out folder of `zoo predict`, or a .gpkg, .geojson or .shp. Objects are matched by
    the intersection over union of their outlines, in the reference system of A. One that is in both
    has changed if its class differs, or if its outlines agree less than --same.
    """
    from zoo_geo_vectors.changed_files import write_changes
    from zoo_geo_vectors.comparing import compare

    found = compare(earlier, later, match=match, same=same)
    lost = None if out is None else write_changes(found, out)
    if as_json:
        document = {**_document(found, match, same), "out": None if out is None else str(out)}
        document["repaired"] = [] if lost is None else lost.to_dict()["repaired"]
        click.echo(json.dumps(document, allow_nan=False))
        return
    lines = _lines(found)
    if lost is not None:
        lines += [*filter(None, lost.summary().splitlines()), f"wrote {out}"]
    click.echo("\n".join(printable(line) for line in lines))


def _document(found: Changes, match: float, same: float) -> dict[str, Any]:
    from zoo_geo_vectors.comparing import Change
    from zoo_geo_vectors.places import crs_name

    names = [field.name for field in fields(Change) if field.name != "outline"]
    return {
        "schema": "zoo.compare/1",
        "a": str(found.earlier.path),
        "b": str(found.later.path),
        "crs": crs_name(found.earlier.crs),
        "match": match,
        "same": same,
        "left_out": {"a": found.earlier.left_out, "b": found.later.left_out},
        "classes": found.counts(),
        "objects": [{name: getattr(row, name) for name in names} for row in found.rows],
    }


def _lines(found: Changes) -> list[str]:
    counts = found.counts()
    rows = [_COLUMNS, *((name, *map(str, each.values())) for name, each in counts.items())]
    if len(counts) != 1:
        keys = ("a", "b", "appeared", "gone", "changed", "same")
        rows.append(("all", *(str(sum(each[key] for each in counts.values())) for key in keys)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])],
        ).rstrip()
        for row in rows
    ]
    for side, objects in (("A", found.earlier), ("B", found.later)):
        if objects.left_out:
            lines.append(f"left out of {side}: {objects.left_out} without an area")
    return lines
