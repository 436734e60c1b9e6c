# SPDX-License-Identifier: Apache-2.0
"""``zoo export``: a model as one file of a format that any plugin offers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from zoo.errors import UnknownNameError
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo.interfaces import Exporter

__all__ = ["command"]


@click.command("export")
@click.argument("model")
@click.option(
    "--to", "to", required=True, metavar="FORMAT", help="The format: onnx, onnx_int8, ..."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Output folder.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Prepared folder, folder of images or image to compare on (default: a sample); "
    "onnx_int8 also needs its train split.",
)
@click.option(
    "--runtime",
    metavar="FILE|URL",
    help="What the format brings along to run on (html: the package onnxruntime-web).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the certificate as JSON.")
def command(
    model: str, to: str, out: Path, data: Path | None, runtime: str | None, as_json: bool
) -> None:
    """Write MODEL as one file, compare it with MODEL, and keep the result in it.

    MODEL is a weights name (`zoo list`), a published .safetensors, a work dir, or
    CONFIG,CHECKPOINT. The file holds pre-processing, network and post-processing, and the record
    of the model. If it departs from MODEL by more than its format tolerates, nothing is written,
    and the message names the first layer that departs.
    """
    import zoo
    from zoo.interfaces import ExportOptions

    suffix, exporter = _find(to)
    opened = zoo.load(model, device="cpu")
    name = opened.model.name
    path = out / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}{suffix}"
    certificate = exporter(opened, path, ExportOptions(name=name, data=data, runtime=runtime))
    if as_json:
        click.echo(json.dumps({"file": str(path), "certificate": certificate}))
        return
    for line in [*_told(certificate), f"exported: {path}"]:
        click.echo(printable(line))


def _find(name: str) -> tuple[str, Exporter]:
    """Return the suffix and the function of an exporter."""
    import zoo

    catalog = zoo.read_catalog()
    names = [found.row.name for found in catalog.rows("exporter")]
    try:
        found = catalog.find("exporter", name)
    except UnknownNameError as error:
        message = f"no exporter named {name!r}: there are {', '.join(sorted(names))}."
        hint = f"--to {min(names)}, or install a plugin that has it: pip install mmzoo-onnx-export"
        raise UnknownNameError(
            message, kind="exporter", name=name, near=error.near, hint=hint
        ) from error
    full = f"{found.record.name}.{found.row.name}"
    suffix: str = getattr(found.row, "suffix", "")
    return suffix, cast("Exporter", zoo.load_contribution("exporter", full))


def _told(certificate: Mapping[str, Any]) -> list[str]:
    """Return a certificate as lines; those of another plugin's exporter as they are."""
    from zoo_onnx_export.certificate import tell

    try:
        return tell(certificate)
    except (KeyError, TypeError, ValueError, AttributeError):
        return [f"{key}: {value}" for key, value in certificate.items()]
