# SPDX-License-Identifier: Apache-2.0
"""Training end to end on pictures of 32x32 px, and what stops it before the first step."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, ConfigError, DataError, TrainingError, UnknownNameError

pytestmark = pytest.mark.mm


@pytest.fixture
def read(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Return a function that reads the squares' config, options laid over it."""
    from zoo.engine.config.reading import read_config

    def run(*options: str, **more: Any) -> Any:
        more = {"data": squares_data, "work_dir": tmp_path / "run"} | more
        return read_config(squares_config, cfg_options=options, **more)

    return run


def test_train_on_prepared_data_writes_last_and_best_checkpoint(read: Callable[..., Any]) -> None:
    """The work dir holds what mmengine's users expect, and a config with the data bound."""
    from mmengine.config import Config

    from zoo.engine.runs.train import train

    folder = train(read())

    assert (folder / "last_checkpoint").read_text() == str(folder / "iter_6.pth")
    assert [path.name for path in folder.glob("best_*")] == ["best_mDice_iter_6.pth"]
    dumped = Config.fromfile(folder / "squares.py")
    assert dumped.model.decode_head.num_classes == 2
    assert dumped.train_dataloader.dataset.dataset.type == "zoo.squares.SquareDataset"


def test_train_when_resumed_goes_on_where_it_was(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """--resume finds the last checkpoint of the work dir, and without one begins anew."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.runs.train import train

    folder = train(read("train_cfg.max_iters=3"), resume="auto")
    train(read(), resume="auto")

    assert "nothing to resume in" in caplog.text
    first, last = (load_checkpoint(folder / f"iter_{step}.pth") for step in (3, 6))
    assert (first.meta["iter"], last.meta["iter"]) == (3, 6)
    name = "decode_head.conv_seg.weight"
    assert not torch.equal(first.state_dict[name], last.state_dict[name])


@pytest.mark.parametrize(
    ("kept", "resume", "hint"),
    [
        ("iter_9.pth", None, "use --resume to continue, or another --work-dir."),
        ("best_mDice_iter_9.pth", None, "use another --work-dir."),
        ("best_mDice_iter_9.pth", "auto", "use another --work-dir."),
    ],
)
def test_train_anew_where_another_run_left_a_checkpoint_refuses(
    read: Callable[..., Any], tmp_path: Path, kept: str, resume: str | None, hint: str
) -> None:
    """Else the best of the old run, of a later step, would pass for that of the new one."""
    from zoo.engine.runs.train import train

    folder = tmp_path / "run"
    folder.mkdir()
    (folder / kept).write_bytes(b"old")

    with pytest.raises(TrainingError) as caught:
        train(read(), resume=resume)

    assert str(caught.value) == (
        f"cannot start training in {str(folder)!r}: found {kept!r} of another run.\n"
        f"where: {folder}\nHINT: {hint}"
    )
    assert [path.name for path in folder.iterdir()] == [kept]


@pytest.mark.parametrize(
    ("kept", "hint"),
    [
        ("iter_9.pth", "use --resume without a file to continue, or another --work-dir."),
        ("best_mDice_iter_9.pth", "use another --work-dir."),
    ],
)
def test_train_from_a_checkpoint_of_another_work_dir_refuses_one_that_is_used(
    read: Callable[..., Any], tmp_path: Path, kept: str, hint: str
) -> None:
    """Its steps would replace those of the run that is there."""
    from zoo.engine.runs.train import train

    folder, other = tmp_path / "run", tmp_path / "other" / "iter_3.pth"
    for path in (folder / kept, other):
        path.parent.mkdir()
        path.write_bytes(b"old")

    with pytest.raises(TrainingError) as caught:
        train(read(), resume=other)

    assert str(caught.value) == (
        f"cannot resume from {str(other)!r} in {str(folder)!r}: found {kept!r} of another run.\n"
        f"where: {folder}\nHINT: {hint}"
    )
    assert [path.name for path in folder.iterdir()] == [kept]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Return a function that has Ctrl-C pressed within one step; it gives the steps begun."""
    from mmseg.models import EncoderDecoder

    def run(step: int, times: int = 1, pause_s: float = 0) -> list[int]:
        steps: list[int] = []
        forward = EncoderDecoder.loss

        def loss(self: Any, *args: Any) -> Any:
            steps.append(1)
            for _ in range(times if len(steps) == step else 0):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(pause_s)
            return forward(self, *args)

        monkeypatch.setattr(EncoderDecoder, "loss", loss)
        return steps

    return run


def test_train_when_interrupted_saves_what_can_be_resumed(
    read: Callable[..., Any], interrupt: Callable[[int], list[int]]
) -> None:
    """Ctrl-C within a step lets that step end, then saves and says where."""
    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    steps = interrupt(4)

    with pytest.raises(InterruptedRunError) as caught:
        train(read())

    saved = caught.value.checkpoint
    assert len(steps) == caught.value.step == 4
    assert str(caught.value) == f"stopped after step 4; saved {saved}."
    assert (saved.parent / "last_checkpoint").read_text() == str(saved)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    folder = train(read(), resume="auto")
    assert (folder / "iter_6.pth").is_file()


def test_train_when_interrupted_within_an_epoch_counts_whole_epochs(
    read: Callable[..., Any], interrupt: Callable[[int], list[int]]
) -> None:
    """Loops by epoch are left between steps too, and the epoch is not counted as done."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    steps = interrupt(3)
    config = read("train_dataloader.sampler.type=DefaultSampler", "log_processor.by_epoch=True")
    config.train_cfg = {"by_epoch": True, "max_epochs": 2}

    with pytest.raises(InterruptedRunError) as caught:
        train(config)

    meta = load_checkpoint(caught.value.checkpoint).meta
    assert len(steps) == 3
    assert (meta["epoch"], meta["iter"]) == (0, 3)


def test_train_when_interrupted_again_stops_at_once(
    read: Callable[..., Any], interrupt: Callable[..., list[int]], tmp_path: Path
) -> None:
    """Who has had the time to read that nothing is saved then, and presses again."""
    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    interrupt(2, times=2, pause_s=0.6)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(read())

    assert not isinstance(caught.value, InterruptedRunError)
    assert not list((tmp_path / "run").glob("*.pth"))


def test_train_when_interrupted_twice_within_a_blink_saves(
    read: Callable[..., Any], interrupt: Callable[..., list[int]]
) -> None:
    """``timeout`` and launchers send one Ctrl-C twice, and nobody reads as quickly."""
    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    interrupt(2, times=3)

    with pytest.raises(InterruptedRunError) as caught:
        train(read())

    assert caught.value.step == 2
    assert caught.value.checkpoint.is_file()


def test_train_that_offered_to_save_on_the_next_ctrl_c_saves(
    read: Callable[..., Any],
    interrupt: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was pressed while the loop waited for data, and again when the step had begun."""
    from mmengine.dataset import BaseDataset

    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    steps = interrupt(3)
    prepare = BaseDataset.prepare_data

    def waiting(self: Any, index: int) -> Any:
        if len(steps) == 2 and "stopping" not in caplog.text:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.6)
        return prepare(self, index)

    monkeypatch.setattr(BaseDataset, "prepare_data", waiting)

    with pytest.raises(InterruptedRunError) as caught:
        train(read())

    assert caught.value.step == 3
    assert "Ctrl-C again stops before it" in caplog.text
    assert "Ctrl-C again stops at once and saves nothing" in caplog.text


def test_train_with_unknown_type_names_the_place_before_data_is_read(
    read: Callable[..., Any],
) -> None:
    from zoo.engine.runs.train import train

    config = read("custom_hooks=[]", "model.decode_head.loss_decode.type=CrossEntropyLos")

    with pytest.raises(UnknownNameError) as caught:
        train(config)

    assert "HINT: did you mean CrossEntropyLoss" in str(caught.value)
    assert caught.value.where == "model.decode_head.loss_decode.type"
    assert not Path(config.work_dir).exists()


def test_train_with_other_class_count_refuses(read: Callable[..., Any]) -> None:
    """An explicit option wins over --data, and is then held against it."""
    from zoo.engine.runs.train import train

    with pytest.raises(ConfigError) as caught:
        train(read("model.decode_head.num_classes=4"))

    assert str(caught.value) == (
        "classes differ: the config's model.decode_head.num_classes is 4, the data set has 2 "
        "(ground, square).\n"
        "where: model.decode_head.num_classes and train_dataloader.dataset\n"
        "HINT: --cfg-options model.decode_head.num_classes=2; --data DIR sets it automatically."
    )


def test_train_from_weights_of_other_names_refuses_unless_transferred(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    """As many classes that mean something else would be taken for the data's."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.runs.train import train

    donor = load_checkpoint(train(read("train_cfg.max_iters=1")) / "iter_1.pth").state_dict
    weights = tmp_path / "other.pth"
    meta = {"dataset_meta": {"classes": ("ground", "circle")}}
    torch.save({"meta": meta, "state_dict": dict(donor)}, weights)
    place = tmp_path / "next"

    with pytest.raises(CheckpointError) as caught:
        train(read(f"load_from={weights}", work_dir=place))
    options = read("train_cfg.max_iters=1", pretrained=weights, work_dir=place)
    folder = train(options, transfer=True)

    assert "classes differ: the checkpoint has 2 (ground, circle)" in str(caught.value)
    assert caught.value.hint is not None
    assert f"--pretrained {weights}" in caught.value.hint
    assert (folder / "iter_1.pth").is_file()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["optim_wrapper=None"], ConfigError, "cannot train: the config has no optim_wrapper."),
        (
            ["model.decode_head.chanels=3"],
            ConfigError,
            "cannot build from the config: TypeError: BaseDecodeHead.__init__() got an unexpected "
            "keyword argument 'chanels'.",
        ),
        (
            ["train_dataloader.dataset.dataset.ann_file=splits/no.txt"],
            DataError,
            "cannot open the data: ",
        ),
        (
            ["train_dataloader.dataset.dataset.indices=0"],
            DataError,
            "cannot use the data: a data set of the config has no images.",
        ),
    ],
    ids=["part", "argument", "file", "empty"],
)
def test_train_with_broken_config_raises_one_message(
    read: Callable[..., Any], options: list[str], error: type[Exception], message: str
) -> None:
    from zoo.engine.runs.train import train

    with pytest.raises(error) as caught:
        train(read(*options))

    assert str(caught.value).startswith(message)
    assert "HINT: " in str(caught.value)


def test_train_with_amp_on_a_cpu_without_bfloat16_refuses(
    read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.engine.runs.train import train

    monkeypatch.setattr("mmengine.device.get_device", lambda: "cpu")
    monkeypatch.setattr("zoo.engine.stepping.precision.has_bfloat16", lambda: False)

    with pytest.raises(ConfigError) as caught:
        train(read(), amp=True)
    with pytest.raises(ConfigError) as wrapped:
        train(read("optim_wrapper.type=ApexOptimWrapper"), amp=True)

    assert str(caught.value).startswith("cannot train with --amp on the device 'cpu'")
    assert wrapped.value.where == "optim_wrapper.type"


def test_train_from_missing_checkpoint_refuses(read: Callable[..., Any]) -> None:
    from zoo.engine.runs.train import train

    with pytest.raises(CheckpointError) as caught:
        train(read(), resume="gone/iter_3.pth")

    assert str(caught.value).startswith("cannot resume from 'gone/iter_3.pth': no such file.")


@pytest.mark.parametrize("command", ["train", "test"])
def test_config_of_a_plugins_data_without_its_folder_asks_for_data(
    squares: Path, squares_config: Path, tmp_path: Path, command: str
) -> None:
    """Shipped configs name a folder that few users have: the message names the option."""
    from zoo.engine.config.reading import read_config
    from zoo.engine.measuring.test import test
    from zoo.engine.runs.train import train

    text = squares_config.read_text().replace("data/cityscapes/", "data/mine")
    squares_config.write_text(text.replace("CityscapesDataset", "zoo.squares.SquareDataset"))
    config = read_config(squares_config, work_dir=tmp_path / "run")

    with pytest.raises(DataError) as caught:
        train(config) if command == "train" else test(config, "none.pth")

    message = "cannot read the data: the config names the folder 'data/mine', which does not exist."
    assert message == caught.value.message
    assert "--data DIR (zoo data prepare squares writes one)" in (caught.value.hint or "")
    assert f"{command}_dataloader.dataset" in str(caught.value.path)
