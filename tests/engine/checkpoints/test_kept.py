# SPDX-License-Identifier: Apache-2.0
"""Which checkpoint of a work dir is taken, where some were copied, cut off or changed."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoo.cli import main
from zoo.engine.checkpoints.kept import is_of_run
from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip_a_bit(path: Path) -> None:
    """Change the sign of one weight, as a disk does."""
    import torch

    data = bytearray(path.read_bytes())
    weight = torch.load(path, weights_only=True)["state_dict"]
    first = next(value for value in weight.values() if value.is_floating_point())
    at = data.index(first.flatten().numpy().tobytes())
    data[at + 3] ^= 0x80
    path.write_bytes(data)


def _zero(path: Path) -> None:
    """Leave a file of the right length that was never written, as after a power cut."""
    path.write_bytes(bytes(path.stat().st_size))


def _make_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": _truncate,
    "a flipped sign": _flip_a_bit,
    "zeros": _zero,
    "empty": lambda path: path.write_bytes(b"") and None,
    "a page": lambda path: path.write_bytes(b"<html>no space left</html>") and None,
    "text": lambda path: path.write_bytes(b"hello") and None,
    "a pipe": _make_a_pipe,
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write checkpoints of three steps, of which the second was the best."""
    import torch

    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("iter_2", "iter_4", "iter_6", "best_mDice_iter_2", "best_mDice_iter_4"):
        step = float(name[-1])
        torch.save({"state_dict": {"level": torch.tensor([step, 1.5])}}, folder / f"{name}.pth")
    (folder / "last_checkpoint").write_text(str(folder / "iter_6.pth"))
    return folder


@pytest.mark.timeout(60)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_checkpoint_is_left_for_the_one_before(
    run: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For resuming the step before, for measuring the best one before; the log says so."""
    from zoo.engine.checkpoints.kept import choose_checkpoint

    assert choose_checkpoint(run, prefer="last") == run / "iter_6.pth"
    assert choose_checkpoint(run, prefer="best") == run / "best_mDice_iter_4.pth"
    assert not caplog.messages
    DAMAGES[damage](run / "iter_6.pth")
    DAMAGES[damage](run / "best_mDice_iter_4.pth")

    assert choose_checkpoint(run, prefer="last") == run / "iter_4.pth"
    assert choose_checkpoint(run, prefer="best") == run / "best_mDice_iter_2.pth"
    if damage != "a pipe":  # which is no file, so that there is none of the best's name
        assert caplog.messages == [
            f"{run / 'iter_6.pth'} is damaged; using iter_4.pth instead",
            f"{run / 'best_mDice_iter_4.pth'} is damaged; using best_mDice_iter_2.pth instead",
        ]


def test_where_each_is_damaged_none_is_taken(run: Path) -> None:
    """To begin anew would be to lose them: one message names all."""
    from zoo.engine.checkpoints.kept import choose_checkpoint

    for path in run.glob("*.pth"):
        _truncate(path)

    with pytest.raises(CheckpointError, match=r"\(iter_6\.pth, iter_4\.pth, iter_2\.pth\)"):
        choose_checkpoint(run, prefer="last")
    with pytest.raises(CheckpointError, match=r"\(best_mDice_iter_4\.pth, best_"):
        choose_checkpoint(run, prefer="best")


def test_a_copied_work_dir_is_its_own(run: Path, tmp_path: Path) -> None:
    """Its last_checkpoint names the original's file, which is not to be resumed from."""
    from zoo.engine.checkpoints.kept import choose_checkpoint, find_checkpoint

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)

    assert find_checkpoint(copy) == choose_checkpoint(copy, prefer="last") == copy / "iter_6.pth"
    (copy / "iter_6.pth").unlink()
    assert find_checkpoint(copy) == copy / "iter_4.pth"


def test_a_work_dir_whose_checkpoints_are_kept_elsewhere_finds_them(run: Path) -> None:
    """CheckpointHook's out_dir is another folder; last_checkpoint alone names it."""
    from zoo.engine.checkpoints.kept import find_checkpoint

    elsewhere = run.parent / "elsewhere"
    elsewhere.mkdir()
    for path in run.glob("*.pth"):
        path.rename(elsewhere / path.name)
    (run / "last_checkpoint").write_text(str(elsewhere / "iter_4.pth"))

    assert find_checkpoint(run) == elsewhere / "iter_4.pth"


@pytest.mark.parametrize(
    "note", ["", "\n", "/", "\0", "x" * 5000, "\x1b[2J/iter_2.pth", "~nobody/x"]
)
def test_a_note_that_is_none_leaves_the_numbers_to_decide(run: Path, note: str) -> None:
    from zoo.engine.checkpoints.kept import find_checkpoint

    (run / "last_checkpoint").write_text(note)

    assert find_checkpoint(run) == run / "iter_6.pth"


def test_a_checkpoint_that_was_named_is_not_replaced(run: Path) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    _flip_a_bit(run / "iter_6.pth")

    with pytest.raises(CheckpointError, match=r"its record 'iter_6/data/0' is damaged: Bad CRC-32"):
        load_checkpoint(run / "iter_6.pth")


def test_load_of_a_file_without_checksums_reads_it(tmp_path: Path) -> None:
    """torch can be told to compute none, and its older form has none: nothing is to be said."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.ones(2)}, tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    torch.save({"w": torch.ones(2)}, tmp_path / "b.pth", _use_new_zipfile_serialization=False)

    for name in ("a.pth", "b.pth"):
        assert load_checkpoint(tmp_path / name).state_dict["w"].tolist() == [1, 1]


def test_predict_with_a_work_dir_whose_newest_is_damaged_takes_the_one_before(
    bright_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import cv2
    import numpy as np

    last = next(bright_run.glob("best_*.pth"))
    newer = bright_run / "best_dice_iter_999.pth"
    newer.write_bytes(last.read_bytes())
    _truncate(newer)
    assert cv2.imwrite(str(tmp_path / "x.png"), np.full((5, 6), 200, np.uint8))
    words = ["predict", bright_run, tmp_path / "x.png", "--out", tmp_path / "o", "--device", "cpu"]

    done = CliRunner().invoke(main, list(map(str, words)))

    assert done.exit_code == 0, done.output
    assert f"{newer} is damaged; using {last.name} instead" in caplog.messages


@pytest.fixture
def zoo(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.slow
def test_train_resumed_and_test_where_the_newest_is_damaged_go_on_from_the_one_before(
    zoo: Callable[..., Result],
    squares_config: Path,
    squares_data: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run ends with the step that was damaged written anew, and is measured by what holds."""
    options = ["--cfg-options", "default_hooks.checkpoint.interval=3"]
    trained = zoo("train", squares_config, "--data", squares_data, "--work-dir", "run", *options)
    assert trained.exit_code == 0, trained.output
    last, before = Path("run/iter_6.pth"), Path("run/iter_3.pth")
    assert before.is_file()
    _truncate(last)
    for path in Path("run").glob("best_*.pth"):
        _truncate(path)

    tested = zoo("test", "run")
    resumed = zoo(
        "train", squares_config, "--data", squares_data, "--work-dir", "run", "--resume", *options
    )

    assert tested.exit_code == 0, tested.output
    assert tested.stdout.startswith("run/iter_3.pth on test")
    assert "run/iter_6.pth is damaged; using iter_3.pth instead" in caplog.messages
    assert resumed.exit_code == 0, resumed.output
    assert caplog.messages.count("run/iter_6.pth is damaged; using iter_3.pth instead") == 2
    assert zoo("test", "run").exit_code == 0


def test_a_flipped_sign_is_refused_wherever_a_checkpoint_is_read(bright_run: Path) -> None:
    """By predict and test, by training that starts from it or resumes, and by a conversion."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.convert import convert_checkpoint
    from zoo.engine.prediction.model import open_model
    from zoo.engine.resuming.safe_loading import load_for_mmengine

    path = next(bright_run.glob("best_*.pth"))
    config = next(bright_run.glob("*.py"))
    _flip_a_bit_of_any(path)
    ways: dict[str, Callable[[], object]] = {
        "predict": lambda: open_model(f"{config},{path}", device="cpu"),
        "load": lambda: load_checkpoint(path),
        "load, read already": lambda: load_checkpoint(path, data=path.read_bytes()),
        "mmengine": lambda: load_for_mmengine(str(path)),
        "convert": lambda: convert_checkpoint(path, path.with_suffix(".safetensors"), facts={}),
    }

    for way in ways.values():
        with pytest.raises(CheckpointError, match=r"its record '.*/data/0' is damaged: Bad CRC-32"):
            way()
    assert not path.with_suffix(".safetensors").exists()


def _flip_a_bit_of_any(path: Path) -> None:
    """Change one bit of the first tensor's record."""
    with zipfile.ZipFile(path) as archive:
        entry = next(one for one in archive.infolist() if one.filename.endswith("data/0"))
        start = archive.read(entry)
    data = bytearray(path.read_bytes())
    at = data.index(start, entry.header_offset + 30 + len(entry.filename))
    data[at + len(start) - 1] ^= 0x80
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("run/iter_2.pth", True),
        ("run/kept/iter_2.pth", True),
        ("run/kept/deep/iter_2.pth", True),
        ("run/../run/kept/iter_2.pth", True),
        ("apart/iter_9.pth", True),  # where the run keeps them
        ("apart/deep/iter_9.pth", False),
        ("run/other/iter_2.pth", False),  # another run's work dir
        ("run/other/kept/iter_2.pth", False),
        ("run/third/iter_2.pth", False),
        ("runs/iter_2.pth", False),  # not a subfolder, though its name begins so
        ("iter_2.pth", False),
    ],
)
def test_checkpoints_in_subfolders_are_a_runs_own(
    tmp_path: Path, place: str, expected: bool
) -> None:
    """Such as copies that its user keeps; not those of a run whose work dir lies within."""
    for folder in ("run/kept/deep", "run/other/kept", "run/third", "apart/deep", "runs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "apart/iter_9.pth").write_bytes(b"")
    (tmp_path / "run/last_checkpoint").write_text(str(tmp_path / "apart/iter_9.pth"))
    (tmp_path / "run/run.json").write_text("{}")
    (tmp_path / "run/other/last_checkpoint").write_text("iter_2.pth")
    (tmp_path / "run/third/run.json").write_text("{}")

    assert is_of_run(tmp_path / place, tmp_path / "run") is expected
