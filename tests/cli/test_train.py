# SPDX-License-Identifier: Apache-2.0
"""``zoo train`` and ``zoo test``: exit codes, messages, and what they leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytestmark = pytest.mark.mm

_UNET = "mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py"
_R50 = "mmseg::deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscapes-512x1024.py"


@pytest.fixture
def zoo(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command in an empty folder."""
    from zoo.cli import main

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])


def test_train_then_test_of_the_work_dir_prints_results_on_stdout(
    zoo: Callable[..., Result], squares_config: Path, squares_data: Path
) -> None:
    """Progress goes to stderr; stdout names the checkpoints, then the metrics."""
    trained = zoo("train", squares_config, "--data", squares_data, "--work-dir", "run")
    tested = zoo("test", "run", "--out", "out.json", "--json")

    assert trained.exit_code == 0, trained.output
    assert [line.partition(":")[0] for line in trained.stdout.splitlines()] == [
        "work dir",
        "last checkpoint",
        "best checkpoint",
    ]
    assert "validation, the best so far: mDice " in trained.stderr
    assert tested.exit_code == 0, tested.output
    document = json.loads(Path("out.json").read_text())
    assert json.loads(tested.stdout) == document["metrics"]
    assert document["checkpoint"] == "best_mDice_iter_6.pth"


@pytest.mark.parametrize(
    ("args", "guilty", "hint"),
    [
        ([f"{_UNET}x"], "no config 'unet/unet-s5-d16_fcn", "did you mean mmseg::unet/unet-s5-d16"),
        (["unet_smal"], "no config named 'unet_smal'", "zoo config list"),
        ([_R50], "where: model.pretrained", "--pretrained FILE"),
        ([_UNET], "drive", "--data DIR"),
        ([_UNET, "--data", "nowhere"], "where: nowhere", "zoo data prepare"),
        ([_UNET, "--cfg-options", "model.type=EncoderDecode"], "model.type", "EncoderDecoder"),
        ([_UNET, "--cfg-options", "model.backbone=[1,(2"], "model.backbone=[1,(2", "quote"),
        ([_UNET, "--resume", "gone.pth"], "gone.pth", "use --resume without a file"),
        (["old.py"], "'runner'", "runner -> train_cfg"),
        (["broken.py"], "broken.py:1", "fix that line"),
    ],
    ids=[
        "package-config",
        "config-name",
        "pretrained",
        "no-data",
        "not-prepared",
        "model-type",
        "brackets",
        "checkpoint",
        "old-generation",
        "syntax",
    ],
)
def test_train_with_bad_input_exits_1_with_one_message(
    zoo: Callable[..., Result], args: list[str], guilty: str, hint: str
) -> None:
    Path("old.py").write_text("model = dict(type='A')\nrunner = dict(max_iters=3)\n")
    Path("broken.py").write_text("model = dict(\n")

    result = zoo("train", *args)

    assert result.exit_code == 1
    assert result.stdout == ""
    message = result.stderr[result.stderr.index("error: ") :]
    assert guilty in message
    assert hint in message.partition("HINT: ")[2]
    assert "Traceback" not in result.stderr


def test_test_without_checkpoint_or_work_dir_says_what_it_takes(
    zoo: Callable[..., Result], squares_config: Path
) -> None:
    Path("empty").mkdir()

    file = zoo("test", squares_config)
    folder = zoo("test", "empty")

    assert (file.exit_code, folder.exit_code) == (1, 1)
    assert "it is not a work dir, and no checkpoint is given." in file.stderr
    assert "cannot open the work dir 'empty': found no checkpoint in it." in folder.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epochs", "2", "--max-steps", "9"], "--epochs and --max-steps both set the length"),
        (["--epochs", "0"], "--epochs"),
        (["--max-steps", "-1"], "--max-steps"),
        (["--batch-size", "many"], "--batch-size"),
        (["--lr", "fast"], "--lr"),
    ],
)
def test_train_with_options_that_cannot_be_exits_2(
    zoo: Callable[..., Result], squares_config: Path, options: list[str], words: str
) -> None:
    """Wrong usage is told before anything is read."""
    result = zoo("train", squares_config, *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_train_whose_options_contradict_cfg_options_exits_1_with_both(
    zoo: Callable[..., Result], squares_config: Path, squares_data: Path
) -> None:
    words = ["--data", squares_data, "--batch-size", "4"]
    result = zoo("train", squares_config, *words, "--cfg-options", "train_dataloader.batch_size=2")

    assert result.exit_code == 1
    assert "cannot use --batch-size and --cfg-options train_dataloader.batch_size" in result.stderr
