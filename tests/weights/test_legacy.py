# SPDX-License-Identifier: Apache-2.0
"""Legacy indexes: what breaks one is named, and names lead to rows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog, read_catalog
from zoo.errors import ConflictError, DownloadError, HashMismatchError, UnknownNameError
from zoo.manifest.legacy_rows import LegacyRow
from zoo.weights import cache_folder, fetch_weights, find_weights
from zoo.weights.legacy import find_legacy, legacy_rows
from zoo.weights.lock import Pin, add_pins

COLUMNS = "name task tasks config architecture datasets metrics memory_gb url sha256_prefix note"
ROW = [
    "unet_old",
    "semantic",
    ["semantic"],
    "mmseg::unet/x.py",
    ["UNet"],
    ["DRIVE"],
    [["mDice", 88.4, "DRIVE"]],
    0.7,
    "https://example.org/v0.5/unet_old_2020-5daf6d3b.pth",
    "5daf6d3b",
    None,
]
INDEX: dict[str, Any] = {
    "format": 1,
    "sources": ["thing 1.0"],
    "licence": "Apache-2.0",
    "data_licence": "not stated",
    "columns": COLUMNS.split(),
    "rows": [ROW],
}
MANIFEST_ROW = '[[legacy_index]]\nfile = "index.json"\n'


@pytest.fixture
def write_index(
    write_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Path]:
    """Return a function that writes a plugin with one legacy index."""
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))

    def write(index: Any, name: str = "olds") -> Path:
        package = write_plugin(name)
        manifest = package / "zoo_plugin.toml"
        path = package / "index.json"
        path.write_text(index if isinstance(index, str) else json.dumps(index))
        manifest.write_text(f"{manifest.read_text()}\n{MANIFEST_ROW}")
        forget_catalog()
        return path

    return write


def _set(*place: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(index: dict[str, Any]) -> None:
        node: Any = index
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = value

    return change


def test_index_that_holds_gives_its_rows(write_index: Callable[..., Path]) -> None:
    write_index(INDEX)

    (found,), errors = legacy_rows(read_catalog())

    assert errors == []
    row = found.row
    assert isinstance(row, LegacyRow)
    assert (row.name, row.kind, row.file_name) == (
        "unet_old",
        "legacy",
        "unet_old_2020-5daf6d3b.pth",
    )
    assert (row.licence, row.data_licence) == ("Apache-2.0", "not stated")
    assert (row.metrics[0].name, row.metrics[0].value) == ("mDice", 88.4)


# One change to a good index each, and what is said of it.
BROKEN = {
    "format": (_set("format", value=2), "its format is 2, expected 1"),
    "licence": (_set("licence", value=" "), "licence is ' ', expected some text"),
    "data licence": (_set("data_licence", value=None), "data_licence is None, expected some text"),
    "columns": (_set("columns", value=["name"]), "its columns are ['name'], expected name, task"),
    "rows": (_set("rows", value={}), "its columns are"),
    "short row": (_set("rows", 0, value=ROW[:-1]), "row 1 is no list of 11"),
    "name": (_set("rows", 0, 0, value="../x"), "row 1: name is '../x'"),
    "task": (_set("rows", 0, 1, value="mining"), "row 1: task is 'mining', expected one of"),
    "tasks": (_set("rows", 0, 2, value=[]), "row 1: tasks is [], expected some of"),
    "config": (_set("rows", 0, 3, value="a b"), "row 1: config is 'a b'"),
    "architecture": (_set("rows", 0, 4, value="UNet"), "row 1: architecture is 'UNet'"),
    "data set": (_set("rows", 0, 5, value=[""]), "row 1: datasets is [''], expected a list"),
    "metric": (_set("rows", 0, 6, value=[["a", "b", "c"]]), "row 1: metrics is [['a', 'b', 'c']]"),
    "memory": (_set("rows", 0, 7, value="much"), "row 1: memory_gb is 'much'"),
    "http": (_set("rows", 0, 8, value="http://a/b.pth"), "row 1: url is 'http://a/b.pth'"),
    "digits": (_set("rows", 0, 9, value="5DAF6D3B"), "row 1: sha256_prefix is '5DAF6D3B'"),
    "note": (_set("rows", 0, 10, value=3), "row 1: note is 3, expected a text, or null"),
    "twice": (_set("rows", value=[ROW, ROW]), "it has a duplicate name"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_index_that_is_broken_is_an_error_that_names_it(
    write_index: Callable[..., Path], case: str
) -> None:
    change, message = BROKEN[case]
    index = copy.deepcopy(INDEX)
    change(index)
    path = write_index(index)

    rows, (error,) = legacy_rows(read_catalog())

    assert rows == []
    assert f"cannot use the legacy index of plugin 'olds': {message}" in str(error)
    assert f"where: {path}\nHINT: " in str(error)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000], ids=lambda text: text[:4])
def test_index_that_is_no_json_table_is_an_error(
    write_index: Callable[..., Path], text: str
) -> None:
    write_index(text)

    rows, errors = legacy_rows(read_catalog())

    assert (rows, len(errors)) == ([], 1)


def test_broken_index_hides_no_other(write_index: Callable[..., Path]) -> None:
    write_index("{")
    write_index(INDEX, "elders")

    rows, errors = legacy_rows(read_catalog())

    assert ([found.record.name for found in rows], len(errors)) == (["elders"], 1)


def test_name_in_two_indexes_of_other_bytes_is_a_conflict(
    write_index: Callable[..., Path],
) -> None:
    write_index(INDEX)
    index = copy.deepcopy(INDEX)
    index["rows"][0][9] = "00000000"
    write_index(index, "elders")

    with pytest.raises(ConflictError, match="cannot choose the weights 'unet_old'"):
        find_legacy(read_catalog(), "unet_old")

    found = find_legacy(read_catalog(), "elders.unet_old")
    assert found is not None
    assert found.record.name == "elders"


def test_name_that_is_not_adopted_says_how(write_index: Callable[..., Path]) -> None:
    write_index(INDEX)

    with pytest.raises(DownloadError) as raised:
        find_weights("unet_old")

    assert "they are legacy, their host is gone" in raised.value.message
    assert (
        "HINT: run zoo rescue FOLDER on a folder with a copy of unet_old_2020-5daf6d3b.pth"
        in str(raised.value)
    )


def test_name_that_is_adopted_is_a_row_of_the_converted_file(
    write_index: Callable[..., Path],
) -> None:
    write_index(INDEX)
    add_pins([Pin("unet_old", "olds", "ab" * 32, 8, "cd" * 32, 16, 2)])

    row = find_weights("olds.unet_old").row

    assert (row.kind, row.sha256, row.size_bytes) == ("weights", "ab" * 32, 8)  # type: ignore[union-attr]
    assert (row.config, row.format, row.urls) == ("mmseg::unet/x.py", "safetensors", ())  # type: ignore[union-attr]
    assert row.data_licence == "not stated"  # type: ignore[union-attr]


def test_name_that_is_pinned_for_another_plugin_is_not_that_file(
    write_index: Callable[..., Path], tmp_path: Path
) -> None:
    write_index(INDEX)
    add_pins([Pin("unet_old", "elders", "ab" * 32, 8, "cd" * 32, 16, 2)])

    with pytest.raises(DownloadError) as raised:
        find_weights("unet_old")

    assert raised.value.message == (
        "cannot get the weights 'unet_old' of plugin 'olds': zoo.lock pins that name for plugin "
        "'elders'."
    )
    assert raised.value.where == str(tmp_path / "zoo.lock")


@pytest.mark.parametrize("pinned", ["elders", "olds"])
def test_name_that_two_plugins_list_is_of_the_one_that_is_pinned(
    write_index: Callable[..., Path], pinned: str
) -> None:
    """Both have the file with the same digits; a plugin's own name is held to its pin."""
    write_index(INDEX)
    write_index(INDEX, "elders")
    add_pins([Pin("unet_old", pinned, "ab" * 32, 8, "cd" * 32, 16, 2)])

    assert find_weights("unet_old").record.name == pinned
    assert find_weights(f"{pinned}.unet_old").record.name == pinned
    with pytest.raises(DownloadError, match="pins that name for plugin"):
        find_weights(f"{'olds' if pinned == 'elders' else 'elders'}.unet_old")


@pytest.mark.parametrize("offline", [False, True])
def test_name_that_is_adopted_and_damaged_says_so_and_leaves_the_file(
    write_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    monkeypatch.delenv("ZOO_MIRRORS", raising=False)
    write_index(INDEX)
    add_pins([Pin("unet_old", "olds", "ab" * 32, 8, "cd" * 32, 16, 2)])
    path = cache_folder() / ("ab" * 32) / "unet_old.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"8 bytes.")
    barred = "no address may be used" if offline else "its host is gone, and no mirror is set"

    with pytest.raises(HashMismatchError) as raised:
        fetch_weights(find_weights("unet_old"), offline=offline)

    assert f"the file here is damaged, and {barred}." in raised.value.message
    assert raised.value.expected == "ab" * 32
    assert raised.value.where == str(path)
    assert path.read_bytes() == b"8 bytes."


def test_name_that_nothing_has_offers_near_old_ones(write_index: Callable[..., Path]) -> None:
    write_index(INDEX)

    with pytest.raises(UnknownNameError) as raised:
        find_weights("unet_odl")

    assert raised.value.near == ("unet_old",)


def test_name_that_nothing_has_tells_of_an_index_that_cannot_be_read(
    write_index: Callable[..., Path],
) -> None:
    """It may be in there; a near name is offered all the same."""
    write_index(INDEX, "elders")
    path = write_index("{")
    broken = "as far as can be read: cannot use the legacy index of plugin 'olds': "

    with pytest.raises(UnknownNameError) as raised:
        find_weights("nothing")
    with pytest.raises(UnknownNameError) as near:
        find_weights("unet_odl")

    assert f"no weights named 'nothing', {broken}" in raised.value.message
    assert f"where: {path}\nHINT: reinstall the plugin" in str(raised.value)
    assert f"no weights named 'unet_odl', {broken}" in near.value.message
    assert near.value.hint == "did you mean unet_old?"
