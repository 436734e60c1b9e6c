# SPDX-License-Identifier: Apache-2.0
"""Listings on terminals of many widths, and in pipes: one row a line, nothing lost in silence."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import weights_rows
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from weights_rows import weights_row

from zoo.cli import main
from zoo.cli.output.tables import fitted_widths

LONG = "a_name_that_goes_on_" * 4
METRIC = {**weights_rows.METRIC, "dataset": "肺のデータ"}
DATA_LICENCE = "as the hospital says, in a text of many words that nobody reads to its end"
COMMANDS = ["list", "config list", "data list", "plugin list"]


def columns_of(text: str) -> int:
    """Count as a terminal does: wide characters take two columns."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


@pytest.fixture
def show(tmp_path: Path, write_plugin: Callable[..., Path]) -> Callable[..., str]:
    """Return a function that runs ``zoo`` on a terminal so wide, and gives what it showed."""
    rows = "".join(
        weights_row(name, sha256=digit * 64, metrics=[METRIC], data_licence=DATA_LICENCE)
        for name, digit in (("short", "0"), (LONG, "1"))
    )
    config = f'[[config]]\nname = "c"\nfile = "c.py"\nsummary = "{"many words " * 20}"\n'
    data = '[[dataset]]\nname = "D"\ntask = "semantic"\ntarget = "zoo_tiles.d:D"\nlicence = "MIT"\n'
    classes = ", ".join(f'"class number {number}"' for number in range(40))
    package = write_plugin("tiles", f"{config}{data}classes = [{classes}]\n{rows}")
    (package / "c.py").write_text("")
    (package / "d.py").write_text("class D: ...\n")
    manifest = package / "zoo_plugin.toml"
    manifest.write_text(manifest.read_text().replace('"fake"', f'"{"a summary " * 20}"'))

    def run(words: str, width: int, *more: str) -> str:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        env = kept | {"COLUMNS": str(width), "HOME": str(tmp_path), "PYTHONUTF8": "1"}
        env |= {"ZOO_PLUGIN_PATH": str(tmp_path), "ZOO_PLUGINS": "tiles"}
        terminal = sys.modules["terminal"].Terminal(
            [Path(sys.executable).with_name("zoo"), *words.split(), *more], environment=env
        )
        assert terminal.wait() == 0, terminal.text
        shown: str = terminal.text
        return shown

    return run


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("command", COMMANDS)
def test_listing_on_a_terminal_takes_one_line_a_row(
    show: Callable[..., str], command: str, width: int
) -> None:
    """A header, a line for each row, and the note on what was cut."""
    *lines, note = show(command, width).splitlines()

    count = len(json.loads(CliRunner().invoke(main, [*command.split(), "--json"]).stdout))
    assert count >= 1
    assert [line for line in lines if columns_of(line) > width] == []
    assert len(lines) == 1 + count
    assert "--wide prints whole lines" in note


def test_listing_on_a_terminal_says_which_columns_it_leaves_out(show: Callable[..., str]) -> None:
    """What is left out and what is shown are all the columns."""
    whole = CliRunner().invoke(main, ["list"]).stdout.splitlines()[0]
    header, *_, note = show("list", 60).splitlines()

    named = note.partition("left out: ")[2].partition(";")[0].split(", ")
    assert named
    assert [*header.split(), *" ".join(named).upper().split()] == whole.split()


def test_name_that_is_too_long_keeps_both_its_ends(show: Callable[..., str]) -> None:
    """Names of OpenMMLab differ in their last letters."""
    _, _, line, _ = show("list", 60).splitlines()

    first, _, last = line.split()[0].partition("\N{HORIZONTAL ELLIPSIS}")
    assert first
    assert last
    assert LONG.startswith(first)
    assert LONG.endswith(last)


@pytest.mark.parametrize("command", COMMANDS)
def test_listing_that_is_wide_or_piped_is_whole(show: Callable[..., str], command: str) -> None:
    """The same lines on a narrow terminal with ``--wide`` and in a pipe, whatever its width."""
    words = command.split()
    piped = CliRunner().invoke(main, words, env={"COLUMNS": "40"}).stdout

    assert show(command, 40, "--wide").splitlines() == piped.splitlines()
    assert "\N{HORIZONTAL ELLIPSIS}" not in piped


def test_listing_of_an_endless_version_stays_narrow(
    write_plugin: Callable[..., Path],
) -> None:
    """Three hundred digits of one plugin's version are no column of three hundred characters."""
    package = write_plugin("digits")
    manifest = package / "zoo_plugin.toml"
    manifest.write_text(manifest.read_text().replace('"0.1.0"', f'"1.{"7" * 300}"'))

    lines = CliRunner().invoke(main, ["plugin", "list"]).stdout.splitlines()
    (row,) = json.loads(CliRunner().invoke(main, ["plugin", "list", "--json"]).stdout)

    assert max(map(len, lines)) < 120
    assert row["version"] == f"1.{'7' * 300}"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 300), min_size=1, max_size=10), st.integers(20, 300))
def test_widths_fit_and_waste_nothing(widths: Sequence[int], limit: int) -> None:
    """No column is wider than its text; what is cut is cut only where the line is full."""
    kept = fitted_widths(widths, limit)

    used = sum(kept) + 2 * (len(kept) - 1)
    assert used <= limit
    assert all(0 < mine <= whole for mine, whole in zip(kept, widths, strict=False))
    if any(mine < whole for mine, whole in zip(kept, widths, strict=False)):
        assert used == limit
    if sum(widths) + 2 * (len(widths) - 1) <= limit:
        assert kept == list(widths)


PLACES: Mapping[str, Any] = {
    "https://example.org/w.pth": ("to fetch", None),
    "package:w.pth": ("missing", None),
}


@pytest.mark.parametrize("url", PLACES)
@pytest.mark.parametrize("kind", ["none", "shipped", "cached", "damaged"])
def test_list_and_info_say_where_the_file_is(
    write_plugin: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    kind: str,
) -> None:
    """By its size, without reading it."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    row = weights_row("w", sha256="0" * 64, size_bytes=9, urls=[url], format="pth")
    package = write_plugin("tiles", row)
    is_shipped = url.startswith("package:")
    (expected, path) = PLACES[url]
    if kind in ("shipped", "cached", "damaged"):
        cached = tmp_path / "cache" / "weights" / ("0" * 64) / "w.pth"
        path = package / "w.pth" if kind == "shipped" else cached
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"8 bytes!" if kind == "damaged" else b"9 bytes!!")
        expected = kind
    if kind == "shipped" and not is_shipped:
        expected, path = PLACES[url]  # nobody looks there

    (listed,) = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)
    (fact,) = json.loads(CliRunner().invoke(main, ["info", "w", "--json"]).stdout)

    place = None if path is None else str(path)
    assert (listed["file"], listed["path"], listed["size_bytes"]) == (expected, place, 9)
    assert (fact["file"], fact["path"]) == (expected, place)
    assert expected in CliRunner().invoke(main, ["list"]).stdout.splitlines()[1]
    assert f"file: {expected}" in CliRunner().invoke(main, ["info", "w"]).stdout
