#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of ``docs/living.md``: the living weights of the shipped plugins, and proofs.

    python tools/living_page.py [--check]

The tables come from the manifests and shelves in ``plugins/``. ``--check`` writes
nothing and exits with 1 if the page differs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from generated_files import write_or_check

from zoo.catalog import Catalog, PluginRecord
from zoo.manifest.rows import ConverterRow, LivingRow, WeightsFacts, WeightsRow
from zoo.texts import unit_text

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "living.md"
MARK = "<!-- Everything below is written by tools/living_page.py. -->\n"


def page_text() -> str:
    """Return the page."""
    catalog = Catalog.of_folders(ROOT / "plugins")
    written = PAGE.read_text(encoding="utf-8")
    parts = [written.partition(MARK)[0] + MARK, *_totals(catalog)]
    for record in catalog.plugins:
        rows = _living(record)
        if rows:
            parts += ["", f"## {record.name}", "", record.checked().summary + "."]
            parts += [*_converters(record), *_models(rows), *_backbones(rows)]
    return "\n".join(parts) + "\n"


def _living(record: PluginRecord) -> list[WeightsFacts]:
    """Return the rows whose files no package holds."""
    rows = record.checked().weights
    return [row for row in rows if not any(url.startswith("package:") for url in row.urls)]


def _totals(catalog: Catalog) -> Iterator[str]:
    rows = [row for record in catalog.plugins for row in _living(record)]
    whole = sum(row.task != "backbone" for row in rows)
    yield f"{len(rows)} rows: {whole} whole models and {len(rows) - whole} backbones."


def _converters(record: PluginRecord) -> Iterator[str]:
    rows = [row for row in record.checked().contributions if isinstance(row, ConverterRow)]
    if rows:
        yield from ("", "| converter | what | proven |", "|---|---|---|")
        yield from (
            f"| `{row.name}` {row.version} | {row.summary or ''} | {row.proof or 'not stated'} |"
            for row in rows
        )


def _models(rows: Sequence[WeightsFacts]) -> Iterator[str]:
    models = [row for row in rows if row.task != "backbone"]
    if not models:
        return
    yield from ("", "| model | task | metrics | licence | digest | size | address |")
    yield "|---|---|---|---|---|---|---|"
    for row in models:
        metrics = ", ".join(
            f"{each.name} {each.value:g}{unit_text(each.unit)} ({each.dataset})"
            for each in row.metrics
        )
        licence = f"{row.licence}{', **non-commercial**' if row.non_commercial else ''}"
        yield (
            f"| `{row.name}` | {row.task} | {metrics or 'not found'} | {licence} | {_digest(row)} "
            f"| {_size(row)} | {_address(row)} |"
        )


def _backbones(rows: Sequence[WeightsFacts]) -> Iterator[str]:
    backbones = [row for row in rows if row.task == "backbone"]
    if not backbones:
        return
    yield from (
        "",
        "| backbone | stands for | licence | digest | address |",
        "|---|---|---|---|---|",
    )
    for row in backbones:
        names = ", ".join(f"`{each}`" for each in row.replaces if not each.startswith("https:"))
        yield (
            f"| `{row.name}` | {names or '-'} | {row.licence} | {_digest(row)} | {_address(row)} |"
        )


def _digest(row: WeightsFacts) -> str:
    if isinstance(row, LivingRow) and not row.digest.is_full:
        return f"{row.digest.kind.replace('_', ' ')} {row.digest.value}".strip()
    return "sha256"


def _size(row: WeightsFacts) -> str:
    size_bytes = row.size_bytes if isinstance(row, (LivingRow, WeightsRow)) else None
    return "not found" if size_bytes is None else f"{size_bytes / 1e6:.0f} MB"


def _address(row: WeightsFacts) -> str:
    address = row.urls[0]
    if not address.startswith("https:"):
        return f"`{address.partition('@')[0]}`"
    return address.split("/")[2]


if __name__ == "__main__":
    sys.exit(write_or_check(lambda: {PAGE: page_text()}, __doc__))
