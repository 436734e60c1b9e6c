# SPDX-License-Identifier: Apache-2.0
"""``zoo data``: sample, prepare, check and show data sets."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_config, complete_dataset, without_warnings
from zoo.cli.options.mm_options import MMCommand
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.groups import LazyGroup
from zoo.cli.output.printing import say, say_text
from zoo.cli.output.progress import progress_bar
from zoo.cli.output.tables import print_rows, wide_option
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.data.source.synthetic import Synthetic
    from zoo.manifest.rows import DatasetRow, Option

__all__ = ["check", "group", "list_datasets", "prepare", "sample", "show"]

_HERE = "zoo.cli.data"
_TASK = click.option(
    "--task", metavar="TASK", help="Which task, where a plugin has data sets for several."
)
_DIR = click.Path(file_okay=False, path_type=Path)

group = LazyGroup(
    "data",
    help="Sample, prepare, check and show data sets.",
    lazy={
        "list": (f"{_HERE}:list_datasets", "List the data sets that plugins bring."),
        "sample": (f"{_HERE}:sample", "Write a synthetic data set in the raw layout."),
        "prepare": (f"{_HERE}:prepare", "Turn a raw data set into a folder to train on."),
        "check": (f"{_HERE}:check", "Prove a prepared folder."),
        "show": (f"{_HERE}:show", "Write a contact sheet of a prepared folder."),
    },
)


@click.command("list", cls=ZooCommand)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_datasets(wide: bool, as_json: bool) -> None:
    """List the data sets that plugins bring."""
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
        for found in read_catalog().rows("dataset")
        if isinstance(found.row, DatasetRow)
    ]
    columns = ["name", "task", "classes", "labels", "prepare", "sample", "licence"]
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no plugin brings a data set")


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_dataset)
@click.option("--out", type=_DIR, required=True, help="A folder that does not exist yet.")
@_TASK
@click.option("--count", type=click.IntRange(min=1), help="How many images; else the plugin's own.")
@click.option("--seed", type=int, default=0, show_default=True, help="Equal seeds, equal bytes.")
@click.option("--size", type=click.IntRange(min=1), help="Side of the images in pixels.")
def sample(
    name: str, out: Path, task: str | None, count: int | None, seed: int, size: int | None
) -> None:
    """Write a synthetic data set in the raw layout of NAME, a data set or its plugin.

    It holds no real data, and goes through the same `zoo data prepare` as the real thing. It bears
    a mark, so that what is trained and measured on it is published as synthetic.
    """
    from zoo.data import staged_folder
    from zoo.data.source.synthetic import mark_sample

    found = _find(name, task)
    write_sample = _target(found, name, "sample")
    sized = _sized(write_sample, name, size)
    with staged_folder(out) as staging, progress_bar("sample") as progress:
        inner = staging / ".sample"  # unlike any name in a raw layout
        write_sample(inner, seed=seed, count=count, progress=progress, **sized)
        for path in inner.iterdir():
            path.rename(staging / path.name)
        inner.rmdir()
        mark_sample(staging, _drawn(found, seed))
    say(f"wrote a synthetic sample of {name} to {out}")


def _drawn(found: Found, seed: int) -> Synthetic:
    from zoo.data.source.synthetic import Synthetic

    manifest = found.record.checked()
    return Synthetic(manifest.plugin, manifest.version, manifest.license, seed)


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
    "--source", type=click.Path(path_type=Path), required=True, help="The raw folder or .zip."
)
@click.option("--out", type=_DIR, required=True, help="The folder to write.")
@click.option(
    "--shares",
    metavar="TRAIN,VAL,TEST",
    help="Shares of the splits, by patient or scene; the data set's own, else 0.8,0.1,0.1.",
)
@_TASK
def prepare(
    name: str, source: Path, out: Path, shares: str | None, task: str | None, **options: object
) -> None:
    """Turn a raw data set into a folder to train on.

    NAME is a data set or its plugin (`zoo data list`). `zoo data prepare NAME --help` shows the
    options of that data set. The source is never changed, and OUT appears only when it is whole.
    """
    from zoo.data import parse_shares

    found = _find(name, task)
    run = _target(found, name, "prepare")
    default = getattr(found.row, "shares", None) or "0.8,0.1,0.1"
    parsed = parse_shares(default if shares is None else shares)
    with progress_bar("prepare") as progress:
        report = run(source, out, shares=parsed, progress=progress, **options)
    say_text(report.summary())
    say(f"prepared: {out}")  # the summary has said so if it was there, unchanged


@click.command(cls=MMCommand)
@click.argument("folder", metavar="DIR", type=_DIR)
@click.option(
    "--config",
    metavar="CONFIG",
    shell_complete=complete_config,
    help="Send images through the training pipeline of this config, and count what it loads.",
)
@click.option(
    "--cfg-options",
    multiple=True,
    metavar="K=V ...",
    help="Settings laid over that config.",
)
def check(folder: Path, config: str | None, cfg_options: tuple[str, ...]) -> None:
    """Prove the prepared folder DIR: its files, sizes, labels, splits and digests.

    Of instances the objects of each split are counted. With --config they are counted behind its
    pipeline too, as `zoo train` does before its first step.
    """
    from zoo.data import check_prepared, count_objects
    from zoo.errors import DataError

    if cfg_options and config is None:
        message = "give --config too"
        raise click.BadParameter(message, param_hint="--cfg-options")
    with progress_bar("check") as progress:
        problems = check_prepared(folder, progress=progress)
    if problems:
        for problem in problems:
            say(problem)
        message = f"the prepared folder does not hold: {len(problems)} problems, listed above."
        raise DataError(message, path=folder, hint="run `zoo data prepare` again into a new --out.")
    for line in count_objects(folder):
        say(line)
    if config is not None:
        _check_labels(folder, config, cfg_options)
    say(f"ok: {folder}")


def _check_labels(folder: Path, config: str, cfg_options: tuple[str, ...]) -> None:
    """Count the objects that a config's training pipeline loads."""
    from zoo.cli.output.streams import log_on_stderr
    from zoo.engine.config.reading import read_config
    from zoo.engine.dataset.instance_labels import count_training_labels

    with log_on_stderr():
        resolved = read_config(config, cfg_options=cfg_options, data=folder, pretrained="none")
        counts = count_training_labels(resolved)
    for count in counts:
        say(f"train through {config}: {count.text()}")


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


def _find(name: str, task: str | None) -> Found:
    """Return a data set; of a plugin with several, the first unless ``task`` says which."""
    from zoo.catalog import read_catalog

    catalog = read_catalog()
    for record in catalog.plugins:
        if record.name == name and task is None and record.error is None:
            rows = record.checked().datasets
            if len(rows) > 1:
                return catalog.find_dataset(f"{name}.{rows[0].name}")
    return catalog.find_dataset(name, task=task)


def _target(found: Found, name: str, what: str) -> Any:
    """Return the data set's prepare or sample function, imported."""
    from zoo.errors import PluginError
    from zoo.loading import load_target

    target: str | None = getattr(found.row, what)
    if target is None:
        message = f"cannot {what} {name!r}: the plugin names no {what} function."
        raise PluginError(
            message,
            plugin=found.record.name,
            manifest=found.record.path,
            hint="`zoo data list --json` says which data sets have one.",
        )
    return load_target(found, target)


def _sized(write_sample: Any, name: str, size: int | None) -> dict[str, int]:
    """Return the keyword for ``--size``, which not every sample has."""
    import inspect

    from zoo.errors import DataError

    if size is None:
        return {}
    if "size_px" not in inspect.signature(write_sample).parameters:
        message = f"cannot draw a sample of {name!r} at {size} px: its size is fixed."
        raise DataError(message, where="--size", hint="leave --size out.")
    return {"size_px": size}


def _dataset_named_in(args: list[str]) -> DatasetRow | None:
    """Return the row of the first word that names a data set, or None to let click complain."""
    from zoo.errors import ZooError
    from zoo.manifest.rows import DatasetRow

    parts = [part for arg in args for part in (arg.split("=", 1) if arg[:2] == "--" else [arg])]
    pairs = list(pairwise(["", *parts]))
    task = next((word for before, word in pairs if before == "--task"), None)
    # What follows an option is its value, unless the option is a flag: such words come last.
    pairs.sort(key=lambda pair: pair[0][:2] == "--")
    for word in (word for _, word in pairs if word[:1] != "-"):
        try:
            row = _find(word, task).row
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
