# SPDX-License-Identifier: Apache-2.0
"""``zoo publish``: write a run as one .safetensors, with its card and its row; sign an index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_config
from zoo.cli.options.index_options import index_options
from zoo.cli.options.trust import trust_option
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json, say_text
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from zoo.engine.publishing.row import Published
    from zoo.engine.work_dir.run_facts import RunFacts

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
@click.option("--url", multiple=True, metavar="URL", help="Future address of the file; repeatable.")
@index_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@trust_option
def command(
    runs: tuple[Path, ...],
    name: str | None,
    out: Path | None,
    source: Path | None,
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
    """
    if source is not None:
        from tempfile import TemporaryDirectory

        from zoo.cli.shelf.publish_source import is_listable, list_in_source

        with TemporaryDirectory(prefix="zoo_") as scratch:
            place = Path(scratch) if out is None else out
            files = [
                path if is_listable(path) else _publish(path, name, place, given).path
                for path in runs
            ]
            list_in_source(source, files, given, as_json=as_json)
        return
    _check_one(runs)
    published = _publish(runs[0], name, out, given)
    if as_json:
        say_json(published.to_json(), allow_nan=False)
    else:
        say_text(published.manifest_row().rstrip())


def _check_one(runs: tuple[Path, ...]) -> None:
    """Raise a usage error unless one run is named, as without an index."""
    if not runs:
        what = "'WORK_DIR|CHECKPOINT'"
        raise click.MissingParameter(param_hint=what, param_type="argument")
    if len(runs) > 1:
        message = f"Got unexpected extra argument ({runs[1]})"
        raise click.UsageError(message)


def _publish(run: Path, name: str | None, out: Path | None, given: Mapping[str, Any]) -> Published:
    """Publish one run or checkpoint, and say so."""
    if name is None or out is None:
        option = "'--name'" if name is None else "'--out'"
        raise click.MissingParameter(param_hint=option, param_type="option")
    _check_name(name)
    from zoo.cli.output.streams import log_on_stderr
    from zoo.engine.config_parts.parts import family_of
    from zoo.engine.publishing.publish import ModelCard, publish
    from zoo.engine.work_dir.run_facts import find_run

    with log_on_stderr():
        facts = find_run(run, config=given["config"], data=given["data"])
        card = ModelCard(
            name=name,
            config_name=facts.config_name,
            task=family_of(facts.config) or "semantic",
            licence=given["licence"] or _licence(facts),
            data_licence=given["data_licence"] or _data_licence(facts),
            labels=str(facts.data.get("labels", "true")),
            metrics=_metrics(facts, given["metrics"], given["metric"]),
            provenance=facts.provenance(),
            urls=given["url"],
            non_commercial=_non_commercial(facts),
        )
        published = publish(facts.config, facts.checkpoint, out, card)
    say(f"published {published.path} from {facts.checkpoint}", err=True)
    return published


def _check_name(name: str) -> None:
    import re

    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is None:
        message = f"{name!r} is not a valid name for weights: use letters, digits, '_', '-' and '.'"
        raise click.BadParameter(message, param_hint="--name")


def _licence(facts: RunFacts) -> str:
    """Return the licence of what the run started from; of several, one that restricts first."""
    origins = sorted(facts.origins, key=lambda each: each.non_commercial is not True)
    return origins[0].licence if origins else "Apache-2.0"


def _non_commercial(facts: RunFacts) -> bool | None:
    """Return True if what the run started from must not be used commercially, and say so."""
    held = [each for each in facts.origins if each.non_commercial]
    for each in held:
        text = f"started from {each.name}, whose licence {each.licence} forbids commercial use: "
        say(f"{text}the published file says so too", err=True)
    return True if held else None


def _data_licence(facts: RunFacts) -> str:
    from zoo.engine.dataset.facts import licence_of

    licence = licence_of(facts.data)
    if licence is None:
        message = f"cannot publish: no plugin states the licence of {facts.data['name']}."
        raise CheckpointError(message, path=facts.work_dir, hint="state it with --data-licence.")
    return licence


def _metrics(
    facts: RunFacts, files: tuple[Path, ...], chosen: tuple[str, ...]
) -> list[dict[str, Any]]:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.publishing.metrics import find_test_files, validation_rows
    from zoo.files import digest_of_file

    sha256 = digest_of_file(facts.checkpoint)
    paths = files or tuple(find_test_files(facts.work_dir, sha256))
    rows = _once(row for path in paths for row in _rows(path, sha256, facts, is_named=bool(files)))
    hint = f"zoo test {facts.work_dir} --out {facts.work_dir / 'test.json'}"
    if not files and not rows:
        checkpoint = load_checkpoint(facts.checkpoint)
        rows = validation_rows(facts.work_dir, checkpoint, facts.config, facts.data, facts)
        if rows:
            say(f"note: these values are from validation; {hint} measures test", err=True)
    known = {row["name"] for row in rows}
    absent = [name for name in chosen if name not in known]
    if absent or not rows:
        what = f"no metric {absent[0]!r}" if absent else "no metric"
        message = f"cannot publish {facts.checkpoint.name!r}: {what} was measured for it."
        hint = f"there are {', '.join(sorted(known))}." if absent and known else hint
        raise CheckpointError(message, path=facts.work_dir, hint=hint)
    return [row for row in rows if not chosen or row["name"] in chosen]


def _rows(path: Path, sha256: str, facts: RunFacts, *, is_named: bool) -> list[dict[str, Any]]:
    from zoo.engine.publishing.metrics import read_test_rows

    try:
        return read_test_rows(path, sha256, facts)
    except CheckpointError as error:
        if is_named:
            raise
        say(f"note: {error.message}", err=True)  # it only lies in the work dir
        return []


def _once(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows without repeats, for example if a file is given twice."""
    return list({tuple(row.items()): row for row in rows}.values())
