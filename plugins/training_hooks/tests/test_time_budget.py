# SPDX-License-Identifier: Apache-2.0
"""TimeBudget: the clock ends the run, the schedule reaches its end, and a resume counts on."""

import json
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from zoo_training_hooks import time_budget
from zoo_training_hooks.staged_training import StagedTraining
from zoo_training_hooks.time_budget import NOTE_NAME, TimeBudget

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

RATE = 0.1
STAGES = [{"name": "all", "train": "*", "until": 400}]
SCHEDULES = {
    "warm-up and poly": [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 20},
        {"type": "PolyLR", "power": 0.9, "by_epoch": False, "begin": 20, "end": 400},
    ],
    "cosine": [{"type": "CosineAnnealingLR", "T_max": 400, "by_epoch": False}],
    "milestones": [
        {"type": "MultiStepLR", "milestones": [200, 380], "gamma": 0.1, "by_epoch": False}
    ],
}


class Clock:
    """A clock that runs only while a step or a validation does, so that no test is by chance."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that the hook reads."""
    monkeypatch.setattr(time_budget, "time", CLOCK)
    return CLOCK


CLOCK = Clock()


class Model(BaseModel):
    """One weight; a step takes ``pause_s``, those of ``slow`` what that says."""

    def __init__(self, pause_s: float = 0.0, slow: dict[int, float] | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.pause_s, self.slow, self.step = pause_s, slow or {}, 0

    def forward(
        self, inputs: list[torch.Tensor], data_samples: Any = None, mode: str = "tensor"
    ) -> Any:
        if mode == "predict":
            return [BaseDataElement() for _ in inputs]
        CLOCK.pass_by(self.slow.get(self.step, self.pause_s))
        self.step += 1
        return {"loss": self.layer(torch.stack(inputs)).square().mean()}


class Record(Hook):
    """Notes the rate of each step, the validations, and may stop the run at a step."""

    priority = "VERY_LOW"

    def __init__(self, stop_at: int | None = None, val_s: float = 0.0) -> None:
        self.rates: list[float] = []
        self.validated: list[int] = []
        self.stop_at, self.val_s = stop_at, val_s

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self.rates.append(runner.optim_wrapper.optimizer.param_groups[0]["lr"])

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if self.stop_at is not None and runner.iter + 1 >= self.stop_at:
            raise KeyboardInterrupt

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        CLOCK.pass_by(self.val_s)
        self.validated.append(runner.iter)


def make_runner(
    folder: Path,
    *hooks: Hook,
    pause_s: float = 0.0,
    slow: dict[int, float] | None = None,
    save_every: int = 50,
    loader: Any = None,
    **over: Any,
) -> Runner:
    """Return a runner of 400 steps that validates every 50."""
    torch.manual_seed(0)
    data = [{"inputs": torch.ones(2)} for _ in range(4)]
    endless = {"dataset": data, "batch_size": 2, "sampler": {"type": "InfiniteSampler"}}
    loader = endless | (loader or {})
    val = {**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    settings = {
        "model": Model(pause_s, slow),
        "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 400, "val_interval": 50},
        "param_scheduler": SCHEDULES["cosine"],
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": RATE}},
        **over,
    }
    if "val_cfg" not in settings:
        settings |= {"val_cfg": {}, "val_dataloader": val, "val_evaluator": Nothing()}
    checkpoints = {"type": "CheckpointHook", "by_epoch": False, "interval": save_every}
    return Runner(
        work_dir=str(folder),
        train_dataloader=loader,
        custom_hooks=list(hooks),
        default_hooks={"checkpoint": checkpoints},
        log_processor={"by_epoch": False},
        experiment_name=f"{folder.parent.name}-{folder.name}-{time.monotonic_ns()}",
        log_level="ERROR",
        **settings,
    )


def resume(runner: Runner) -> None:
    """Train on from a checkpoint of this test, which torch alone would not read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
        runner.train()


class Nothing(Evaluator):
    """Measures nothing."""

    def __init__(self) -> None:
        super().__init__([])

    def evaluate(self, size: int) -> dict[str, float]:
        return {}


def rates_of_steps(folder: Path, schedule: Any) -> list[float]:
    """Return the rate of each of the 400 steps without the hook: mmengine is the oracle."""
    record = Record()
    make_runner(folder, record, param_scheduler=schedule).train()
    return record.rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_time_budget_ends_the_schedule_by_the_clock(tmp_path: Path, name: str) -> None:
    """400 steps would take 8 s; in 1 s, the rates are those of the schedule, each time further on.

    The last one is that of the last step, and a validation and a checkpoint follow it.
    """
    expected = rates_of_steps(tmp_path / "all", SCHEDULES[name])
    record = Record()
    budget = TimeBudget(seconds=1.0)
    runner = make_runner(
        tmp_path / "run", budget, record, pause_s=0.02, param_scheduler=SCHEDULES[name]
    )

    begun = CLOCK.now_s
    runner.train()
    took_s = CLOCK.now_s - begun

    # Positions in the whole schedule, found by its rates; equal ones stand for any of theirs.
    places = [_nearest(expected, rate) for rate in record.rates]
    assert 0.9 < took_s <= 1.0
    assert len(record.rates) in (49, 50)
    assert record.rates[0] == expected[0]
    assert math.isclose(record.rates[-1], expected[-1], rel_tol=1e-9)
    assert all(any(math.isclose(rate, e, rel_tol=1e-9) for e in expected) for rate in record.rates)
    if name == "cosine":
        assert places == sorted(places)
        halfway = places[len(places) // 2]
        assert 190 < halfway < 210
    assert record.validated[-1] == runner.iter
    assert (tmp_path / "run" / f"iter_{runner.iter}.pth").is_file()


def _nearest(rates: list[float], rate: float) -> int:
    return min(range(len(rates)), key=lambda place: abs(rates[place] - rate))


def test_time_budget_that_is_not_reached_changes_nothing(tmp_path: Path) -> None:
    """All steps at their rates."""
    expected = rates_of_steps(tmp_path / "all", SCHEDULES["warm-up and poly"])
    record = Record()
    schedule = {"param_scheduler": SCHEDULES["warm-up and poly"]}

    make_runner(tmp_path / "run", TimeBudget(minutes=5), record, **schedule).train()

    assert record.rates == expected


@pytest.mark.parametrize("slow", [[0], [0, 1], [0, 1, 2], [7], [200]], ids=str)
def test_slow_step_shortens_nothing_if_the_others_fit(tmp_path: Path, slow: list[int]) -> None:
    """The first ones start workers, compile and fill caches: all steps are done, at their rates."""
    schedule = SCHEDULES["cosine"]
    expected, record = rates_of_steps(tmp_path / "all", schedule), Record()
    hangs = dict.fromkeys(slow, (55.0 if slow == [0] else 22.0) / len(slow))
    runner = make_runner(tmp_path / "run", TimeBudget(seconds=60), record, pause_s=0.01, slow=hangs)

    runner.train()

    assert record.rates == expected


def test_steps_that_are_all_slow_end_in_time_though_the_first_is_no_measure(
    tmp_path: Path,
) -> None:
    """Each takes 0.3 s of 1 s: the third is the last, and it is validated."""
    record = Record()
    runner = make_runner(tmp_path / "run", TimeBudget(seconds=1.0), record, pause_s=0.3)

    begun = CLOCK.now_s
    runner.train()

    assert CLOCK.now_s - begun <= 1.0
    assert runner.iter == 3
    assert record.validated == [3]


@pytest.mark.parametrize("sums", [3, 4, 7])
@pytest.mark.parametrize("by_epoch", [False, True])
def test_run_that_is_shortened_uses_all_gradients_that_it_has_added_up(
    tmp_path: Path, sums: int, by_epoch: bool
) -> None:
    """The last step is one that updates the weights, whatever the clock says."""
    updates: list[int] = []

    class Watch(Record):
        def before_train(self, runner: Any) -> None:
            step = runner.optim_wrapper.step

            def noted() -> None:
                updates.append(runner.iter + 1)
                step()

            runner.optim_wrapper.step = noted

    wrapper = {"optimizer": {"type": "SGD", "lr": RATE}, "accumulative_counts": sums}
    more: dict[str, Any] = {"optim_wrapper": wrapper}
    if by_epoch:
        more["train_cfg"] = {"by_epoch": True, "max_epochs": 200, "val_interval": 100}
        more["loader"] = {"sampler": {"type": "DefaultSampler", "shuffle": False}}
    runner = make_runner(tmp_path / "run", TimeBudget(seconds=1.0), Watch(), pause_s=0.02, **more)

    begun = CLOCK.now_s
    runner.train()

    assert 0.8 <= CLOCK.now_s - begun <= 1.0
    assert updates[-1] == runner.iter < 60
    assert updates[:-1] == list(range(sums, updates[-1], sums))


def test_time_budget_keeps_the_time_of_a_slow_validation_free(tmp_path: Path) -> None:
    """Each validation takes 0.2 s: the last one still ends in time."""
    record = Record(val_s=0.2)
    loop = {"type": "IterBasedTrainLoop", "max_iters": 400, "val_interval": 20}
    runner = make_runner(
        tmp_path / "run", TimeBudget(seconds=1.5), record, pause_s=0.01, train_cfg=loop
    )

    begun = CLOCK.now_s
    runner.train()

    assert CLOCK.now_s - begun <= 1.5
    assert len(record.validated) >= 2
    assert record.validated[-1] == runner.iter


def test_time_budget_reserves_the_time_of_the_only_validation(tmp_path: Path) -> None:
    """A plan states how long a validation takes before one was seen."""
    record = Record(val_s=0.4)
    loop = {"type": "IterBasedTrainLoop", "max_iters": 400, "val_interval": 400}
    budget = TimeBudget(seconds=1.2, reserve_s=0.42)
    runner = make_runner(tmp_path / "run", budget, record, pause_s=0.01, train_cfg=loop)

    begun = CLOCK.now_s
    runner.train()

    assert CLOCK.now_s - begun <= 1.2
    assert record.validated == [runner.iter]


def test_time_budget_survives_a_resume(tmp_path: Path) -> None:
    """Both sessions together take the time of one, and the schedule goes on where it was."""
    folder, first, second = tmp_path / "run", Record(stop_at=30), Record()
    changes = {"pause_s": 0.02, "save_every": 10}
    runner = make_runner(folder, TimeBudget(seconds=2.0), first, **changes)
    begun = CLOCK.now_s
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    took_s = CLOCK.now_s - begun
    kept = folder / "iter_20.pth"

    resumed = make_runner(
        folder, TimeBudget(seconds=2.0), second, resume=True, load_from=str(kept), **changes
    )
    begun = CLOCK.now_s
    resume(resumed)
    took_s += CLOCK.now_s - begun

    assert took_s <= 2.0 * 1.01 + 0.02  # what may be used without having been noted, and a step
    assert resumed.iter < 100
    assert first.rates[19] > second.rates[0] >= first.rates[20]
    assert second.rates[-1] < 1e-4 * RATE


def test_time_after_the_last_checkpoint_counts(tmp_path: Path) -> None:
    """The work dir notes what was used; the larger of the note and the checkpoint holds."""
    folder, changes = tmp_path / "run", {"pause_s": 0.02}
    runner = make_runner(folder, TimeBudget(seconds=60), Record(stop_at=51), **changes)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    (folder / NOTE_NAME).write_text(json.dumps({"used_s": 59.5, "budget_s": 60}))
    kept = str(folder / "iter_50.pth")

    resumed = make_runner(folder, TimeBudget(seconds=60), resume=True, load_from=kept, **changes)
    begun = CLOCK.now_s
    resume(resumed)

    assert CLOCK.now_s - begun <= 1.0
    assert 50 < resumed.iter < 80


@pytest.mark.parametrize("used_s", [59.99, 60, 1e6])
def test_run_resumed_after_its_time_trains_no_further_step(tmp_path: Path, used_s: float) -> None:
    """It says so where a run says why it ended, and reads no batch to get to its place."""
    folder, changes = tmp_path / "run", {"pause_s": 0.02}
    runner = make_runner(folder, TimeBudget(seconds=60), Record(stop_at=51), **changes)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    (folder / NOTE_NAME).write_text(json.dumps({"used_s": used_s, "budget_s": 60}))
    kept, record = str(folder / "iter_50.pth"), Record()
    before = (folder / "iter_50.pth").read_bytes()

    budget = TimeBudget(seconds=60)
    resumed = make_runner(folder, budget, record, resume=True, load_from=kept, **changes)
    resume(resumed)

    assert (record.rates, resumed.iter) == ([], 50)
    assert resumed.train_loop.stop_training
    reason = resumed.message_hub.get_info("stop_reason")
    assert reason.endswith("s of the time budget of 60 s are used, too much for another step")
    assert (folder / "iter_50.pth").read_bytes() == before


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_run_resumed_after_its_end_trains_no_further_step(tmp_path: Path, seconds: float) -> None:
    """It ended a little before its time, and its schedule is at its end: more time adds nothing."""
    folder, changes = tmp_path / "run", {"pause_s": 0.02}
    runner = make_runner(folder, TimeBudget(seconds=1.0), **changes)
    runner.train()
    kept, record = str(folder / f"iter_{runner.iter}.pth"), Record()

    budget = TimeBudget(seconds=seconds)
    resumed = make_runner(folder, budget, record, resume=True, load_from=kept, **changes)
    resume(resumed)

    assert (record.rates, resumed.iter) == ([], runner.iter)
    assert "schedule is at its end" in resumed.message_hub.get_info("stop_reason")


def test_note_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: the run says so once, and goes on; its checkpoints note the time too."""
    warnings: list[str] = []
    runner = make_runner(tmp_path / "run", TimeBudget(seconds=60), pause_s=0.1)
    monkeypatch.setattr(runner.logger, "warning", lambda text, *args: warnings.append(text % args))
    (tmp_path / "run" / NOTE_NAME).mkdir()  # where no file can be placed, as root too

    runner.train()

    assert runner.iter == 400
    about = [text for text in warnings if NOTE_NAME in text]
    assert len(about) == 1
    assert "Training goes on." in about[0]


def test_run_that_only_tests_uses_no_time(tmp_path: Path) -> None:
    """``zoo test`` builds the hooks of the config too."""
    loader = {"dataset": [{"inputs": torch.ones(2)}] * 4, "batch_size": 2}
    loader["sampler"] = {"type": "DefaultSampler", "shuffle": False}
    test = {"test_cfg": {}, "test_dataloader": loader, "test_evaluator": Nothing()}

    make_runner(tmp_path / "run", TimeBudget(minutes=1), **test).test()

    assert not (tmp_path / "run" / NOTE_NAME).exists()


@pytest.mark.parametrize("text", ["", "{", '{"used_s": -3}', '{"used_s": true}', "[1]", "\x00"])
def test_damaged_note_is_no_time(tmp_path: Path, text: str) -> None:
    """The time of the checkpoint holds."""
    folder = tmp_path / "run"
    runner = make_runner(folder, TimeBudget(seconds=60), Record(stop_at=51))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    (folder / NOTE_NAME).write_text(text)
    kept = str(folder / "iter_50.pth")

    resumed = make_runner(folder, TimeBudget(seconds=60), resume=True, load_from=kept)
    resume(resumed)

    assert resumed.iter == 400


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, "minutes is None and seconds is None, expected one of them"),
        ({"minutes": 1, "seconds": 2}, "minutes is 1 and seconds is 2"),
        ({"minutes": 0}, "minutes is 0"),
        ({"seconds": -2.5}, "seconds is -2.5"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"minutes": math.nan}, "minutes is nan"),
        ({"minutes": "30m"}, "minutes is '30m'"),
        ({"minutes": True}, "minutes is True"),
        ({"seconds": 10, "reserve_s": 10}, "reserve_s is 10, expected 0 to less than the 10 s"),
        ({"seconds": 10, "reserve_s": -1}, "reserve_s is -1"),
    ],
)
def test_time_that_is_none_is_refused(settings: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(found)) as caught:
        TimeBudget(**settings)

    assert caught.value.hint


def test_loop_of_epochs_ends_with_a_whole_epoch(tmp_path: Path) -> None:
    """40 epochs of 2 steps would take 8 s; in 2 s, 10 of them end at the rate of the 40th.

    A scheduler that counts steps moves with those that count epochs.
    """
    schedule = [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 8},
        {"type": "CosineAnnealingLR", "T_max": 40, "by_epoch": True},
    ]
    loop = {"by_epoch": True, "max_epochs": 40, "val_interval": 10}
    data = {"sampler": {"type": "DefaultSampler", "shuffle": False}}
    every = {"param_scheduler": schedule, "train_cfg": loop, "loader": data}
    expected, record = Record(), Record()
    make_runner(tmp_path / "all", expected, **every).train()

    begun = CLOCK.now_s
    runner = make_runner(tmp_path / "run", TimeBudget(seconds=2.0), record, pause_s=0.1, **every)
    runner.train()

    assert CLOCK.now_s - begun <= 2.0
    assert runner.epoch in (9, 10)
    assert math.isclose(record.rates[-2], expected.rates[-2], rel_tol=1e-9)
    assert record.validated[-1] == runner.iter


class Positions(Record):
    """Notes before each step where the hook takes the schedule to be, and where it is."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(stop_at)
        self.pairs: list[tuple[int, int]] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        super().before_train_iter(runner, batch_idx, data_batch)
        noted = runner.message_hub.runtime_info.get("time_budget_position", runner.epoch)
        self.pairs.append((noted, runner.param_schedulers[0].last_step))


@pytest.mark.parametrize("step", [9, 11, 13])
def test_loop_of_epochs_resumed_within_one_knows_where_its_schedule_is(
    tmp_path: Path, step: int
) -> None:
    """What a stop within an epoch saves are schedulers that have moved when the epoch began."""
    loop = {"by_epoch": True, "max_epochs": 40, "val_interval": 10}
    data = {"sampler": {"type": "DefaultSampler", "shuffle": False}}
    schedule = [{"type": "CosineAnnealingLR", "T_max": 40, "by_epoch": True}]
    changes = {"param_scheduler": schedule, "train_cfg": loop, "loader": data, "pause_s": 0.1}
    first, second = Positions(stop_at=step + 1), Positions()
    runner = make_runner(tmp_path / "run", TimeBudget(seconds=2.0), first, save_every=1, **changes)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    changes |= {"resume": True, "load_from": str(tmp_path / "run" / f"iter_{step}.pth")}

    resume(make_runner(tmp_path / "run", TimeBudget(seconds=2.0), second, **changes))

    for session in (first, second):
        assert len(session.pairs) > 1
        assert [noted for noted, _ in session.pairs] == [place for _, place in session.pairs]
    assert second.pairs[0] == first.pairs[step - 1]
    assert second.pairs[0][0] > step // 2  # it had moved


def test_stages_are_refused(tmp_path: Path) -> None:
    runner = make_runner(tmp_path / "run", TimeBudget(minutes=1), StagedTraining(STAGES))

    with pytest.raises(ConfigError, match="the stages of StagedTraining end at steps"):
        runner.train()
