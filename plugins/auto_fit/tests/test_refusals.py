# SPDX-License-Identifier: Apache-2.0
"""What is refused before anything is trained: one message each, with a hint that leads out."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from zoo_auto_fit.budget import check_budget, needed_s, parse_time
from zoo_auto_fit.commands import Ended, is_out_of_memory, run_zoo
from zoo_auto_fit.encoder import has_imagenet
from zoo_auto_fit.fitting import fit
from zoo_auto_fit.instance import plan_instance
from zoo_auto_fit.lock import locked_folder
from zoo_auto_fit.planning import Request
from zoo_auto_fit.probe import probe_plan
from zoo_auto_fit.raw_data import guess_task
from zoo_auto_fit.record import FitRecord, find_record, write_record
from zoo_auto_fit.semantic import plan_for

from zoo.data import Prepared, read_prepared
from zoo.errors import DataError, TrainingError, UnknownNameError
from zoo.interfaces import Allowance, Fingerprint, Machine, Measured, Plan

from .conftest import CPU, facts, squares, write_raw

pytestmark = pytest.mark.mm

Prepare = Callable[..., Prepared]
MEASURED = Measured(
    batch_size=4, start_s=10.0, step_s=2.0, val_s=6.0, save_s=1.0, test_s=20.0, memory_bytes=1
)
RECORD = FitRecord(
    data="data",
    source="data",
    digest="0" * 64,
    budget_s=60.0,
    used_s=5.0,
    split="",
    track=("wandb",),
)


def _request(data: Path, tmp_path: Path, **over: object) -> Request:
    values: dict[str, object] = {"data": data, "budget_s": 600.0, "work_dir": tmp_path / "run"}
    return Request(**(values | over))  # type: ignore[arg-type]


def test_one_image_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    prepared = prepare(squares(1), shares="1,0,0")

    with pytest.raises(DataError, match="cannot fit to one image") as caught:
        fit(_request(prepared.root, tmp_path), print)

    assert caught.value.hint


@pytest.mark.parametrize(
    ("shares", "found"),
    [("1,0,0", "all 12 images are in the split 'train'"), ("0,0,1", "'train' is empty")],
)
def test_data_in_one_split_is_refused(
    prepare: Prepare, tmp_path: Path, shares: str, found: str
) -> None:
    prepared = prepare(squares(12), shares=shares)

    with pytest.raises(DataError, match=found):
        fit(_request(prepared.root, tmp_path), print)


def test_classes_that_never_occur_are_refused(prepare: Prepare, tmp_path: Path) -> None:
    prepared = prepare([np.zeros((32, 32), np.uint8)] * 20)

    with pytest.raises(DataError, match="no training image has thing"):
        fit(_request(prepared.root, tmp_path), print)


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        fit(_request(tmp_path / "nowhere", tmp_path), print)


def test_options_of_preparation_are_refused_for_prepared_data(
    prepare: Prepare, tmp_path: Path
) -> None:
    prepared = prepare(squares(20))

    with pytest.raises(DataError, match="the data is prepared already"):
        fit(_request(prepared.root, tmp_path, prepare_words=("--bands", "3,2,1")), print)


def test_planner_of_another_task_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    prepared = prepare(squares(20))

    with pytest.raises(DataError, match="it is for instance data, expected a planner for semantic"):
        fit(_request(prepared.root, tmp_path, planner="auto_fit.instance"), print)
    with pytest.raises(UnknownNameError, match="semantik"):
        fit(_request(prepared.root, tmp_path, planner="semantik"), print)


def test_work_dir_of_another_fit_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "run", RECORD)

    with pytest.raises(TrainingError, match="it holds a fit already") as caught:
        fit(_request(tmp_path, tmp_path), print)

    assert "--resume" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"schema": "zoo.fit/2"}', '{"schema": "zoo.fit/1"}'),
        *({"track": "wandb"}, {"track": [1]}, {"used_s": "5"}, {"data": None}, {"state": "done"}),
    ],
)
def test_damaged_record_is_one_message(tmp_path: Path, text: str | dict[str, object]) -> None:
    write_record(tmp_path, RECORD)
    assert find_record(tmp_path) == RECORD
    path = tmp_path / "fit" / "fit.json"
    path.write_text(
        text if isinstance(text, str) else json.dumps(json.loads(path.read_text()) | text)
    )

    with pytest.raises(TrainingError, match="cannot be read as the record of one"):
        find_record(tmp_path)


def test_budget_too_small_says_what_would_fit() -> None:
    """100 images in batches of 4 at 2 s a step: 50 s, 40 s around them, and half to spare."""

    def plan_in(seconds: float) -> Plan:
        return Plan(config="", batch_size=4, steps=int((seconds - 60) / 2), train_s=10.0)

    with pytest.raises(TrainingError, match=r"cannot fit in 1m:") as caught:
        check_budget(facts(), plan_in, MEASURED, budget_s=60.0, used_s=20.0)

    assert needed_s(facts(), plan_in(60.0), MEASURED) == 10 + 25 * 2 + 6 + 1 + 20 + 3
    assert "takes 1m30s more, expected a budget of at least 3m" in caught.value.message
    assert "--budget 3m" in str(caught.value.hint)


@pytest.mark.parametrize("budget", ["1s", "20s", "1m", "2m"])
@pytest.mark.parametrize("images", [4, 100, 5_000, 100_000])
@pytest.mark.parametrize("slow", [0.01, 1.0, 30.0])
def test_budget_that_a_refusal_names_is_accepted(budget: str, images: int, slow: float) -> None:
    """By the same rules, also where what was measured takes a quarter longer the next time."""
    data = facts(images={"train": images, "val": images // 10, "test": images // 10})
    known = dataclasses.replace(
        MEASURED,
        step_s=slow * MEASURED.step_s,
        val_s=slow * images / 10,
        test_s=10.0 + slow * images / 10,
    )

    def check(seconds: float, known: Measured) -> None:
        def plan_in(seconds: float) -> Plan:
            allowance = Allowance(seconds=max(1.0, seconds - 23.0), measured=known)
            return plan_for(data, CPU, allowance, imagenet=False)

        check_budget(data, plan_in, known, budget_s=seconds, used_s=20.0)

    try:
        check(parse_time(budget), known)
    except TrainingError as error:
        named = str(error.hint).partition("--budget ")[2].partition(";")[0]
        check(parse_time(named), known)
        slower = {
            key: 1.25 * getattr(known, key) for key in ("start_s", "step_s", "val_s", "test_s")
        }
        check(parse_time(named), dataclasses.replace(known, **slower))


def test_planner_that_ignores_the_time_is_named() -> None:
    plan = Plan(config="", batch_size=4, steps=3, train_s=10.0)

    with pytest.raises(TrainingError, match="plans 3 steps in any time") as caught:
        check_budget(facts(), lambda seconds: plan, MEASURED, budget_s=6000.0, used_s=20.0)

    assert "--planner" in str(caught.value.hint)


def test_budget_for_one_epoch_is_enough() -> None:
    plan = Plan(config="", batch_size=4, steps=25, train_s=80.0)

    check_budget(facts(), lambda seconds: plan, MEASURED, budget_s=120.0, used_s=20.0)


def test_fit_that_did_not_begin_is_not_continued(prepare: Prepare, tmp_path: Path) -> None:
    """Nothing is planned for whatever folder this is called in."""
    prepare(squares(20))

    with pytest.raises(TrainingError, match="none has begun in this work dir") as caught:
        fit(Request(data=None, budget_s=None, work_dir=tmp_path / "run"), print, resume=True)

    assert f"zoo fit DATA --budget TIME --work-dir {tmp_path / 'run'}" in str(caught.value.hint)
    assert not (tmp_path / "run").exists()


def test_fit_is_continued_with_what_it_began(prepare: Prepare, tmp_path: Path) -> None:
    """Other data and another time are refused; data prepared again, too."""
    prepared = prepare(squares(20))
    root = str(prepared.root)
    record = dataclasses.replace(RECORD, data=root, source=root, digest=prepared.digest)
    write_record(tmp_path / "run", record)
    (tmp_path / "run" / "iter_5.pth").touch()

    with pytest.raises(DataError, match="it began with"):
        fit(_request(tmp_path / "other", tmp_path, budget_s=60.0), print, resume=True)
    with pytest.raises(TrainingError, match="its budget is 1m, found 10m"):
        fit(_request(prepared.root, tmp_path), print, resume=True)
    write_record(tmp_path / "run", dataclasses.replace(record, digest="1" * 64))
    with pytest.raises(DataError, match="prepared again since, and differs"):
        fit(_request(prepared.root, tmp_path, budget_s=60.0), print, resume=True)


def test_fit_without_a_checkpoint_is_planned_again(prepare: Prepare, tmp_path: Path) -> None:
    """By its own planner, which is one for another task here, and with more time if it is given."""
    root = str(prepare(squares(20)).root)
    digest = read_prepared(root).digest
    record = dataclasses.replace(RECORD, data=root, source=root, digest=digest)
    write_record(tmp_path / "run", dataclasses.replace(record, planner="auto_fit.instance"))
    said: list[str] = []

    for budget_s in (None, 600.0):
        request = Request(data=None, budget_s=budget_s, work_dir=tmp_path / "run")
        with pytest.raises(DataError, match="it is for instance data"):
            fit(request, said.append, resume=True)

    assert (
        said.count("no checkpoint was written yet: planning again for the time that is left") == 2
    )


def test_time_that_was_used_outlives_a_refused_plan(prepare: Prepare, tmp_path: Path) -> None:
    """The clock's 40 s are added once; options that prepared the raw data may be typed again."""
    prepared = prepare(squares(20))
    root, raw = str(prepared.root), tmp_path / "drawn-raw"
    record = dataclasses.replace(RECORD, data=root, source=str(raw), digest=prepared.digest)
    write_record(tmp_path / "run", dataclasses.replace(record, planner="auto_fit.instance"))
    (tmp_path / "run" / "time_budget.json").write_text('{"used_s": 40.0}')
    request = _request(raw, tmp_path, prepare_words=("--shares", "0.8,0.1,0.1"))
    used_s = []

    for _ in range(2):
        with pytest.raises(DataError, match="it is for instance data"):
            fit(request, print, resume=True)
        found = find_record(tmp_path / "run")
        assert found is not None
        used_s.append(found.used_s)

    assert 45 <= used_s[0] <= used_s[1] < 80
    assert found.source == str(raw)


def test_two_fits_do_not_share_a_work_dir(prepare: Prepare, tmp_path: Path) -> None:
    """The second one is refused while the first is planning, and is free to begin afterwards."""
    request = _request(prepare(squares(20)).root, tmp_path, planner="auto_fit.instance")

    with locked_folder(tmp_path / "run" / "fit"):
        with pytest.raises(TrainingError, match="another fit is running there") as caught:
            fit(request, print)
        assert (tmp_path / "run" / "fit").is_dir()
    with pytest.raises(DataError, match="it is for instance data"):
        fit(request, print)

    assert "--work-dir" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["iter_5.pth", "epoch_3.pth", "best_mIoU_iter_5.pth"])
def test_checkpoints_of_another_run_are_not_taken_for_the_fits(tmp_path: Path, name: str) -> None:
    """Before anything is read; other weights, such as those to start from, are no checkpoints."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "resnet50.pth").touch()
    with pytest.raises(DataError, match="there is no folder"):
        fit(_request(tmp_path / "nowhere", tmp_path), print)
    (tmp_path / "run" / name).touch()

    with pytest.raises(TrainingError, match=f"it holds '{name}' of another run"):
        fit(_request(tmp_path / "nowhere", tmp_path), print)


def test_work_dir_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(TrainingError, match="the work dir cannot be made"):
        fit(_request(tmp_path, tmp_path, work_dir=tmp_path / "file" / "run"), print)


def test_command_is_ended_when_its_time_is_up(tmp_path: Path) -> None:
    ended = run_zoo(["list"], most_s=0.01)

    assert ended.is_late
    assert ended.code != 0


def test_encoder_needs_its_plugin_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights alone build no network; what must be installed is said."""
    monkeypatch.setenv("ZOO_PLUGINS", "auto_fit,configs")

    assert not has_imagenet()
    with pytest.raises(UnknownNameError, match="no plugin 'efficientnet_lite'") as caught:
        plan_instance(facts(task="instance"), CPU, Allowance(seconds=60.0))
    assert "pip install mmzoo-efficientnet-lite" in str(caught.value.hint)


def _planner(data: Fingerprint, machine: Machine, allowance: Allowance) -> Plan:
    batch = min(8, allowance.batch_size or 8)
    loaders = "val_dataloader = dict()\nval_loss_dataloader = None\n"
    return Plan(config=f"batch = {batch}\n{loaders}", batch_size=batch, steps=9, train_s=1.0)


@pytest.mark.parametrize("ended", [Ended(-9, "", ""), Ended(1, "", "CUDA out of memory. Tried")])
def test_probe_halves_the_batch_when_memory_runs_out(tmp_path: Path, ended: Ended) -> None:
    """Batches of 8 and 4 do not fit, one of 2 does."""
    results = [ended, ended, Ended(0, "{}", "")]
    seen = []

    def run(words: list[str]) -> Ended:
        seen.append((tmp_path / "first_plan.py").read_text().splitlines()[0])
        if not results[0].code:
            numbers = '"start_s": 3, "step_s": 1, "val_s": 2, "save_s": 1, "memory_bytes": 5}'
            (tmp_path / "probe.json").write_text("{" + numbers)
        return results.pop(0)

    found = probe_plan(_planner, facts(), CPU, 600.0, tmp_path, run)

    assert seen == ["batch = 8", "batch = 4", "batch = 2"]
    assert (found.plan.batch_size, found.tried) == (2, (8, 4))
    assert found.measured.val_s == pytest.approx(2 / 6 * 10)
    # By name, images of one hospital, or of one size, come first.
    assert (tmp_path / "probe.py").read_text().count("indices=[0, 2, 4, 5, 7, 9]") == 1


@pytest.mark.parametrize(("task", "margin"), [("semantic", 1.1), ("instance", 1.25)])
def test_probe_counts_the_first_image_once(tmp_path: Path, task: str, margin: float) -> None:
    """Six images take 7 + 5 s, so ten take 6 + 10 s; a test has a margin for what it adds."""

    def run(words: list[str]) -> Ended:
        numbers = '"start_s": 3, "step_s": 1, "val_s": 12, "first_s": 7, "save_s": 1'
        (tmp_path / "probe.json").write_text("{" + numbers + ', "memory_bytes": 5}')
        Path(words[words.index("--work-dir") + 1]).mkdir()
        return Ended(0, "{}", "")

    for left_over in (False, True):
        if left_over:
            (tmp_path / "probe").mkdir()
        found = probe_plan(_planner, facts(task=task), CPU, 600.0, tmp_path, run).measured

        assert found.val_s == pytest.approx(16)
        assert found.test_s == pytest.approx(3 + margin * 16)
        assert not list(tmp_path.glob("probe*/"))


def test_probe_halves_a_batch_that_leaves_no_memory(tmp_path: Path) -> None:
    """A batch that took more than 80 % of what was free is halved, down to one."""

    def run(words: list[str]) -> Ended:
        used = CPU.memory_bytes
        numbers = '"start_s": 3, "step_s": 1, "val_s": 2, "save_s": 1, "memory_bytes": '
        (tmp_path / "probe.json").write_text("{" + f"{numbers}{used}" + "}")
        return Ended(0, "{}", "")

    assert probe_plan(_planner, facts(), CPU, 600.0, tmp_path, run).tried == (8, 4, 2)


def test_probe_that_never_fits_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"one image a step needs more than the 16\.0 GiB"):
        probe_plan(_planner, facts(), CPU, 600.0, tmp_path, lambda words: Ended(-9, "", ""))


def test_probe_that_fails_shows_the_message_of_the_run(tmp_path: Path) -> None:
    said = "running the config\nerror: cannot use the config: no such type.\nHINT: mend it.\n"

    with pytest.raises(TrainingError, match="no such type") as caught:
        probe_plan(_planner, facts(), CPU, 600.0, tmp_path, lambda words: Ended(1, "", said))

    assert "running the config" not in caught.value.message


@pytest.mark.parametrize("text", ["cannot use the config", "a memory of 1930"])
def test_other_failures_are_not_taken_for_memory(text: str) -> None:
    assert not is_out_of_memory(Ended(1, "", text))


def test_task_of_raw_data_is_guessed_by_its_json(tmp_path: Path) -> None:
    write_raw(tmp_path / "masks", squares(2))
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / "all.json").write_text("{}")

    assert guess_task(tmp_path / "masks") == "semantic"
    assert guess_task(tmp_path / "coco") == "instance"
