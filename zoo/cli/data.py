# SPDX-License-Identifier: Apache-2.0
"""``zoo data``: sample, prepare, check and show data sets."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_dataset, without_warnings
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.next_command import next_command
from zoo.cli.output.printing import say, say_json, say_text
from zoo.cli.output.progress import progress_bar
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.plugged_group import PluggedGroup
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo.manifest.rows import DatasetRow, Option

__all__ = ["group", "list_datasets", "prepare", "sample", "show"]

_HERE = "zoo.cli.data"
_TASK = click.option(
    "--task", metavar="TASK", help="Task to use if a plugin has data sets for several."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DIR = click.Path(file_okay=False, path_type=Path)

group = PluggedGroup(
    "data",
    group_name="data",
    help="Sample, prepare, check and show data sets.",
    lazy={
        "list": (f"{_HERE}:list_datasets", "List the data sets of the plugins."),
        "sample": (f"{_HERE}:sample", "Write a synthetic data set in the raw layout."),
        "prepare": (f"{_HERE}:prepare", "Turn a raw data set into a folder to train on."),
        "check": ("zoo.cli.data_check:command", "Verify a prepared folder."),
        "show": (f"{_HERE}:show", "Write a contact sheet of a prepared folder."),
    },
)


@click.command("list", cls=ZooCommand)
@wide_option
@_JSON
def list_datasets(wide: bool, as_json: bool) -> None:
    """List the data sets of the plugins."""
    from zoo.catalog import read_catalog
    from zoo.manifest.rows import DatasetRow

    rows = [
        {
            "name": f"{found.record.name}.{found.row.name}",
            "task": found.row.task,
            "classes": found.row.classes,
            "labels": found.row.labels,
            "licence": found.row.licence,
            "prepare": found.row.prepare is not None,
            "sample": found.row.sample is not None,
        }
        for found in read_catalog(keep_readings=True).rows("dataset")
        if isinstance(found.row, DatasetRow)
    ]
    columns = ["name", "task", "classes", "labels", "prepare", "sample", "licence"]
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no plugin has a data set")


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_dataset)
@click.option("--out", type=_DIR, required=True, help="Output folder; must not exist yet.")
@_TASK
@click.option(
    "--count", type=click.IntRange(min=1), help="Number of images (default: the plugin's)."
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Random seed; equal seeds give equal bytes.",
)
@click.option("--size", type=click.IntRange(min=1), help="Side length of the images in pixels.")
def sample(
    name: str, out: Path, task: str | None, count: int | None, seed: int, size: int | None
) -> None:
    """Write a synthetic data set in the raw layout of NAME, a data set or its plugin.

    It contains no real data, and goes through the same `zoo data prepare` as real data. A mark in
    it ensures that models and metrics from it are published as synthetic.
    """
    from zoo.engine.preparation import sample as write_sample

    with progress_bar("sample") as progress:
        write_sample(name, out, task=task, seed=seed, count=count, size_px=size, progress=progress)
    say(f"wrote a synthetic sample of {name} to {out}")


class _PrepareCommand(ZooCommand):
    """``prepare``, whose options depend on the data set that the line names."""

    _KEY = f"{__name__}.options"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the data set's own options before the line is parsed."""
        with without_warnings() if ctx.resilient_parsing else nullcontext():
            row = _dataset_named_in(args)
        ctx.meta[self._KEY] = [] if row is None else [_click_option(o) for o in row.options]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the fixed parameters and the data set's own."""
        return [*super().get_params(ctx), *ctx.meta.get(self._KEY, [])]


@click.command(cls=_PrepareCommand)
@click.argument("name", shell_complete=complete_dataset)
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder or .zip with the raw data.",
)
@click.option("--out", type=_DIR, help="The folder to write; not needed with --init.")
@click.option(
    "--shares",
    metavar="TRAIN,VAL,TEST",
    help="Shares of the splits, by patient or scene (default: the data set's, else 0.8,0.1,0.1).",
)
@_TASK
@click.option("--init", is_flag=True, help="Write a file of classes to edit, and prepare nothing.")
@_JSON
def prepare(
    name: str,
    source: Path,
    out: Path | None,
    shares: str | None,
    task: str | None,
    init: bool,
    as_json: bool,
    **options: object,
) -> None:
    """Turn a raw data set into a folder to train on.

    NAME is a data set or its plugin (`zoo data list`). `zoo data prepare NAME --help` shows the
    options of that data set. The source is never changed, and OUT appears only when it is
    complete.

    With --init, a file that lists the classes found in the source is written for you to edit;
    nothing is overwritten, and the command to continue with is printed.
    """
    from zoo.engine.preparation import prepare as run

    if init:
        _write_draft(name, source, task, options, as_json=as_json)
        return
    if out is None:
        raise click.MissingParameter(param_hint="'--out'", param_type="option")
    with progress_bar("prepare") as progress:
        report = run(name, source, out, task=task, shares=shares, progress=progress, **options)
    if as_json:
        facts = {**_describe(name, task), "out": str(out), "unchanged": report.unchanged}
        say_json({**facts, **report.to_dict()})
        return
    say_text(report.summary())
    say(f"prepared: {out}")  # the summary has said so if it was there, unchanged


def _describe(name: str, task: str | None) -> dict[str, str]:
    from zoo.engine.preparation import find_dataset

    found = find_dataset(name, task)
    task = getattr(found.row, "task", "")
    return {"dataset": f"zoo.{found.record.name}.{found.row.name}", "task": task}


def _write_draft(
    name: str,
    source: Path,
    task: str | None,
    options: Mapping[str, object],
    *,
    as_json: bool,
) -> None:
    """Write the file that a data set wants edited, and print what to do next."""
    from zoo.engine.preparation import bind_options, find_dataset, load_dataset_target

    found = find_dataset(name, task)
    write = load_dataset_target(found, name, "init")
    with progress_bar("init") as progress:
        draft = write(source, progress=progress, **bind_options(found, name, options))
    command = next_command(click.get_current_context().meta["zoo.args"], source, draft)
    if as_json:
        path = None if draft.path is None else str(draft.path)
        say_json({"schema": 1, "written": path, "found": list(draft.lines), "next": command})
        return
    if draft.path is not None:
        say(f"wrote {draft.path}")
    say(*draft.lines, f"next: {command}")


@click.command(cls=ZooCommand)
@click.argument("folder", metavar="DIR", type=_DIR)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder for contact_sheet.png, or the name of a .png; an existing sheet is replaced.",
)
@click.option("--count", type=click.IntRange(min=1), default=12, show_default=True)
def show(folder: Path, out: Path, count: int) -> None:
    """Write a contact sheet of the prepared folder DIR: images with their labels over them."""
    from zoo.data import show_prepared

    say(f"wrote {show_prepared(folder, out, count=count)}")


def _dataset_named_in(args: list[str]) -> DatasetRow | None:
    """Return the row of the first word that names a data set, or None to let click complain."""
    from zoo.engine.preparation import find_dataset
    from zoo.errors import ZooError
    from zoo.manifest.rows import DatasetRow

    parts = [part for arg in args for part in (arg.split("=", 1) if arg[:2] == "--" else [arg])]
    pairs = list(pairwise(["", *parts]))
    task = next((word for before, word in pairs if before == "--task"), None)
    # What follows an option is its value, unless the option is a flag: such words come last.
    pairs.sort(key=lambda pair: pair[0][:2] == "--")
    for word in (word for _, word in pairs if word[:1] != "-"):
        try:
            row = find_dataset(word, task).row
        except ZooError:
            continue  # the command itself looks the name up again and says what is wrong
        return row if isinstance(row, DatasetRow) else None
    return None


def _click_option(option: Option) -> click.Option:
    """Return one ``[[dataset.option]]`` row as an option of the command line."""
    kinds: dict[str, Any] = {
        "str": str,
        "int": int,
        "float": float,
        "path": click.Path(path_type=Path),
        "choice": click.Choice(option.choices),
        "exchange": str,
    }
    dest, help_ = option.name.replace("-", "_"), printable(option.help)
    if option.type == "bool":
        return click.Option(
            [f"--{option.name}/--no-{option.name}", dest], default=option.default, help=help_
        )
    return click.Option(
        [f"--{option.name}", dest],
        type=kinds[option.type],
        default=option.default,
        multiple=option.multiple,
        show_default=option.default not in (None, ""),
        help=help_,
    )
