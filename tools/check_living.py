#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Ask every living address of the shelf what it states, without downloading anything.

    python tools/check_living.py [--plugin NAME] [--workers 8] [--json FILE]

For each address of each row of weights: the size and the digest that the host states, beside those
of the row, and the date. Needs a network. Exits with 1 if an address cannot be reached or states
something else than its row.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from zoo.catalog import read_catalog
from zoo.errors import DownloadError
from zoo.manifest.rows import LivingRow, WeightsFacts, WeightsRow
from zoo.weights.fetching.host_statements import HostStatement, ask_host

_PACKAGE = "package:"


@dataclass(frozen=True, slots=True)
class Checked:
    """What one address stated.

    Attributes:
        name: Full name of the weights.
        address: The address.
        verdict: ``as stated`` if size or digest are those of the row and nothing differs,
            ``there`` if nothing can be compared, ``differs`` or ``failed``.
        detail: What was compared, what differs, or why it failed.
        size_bytes: Size that the host states, or None.
        sha256: Digest that the host states, or None.
        date: When it was asked, UTC.
    """

    name: str
    address: str
    verdict: str
    detail: str
    size_bytes: int | None
    sha256: str | None
    date: str

    @property
    def holds(self) -> bool:
        """Return whether nothing contradicts the row."""
        return self.verdict in ("as stated", "there")


def check_address(name: str, row: WeightsFacts, address: str) -> Checked:
    """Ask one address and compare what it states with its row.

    Args:
        name: Full name of the weights.
        row: Their row.
        address: One of its addresses.
    """
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    try:
        stated = ask_host(address)
    except DownloadError as error:
        detail = " ".join(error.message.split())
        return Checked(name, address, "failed", detail, None, None, date)
    verdict, detail = _compare(row, stated)
    return Checked(name, address, verdict, detail, stated.size_bytes, stated.sha256, date)


def _compare(row: WeightsFacts, stated: HostStatement) -> tuple[str, str]:
    size_bytes, digits = None, ""
    if isinstance(row, WeightsRow):
        size_bytes, digits = row.size_bytes, row.sha256
    elif isinstance(row, LivingRow):
        size_bytes = row.size_bytes
        digits = row.digest.value if row.digest.kind.startswith("sha256") else ""
    same: list[str] = []
    other: list[str] = []
    if size_bytes is not None:
        is_same = size_bytes == stated.size_bytes
        (same if is_same else other).append(f"size {stated.size_bytes}, row {size_bytes}")
    if digits and stated.sha256 is not None:
        is_same = stated.sha256.startswith(digits)
        (same if is_same else other).append(f"sha256 {stated.sha256}, row {digits}")
    if other:
        return "differs", "; ".join(other)
    if same:
        return "as stated", "; ".join(each.partition(" ")[0] for each in same)
    return "there", f"size {stated.size_bytes}; the row or the host states nothing to compare"


def check_all(plugin: str | None, workers: int) -> list[Checked]:
    """Ask every address of the installed plugins' rows, in the order of the listing.

    Args:
        plugin: Name of one plugin; None for all.
        workers: How many addresses are asked at once.

    Raises:
        UnknownNameError: No plugin has that name.
    """
    catalog = read_catalog()
    if plugin is not None:
        catalog.plugin(plugin)
    asked = [
        (f"{found.record.name}.{found.row.name}", found.row, address)
        for found in catalog.rows("weights")
        if isinstance(found.row, WeightsFacts) and plugin in (None, found.record.name)
        for address in found.row.urls
        if not address.startswith(_PACKAGE)
    ]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(lambda each: check_address(*each), asked))


def main(words: Sequence[str] | None = None) -> int:
    """Ask, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugin", help="only the rows of this plugin")
    parser.add_argument("--workers", type=int, default=8, help="addresses asked at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all facts as JSON")
    args = parser.parse_args(words)
    checked = check_all(args.plugin, args.workers)
    lines = [f"{each.verdict:10} {each.name}  {each.address}  {each.detail}" for each in checked]
    failed = sum(not each.holds for each in checked)
    lines.append(f"{len(checked)} addresses, {failed} that failed or differ")
    sys.stdout.write("\n".join(lines) + "\n")
    if args.json is not None:
        text = json.dumps([asdict(each) for each in checked], indent=1)
        args.json.write_text(f"{text}\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
