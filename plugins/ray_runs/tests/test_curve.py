# SPDX-License-Identifier: Apache-2.0
"""Values of trials: which is better, what is worst, and by what they are ranked."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from zoo_ray_runs.curve import ranked_by, read_curve
from zoo_ray_runs.record import SweepRecord, TrialRecord

from zoo.errors import DataError

RULE = "default_hooks = dict(checkpoint=dict(save_best='fit', rule='less'))\n"


def _write_log(work_dir: Path, rows: list[dict[str, Any]], config: str = "") -> Path:
    """Write what a run logs: a validation after each training step."""
    folder = work_dir / "20260101_000000/vis_data"
    folder.mkdir(parents=True)
    lines = []
    for step, row in enumerate(rows, 1):
        lines += [{"lr": 0.1, "loss": 1.0, "step": step}, {**row, "step": step}]
    (folder / "scalars.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "config.py").write_text(config)
    return work_dir


def _record(work_dir: Path, *values: list[float], config: str = "") -> SweepRecord:
    """Return a sweep whose trials have measured ``fit``, and ``area`` as its reverse."""
    trials = []
    for number, measured in enumerate(values, 1):
        rows = [{"fit": value, "area": -value} for value in measured]
        name = f"trial_{number:03}"
        _write_log(work_dir / "trials" / name, rows, config)
        trials.append(TrialRecord(name, {"lr": number}, state="finished"))
    return SweepRecord("c.py", "", None, (), {}, 0, False, metric="fit", trials=tuple(trials))


@pytest.mark.parametrize(
    ("config", "asked", "direction", "best", "is_assumed"),
    [
        (RULE, None, "lower", 2, False),
        (RULE, "higher", "higher", 3, False),
        ("", None, "higher", 3, True),
        ("", "lower", "lower", 2, False),
        (RULE.replace("'fit'", "'area'"), None, "higher", 3, True),
    ],
)
def test_rule_of_the_config_says_what_no_manifest_does(
    tmp_path: Path, config: str, asked: str | None, direction: str, best: int, is_assumed: bool
) -> None:
    """What the user says goes first; what is only guessed is marked."""
    _write_log(tmp_path, [{"fit": 2.0}, {"fit": 1.0}, {"fit": 3.0}], config)

    curve = read_curve(tmp_path, "fit", asked)

    assert curve is not None
    assert (curve.direction, curve.best_step, curve.is_assumed) == (direction, best, is_assumed)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_value_that_is_no_number_is_worst_and_ends_nothing(
    tmp_path: Path, bad: float, direction: str
) -> None:
    """Whether it is the first, between others, or all that there is so far."""
    first = read_curve(_write_log(tmp_path / "a", [{"fit": bad}]), "fit", direction)
    later = read_curve(
        _write_log(tmp_path / "b", [{"fit": bad}, {"fit": 5.0}, {"fit": bad}]), "fit", direction
    )

    assert first is not None
    assert later is not None
    assert (first.scores, first.best_step) == ([-math.inf], None)
    assert later.scores[::2] == [-math.inf] * 2
    assert later.best_step == 2


@pytest.mark.parametrize(
    ("config", "name"),
    [("", "area"), (RULE, "fit"), (RULE.replace("'fit'", "'auto'"), "area")],
)
def test_default_is_what_the_config_names_whatever_its_first_value_is(
    tmp_path: Path, config: str, name: str
) -> None:
    """Not the first value that happens to be a number."""
    rows = [{"area": math.nan, "mean": 1.0, "fit": math.nan}]

    curve = read_curve(_write_log(tmp_path, rows, config), None)

    assert curve is not None
    assert curve.metric == name


def test_value_that_is_never_measured_ends_the_sweep_with_near_names(tmp_path: Path) -> None:
    """All trials have the same validation: none of them will measure it."""
    _write_log(tmp_path, [{"mean_dice": 0.5, "area": 1.0}])

    with pytest.raises(DataError, match="validation measures no such value") as raised:
        read_curve(tmp_path, "mean_dica")
    assert raised.value.hint == "--metric mean_dice"


def test_sweep_is_ranked_anew_by_another_value_from_its_folders(tmp_path: Path) -> None:
    """Metric and direction, of trials that have ended; one that has not keeps no value."""
    record = _record(tmp_path, [1.0, 4.0], [2.0, 3.0], config=RULE)
    waiting = TrialRecord("trial_003", {"lr": 3})
    record = replace(record, trials=(*record.trials, waiting))

    by_rule = ranked_by(tmp_path, record, "fit", None)
    by_user = ranked_by(tmp_path, by_rule, None, "higher")
    by_area = ranked_by(tmp_path, by_user, "area", None)

    found = [
        (each.metric, each.direction, [trial.value for trial in each.trials], each.ranked()[0].name)
        for each in (by_rule, by_user, by_area)
    ]
    assert found == [
        ("fit", "lower", [1.0, 2.0, None], "trial_001"),
        ("fit", "higher", [4.0, 3.0, None], "trial_001"),
        ("area", "higher", [-1.0, -2.0, None], "trial_001"),
    ]


def test_sweep_is_not_ranked_by_what_no_trial_has_measured(tmp_path: Path) -> None:
    """The message names what there is."""
    record = _record(tmp_path, [1.0])

    with pytest.raises(DataError, match="cannot rank by 'arae'") as raised:
        ranked_by(tmp_path, record, "arae", None)
    assert raised.value.hint == "--metric area"
