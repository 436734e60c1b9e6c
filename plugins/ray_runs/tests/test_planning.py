# SPDX-License-Identifier: Apache-2.0
"""What a resumed sweep accepts, refuses and says, before Ray is imported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from zoo_ray_runs import planning
from zoo_ray_runs.planning import Request, begin, resumed
from zoo_ray_runs.record import SweepRecord

import zoo
from zoo.errors import DataError

SPACE = '"optimizer.lr" = { grid = [0.1, 0.2] }\n'


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a sample of chest images."""
    folder = tmp_path_factory.mktemp("raw") / "lungs"
    zoo.sample("lung_xray", folder, count=6)
    return folder


@pytest.fixture
def request_(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """Write what a sweep begins with; the config is ``config.json``, as it resolves."""
    (tmp_path / "space.toml").write_text(SPACE)
    _write_config(tmp_path)
    # The command itself takes seconds, and is that of zoo.
    monkeypatch.setattr(planning, "show_config", lambda name: (tmp_path / name).read_text())
    zoo.prepare("lung_xray", raw, tmp_path / "data", shares="0.6,0.2,0.2")
    return Request(
        work_dir=tmp_path / "work",
        config="config.json",
        space=tmp_path / "space.toml",
        data=tmp_path / "data",
        train_words=("--max-steps", "5"),
    )


def _write_config(folder: Path, *, lr: float = 0.3, **more: Any) -> None:
    text = json.dumps({"optimizer": {"type": "SGD", "lr": lr}, **more})
    (folder / "config.json").write_text(text)


def _ended(record: SweepRecord, *states: str) -> SweepRecord:
    for trial, state in zip(record.trials, states, strict=True):
        record = record.with_trial(replace(trial, state=state, error="it failed."))
    return record


def _change(request: Request, raw: Path, what: str) -> Request:
    """Change one thing that a sweep is made of."""
    folder = request.work_dir.parent
    if what == "config":
        (folder / "other.json").write_text((folder / "config.json").read_text())
        return replace(request, config="other.json")
    if what == "resolved config":
        _write_config(folder, lr=0.4)
    elif what == "set of options after --":
        return replace(request, train_words=("--max-steps", "9"))
    elif what == "space":
        (folder / "space.toml").write_text(SPACE.replace("0.2", "0.3"))
    else:
        zoo.prepare("lung_xray", raw, folder / "other", shares="0.4,0.4,0.2")
        (folder / "data").rename(folder / "before")
        (folder / "other").rename(folder / "data")
    return request


CHANGES = ["config", "resolved config", "set of options after --", "data", "space"]


@pytest.mark.parametrize("what", CHANGES)
def test_sweep_with_a_finished_trial_is_no_other(request_: Request, raw: Path, what: str) -> None:
    """Its trials would be compared with those of the other; data counts by what is in it."""
    record = _ended(begin(request_), "finished", "failed")
    again = replace(_change(request_, raw, what), resume=True, retry_failed=True)

    with pytest.raises(DataError, match=f"found one with another {what}") as raised:
        resumed(record, again)

    hint = str(raised.value.hint)
    assert "--retry-failed" not in hint
    assert "--work-dir" in hint
    # Repeating the command would not bring back what has changed in a file.
    changed = {"resolved config": "undo what was changed", "data": "as --data"}
    assert changed.get(what, "repeat the command") in hint


@pytest.mark.parametrize("what", [what for what in CHANGES if what != "space"])
def test_sweep_of_which_no_trial_has_ended_well_may_be_corrected(
    request_: Request, raw: Path, what: str
) -> None:
    """The hint of the refusal leads there; every trial then begins anew."""
    record = _ended(begin(request_), "failed", "waiting")
    again = replace(_change(request_, raw, what), resume=True)

    with pytest.raises(DataError, match=f"found one with another {what}") as raised:
        resumed(record, again)
    corrected, is_anew = resumed(record, replace(again, retry_failed=True))

    assert "add --retry-failed" in str(raised.value.hint)
    assert is_anew
    assert [trial.state for trial in corrected.trials] == ["waiting"] * 2
    assert [trial.error for trial in corrected.trials] == [None] * 2
    assert resumed(corrected, replace(request_, config=None, train_words=(), resume=True)) == (
        corrected,
        False,
    )


def test_failed_trials_alone_are_run_again(request_: Request) -> None:
    """If nothing has changed, what has finished is kept, and goes on where it is."""
    record = _ended(begin(request_), "finished", "failed")

    again, is_anew = resumed(record, replace(request_, resume=True, retry_failed=True))

    assert not is_anew
    assert [trial.state for trial in again.trials] == ["finished", "waiting"]


def test_data_may_be_moved(request_: Request, tmp_path: Path) -> None:
    """What is in it counts; a sweep that is not told where it is says so."""
    record = begin(request_)
    (tmp_path / "data").rename(tmp_path / "elsewhere")

    with pytest.raises(DataError):
        resumed(record, replace(request_, data=None, resume=True))
    again, is_anew = resumed(record, replace(request_, data=tmp_path / "elsewhere", resume=True))

    assert (again.data, is_anew) == (str(tmp_path / "elsewhere"), False)
    assert again.data_sha256 == record.data_sha256 is not None


def test_data_that_the_config_names_counts_too(request_: Request, raw: Path) -> None:
    """And a config without prepared data has none that could change."""
    folder = request_.work_dir.parent
    plain = begin(replace(request_, data=None))
    loader = {"dataset": {"datasets": [{"data_root": str(folder / "data")}, {"data_root": "no"}]}}
    _write_config(folder, train_dataloader=loader)
    named = begin(replace(request_, data=None))
    _change(request_, raw, "data")

    assert plain.data_sha256 is None
    with pytest.raises(DataError, match="another data"):
        resumed(named, replace(request_, data=None, resume=True))


def test_sweep_of_an_earlier_version_is_resumed(request_: Request) -> None:
    """It has no digest of its data, and gets one."""
    old = replace(begin(request_), data_sha256=None)

    again, is_anew = resumed(old, replace(request_, resume=True))

    assert not is_anew
    assert again.data_sha256 == begin(request_).data_sha256


@pytest.mark.parametrize(
    ("hook", "words", "asked", "metric"),
    [
        ({"save_best": "fit"}, (), None, "fit"),
        ({"save_best": "fit"}, (), "area", "area"),
        ({"save_best": "auto"}, (), None, None),
        ({"save_best": "fit"}, ("--cfg-options=default_hooks.checkpoint.save_best=x",), None, None),
        ({}, (), None, None),
    ],
)
def test_metric_is_that_of_the_config_before_any_trial_runs(
    request_: Request,
    hook: dict[str, Any],
    words: tuple[str, ...],
    asked: str | None,
    metric: str | None,
) -> None:
    """Trials could measure it at different moments; only a run can say what auto means."""
    _write_config(request_.work_dir.parent, default_hooks={"checkpoint": hook})

    assert begin(replace(request_, train_words=words, metric=asked)).metric == metric


def test_another_metric_is_taken_on_resume(request_: Request) -> None:
    """As the hint of a sweep whose metric is not measured says; nothing else begins anew."""
    record = replace(begin(request_), metric="wrong", direction="lower")

    again, is_anew = resumed(record, replace(request_, metric="fit", resume=True))

    assert (again.metric, again.direction, is_anew) == ("fit", None, False)
