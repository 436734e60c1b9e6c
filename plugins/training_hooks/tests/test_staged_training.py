# SPDX-License-Identifier: Apache-2.0
"""StagedTraining around a model of three layers: rates, schedulers, loops and bad input."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner, get_priority
from zoo_training_hooks.staged_training import StagedTraining

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

HEADS = {"name": "heads", "train": ["head.*"], "until": 2, "lr": 0.2}
ALL = {"name": "all", "train": "*", "until": 4, "lr": 0.05}


class Model(BaseModel):
    """A stem that the config freezes, a body with batch norm, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Linear(2, 2)
        self.body = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        self.head = torch.nn.Linear(2, 1)
        self.stem.requires_grad_(False)

    def forward(
        self, inputs: list[torch.Tensor], data_samples: Any = None, mode: str = "tensor"
    ) -> dict[str, torch.Tensor]:
        return {"loss": (self.head(self.body(self.stem(torch.stack(inputs)))) - 1).square().mean()}


class Record(Hook):
    """Notes before each step what trains, at which rates; and the weights after it."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.trained: list[set[str]] = []
        self.rates: list[list[float]] = []
        self.states: list[dict[str, torch.Tensor]] = []

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        named = runner.model.named_parameters()
        self.trained.append({name.partition(".")[0] for name, p in named if p.requires_grad})
        self.rates.append([group["lr"] for group in runner.optim_wrapper.optimizer.param_groups])

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        state = runner.model.state_dict()
        self.states.append({name: tensor.clone() for name, tensor in state.items()})


def make_runner(folder: Path, stages: Any, *hooks: Hook, steps: int = 4, **over: Any) -> Runner:
    """Return a runner of two steps an epoch, four epochs."""
    torch.manual_seed(0)
    loader = {
        "dataset": [{"inputs": torch.randn(2)} for _ in range(4)],
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    settings = {
        "model": Model(),
        "train_cfg": {"by_epoch": True, "max_epochs": steps},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 0.5}},
        **over,
    }
    return Runner(
        work_dir=str(folder),
        train_dataloader=loader,
        custom_hooks=[StagedTraining(stages), *hooks],
        experiment_name=f"{folder.parent.name}-{folder.name}",
        default_scope="mmengine",
        log_level="ERROR",
        **settings,
    )


def test_stage_when_it_begins_trains_its_parameters_at_its_rate(tmp_path: Path) -> None:
    """Two epochs of heads, then all but what the config froze; two steps an epoch."""
    record = Record()

    make_runner(tmp_path / "run", [HEADS, ALL], record).train()

    assert [{"head"}] * 4 + [{"head", "body"}] * 4 == record.trained
    assert [rate for (rate,) in record.rates] == pytest.approx([0.2] * 4 + [0.05] * 4)


def test_stage_when_layers_are_frozen_moves_neither_weights_nor_statistics(tmp_path: Path) -> None:
    """Weight decay 0.5 would show on a weight, and a batch on a norm's running mean."""
    record = Record()
    runner = make_runner(tmp_path / "run", [HEADS, ALL], record)
    start = {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}

    runner.train()

    heads, end = record.states[3], record.states[-1]
    moved = {name for name in start if not torch.equal(start[name], heads[name])}
    assert moved == {"head.weight", "head.bias"}
    later = {name for name in start if not torch.equal(heads[name], end[name])}
    assert later == {name for name in start if not name.startswith("stem")}


def test_stages_of_a_loop_by_iterations_count_iterations(tmp_path: Path) -> None:
    record = Record()
    loop = {"by_epoch": False, "max_iters": 4}

    make_runner(tmp_path / "run", [HEADS, ALL], record, train_cfg=loop).train()

    assert [{"head"}] * 2 + [{"head", "body"}] * 2 == record.trained


def test_rates_with_multipliers_and_a_scheduler_are_scaled_by_the_stage(tmp_path: Path) -> None:
    """Expected: stage's rate, times the group's multiplier, times the scheduler's factor."""
    record = Record()
    optimizer = {"type": "SGD", "lr": 0.1}
    paramwise = {"custom_keys": {"body": {"lr_mult": 0.5}, "head": {"lr_mult": 2.0}}}
    warm_up = {"type": "LinearLR", "start_factor": 0.25, "by_epoch": False, "end": 3}
    drop = {"type": "MultiStepLR", "milestones": [3], "gamma": 0.1, "by_epoch": True}
    wrapper = {"optimizer": optimizer, "paramwise_cfg": paramwise}

    make_runner(
        tmp_path / "run",
        [{**HEADS, "until": 1}, ALL],
        record,
        optim_wrapper=wrapper,
        param_scheduler=[warm_up, drop],
    ).train()

    factors = [0.25, 0.625, 1, 1, 1, 1, 0.1, 0.1]  # from 0.25 to 1 in two steps; at epoch 3
    stages = [0.2] * 2 + [0.05] * 6
    expected = [
        sorted({factor * rate * mult for mult in (0.5, 2.0)})
        for factor, rate in zip(factors, stages, strict=True)
    ]
    found = [sorted({round(rate, 9) for rate in rates}) for rates in record.rates]
    assert [pytest.approx(row) for row in expected] == found


@pytest.mark.parametrize(("end", "expected"), [(4, []), (5, ["heads"])])
def test_stage_that_ends_within_the_warm_up_is_told(
    tmp_path: Path, end: int, expected: list[str]
) -> None:
    """Two epochs of two steps each: a warm-up of five steps outlasts them, one of four does not."""
    warm_up = {"type": "LinearLR", "start_factor": 0.25, "by_epoch": False, "end": end}
    runner = make_runner(tmp_path / "run", [HEADS, ALL], Record(), param_scheduler=warm_up)
    told: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = told.append  # type: ignore[method-assign]
    runner.logger.addHandler(handler)
    runner.logger.setLevel(logging.WARNING)

    runner.train()

    texts = [record.msg for record in told if "ends within the warm-up" in str(record.msg)]
    assert [record.args for record in told if record.msg in texts] == [(n,) for n in expected]


@pytest.mark.parametrize("by_epoch", [True, False])
def test_warm_up_that_outlasts_the_run_is_refused(tmp_path: Path, by_epoch: bool) -> None:
    """It would log a rate that no step has."""
    end = 5 if by_epoch else 9
    warm_up = {"type": "LinearLR", "start_factor": 0.25, "by_epoch": by_epoch, "end": end}
    runner = make_runner(tmp_path / "run", [HEADS, ALL], Record(), param_scheduler=warm_up)

    with pytest.raises(ConfigError, match="the run 8, so that no stage trains at its rate"):
        runner.train()


def test_stage_without_rate_has_the_optimizers(tmp_path: Path) -> None:
    record = Record()
    rows = [HEADS, {"name": "all", "train": ["*"], "until": 4}]

    make_runner(tmp_path / "run", rows, record).train()

    assert record.rates[-1] == pytest.approx([0.1])


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_run_when_resumed_goes_on_in_its_stage_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    """In the middle of a stage, and where one ends: rates, frozen layers and weights are equal."""
    # mmengine's own checkpoints, which this test has just written; `zoo train` reads them safely.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    whole, again = Record(), Record()
    drop = {"type": "MultiStepLR", "milestones": [3], "gamma": 0.1, "by_epoch": True}
    make_runner(tmp_path / "whole", [HEADS, ALL], whole, param_scheduler=drop).train()
    begun = str(tmp_path / "whole" / f"epoch_{epoch}.pth")

    resumed = {"load_from": begun, "resume": True, "param_scheduler": drop}
    make_runner(tmp_path / "again", [HEADS, ALL], again, **resumed).train()

    assert len(again.states) == 8 - 2 * epoch
    assert whole.trained[2 * epoch :] == again.trained
    assert whole.rates[2 * epoch :] == again.rates
    for expected, found in zip(whole.states[2 * epoch :], again.states, strict=True):
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_log_states_what_trains_in_each_stage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the stem 2 * 2 + 2, frozen by the config; of the body that and 4 of its norm; the head."""
    runner = make_runner(tmp_path / "run", [HEADS, ALL])
    runner.logger.addHandler(caplog.handler)
    runner.logger.setLevel(logging.INFO)

    runner.train()

    text = "\n".join(record.getMessage() for record in caplog.records)
    table = text.partition("training in stages:\n")[2].splitlines()[:8]
    assert [line.split() for line in table] == [
        ["parameters", "that", "train", "heads", "all", "of"],
        ["-" * len(table[0])],
        ["epochs", "1-2", "3-4"],
        ["lr", "0.2", "0.05"],
        ["stem", "0", "0", "6"],
        ["body", "0", "10", "10"],
        ["head", "3", "3", "3"],
        ["all", "3", "13", "19"],
    ]
    assert "stage 'heads' until epoch 2: 3 parameters train, lr 0.2" in text
    assert "stage 'all' until epoch 4: 13 parameters train, lr 0.05" in text


def test_stages_of_a_mask_rcnn_leave_frozen_norms_as_they_are(
    instance_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """Its ResNet freezes its stem and first stage, and norms keep their statistics; heads first."""
    stages = [
        {"name": "heads", "train": ["neck.*", "rpn_head.*", "roi_head.*"], "until": 1},
        {"name": "all", "train": ["*"], "until": 2},
    ]
    record = Record()
    hook = {"type": "zoo.training_hooks.StagedTraining", "stages": stages}

    make_runner(instance_config, hook, record, **{"train_cfg.max_epochs": 2}).train()

    start, heads, end = record.states[0], record.states[2], record.states[-1]
    moved = {name for name in start if not torch.equal(start[name], heads[name])}
    assert {name.partition(".")[0] for name in moved} == {"neck", "rpn_head", "roi_head"}
    later = {name for name in start if not torch.equal(heads[name], end[name])}
    backbone = {name for name in later if name.startswith("backbone.")}
    free = {name for name in start if name.startswith("backbone.layer2.")}
    assert backbone == {name for name in free if name.endswith((".weight", ".bias"))}
    assert len(free) > len(backbone) > 5


def test_run_when_shorter_than_its_stages_trains_the_first(tmp_path: Path) -> None:
    """A quick try with --cfg-options train_cfg.max_epochs=1 needs no other stages."""
    record = Record()

    make_runner(tmp_path / "run", [HEADS, ALL], record, steps=1).train()

    assert [{"head"}] * 2 == record.trained


def test_priority_comes_before_the_log_of_the_rate() -> None:
    assert get_priority(StagedTraining.priority) < get_priority("VERY_HIGH")


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], "found [], expected a list of stages"),
        ([HEADS, {**ALL, "until": 2}], "'all' lasts until 2, expected more than 2, where stage"),
        ([ALL, HEADS], "'heads' lasts until 2, expected more than 4, where stage 'all' ends"),
        ([HEADS], "the last stage, 'heads', ends with epoch 2, the run with epoch 4"),
        ([{**ALL, "train": ["neck.*"]}], "the pattern 'neck.*' of stage 'all' matches no"),
        ([{**ALL, "train": ["head"]}], "the pattern 'head' of stage 'all' matches no parameter"),
        (
            [{**ALL, "train": ["stem.*"]}],
            "stage 'all' trains nothing: the config freezes everything",
        ),
        ([{**HEADS, "name": "all"}, ALL], "two stages are called 'all'"),
        ([{**ALL, "epochs": 4}], "stage 'all' has the unknown key 'epochs'"),
        ([{"name": "all", "until": 4}], "stage 'all' has no 'train'"),
        ([{**ALL, "train": [3]}], "stage 'all' trains [3], expected patterns"),
        ([{**ALL, "until": 0}], "stage 'all' lasts until 0, expected a whole number"),
        ([{**ALL, "until": 4.0}], "stage 'all' lasts until 4.0, expected a whole number"),
        ([{**ALL, "lr": 0}], "stage 'all' has the learning rate 0, expected a number above 0"),
        ([{**ALL, "lr": "1e-4"}], "stage 'all' has the learning rate '1e-4', expected a number"),
        (["all"], "found 'all', expected a dict"),
    ],
)
def test_run_when_stages_do_not_hold_is_refused_before_it_trains(
    tmp_path: Path, stages: Any, expected: str
) -> None:
    record = Record()
    runner = make_runner(tmp_path / "run", stages, record)

    with pytest.raises(ConfigError) as caught:
        runner.train()

    message = str(caught.value)
    assert message.startswith("cannot train in stages: ")
    assert expected in message
    assert "where: custom_hooks, StagedTraining.stages" in message
    assert record.trained == []


def test_run_when_optimizer_lacks_a_parameter_is_refused(tmp_path: Path) -> None:
    model = Model()
    wrapper = OptimWrapper(torch.optim.SGD(model.head.parameters(), lr=0.1))
    runner = make_runner(tmp_path / "run", [HEADS, ALL], model=model, optim_wrapper=wrapper)

    with pytest.raises(ConfigError, match=r"does not hold 4 of the parameters, such as 'body\.0"):
        runner.train()


@pytest.fixture
def alone() -> Any:
    """Make this process a group of one."""
    from torch import distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("finds", [False, True])
def test_run_on_several_devices_needs_to_find_unused_parameters(
    tmp_path: Path, alone: None, finds: bool
) -> None:
    record = Record()
    model = MMDistributedDataParallel(Model(), find_unused_parameters=finds)
    runner = make_runner(tmp_path / "run", [HEADS, ALL], record, model=model)

    if finds:
        runner.train()
        assert len(record.states) == 8
        return
    with pytest.raises(ConfigError, match="the devices wait for gradients") as caught:
        runner.train()
    assert "find_unused_parameters=True" in str(caught.value)
