# SPDX-License-Identifier: Apache-2.0
"""``zoo publish``: write a run as one .safetensors, with its card and its row; sign an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.options.completion import complete_config
from zoo.cli.options.index_options import index_options
from zoo.cli.options.trust import trust_option
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_json, say_text

__all__ = ["command"]


@click.command("publish", cls=ZooCommand)
@click.argument(
    "runs", metavar="[WORK_DIR|CHECKPOINT|FILE]...", nargs=-1, type=click.Path(path_type=Path)
)
@click.option("--name", metavar="N", help="Name of the weights.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder for N.safetensors, N.md and N.toml.",
)
@click.option(
    "--config",
    metavar="CONFIG",
    shell_complete=complete_config,
    help="The config, if it is not beside the checkpoint.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The prepared folder of the run, if it has moved.",
)
@click.option(
    "--metrics",
    multiple=True,
    type=click.Path(path_type=Path),
    help="JSON that `zoo test --out` wrote for this checkpoint; repeatable.",
)
@click.option("--metric", multiple=True, metavar="M", help="Publish only this metric; repeatable.")
@click.option(
    "--licence",
    metavar="TEXT",
    help="Licence of the weights (default: of the weights that the run started from, else "
    "Apache-2.0).",
)
@click.option(
    "--data-licence", metavar="L", help="Licence of the data (default: the one its plugin states)."
)
@click.option(
    "--into",
    metavar="PLUGIN_DIR",
    type=click.Path(path_type=Path),
    help="Put file, card, row and package data into the plugin here.",
)
@click.option("--force", is_flag=True, help="With --into: replace the weights N of the plugin.")
@click.option("--url", multiple=True, metavar="URL", help="Future address of the file; repeatable.")
@index_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@trust_option
def command(
    runs: tuple[Path, ...],
    name: str | None,
    out: Path | None,
    source: Path | None,
    into: Path | None,
    force: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write the best checkpoint of WORK_DIR, or CHECKPOINT, as one .safetensors.

    A model card and the row to paste into a manifest are written beside it; the row is printed
    too. Metrics are never typed in: they come from `zoo test WORK_DIR --out WORK_DIR/test.json` of
    this very checkpoint, or else from the run's validation, and state which. Equal input gives
    equal bytes.

    With --source DIR, the weights are listed in the signed index in DIR, which any web server can
    serve: `zoo source add` takes its address. FILE is then a .safetensors published before, or a
    .toml or .json with rows; without any, the index is signed anew.

    With --into PLUGIN_DIR, the file goes into the package of that plugin, its row into the manifest
    and a glob into the package data, or nothing is changed. Values are rounded to what their number
    of images supports, and the licence is that of the plugin.
    """
    _check_target(out, source, into, force=force)
    if into is not None:
        from zoo.cli.shelf.publish_into import publish_into

        _check_one(runs)
        publish_into(runs[0], name, into, given, force=force, as_json=as_json)
        return
    if source is not None:
        from tempfile import TemporaryDirectory

        from zoo.cli.shelf.publish_run import publish_run
        from zoo.cli.shelf.publish_source import is_listable, list_in_source

        with TemporaryDirectory(prefix="zoo_") as scratch:
            place = Path(scratch) if out is None else out
            files = [
                path if is_listable(path) else publish_run(path, name, place, given).path
                for path in runs
            ]
            list_in_source(source, files, given, as_json=as_json)
        return
    from zoo.cli.shelf.publish_run import publish_run

    _check_one(runs)
    published = publish_run(runs[0], name, out, given)
    if as_json:
        say_json(published.to_json(), allow_nan=False)
    else:
        say_text(published.manifest_row().rstrip())


def _check_target(out: Path | None, source: Path | None, into: Path | None, *, force: bool) -> None:
    """Raise a usage error for options that contradict each other."""
    if into is not None and (out is not None or source is not None):
        message = f"--into and {'--out' if out is not None else '--source'}: give one of them."
        raise click.UsageError(message)
    if force and into is None:
        message = "--force replaces weights of a plugin: give --into PLUGIN_DIR too."
        raise click.UsageError(message)


def _check_one(runs: tuple[Path, ...]) -> None:
    """Raise a usage error unless one run is named, as without an index."""
    if not runs:
        what = "'WORK_DIR|CHECKPOINT'"
        raise click.MissingParameter(param_hint=what, param_type="argument")
    if len(runs) > 1:
        message = f"Got unexpected extra argument ({runs[1]})"
        raise click.UsageError(message)
