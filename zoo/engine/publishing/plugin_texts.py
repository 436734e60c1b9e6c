# SPDX-License-Identifier: Apache-2.0
"""A plugin's TOML files with one more row or glob; comments and order stay as they are."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from zoo.errors import CheckpointError

__all__ = ["with_package_data", "with_weights_row"]

_END, _WINDOWS_END = "\n", "\r\n"
# The header of a table: of a row, of a part of the row above, or of another.
_HEADER = re.compile(
    r"""^[ \t]*\[(?:(?P<row>\[[ \t]*(?:weights|"weights"|'weights')[ \t]*\])"""
    r"""|(?P<part>\[?[ \t]*(?:weights|"weights"|'weights')[ \t]*\.)|)""",
    re.MULTILINE,
)
_SETUPTOOLS = ("setuptools.build_meta", "setuptools.build_meta:__legacy__", None)


def with_weights_row(text: str, row: str, *, replaces: bool) -> str:
    """Return the text of a manifest with a ``[[weights]]`` row.

    Args:
        text: The manifest.
        row: The row, as `zoo.engine.publishing.row.Published.manifest_row` writes it.
        replaces: Whether it takes the place of the row of its name, if there is one.

    Raises:
        CheckpointError: The text cannot be changed without changing something else.
    """
    before = _parsed(text, "zoo_plugin.toml")
    row = row.replace(_END, _WINDOWS_END) if _WINDOWS_END in text else row
    (new,) = tomllib.loads(row)["weights"]
    rows = list(before.get("weights", []))
    places = [place for place, each in enumerate(rows) if each.get("name") == new["name"]]
    if replaces and places:
        changed = _replaced(text, row, places[0])
        rows[places[0]] = new
    else:
        # At the end, as an author would: a comment before the next table stays there.
        end = _WINDOWS_END if _WINDOWS_END in text else _END
        changed = f"{text}{'' if text.endswith(_END) else end}{end}{row}"
        rows.append(new)
    _prove(changed, {**before, "weights": rows}, "its manifest")
    return changed


def _replaced(text: str, row: str, place: int) -> str:
    """Return a manifest with another row in the place of one; comments in and after it stay."""
    tomlkit = _load_tomlkit()
    start, end = _span(text, place)
    document = tomlkit.parse(text[start:end])
    is_alone = start > 0 or end < len(text)
    table, new = document["weights"][0 if is_alone else place], tomlkit.parse(row)["weights"][0]
    # A row of an inline list has no tail: it ends in a bracket.
    tail = _cut_tail(table) if isinstance(table, tomlkit.items.Table) else []
    for key in list(table):
        if key not in new or isinstance(table[key], tomlkit.items.AoT):
            del table[key]
    for key, value in new.items():
        table[key] = value
    for item in tail:
        table.add(item)
    return f"{text[:start]}{tomlkit.dumps(document)}{text[end:]}"


def _span(text: str, place: int) -> tuple[int, int]:
    """Return where the row of a place begins and ends, or the whole text for an inline list.

    tomlkit would move other tables that stand between rows, so that it is given the row alone.
    """
    headers = [
        each for each in _HEADER.finditer(text) if _row_count(text[: each.start()]) is not None
    ]
    for number, header in enumerate(headers):
        if header["row"] and _row_count(text[: header.start()]) == place:
            later = (each.start() for each in headers[number + 1 :] if not each["part"])
            return header.start(), next(later, len(text))
    return 0, len(text)


def _row_count(text: str) -> int | None:
    """Return how many rows the beginning of a manifest has; None if it ends within a value."""
    try:
        return len(tomllib.loads(text).get("weights", []))
    except tomllib.TOMLDecodeError:
        return None


def _cut_tail(table: Any) -> list[Any]:
    """Remove and return the blank lines and comments at the end of a table.

    They are above the next table, so that they are about it.
    """
    items = _load_tomlkit().items
    body = table.value.body
    tail: list[Any] = []
    while body and body[-1][0] is None:
        tail.insert(0, body.pop()[1])
    last = body[-1][1] if body else None
    if isinstance(last, items.AoT) and last:  # [[weights.metrics]]
        last = last[-1]
    return (_cut_tail(last) if isinstance(last, items.Table) else []) + tail


def _load_tomlkit() -> Any:
    try:
        import tomlkit
    except ImportError as error:
        raise _refusal(str(error), 'pip install "tomlkit>=0.13,<1"') from error
    return tomlkit


def with_package_data(text: str, package: str, path: str) -> str:
    """Return the text of a pyproject.toml whose wheel holds a file of the package.

    Unchanged if a glob already names the file, or if another builder than setuptools is used.

    Args:
        text: The pyproject.toml.
        package: Name of the package.
        path: File in the package, with ``/``.

    Raises:
        CheckpointError: The text cannot be changed without changing something else.
    """
    tomlkit = _load_tomlkit()
    before = _parsed(text, "pyproject.toml")
    backend = _table(before, "build-system").get("build-backend")
    data: Any = before
    for key in ("tool", "setuptools", "package-data"):
        data = data.get(key, {})
        if not isinstance(data, dict):
            found = f"pyproject.toml: {key!r} is {data!r:.80}, expected a table"
            raise _refusal(found, "correct it first.")
    for key, listed in data.items():
        if not isinstance(listed, list):
            found = f"pyproject.toml: package-data {key!r} is {listed!r:.80}, expected a list"
            raise _refusal(found, "correct it first.")
    globs = [glob for key in (package, "*", "") for glob in data.get(key, [])]
    if backend not in _SETUPTOOLS or any(_fits(path, str(glob)) for glob in globs):
        return text
    pure = PurePosixPath(path)
    glob = str(pure.with_name(f"*{pure.suffix}"))
    document: Any = tomlkit.parse(text)
    table = document
    for key in ("tool", "setuptools", "package-data"):
        if key not in table:
            table[key] = tomlkit.table(is_super_table=key != "package-data")
        table = table[key]
    if package in table:
        table[package].append(glob)
    else:
        table[package] = [glob]
    wanted = tomllib.loads(text)
    place = wanted.setdefault("tool", {}).setdefault("setuptools", {})
    place.setdefault("package-data", {}).setdefault(package, []).append(glob)
    changed = str(tomlkit.dumps(document))
    _prove(changed, wanted, "its pyproject.toml")
    return changed


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = f"{name} is not valid TOML: {error}"
        raise _refusal(found, "correct that file first.") from error


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a table of a document, or an empty one; setuptools refuses what is no table."""
    found = table.get(key, {})
    return found if isinstance(found, dict) else {}


def _refusal(found: str, hint: str) -> CheckpointError:
    return CheckpointError(f"cannot publish into the plugin: {found}.", hint=hint)


def _fits(path: str, glob: str) -> bool:
    """Return whether a glob of setuptools names a file; ``*`` stays within a folder."""
    if "**" in glob:
        return fnmatchcase(path, glob.replace("**/", "*"))
    parts, patterns = path.split("/"), glob.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _prove(text: str, wanted: dict[str, Any], what: str) -> None:
    """Raise an error unless a text means exactly what is wanted."""
    try:
        is_meant = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        is_meant = False
    if not is_meant:
        found = f"{what} cannot be changed line by line"
        hint = "publish with --out DIR, and paste the row and the glob yourself."
        raise _refusal(found, hint)
