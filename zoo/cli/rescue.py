# SPDX-License-Identifier: Apache-2.0
"""``zoo rescue``: adopt old OpenMMLab checkpoints found on disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options.trust import trust_option
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json, say_text

if TYPE_CHECKING:
    from zoo.engine.adoption.rescue import Rescued

__all__ = ["command"]

_FAILED = ("damaged", "refused")


def _digests(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if re.fullmatch(r"[0-9a-f]{64}", value.lower()) is None:
            message = f"{value!r} is not a sha256: expected 64 hex digits"
            raise click.BadParameter(message)
    return tuple(value.lower() for value in values)


@click.command("rescue", cls=ZooCommand)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--mirror-out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for copies, which others can use as a mirror (ZOO_MIRRORS).",
)
@click.option("--dry-run", is_flag=True, help="Show what each file is, without writing anything.")
@click.option(
    "--accept",
    metavar="SHA256",
    multiple=True,
    callback=_digests,
    help="Accept this file by its name, if upstream published no digits for it; repeatable.",
)
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    paths: tuple[Path, ...],
    mirror_out: Path | None,
    dry_run: bool,
    accept: tuple[str, ...],
    as_json: bool,
) -> None:
    """Adopt old OpenMMLab checkpoints found in PATH..., including renamed ones.

    Files are matched with `zoo list --legacy` by the first 8 digits of their sha256, and read
    once. A match is converted to .safetensors (equal tensors, no optimizer), put into the cache
    and pinned in zoo.lock; then `zoo predict NAME` can use it. Nothing in PATH is changed. Exits 1
    if a file is damaged or refused.
    """
    from zoo.catalog import read_catalog
    from zoo.cli.output.progress import progress_bar
    from zoo.engine.adoption.rescue import rescue
    from zoo.weights.legacy import legacy_rows
    from zoo.weights.rescue import LegacyIndex

    rows, errors = legacy_rows(read_catalog())
    for error in errors:
        say_text(f"{error}\n", err=True)
    if not rows:
        say("note: no legacy index is installed; the plugin openmmlab_index has one", err=True)
    index = LegacyIndex(rows, accept)
    done: list[Rescued] = []
    try:
        with progress_bar("rescue") as progress:
            found = rescue(paths, index, mirror_out=mirror_out, dry_run=dry_run, progress=progress)
            for each in found:
                done.append(each)
                if not as_json:
                    _print(each)
    finally:  # what was adopted before an error is listed, too
        if as_json:
            _print_json(done)
    if not done and not as_json:
        say("no checkpoints found", err=True)
    _end(done, dry_run=dry_run, quiet=as_json)


def _print(each: Rescued) -> None:
    say(f"{each.state}: {each.path}")
    for name in each.names:
        say(f"  is {name}")
    if each.converted_bytes is not None:
        left = f", left out: {', '.join(each.dropped)}" if each.dropped else ""
        before, after = (f"{size / 1e6:.1f} MB" for size in (each.size_bytes, each.converted_bytes))
        say(f"  {before} -> {after}{left}")
        say(f"  sha256 {each.sha256}")
    if each.reason is not None:
        say(f"  {each.reason}")


def _print_json(done: list[Rescued]) -> None:
    from dataclasses import asdict

    rows = [{**asdict(each), "path": str(each.path)} for each in done]
    say_json(rows)


def _end(done: list[Rescued], *, dry_run: bool, quiet: bool) -> None:
    counts: dict[str, int] = {}
    for each in done:
        counts[each.state] = counts.get(each.state, 0) + 1
    adopted = [each for each in done if each.state == "adopted"]
    if done and not quiet:
        text = ", ".join(f"{count} {state}" for state, count in counts.items())
        before = sum(each.size_bytes for each in adopted) / 1e6
        after = sum(each.converted_bytes or 0 for each in adopted) / 1e6
        sizes = f"; {before:.1f} MB -> {after:.1f} MB" if adopted else ""
        dry = "; dry run, nothing was written" if dry_run else ""
        say(f"{text}{sizes}{dry}", err=True)
    failed = sum(counts.get(state, 0) for state in _FAILED)
    if failed:
        message = f"error: {failed} of {len(done)} checkpoints were damaged or refused."
        say(message, "HINT: the lines above say why.", err=True)
        click.get_current_context().exit(1)
