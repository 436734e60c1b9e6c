# SPDX-License-Identifier: Apache-2.0
"""``zoo publish``: from a run and the options to a published file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output.printing import say
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from zoo.engine.publishing.into_plugin import PluginTarget
    from zoo.engine.publishing.row import Published
    from zoo.engine.work_dir.run_facts import RunFacts

__all__ = ["publish_run"]


def publish_run(
    run: Path,
    name: str | None,
    out: Path | None,
    given: Mapping[str, Any],
    *,
    target: PluginTarget | None = None,
) -> Published:
    """Publish one run or checkpoint, and say so.

    Args:
        run: A work dir, or a checkpoint in one.
        name: Name of the weights.
        out: Output folder.
        given: Values of the options of ``zoo publish``, by their names.
        target: The plugin that gets the file: it states the licence, values are rounded, and the
            file is first looked for in it.

    Raises:
        ZooError: It cannot be published.
    """
    if name is None or out is None:
        option = "'--name'" if name is None else "'--out'"
        raise click.MissingParameter(param_hint=option, param_type="option")
    _check_name(name)
    from zoo.cli.output.streams import log_on_stderr
    from zoo.engine.config_parts.parts import family_of
    from zoo.engine.publishing.into_plugin import check_free
    from zoo.engine.publishing.publish import ModelCard, publish
    from zoo.engine.publishing.rounding import rounded_rows
    from zoo.engine.work_dir.run_facts import find_run

    with log_on_stderr():
        facts = find_run(run, config=given["config"], data=given["data"])
        if target is not None:
            check_free(target, name, facts.config_name)
        rows = _metrics(facts, given["metrics"], given["metric"])
        card = ModelCard(
            name=name,
            config_name=facts.config_name,
            task=family_of(facts.config) or "semantic",
            licence=given["licence"] or _licence(facts, target),
            data_licence=given["data_licence"] or _data_licence(facts),
            labels=str(facts.data.get("labels", "true")),
            metrics=rows if target is None else rounded_rows(rows),
            provenance=facts.provenance(),
            urls=given["url"] if target is None else _urls(name, given["url"]),
            non_commercial=_non_commercial(facts),
        )
        published = publish(facts.config, facts.checkpoint, out, card)
    if target is None:
        say(f"published {published.path} from {facts.checkpoint}", err=True)
    return published


def _check_name(name: str) -> None:
    import re

    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is None:
        message = f"{name!r} is not a valid name for weights: use letters, digits, '_', '-' and '.'"
        raise click.BadParameter(message, param_hint="--name")


def _urls(name: str, further: Sequence[str]) -> list[str]:
    """Return the addresses of a file in a package: the package, then further ones."""
    return [f"package:weights/{name}.safetensors", *further]


def _licence(facts: RunFacts, target: PluginTarget | None) -> str:
    """Return the licence of what the run started from; of several, one that restricts first.

    Of a run that started from nothing, that of the plugin which gets the file, or Apache-2.0.
    """
    origins = sorted(facts.origins, key=lambda each: each.non_commercial is not True)
    own = "Apache-2.0" if target is None else target.manifest.license
    return origins[0].licence if origins else own


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
