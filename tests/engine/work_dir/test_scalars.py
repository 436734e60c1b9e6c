# SPDX-License-Identifier: Apache-2.0
"""Curves and per-image values as runs and tests leave them on disk."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.work_dir.best_step import Best
from zoo.engine.work_dir.scalars import read_run
from zoo.engine.work_dir.tested import read_test
from zoo.errors import DataError


def write_log(work_dir: Path, time: str, records: list[dict[str, Any]]) -> Path:
    path = work_dir / time / "vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def train(step: int, loss: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"lr": 0.1, "data_time": 0.5, "loss": loss, "time": 1.0, "iter": step, **more} | {
        "step": step
    }


def test_training_validation_and_rates_are_told_apart(tmp_path: Path) -> None:
    records = [
        train(10, 1.5, base_lr=0.1, **{"decode.loss_ce": 1.0, "decode.acc_seg": 50.0}),
        {"mDice": 80.5, "data_time": 0.1, "time": 0.2, "step": 10},
    ]
    write_log(tmp_path / "unet", "20240101_000000", records)

    log = read_run(tmp_path / "unet")

    assert log.name == "unet"
    assert log.losses == {"loss": {10: 1.5}, "decode.loss_ce": {10: 1.0}}
    assert log.metrics == {"mDice": {10: 80.5}}
    assert log.rates == {"lr": {10: 0.1}}


def test_resumed_run_goes_on_and_the_later_run_wins(tmp_path: Path) -> None:
    write_log(tmp_path, "20240101_000000", [train(10, 1), train(20, 2), train(30, 3)])
    write_log(tmp_path, "20240102_000000", [])
    write_log(tmp_path, "20240103_000000", [train(20, 5), train(40, 6)])

    assert read_run(tmp_path).losses == {"loss": {10: 1, 20: 5, 40: 6}}


@pytest.mark.parametrize("counts_epochs", [True, False])
def test_resumed_run_that_begins_with_a_validation_keeps_the_steps_before_it(
    tmp_path: Path, counts_epochs: bool
) -> None:
    """It repeats one that a kill may have interrupted; what was trained before stays."""

    def row(step: int, loss: float) -> dict[str, Any]:
        return train(step, loss, epoch=math.ceil(step / 4)) if counts_epochs else train(step, loss)

    def val(step: int, dice: float) -> dict[str, Any]:
        return {"mDice": dice, "step": step // 4 if counts_epochs else step}

    first = [row(2, 1.0), row(4, 2.0), val(4, 10.0), row(6, 3.0), row(8, 4.0), val(8, 20.0)]
    write_log(tmp_path, "20240101_000000", [*first, row(10, 5.0), row(12, 6.0)])
    write_log(tmp_path, "20240102_000000", [val(8, 21.0)])
    write_log(tmp_path, "20240103_000000", [val(8, 22.0), row(10, 5.5)])

    run = read_run(tmp_path)

    assert run.losses == {"loss": {2: 1.0, 4: 2.0, 6: 3.0, 8: 4.0, 10: 5.5}}
    assert run.metrics == {"mDice": {4: 10.0, 8: 22.0}}
    assert run.epochs == ({4: 1, 8: 2} if counts_epochs else {})


def test_run_begun_anew_replaces_the_earlier_one(tmp_path: Path) -> None:
    write_log(tmp_path, "20240101_000000", [train(10, 1), train(20, 2)])
    write_log(tmp_path, "20240102_000000", [train(10, 7)])

    assert read_run(tmp_path).losses == {"loss": {10: 7}}


def test_folder_of_one_start_can_be_given(tmp_path: Path) -> None:
    write_log(tmp_path, "20240101_000000", [train(10, 1)])
    write_log(tmp_path, "20240102_000000", [train(10, 7)])

    assert read_run(tmp_path / "20240101_000000").losses == {"loss": {10: 1}}


def test_folder_of_one_start_can_be_given_from_within_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path of one part has no folder above it in its text."""
    write_log(tmp_path, "20240101_000000", [train(10, 1), {"dice": 0.5, "step": 10}])
    (tmp_path / "best_dice_iter_10.pth").touch()
    monkeypatch.chdir(tmp_path / "20240101_000000")

    assert read_run(Path()).best == Best(step=10, key="dice", value=0.5, is_kept=True)


def test_epochs_of_validation_become_iterations(tmp_path: Path) -> None:
    records = [
        train(25, epoch=1),
        train(50, epoch=1),
        {"mDice": 1.0, "step": 1},
        train(100, epoch=2),
        {"mDice": 2.0, "step": 2},
    ]
    write_log(tmp_path, "20240101_000000", records)

    assert read_run(tmp_path).metrics == {"mDice": {50: 1.0, 100: 2.0}}


def test_losses_of_validation_are_no_metrics_and_name_the_training_ones(tmp_path: Path) -> None:
    """Steps know their epochs, and the best one is that of the checkpoint that was kept."""
    records = [
        train(50, 2.0, epoch=1),
        {"mDice": 0.5, "val/loss": 1.5, "val/loss_ce": 1.0, "step": 1},
        train(100, 1.0, epoch=2),
        {"mDice": 0.4, "val/loss": 1.0, "val/loss_ce": 0.5, "step": 2},
    ]
    write_log(tmp_path, "20240101_000000", records)
    (tmp_path / "best_val_loss_epoch_2.pth").touch()

    for folder in (tmp_path, tmp_path / "20240101_000000"):
        log = read_run(folder)

        assert log.losses == {"loss": {50: 2.0, 100: 1.0}}
        assert log.val_losses == {"loss": {50: 1.5, 100: 1.0}, "loss_ce": {50: 1.0, 100: 0.5}}
        assert log.metrics == {"mDice": {50: 0.5, 100: 0.4}}
        assert (log.at(100), log.at(70)) == ("epoch 2", "70")
        assert log.best == Best(step=100, key="val/loss", value=1.0, is_kept=True)


def test_best_step_without_a_checkpoint_is_that_of_the_first_metric(tmp_path: Path) -> None:
    """As with save_best='auto'; counted in iterations here."""
    records = [train(10), {"mDice": 0.5, "step": 10}, train(20), {"mDice": 0.4, "step": 20}]
    write_log(tmp_path, "20240101_000000", records)

    assert read_run(tmp_path).best == Best(step=10, key="mDice", value=0.5, is_kept=False)


def test_best_step_of_iterations_is_read_from_the_checkpoints_name(tmp_path: Path) -> None:
    records = [train(10), {"a/mDice": 0.5, "step": 10}, train(20), {"a/mDice": 0.4, "step": 20}]
    write_log(tmp_path, "20240101_000000", records)
    (tmp_path / "best_a_mDice_iter_20.pth").touch()

    assert read_run(tmp_path).best == Best(step=20, key="a/mDice", value=0.4, is_kept=True)


def test_values_that_are_not_finite_become_gaps(tmp_path: Path) -> None:
    records = [train(10, math.nan), train(20, math.inf), train(30, 1.0)]
    write_log(tmp_path, "20240101_000000", records)

    curve = read_run(tmp_path).losses["loss"]

    assert [math.isnan(value) for value in curve.values()] == [True, True, False]


def test_line_cut_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = write_log(tmp_path, "20240101_000000", [train(10), train(20)])
    path.write_text(path.read_text()[:-20])

    assert list(read_run(tmp_path).losses["loss"]) == [10]


def test_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = write_log(tmp_path, "20240101_000000", [train(10)])
    path.write_text("{broken\n" + path.read_text())

    with pytest.raises(DataError, match="line 1 is not JSON"):
        read_run(tmp_path)


def test_work_dir_without_a_log_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no vis_data/scalars.json in it"):
        read_run(tmp_path)


def test_empty_log_says_so(tmp_path: Path) -> None:
    write_log(tmp_path, "20240101_000000", [])

    with pytest.raises(DataError, match="its log is empty, no step was written yet"):
        read_run(tmp_path)


def test_log_that_is_no_text_or_no_file_says_so(tmp_path: Path) -> None:
    path = write_log(tmp_path, "20240101_000000", [])
    path.write_bytes(b"\xff\xfe{}\n")

    with pytest.raises(DataError, match="cannot read a log: it is UTF-16 text"):
        read_run(tmp_path)

    path.unlink()
    path.mkdir()

    with pytest.raises(DataError, match="cannot read a log: "):
        read_run(tmp_path)


def test_per_image_values_are_read_by_name(tmp_path: Path) -> None:
    rows = [
        {"file": "a.png", "values": {"dice": 0.5, "area": 7}},
        {"file": "b.png", "values": {"dice": None}},
    ]
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "per_image": rows}))

    found = read_test(path)

    assert found.name == "test"
    assert found.values == {"dice": {"a.png": 0.5}, "area": {"a.png": 7.0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": "zoo.prediction/1"}', "its schema is 'zoo.prediction/1', expected"),
        ("[]", "its schema is None, expected 'zoo.test/1'"),
        ('{"schema": "zoo.test/1", "per_image": []}', "it holds no per-image values"),
        ('{"schema": "zoo.test/1", "per_image": 5}', "are not a list of files and values"),
        ('{"schema": "zoo.test/1", "per_image": [1]}', "are not a list of files and values"),
        ("{", "cannot read 'test.json'"),
    ],
)
def test_file_of_another_kind_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "test.json").write_text(text)

    with pytest.raises(DataError, match=message):
        read_test(tmp_path / "test.json")


HOSTILE_LOGS: dict[str, tuple[str, str]] = {
    # the log's first line, what is said
    "nested": ("[" * 4_500 + "]" * 4_500, "line 1 is nested too deeply"),
    "5,000 digits": ('{"step": ' + "9" * 5_000 + "}", "line 1 holds an integer beyond 64 bits"),
    "400 digits": ('{"step": 1, "loss": ' + "9" * 400 + "}", "holds an integer beyond 64 bits"),
    "key twice": ('{"step": 1, "step": 2}', "line 1 has the key 'step' twice"),
    "step of truth": ('{"step": true}', "line 1 has no 'step'"),
    "step below 0": ('{"step": -1}', "line 1 has no 'step'"),
    "long line": ('{"step": 1, "x": "' + "x" * 2**20 + '"}', "line 1 has 1,048,596 bytes"),
    "many names": (
        '{"step": 1, "loss": 1, ' + ", ".join(f'"loss_{n}": 1' for n in range(3_000)) + "}",
        "its log has 3,002 names, expected at most 2,000",
    ),
}


@pytest.mark.parametrize("name", HOSTILE_LOGS)
def test_log_that_is_hostile_is_refused_by_its_line(tmp_path: Path, name: str) -> None:
    """One message, whatever a line holds."""
    line, reason = HOSTILE_LOGS[name]
    log = tmp_path / "vis_data" / "scalars.json"
    log.parent.mkdir()
    log.write_text(f'{line}\n{{"step": 9, "loss": 1}}\n')

    with pytest.raises(DataError) as caught:
        read_run(tmp_path)

    assert reason in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_log_and_values_that_are_no_file_are_refused(tmp_path: Path, target: str) -> None:
    """Nothing is waited for, and nothing endless is read."""
    log = tmp_path / "vis_data" / "scalars.json"
    log.parent.mkdir()
    if target == "pipe":
        os.mkfifo(log)
    else:
        log.symlink_to(target)

    with pytest.raises(DataError, match="expected a regular file"):
        read_run(tmp_path)
    with pytest.raises(DataError, match="expected a regular file"):
        read_test(log)


def test_values_of_very_many_names_are_not_drawn(tmp_path: Path) -> None:
    """A strip for each of thousands would take hours."""
    path = tmp_path / "test.json"
    rows = [{"file": "a.png", "values": {f"k{number}": number for number in range(101)}}]
    path.write_text(json.dumps({"schema": "zoo.test/1", "per_image": rows}))

    with pytest.raises(DataError, match="it holds values of 101 names, expected at most 100"):
        read_test(path)


def test_names_of_a_log_are_printable(tmp_path: Path) -> None:
    """What a metric is called is shown on terminals and in pictures."""
    log = tmp_path / "vis_data" / "scalars.json"
    log.parent.mkdir()
    names = ["loss_$\\frac{", "\x1b[2Jloss", "loss\n\u202e", "loss_\ud800"]
    records = [{"step": step, **dict.fromkeys(names, 1.0)} for step in (1, 2)]
    log.write_text("".join(f"{json.dumps({'loss': 1.0, **record})}\n" for record in records))

    found = read_run(tmp_path)

    assert all(name.isprintable() for name in found.losses)
    assert len(found.losses) == 5


def test_validations_of_a_loop_by_steps_stand_at_their_steps(tmp_path: Path) -> None:
    """mmengine's LoggerHook counts them in epochs by default, which such a loop never leaves."""
    log = tmp_path / "vis_data" / "scalars.json"
    log.parent.mkdir()
    records: list[dict[str, float]] = []
    for step in (2, 4, 6):
        records += [
            {"loss": 1.0, "lr": 0.1, "iter": step, "step": step},
            {"mDice": step, "step": 0},
        ]
    log.write_text("".join(f"{json.dumps(record)}\n" for record in records))

    run = read_run(tmp_path)

    assert run.metrics["mDice"] == {2: 2, 4: 4, 6: 6}
    assert run.best is not None
    assert (run.best.step, run.at(6)) == (6, "6")


@pytest.mark.parametrize(
    ("hooks", "known"),
    [
        ("dict(checkpoint=dict(save_best='fit', rule='less'))", "lower"),
        ("dict(checkpoint=dict(save_best='fit', rule='greater'))", "higher"),
        ("dict(checkpoint=dict(save_best=['area', 'fit'], rule=['greater', 'less']))", "lower"),
        ("dict(checkpoint=dict(save_best=['area', 'fit'], rule='less'))", "lower"),
        ("dict(checkpoint=dict(save_best='auto', rule='less'))", "lower"),
        ("dict(checkpoint=dict(save_best='area', rule='less'))", None),
        ("dict(checkpoint=dict(save_best='fit'))", None),
        ("dict(checkpoint=dict(save_best='fit', rule=['less', 3]))", "lower"),
        ("dict(checkpoint=dict(save_best=3, rule={}))", None),
        ("['no', 'hooks']", None),
        ("dict()\ncustom_hooks = [dict(save_best='fit', rule='less'), None]", "lower"),
    ],
)
def test_rule_of_the_config_says_which_value_is_best(
    tmp_path: Path, hooks: str, known: str | None
) -> None:
    """Of a metric that no plugin describes; without a rule, a name that says nothing is higher."""
    records = [{"fit": 3.0, "area": 1.0, "step": 2}, {"fit": 5.0, "area": 2.0, "step": 4}]
    log = write_log(tmp_path, "20240101_000000", [train(2), records[0], train(4), records[1]])
    (log.parent / "config.py").write_text(f"default_hooks = {hooks}\n", encoding="utf-8")

    run = read_run(tmp_path)

    assert run.known_direction("fit") == known
    assert run.direction("fit") == (known or "higher")
    assert run.best_step("fit", run.metrics["fit"]) == (2 if known == "lower" else 4)


def test_values_that_were_never_a_number_are_validations_in_the_logs_order(tmp_path: Path) -> None:
    """They are no metrics to draw, but a program can tell them from what is not measured."""
    row = {"gone": math.nan, "mDice": 0.5, "val/loss": 0.7, "step": 2}
    write_log(tmp_path, "20240101_000000", [train(2), row])

    run = read_run(tmp_path)

    assert list(run.validations) == ["gone", "mDice", "val/loss"]
    assert math.isnan(run.validations["gone"][2])
    assert (list(run.metrics), list(run.val_losses)) == (["mDice"], ["loss"])


@pytest.mark.parametrize(
    ("loader", "root"),
    [
        ({"dataset": {"data_root": "data/a"}}, Path("data/a")),
        ({"dataset": {"type": "RepeatDataset", "dataset": {"data_root": "b"}}}, Path("b")),
        ({"dataset": {"datasets": [{"data_root": "c"}, {"data_root": "d"}]}}, Path("c")),
        ({"dataset": {"data_root": ""}}, Path("other")),
        ({"dataset": {"data_root": None}}, Path("other")),
        ({"dataset": {"datasets": []}}, Path("other")),
        (None, Path("other")),
    ],
)
def test_data_root_is_the_first_that_is_named(tmp_path: Path, loader: object, root: Path) -> None:
    """Wrapped data sets have one too."""
    config = {"train_dataloader": loader, "val_dataloader": {"dataset": {"data_root": "other"}}}
    write_log(tmp_path, "20240101_000000", [train(10)])
    run = replace(read_run(tmp_path), config=config)

    assert run.data_root("train", "val") == root
    assert run.data_root("test") is None
