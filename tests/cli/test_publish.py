# SPDX-License-Identifier: Apache-2.0
"""``zoo publish``: the whole way from a run to a file that predicts, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def work_dir(
    tmp_path: Path, squares: Path, squares_data: Path, squares_config: Path, run_zoo: Run
) -> Path:
    """Train the net of bright squares for three steps."""
    words = ["--data", str(squares_data), "--work-dir", str(tmp_path / "run")]
    options = ["train_cfg.max_iters=3", "train_cfg.val_interval=3"]
    # mmengine logs validation by epoch otherwise, and then nothing says which step it was.
    options += ["default_hooks.logger.log_metric_by_epoch=False"]
    words += ["--cfg-options", *options]
    done = run_zoo("train", squares_config, *words, plugins="squares", folder=squares)
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_publish_of_a_run_takes_the_numbers_that_were_measured(
    tmp_path: Path, work_dir: Path, squares: Path, run_zoo: Run
) -> None:
    """Validation first, then the test's; two runs give equal bytes; the file predicts alike."""

    def zoo(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return run_zoo(*words, plugins="squares", folder=squares)

    publish = ["publish", str(work_dir), "--name", "tiny", "--data-licence", "CC0-1.0", "--out"]
    validated = zoo(*publish, tmp_path / "validated")
    tested = zoo("test", work_dir, "--out", work_dir / "test.json")
    first, second = (zoo(*publish, tmp_path / name) for name in ("first", "second"))

    assert [run.returncode for run in (validated, tested, first, second)] == [0] * 4, [
        validated.stderr,
        first.stderr,
    ]
    splits = []
    for run in (validated, first):
        (row,) = tomllib.loads(run.stdout)["weights"]
        splits.append({metric["split"] for metric in row["metrics"]})
    assert splits == [{"val"}, {"test"}]
    assert "these values are from validation" in validated.stderr
    assert "Warning" not in validated.stderr  # upstream's advice on how configs are written
    twice = ["--metrics", work_dir / "test.json", "--metrics", f"{work_dir}/../run/test.json"]
    doubled = zoo(*publish, tmp_path / "doubled", *twice)
    assert doubled.stdout == first.stdout
    told = json.loads(zoo(*publish, tmp_path / "told", "--json").stdout)
    assert told["manifest_row"].rstrip() == first.stdout.rstrip() == doubled.stdout.rstrip()
    assert Path(told["row"]).read_text() == told["manifest_row"]
    assert hashlib.sha256(Path(told["file"]).read_bytes()).hexdigest() == told["sha256"]
    assert Path(told["card"]).is_file()
    measured = json.loads((work_dir / "test.json").read_text())["metrics"]
    assert {m["name"]: m["value"] for m in row["metrics"]} == {
        name: value for name, value in measured.items() if name not in ("time", "data_time")
    }
    for name in ("tiny.safetensors", "tiny.md", "tiny.toml"):
        one, other = (tmp_path / folder / name for folder in ("first", "second"))
        assert one.read_bytes() == other.read_bytes()
    assert first.stdout == (tmp_path / "first" / "tiny.toml").read_text()
    assert "squares.SquareDataset" in (tmp_path / "first" / "tiny.md").read_text()


def test_publish_of_what_was_not_measured_leaves_nothing(
    tmp_path: Path, work_dir: Path, squares: Path, check_refused: Callable[..., str]
) -> None:
    """Another's numbers, an unknown metric, no checkpoint."""
    stated = ["--name", "tiny", "--out", str(tmp_path / "out")]
    other = tmp_path / "other.json"
    document = {"schema": "zoo.test/1", "checkpoint": "b.pth", "checkpoint_sha256": "ab" * 32}
    other.write_text(json.dumps(document))
    (tmp_path / "empty").mkdir()
    licence = ["--data-licence", "CC0-1.0"]
    settings = {"plugins": "squares", "folder": squares}

    said = [
        check_refused(
            "publish", work_dir, *stated, *licence, "--metrics", other, guilty=other, **settings
        ),
        check_refused(
            "publish", work_dir, *stated, *licence, "--metric", "x", guilty="'x'", **settings
        ),
        check_refused("publish", tmp_path / "empty", *stated, guilty="empty", **settings),
    ]

    assert "they are for the checkpoint 'b.pth'" in said[0]
    assert "no metric 'x' was measured for it" in said[1]
    assert "found a work dir without a checkpoint" in said[2]
    assert not (tmp_path / "out").exists()


def test_publish_of_a_run_with_other_data_in_its_place_leaves_nothing(
    tmp_path: Path,
    work_dir: Path,
    squares: Path,
    squares_data: Path,
    check_refused: Callable[..., str],
) -> None:
    """Another split of the same pictures holds as a test what the run was trained on."""
    stated = ["--name", "tiny", "--out", str(tmp_path / "out"), "--data-licence", "CC0-1.0"]
    other = tmp_path / "other"
    _prepare_again(squares_data.parent / "raw", other)

    said = check_refused(
        "publish",
        work_dir,
        *stated,
        "--data",
        other,
        guilty=other,
        plugins="squares",
        folder=squares,
    )
    config = next(work_dir.glob("*.py"))
    config.write_text(config.read_text().replace(str(squares_data), str(tmp_path / "gone")))
    moved = check_refused(
        "publish", work_dir, *stated, guilty="gone", plugins="squares", folder=squares
    )

    assert "it was trained on the prepared folder of digest " in said
    assert "found another one (" in said
    assert "found none instead." in moved
    assert "give the folder that it was trained on with --data" in moved
    assert not (tmp_path / "out").exists()


def test_publish_passes_over_measurements_of_a_part_that_lie_in_the_work_dir(
    tmp_path: Path, work_dir: Path, squares: Path, run_zoo: Run
) -> None:
    def zoo(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return run_zoo(*words, plugins="squares", folder=squares)

    part = ["--cfg-options", "test_dataloader.dataset.indices=1"]
    zoo("test", work_dir, "--out", work_dir / "quick.json", *part)
    zoo("test", work_dir, "--out", work_dir / "test.json")
    publish = ["publish", work_dir, "--name", "tiny", "--data-licence", "CC0-1.0", "--out"]

    done = zoo(*publish, tmp_path / "out")

    assert done.returncode == 0, done.stderr
    assert "note: cannot publish the metrics in 'quick.json'" in done.stderr
    (row,) = tomllib.loads(done.stdout)["weights"]
    assert {metric["split"] for metric in row["metrics"]} == {"test"}


def _prepare_again(raw: Path, out: Path) -> None:
    from zoo.data import DatasetIdentity, Pair, Report, Shares, open_source, prepare_semantic

    names = sorted(path.name for path in (raw / "images").iterdir())
    pairs = [Pair(f[:3], f[:3], f"images/{f}", (f"masks/{f}",)) for f in names]
    with open_source(raw) as source:
        prepare_semantic(
            source,
            out,
            dataset=DatasetIdentity("squares", "SquareDataset", "0.1.0"),
            pairs=pairs,
            classes=["ground", "square"],
            palette=[(0, 0, 0), (250, 200, 0)],
            encode_mask=lambda masks, _: (masks[0].astype("uint8"), []),
            shares=Shares(0.2, 0.2, 0.6),
            report=Report(),
        )
