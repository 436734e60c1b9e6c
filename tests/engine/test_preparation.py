# SPDX-License-Identifier: Apache-2.0
"""``zoo.prepare`` is the command: the same folder, the same report, the same refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import zoo
from zoo.cli import main
from zoo.data import Shares
from zoo.errors import DataError, UnknownNameError

ROW = """
[[dataset]]
name = "CellDataset"
target = "zoo_cells.code:Cells"
task = "semantic"
classes = ["cell"]
licence = "none"
prepare = "zoo_cells.code:prepare"
shares = "0.9,0.1,0"

[[dataset.option]]
name = "mask-suffix"
type = "str"
default = "_m"
help = "ending of masks"

[[dataset.option]]
name = "count"
type = "int"
help = "how many"

[[dataset.option]]
name = "weight"
type = "float"
default = 0.5
help = "of each"

[[dataset.option]]
name = "upright"
type = "bool"
default = false
help = "no turning"

[[dataset.option]]
name = "list"
type = "path"
help = "a file"

[[dataset.option]]
name = "form"
type = "choice"
choices = ["box", "ellipse"]
default = "box"
help = "which form"

[[dataset.option]]
name = "part"
type = "int"
multiple = true
default = []
help = "which parts"
"""
CODE = """
from zoo.data import Report

def prepare(source, out, *, shares, progress=None, **options):
    report = Report()
    report.note("", repr((source, out, shares.to_list(), sorted(options.items()))))
    return report
"""


@pytest.fixture
def cells(write_plugin: Callable[..., Path]) -> None:
    write_plugin("cells", ROW, code=CODE)


def _run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def _said(report: zoo.data.Report) -> str:  # type: ignore[name-defined]
    return str(report.notes[0].text)


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ()),
        ({"mask_suffix": "_x"}, ("--mask-suffix", "_x")),
        ({"mask_suffix": 512}, ("--mask-suffix", "512")),
        ({"count": 3, "weight": 1}, ("--count", "3", "--weight", "1")),
        ({"upright": True, "form": "ellipse"}, ("--upright", "--form", "ellipse")),
        ({"list": "a/b.txt"}, ("--list", "a/b.txt")),
        ({"part": [1, 2]}, ("--part", "1", "--part", "2")),
        ({"shares": "0.5,0.5,0"}, ("--shares", "0.5,0.5,0")),
        ({"shares": (0.5, 0.5, 0)}, ("--shares", "0.5,0.5,0")),
        ({"shares": Shares(0.5, 0.5, 0.0)}, ("--shares", "0.5,0.5,0")),
        ({"task": "semantic"}, ("--task", "semantic")),
    ],
)
def test_prepare_in_python_calls_the_target_as_the_command_does(
    options: dict[str, object], words: tuple[str, ...]
) -> None:
    """Places, shares, and every option with its default and type."""
    places = ("--source", "raw", "--out", "out")

    told = json.loads(_run("data", "prepare", "cells", *places, *words, "--json").stdout)
    report = zoo.prepare("cells", "raw", "out", **options)  # type: ignore[arg-type]

    assert _said(report) == told["notes"][0]["note"]


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("options", "says", "hint"),
    [
        ({"mask_sufix": "_x"}, "found the option 'mask_sufix'", "did you mean mask_suffix?"),
        ({"zzz": 1}, "found the option 'zzz'", "known: mask_suffix, count, weight"),
        ({"count": "3"}, "count is '3', expected int", "count: how many."),
        ({"count": True}, "count is True, expected int", "count: how many."),
        ({"weight": "1"}, "weight is '1', expected float", "weight: of each."),
        ({"upright": 1}, "upright is 1, expected bool", "upright: no turning."),
        ({"list": 3}, "list is 3, expected path", "list: a file."),
        ({"form": "disc"}, "form is 'disc', expected one of box, ellipse", "form: which form."),
        ({"part": ["1"]}, "part is '1', expected int", "part: which parts."),
        ({"mask_suffix": None}, "mask-suffix is None, expected str", "ending of masks."),
        ({"shares": (0.5, 0.5)}, "cannot split by '0.5,0.5'", "--shares 0.8,0.1,0.1"),
    ],
)
def test_prepare_in_python_when_an_option_does_not_fit_then_named(
    options: dict[str, object], says: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        zoo.prepare("cells", "raw", "out", **options)  # type: ignore[arg-type]

    assert says in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.usefixtures("cells")
def test_prepare_in_python_when_nobody_has_that_name_then_near_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        zoo.prepare("CellDatset", "raw", "out")

    assert "CellDataset" in str(caught.value)


@pytest.mark.usefixtures("cells")
def test_prepare_when_name_is_a_folder_then_hint_is_the_command_for_own_images(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer gives the folder where the data set's name belongs."""
    rows = ROW.replace('classes = ["cell"]', 'classes = "from data"').replace("cells", "own")
    write_plugin("own", rows, code=CODE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my images").mkdir()

    done = _run("data", "prepare", "my images", "--source", "my images", "--out", "out")

    assert done.exit_code == 1
    assert "run zoo data prepare own --source 'my images'." in done.stderr
    unknown = _run("data", "prepare", "m" * 5000, "--source", "a", "--out", "out")
    assert "own images" not in unknown.stderr


@pytest.mark.mm
@pytest.mark.usefixtures("squares")
def test_prepare_in_python_writes_the_folder_of_the_command(tmp_path: Path) -> None:
    """And again, nothing."""
    raw = tmp_path / "raw"
    assert _run("data", "sample", "squares", "--out", raw).exit_code == 0
    done = _run("data", "prepare", "squares", "--source", raw, "--out", tmp_path / "a", "--json")

    report = zoo.prepare("squares", str(raw), tmp_path / "b")
    again = zoo.prepare("squares", raw, str(tmp_path / "b"))

    told = json.loads(done.stdout)
    assert {key: told[key] for key in report.to_dict()} == report.to_dict()
    assert (told["dataset"], told["task"]) == ("zoo.squares.SquareDataset", "semantic")
    assert told["out"] == str(tmp_path / "a")
    assert not told["unchanged"]
    assert again.unchanged
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes()


@pytest.mark.mm
@pytest.mark.usefixtures("squares")
def test_check_as_json_says_what_holds_and_what_does_not(
    squares_data: Path, tmp_path: Path
) -> None:
    """Nothing else is on stdout, and the exit code is that without it."""
    data = tmp_path / "data"
    shutil.copytree(squares_data, data)
    whole = _run("data", "check", data, "--json")
    lost = next((data / "masks").iterdir())
    lost.unlink()
    broken = _run("data", "check", data, "--json")

    told = json.loads(whole.stdout)
    assert (whole.exit_code, told["ok"], told["problems"], told["objects"]) == (0, True, [], [])
    assert sum(split["count"] for split in told["splits"].values()) == 16
    told = json.loads(broken.stdout)
    assert (broken.exit_code, told["ok"], len(told["problems"])) == (1, False, 1)
    assert lost.name in told["problems"][0]
    assert "the prepared folder has errors: 1 problems" in broken.stderr


@pytest.mark.usefixtures("cells")
def test_prepare_without_out_is_wrong_usage() -> None:
    """As click words a missing option; only --init does without."""
    done = _run("data", "prepare", "cells", "--source", "raw")

    assert done.exit_code == 2
    assert "Missing option '--out'" in done.stderr


@pytest.mark.usefixtures("cells")
def test_init_of_a_data_set_that_has_none_is_refused() -> None:
    done = _run("data", "prepare", "cells", "--source", "raw", "--init")

    assert done.exit_code == 1
    assert "cannot init 'cells': the plugin names no init function" in done.stderr
    assert "HINT: leave out --init" in done.stderr
