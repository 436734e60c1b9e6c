# SPDX-License-Identifier: Apache-2.0
"""``zoo data``: which row a plugin's name means, its own shares, the size of a sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.cli import main
from zoo.manifest.reading import read_manifest

ROW = """
[[dataset]]
name = "{name}"
target = "zoo_cells.code:Cells"
task = "{task}"
classes = ["cell"]
licence = "none"
prepare = "zoo_cells.code:prepare_{task}"
sample = "zoo_cells.code:write_{task}"
"""
CODE = """
from pathlib import Path

class Said:
    def __init__(self, text):
        self.text = text

    def summary(self):
        return self.text

def prepare_semantic(source, out, *, shares, progress):
    return Said(f"semantic {shares.to_list()}")

def prepare_instance(source, out, *, shares, progress):
    return Said(f"instance {shares.to_list()}")

def write_semantic(out, *, seed, count, progress):
    out.mkdir()

def write_instance(out, *, seed, count, progress, size_px=99):
    out.mkdir()
    (out / "size").write_text(str(size_px))
"""
Write = Callable[..., Path]


@pytest.fixture
def cells(write_plugin: Write) -> None:
    rows = ROW.format(name="CellDataset", task="semantic")
    rows += ROW.format(name="NucleusDataset", task="instance") + 'shares = "0.9,0.1,0"\n'
    write_plugin("cells", rows, code=CODE)


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cells",), "semantic [0.8, 0.1, 0.1]"),
        (("cells", "--task", "instance"), "instance [0.9, 0.1, 0.0]"),
        (("NucleusDataset",), "instance [0.9, 0.1, 0.0]"),
        (("cells.CellDataset", "--shares", "1,0,0"), "semantic [1.0, 0.0, 0.0]"),
        (("cells", "--task", "instance", "--shares", "0.5,0.5,0"), "instance [0.5, 0.5, 0.0]"),
    ],
)
def test_prepare_by_plugin_takes_its_first_row_and_the_shares_of_the_row(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """A plugin that gains a second data set is called as before."""
    places = ["--source", str(tmp_path), "--out", str(tmp_path / "out")]

    result = CliRunner().invoke(main, ["data", "prepare", *words, *places])

    assert result.exit_code == 0, result.output
    assert said in result.output


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(("size", "written"), [((), "99"), (("--size", "320"), "320")])
def test_sample_with_size_draws_at_that_size(
    size: tuple[str, ...], written: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    result = CliRunner().invoke(
        main, ["data", "sample", "NucleusDataset", "--out", str(out), *size]
    )

    assert result.exit_code == 0, result.output
    assert (out / "size").read_text() == written


@pytest.mark.usefixtures("cells")
def test_sample_with_size_where_it_is_fixed_refuses(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["data", "sample", "CellDataset", "--out", str(tmp_path / "out"), "--size", "9"]
    )

    assert result.exit_code == 1
    assert "cannot draw a sample of 'CellDataset' at 9 px: its size is fixed." in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shares", ["0.9", "0.9,0.1", "0.9,0.1,0,0", "a,b,c", "2,0,0", "0.9,0.1,"])
def test_manifest_with_shares_that_are_none_is_refused(write_plugin: Write, shares: str) -> None:
    from zoo.errors import ManifestError

    rows = ROW.format(name="CellDataset", task="semantic") + f'shares = "{shares}"\n'
    package = write_plugin("cells", rows, code=CODE)

    with pytest.raises(ManifestError, match="shares"):
        read_manifest(package / "zoo_plugin.toml")


@pytest.mark.mm
@pytest.mark.parametrize("out", ["sheet.png", "folder"])
def test_show_replaces_the_sheet_that_is_there(
    squares_data: Path, tmp_path: Path, out: str
) -> None:
    """As `zoo plot --out` does: the same command may be typed twice."""
    path = tmp_path / out if out.endswith(".png") else tmp_path / out / "contact_sheet.png"
    words = ["data", "show", str(squares_data), "--out", str(tmp_path / out)]
    assert CliRunner().invoke(main, words).exit_code == 0
    first = path.read_bytes()

    done = CliRunner().invoke(main, [*words, "--count", "3"])

    assert done.exit_code == 0, done.output
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.read_bytes() != first


@pytest.mark.mm
def test_show_over_a_file_that_is_no_picture_is_refused(squares_data: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    done = CliRunner().invoke(
        main, ["data", "show", str(squares_data), "--out", str(tmp_path / "notes.txt")]
    )

    assert done.exit_code == 1
    assert "\nHINT: " in done.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"
