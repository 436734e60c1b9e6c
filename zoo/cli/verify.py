# SPDX-License-Identifier: Apache-2.0
"""``zoo verify``: check that the bytes on this disk still match their digests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from zoo.cli.options.completion import complete_weights
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.cli.output.tables import print_rows, wide_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.catalog import Found
    from zoo.errors import ZooError

__all__ = ["command"]


class _File(NamedTuple):
    """A file, what it is to be, and the rows that promise it."""

    name: str
    path: Path
    sha256: str
    size_bytes: int | None
    rows: tuple[Found, ...]


@click.command("verify", cls=ZooCommand)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1, shell_complete=complete_weights)
@click.option("--model", help="The model that FILE was made from (default: its weights' name).")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="Images on which to compare FILE with the model (default: a sample).",
)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    names: tuple[str, ...], model: str | None, data: Path | None, wide: bool, as_json: bool
) -> None:
    """Hash the files of the weights NAME again or, without a name, the whole cache.

    FILE is one that `zoo export` wrote. Its graph is compared with the digest in its certificate
    and, if the model that it was made from is on this machine, its results with the model's.

    Nothing is changed. The command exits 1 if a file does not match its manifest, is missing, or
    contradicts its row; the other files are still listed.
    """
    exports, names = _exports(names)
    if (model is not None or data is not None) and not exports:
        message = "--model and --data are for a FILE of zoo export."
        raise click.UsageError(message)
    if exports:
        _verify_exports(exports, names, model, data, as_json=as_json)
        return
    _verify_weights(names, wide=wide, as_json=as_json)


def _exports(names: tuple[str, ...]) -> tuple[list[tuple[str, Found]], tuple[str, ...]]:
    """Return the names that are files of an exporter, with their rows, and the others."""
    from zoo.engine.prediction.exports import find_runner

    found = [(name, find_runner(name)) for name in names]
    exports = [(name, row) for name, row in found if row is not None]
    return exports, tuple(name for name, row in found if row is None)


def _verify_exports(
    exports: list[tuple[str, Found]],
    others: tuple[str, ...],
    model: str | None,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    from zoo.engine.exported import verify_exported
    from zoo.engine.prediction.exports import open_exported

    if others:
        message = f"give files of zoo export alone: found {others[0]!r} beside them."
        raise click.UsageError(message)
    for name, row in exports:
        told = verify_exported(open_exported(row, name), model, data)
        if as_json:
            say_json({"file": name, **told}, indent=None)
        else:
            how = "compared again" if told.get("compared_again") else "as certified"
            say(f"{name}: {how}, {_summary(told)}")


def _summary(told: Mapping[str, Any]) -> str:
    """Return the facts of a certificate that are numbers, in one line."""
    facts = {key: value for key, value in told.items() if isinstance(value, (int, float))}
    shown = [f"{key} {value:.3g}" for key, value in facts.items() if not isinstance(value, bool)]
    return ", ".join(shown) or "no numbers"


def _verify_weights(names: tuple[str, ...], *, wide: bool, as_json: bool) -> None:
    from zoo.cli.output.progress import byte_progress

    files, absent = _named(tuple(dict.fromkeys(names))) if names else (_cached(), [])
    total, done = sum(_size_bytes(file.path) for file in files), 0
    checked = []
    with byte_progress("verify") as progress:
        for file in files:
            checked.append((file, _problem(file)))
            done += _size_bytes(file.path)
            progress(done, total)
    rows = [_row(file.name, error, file.sha256, str(file.path)) for file, error in checked]
    rows += [_row(name, error, "", "") for name, error in absent]
    columns, empty = ["name", "state", "path"], "nothing is cached"
    print_rows(rows, columns, as_json=as_json, wide=wide, empty=empty)
    _end([error for _, error in (*checked, *absent) if error is not None])


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it was removed meanwhile, and is reported as unreadable
        return 0


def _problem(file: _File) -> ZooError | None:
    from zoo.errors import DownloadError, ManifestError
    from zoo.weights import check_file
    from zoo.weights.row_check import check_row

    try:
        check_file(file.path, file.sha256, file.size_bytes)
        for found in file.rows:
            check_row(found, file.path)
    except (DownloadError, ManifestError) as error:
        return error
    return None


def _row(name: str, error: ZooError | None, sha256: str, path: str) -> dict[str, str]:
    from zoo.errors import HashMismatchError, ManifestError

    states = {HashMismatchError: "other bytes", ManifestError: "row differs", type(None): "ok"}
    state = states.get(type(error), "unreadable") if path else "not here"
    return {"name": name, "state": state, "sha256": sha256, "path": path}


def _end(problems: list[ZooError]) -> None:
    from zoo.errors import DownloadError

    if len(problems) == 1:
        raise problems[0]
    if problems:
        listed = "\n".join(f"  {error.message}" for error in problems)
        message = f"cannot verify {len(problems)} of the files:\n{listed}"
        hint = "`zoo verify NAME` says what to do about each."
        raise DownloadError(message, hint=hint)


def _cached() -> list[_File]:
    from zoo.catalog import read_catalog
    from zoo.manifest.rows import WeightsRow
    from zoo.weights import find_cached
    from zoo.weights.by_name import as_adopted

    rows = [as_adopted(found) for found in read_catalog().rows("weights")]
    rows = [found for found in rows if isinstance(found.row, WeightsRow)]
    return [
        _File(found.name, found.path, found.sha256, None, _with_digest(rows, found.sha256))
        for found in find_cached()
        if not found.is_part
    ]


def _with_digest(rows: list[Found], sha256: str) -> tuple[Found, ...]:
    return tuple(found for found in rows if getattr(found.row, "sha256", None) == sha256)


def _named(names: tuple[str, ...]) -> tuple[list[_File], list[tuple[str, ZooError]]]:
    """Return the files of the names, and the names that have none with the reason."""
    from zoo.errors import DownloadError, ZooError
    from zoo.weights import find_weights, local_files
    from zoo.weights.files import weights_row

    files: list[_File] = []
    absent: list[tuple[str, ZooError]] = []
    for name in names:
        try:
            found = find_weights(name)
            paths = list(local_files(found))
            if not paths:
                message = f"cannot verify {name!r}: it is not on this machine."
                raise DownloadError(message, hint=f"zoo download {name}")
        except ZooError as error:
            absent.append((name, error))
            continue
        row = weights_row(found)
        files += [_File(name, path, row.sha256, row.size_bytes, (found,)) for path in paths]
    return files, absent
