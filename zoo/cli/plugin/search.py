# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin search``: the plugins that sources list, and those that are here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_text
from zoo.cli.output.tables import print_rows, wide_option

__all__ = ["command"]


@click.command("search", cls=ZooCommand)
@click.argument("words", metavar="[WORD]...", nargs=-1)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(words: tuple[str, ...], wide: bool, as_json: bool) -> None:
    """Search the plugins that sources list, and those that are installed.

    Each WORD must be in the name, distribution, summary, kinds or source of a plugin. Nothing is
    fetched: `zoo source update` does that. Nor is anything installed: pip does that, from a place
    that you trust.
    """
    listed, problems = _listed()
    rows = [row for row in listed if _has(row, words)]
    columns = ["name", "version", "source", "state", "kinds", "summary", "distribution"]
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no such plugin")
    if not as_json and any(row["installed"] is None for row in rows):
        say("(pip install DISTRIBUTION installs one; check its page first)", err=True)
    for problem in problems:
        say_text(f"\n{problem}", err=True)


def _has(row: dict[str, Any], words: tuple[str, ...]) -> bool:
    keys = ("name", "distribution", "summary", "kinds", "source")
    text = "\n".join(str(row[key] or "") for key in keys).lower()
    return all(word.lower() in text for word in words)


def _listed() -> tuple[list[dict[str, Any]], list[str]]:
    """Return plugins of sources, then those that only this machine has; and problems."""
    from zoo.catalog import read_catalog
    from zoo.weights.sources.plugin_listings import plugins_of_sources

    here = {record.name: record for record in read_catalog().plugins}
    found, problems = plugins_of_sources()
    rows: list[dict[str, Any]] = []
    for source, each in found:
        record = here.get(each.name)
        installed = None if record is None else record.version
        rows.append(
            {
                "name": each.name,
                "version": each.version,
                "source": source.name,
                "state": ", ".join(_states(installed, each.version, source.marks)),
                "kinds": ", ".join(each.kinds),
                "summary": each.summary,
                "distribution": each.distribution,
                "homepage": each.homepage or source.homepage,
                "installed": installed,
            }
        )
    known = {each.name for _, each in found}
    for name, record in here.items():
        manifest = record.manifest
        if name in known or manifest is None:
            continue
        rows.append(
            {
                "name": name,
                "version": manifest.version,
                "source": None,
                "state": "installed",
                "kinds": ", ".join(sorted({row.kind for row in manifest.rows})),
                "summary": manifest.summary,
                "distribution": None,
                "homepage": manifest.homepage,
                "installed": manifest.version,
            }
        )
    return rows, problems


def _states(installed: str | None, listed: str, marks: tuple[str, ...]) -> Iterator[str]:
    """Yield whether a plugin is here, in which version, and what is to be said of its source."""
    if installed is None:
        yield "not installed"
    elif installed == listed:
        yield "installed"
    else:
        yield f"installed {installed}"
    yield from marks
