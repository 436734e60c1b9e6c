# SPDX-License-Identifier: Apache-2.0
"""``zoo verify``: are the bytes on this disk still the promised ones?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from zoo.cli.errors import ZooCommand

__all__ = ["command"]


class _File(NamedTuple):
    """A file, and what it is to be."""

    name: str
    path: Path
    sha256: str
    size_bytes: int | None


@click.command("verify", cls=ZooCommand)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(names: tuple[str, ...], as_json: bool) -> None:
    """Hash the files of the weights NAME again, or without a name all of the cache.

    Nothing is changed. The command exits 1 if a file is not the promised one, or is not here.
    """
    from zoo.cli.byte_progress import byte_progress
    from zoo.cli.tables import print_rows
    from zoo.errors import DownloadError, HashMismatchError
    from zoo.weights import check_file

    rows, problems = [], []
    files = _named(names) if names else _cached()
    total, done = sum(file.path.stat().st_size for file in files), 0
    with byte_progress("verify") as progress:
        for name, path, sha256, size_bytes in files:
            state = "ok"
            try:
                check_file(path, sha256, size_bytes)
            except DownloadError as error:
                is_other = isinstance(error, HashMismatchError)
                state = "other bytes" if is_other else "unreadable"
                problems.append(error)
            rows.append({"name": name, "state": state, "sha256": sha256, "path": str(path)})
            done += path.stat().st_size
            progress(done, total)
    print_rows(rows, ["name", "state", "path"], as_json=as_json, empty="nothing is cached")
    if len(problems) == 1:
        raise problems[0]
    if problems:
        listed = "\n".join(f"  {error.message}" for error in problems)
        message = f"{len(problems)} files are not the promised ones.\n{listed}"
        hint = "`zoo cache rm` those of the cache, and get them again."
        raise DownloadError(message, hint=hint)


def _cached() -> list[_File]:
    from zoo.weights import find_cached

    return [
        _File(found.name, found.path, found.sha256, None)
        for found in find_cached()
        if not found.is_part
    ]


def _named(names: tuple[str, ...]) -> list[_File]:
    from zoo.errors import DownloadError
    from zoo.weights import find_weights, local_files
    from zoo.weights.files import weights_row

    files = []
    for name in names:
        found = find_weights(name)
        paths = list(local_files(found))
        if not paths:
            message = f"cannot verify {name!r}: it is not on this machine."
            raise DownloadError(message, hint=f"zoo download {name}")
        row = weights_row(found)
        files += [_File(name, path, row.sha256, row.size_bytes) for path in paths]
    return files
