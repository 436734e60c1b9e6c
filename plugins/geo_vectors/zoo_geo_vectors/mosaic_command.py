# SPDX-License-Identifier: Apache-2.0
"""``zoo mosaic TILES``: tiles with coordinates as one scene, so that nothing is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.texts import counted, printable

if TYPE_CHECKING:
    from zoo_geo_vectors.mosaic import Mosaic

__all__ = ["command"]


@click.command("mosaic")
@click.argument("tiles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .vrt, beside the tiles or above (default: mosaic.vrt in the folder of tiles).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(tiles: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Write a VRT that shows TILES as one scene, for `zoo predict`.

    TILES are GeoTIFFs and JPEG 2000 with coordinates, or folders of them. They share a reference
    system, the size of a pixel and a grid; they may adjoin, overlap or leave gaps. No pixel is
    copied.
    """
    from zoo_geo_vectors.mosaic import write_mosaic

    found = write_mosaic(tiles, out)
    if as_json:
        click.echo(json.dumps(_document(found), allow_nan=False))
        return
    click.echo("\n".join(printable(line) for line in _lines(found)))


def _document(found: Mosaic) -> dict[str, Any]:
    return {
        "schema": "zoo.mosaic/1",
        "file": str(found.path),
        "tiles": found.tiles,
        "width_px": found.width_px,
        "height_px": found.height_px,
        "crs": _crs_of(found),
        "transform": list(found.transform),
        "covered": found.covered,
    }


def _lines(found: Mosaic) -> list[str]:
    size = f"{found.width_px} x {found.height_px} px"
    lines = [f"wrote {found.path}: {counted(found.tiles, 'tile')}, {size}, {_crs_of(found)}"]
    if found.covered < 1:
        lines.append(f"{1 - found.covered:.1%} of the scene is missing data: no tile shows it")
    return lines


def _crs_of(found: Mosaic) -> str:
    from zoo_geo_vectors.places import crs_name, read_crs

    return crs_name(read_crs(found.crs))
