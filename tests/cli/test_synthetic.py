# SPDX-License-Identifier: Apache-2.0
"""A sample that a plugin drew bears its mark from the raw folder to the model card."""

from __future__ import annotations

import json
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoo.cli import main
from zoo.data import read_prepared
from zoo.data.source.synthetic import MARK_NAME, Synthetic, mark_sample
from zoo.errors import DataError

DRAWN = Synthetic("squares", "0.1.0", "Apache-2.0", 3)
NAME = "squares.SquareDataset (synthetic sample of squares 0.1.0)"


def _run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def raw(squares: Path, tmp_path: Path) -> Path:
    """Draw a sample by the command."""
    done = _run("data", "sample", "squares", "--out", tmp_path / "raw", "--seed", 3)
    assert done.exit_code == 0, done.output
    return tmp_path / "raw"


def _prepared(source: Path, out: Path) -> Synthetic | None:
    done = _run("data", "prepare", "squares", "--source", source, "--out", out)
    assert done.exit_code == 0, done.output
    assert _run("data", "check", out).exit_code == 0
    return read_prepared(out).synthetic


def _zip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, Path("raw", file.relative_to(folder)))
    return path


def test_sample_is_marked_and_nothing_else_lies_beside_it(raw: Path) -> None:
    assert sorted(path.name for path in raw.iterdir()) == [MARK_NAME, "images", "masks"]
    assert json.loads((raw / MARK_NAME).read_text()) == {
        "schema": 1,
        "plugin": "squares",
        "version": "0.1.0",
        "licence": "Apache-2.0",
        "seed": 3,
    }


def test_prepare_carries_the_mark_wherever_the_source_holds_it(raw: Path, tmp_path: Path) -> None:
    """The folder, one that holds it, a part of it, and a zip of it."""
    (tmp_path / "above").mkdir()
    shutil.copytree(raw, tmp_path / "above" / "inner")
    (raw / "part").mkdir()
    for name in ("images", "masks"):
        shutil.copytree(raw / name, raw / "part" / name)
    archive = _zip(tmp_path / "above" / "inner", tmp_path / "raw.zip")

    sources = [tmp_path / "above" / "inner", tmp_path / "above", raw / "part", archive]
    marks = [_prepared(source, tmp_path / str(n)) for n, source in enumerate(sources)]

    assert marks == [DRAWN] * 4
    told = _run("data", "prepare", "squares", "--source", archive, "--out", tmp_path / "again")
    assert "a synthetic sample, drawn by the plugin squares" in told.output


def test_prepare_of_data_without_a_mark_says_nothing(raw: Path, tmp_path: Path) -> None:
    """And the same pictures without it are other data: no folder is both."""
    _prepared(raw, tmp_path / "out")
    (raw / MARK_NAME).unlink()

    again = _run("data", "prepare", "squares", "--source", raw, "--out", tmp_path / "out")

    assert _prepared(raw, tmp_path / "real") is None
    assert "synthetic" not in (tmp_path / "real" / "dataset.json").read_text()
    assert again.exit_code == 1
    was = "data was 'a synthetic sample of squares 0.1.0, seed 3', is \"no plugin's sample\""
    assert was in again.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 2}', '{"schema": 1}', "\0" * 99])
def test_prepare_of_a_mark_that_is_none_says_so(raw: Path, tmp_path: Path, text: str) -> None:
    """To take a sample for real data, because its mark is torn, would be a lie."""
    (raw / MARK_NAME).write_text(text)

    done = _run("data", "prepare", "squares", "--source", raw, "--out", tmp_path / "out")

    assert done.exit_code == 1
    assert "error: cannot read the mark of a synthetic sample: " in done.stderr
    assert str(raw / MARK_NAME) in done.stderr


def test_changed_mark_in_a_prepared_folder_is_refused(raw: Path, tmp_path: Path) -> None:
    """The digest covers it."""
    _prepared(raw, tmp_path / "out")
    path = tmp_path / "out" / "dataset.json"
    document = json.loads(path.read_text())
    del document["synthetic"]
    path.write_text(json.dumps(document))

    with pytest.raises(DataError, match="was changed after it was written"):
        read_prepared(tmp_path / "out")


def test_mark_of_any_text_is_read_back(tmp_path: Path, squares: Path) -> None:
    from zoo.data import open_source

    drawn = Synthetic("plügin", '1"\n', "MIT OR Apache-2.0", -5)
    mark_sample(tmp_path, drawn)

    with open_source(tmp_path) as source:
        assert source.synthetic() == drawn
        assert source.files() == ()


@pytest.mark.mm
@pytest.mark.slow
def test_what_is_trained_on_a_sample_is_published_as_synthetic(
    raw: Path, tmp_path: Path, squares_config: Path
) -> None:
    """Labels, data set and licence say so in the record, the row, the card and beside the numbers.

    It was published as ``labels = "true"`` under the licence of the real data.
    """
    from zoo.engine.checkpoints.published import read_record

    data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "out"
    shares = ["--shares", "0.6,0.2,0.2"]
    options = ["--cfg-options", "train_cfg.max_iters=3", "train_cfg.val_interval=3"]
    trained = ["train", squares_config, "--data", data, "--work-dir", run, *options]

    done = [
        _run("data", "prepare", "squares", "--source", raw, "--out", data, *shares),
        _run(*trained),
        _run("test", run, "--out", run / "test.json"),
        _run("publish", run, "--name", "tiny", "--out", out),
    ]

    assert [each.exit_code for each in done] == [0] * 4, done[-1].output
    assert ", whose labels are synthetic:" in done[2].stdout
    (row,) = tomllib.loads(done[3].stdout)["weights"]
    record = read_record(out / "tiny.safetensors")
    licence = "Apache-2.0: synthetic, drawn by the plugin squares"
    assert record.labels == "synthetic"
    assert record.data_licence == row["data_licence"] == licence
    for metric in (*record.metrics, *row["metrics"]):
        assert (metric["labels"], metric["dataset"]) == ("synthetic", NAME)
    drawn = {"plugin": "squares", "version": "0.1.0", "licence": "Apache-2.0", "seed": 3}
    assert record.provenance["data"]["synthetic"] == {**drawn, "labels": "true"}
    card = (out / "tiny.md").read_text()
    assert f"Trained on {NAME}. Labels are synthetic." in card
    assert f"| licence of the data | {licence} |" in card


def test_row_with_synthetic_labels_is_read(write_plugin: Callable[..., Path]) -> None:
    from zoo.catalog import read_catalog

    metric = '{ name = "m", value = 1, dataset = "d", split = "test", labels = "synthetic", '
    keys = {"name": "one", "task": "semantic", "config": "c", "sha256": "0" * 64}
    keys |= {"format": "safetensors", "licence": "MIT", "data_licence": "MIT"}
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    lines += ['urls = ["https://a.example/x"]', "size_bytes = 1", "parameters = 1"]
    rows = "\n".join(["[[weights]]", *lines, f'metrics = [{metric}protocol = "p" }}]'])

    write_plugin("drawn", rows)

    assert read_catalog().plugin("drawn").checked().weights[0].metrics[0].labels == "synthetic"
