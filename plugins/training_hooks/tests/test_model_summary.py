# SPDX-License-Identifier: Apache-2.0
"""ModelSummary: what its tables state, of odd models too, and that training is as without it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from zoo_training_hooks.model_summary import FILE, ModelSummary
from zoo_training_hooks.staged_training import StagedTraining

pytestmark = pytest.mark.mm

HOOK = {"type": "zoo.training_hooks.ModelSummary"}
STAGES = {
    "type": "zoo.training_hooks.StagedTraining",
    "stages": [
        {"name": "heads", "train": ["neck.*", "rpn_head.*", "roi_head.*"], "until": 1},
        {"name": "all", "train": ["*"], "until": 3},
    ],
}


def read_table(text: str) -> dict[str, list[str]]:
    """Return a table's cells by the full name of the layer, read from the indents."""
    table: dict[str, list[str]] = {}
    path: list[str] = []
    for line in text.splitlines()[2:]:
        depth = (len(line) - len(line.lstrip())) // 2
        label, *cells = [cell for cell in line.strip().split("  ") if cell]
        path = [*path[:depth], label]
        table[".".join(path)] = [cell.strip() for cell in cells]
    return table


def test_training_with_the_hook_equals_training_without_it(
    config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """Bit for bit: weights, statistics, optimizer and random numbers, after two epochs."""
    ends = []
    for folder, hooks in (("without", ()), ("with", (HOOK,))):
        runner = make_runner(config, *hooks, folder=folder, **{"train_cfg.max_epochs": 2})
        runner.train()
        optimizer = runner.optim_wrapper.state_dict()["state"]
        moments = {f"{k}.{name}": v for k, row in optimizer.items() for name, v in row.items()}
        drawn = {"torch": torch.rand(3), "numpy": np.random.rand(3)}
        ends.append({**runner.model.state_dict(), **moments, **drawn})

    without, with_hook = ends
    assert (Path(runner.work_dir) / FILE).is_file()
    assert list(without) == list(with_hook)
    for name in without:
        assert np.array_equal(np.asarray(without[name]), np.asarray(with_hook[name])), name


def test_summary_of_a_mask_rcnn_states_shapes_and_what_each_stage_trains(
    instance_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    """Two images of 64 px; the stem is frozen by the config, the backbone by the first stage."""
    runner = make_runner(instance_config, STAGES, HOOK, **{"train_cfg.max_epochs": 1})

    runner.train()

    text = (Path(runner.work_dir) / FILE).read_text()
    head = [title.strip() for title in text.splitlines()[0].split("  ") if title]
    assert head == ["layer", "type", "output", "parameters", "in heads", "in all"]
    table = read_table(text)
    stem = 8 * 3 * 7 * 7
    assert table["backbone.conv1"] == ["Conv2d", "(2, 8, 32, 32)", f"{stem:,}", "0", "0"]
    fpn = 8 * 8 + 8 + 8 * 16 + 8 + 2 * (8 * 8 * 9 + 8)  # two lateral, two smoothing convolutions
    shapes = "(2, 8, 16, 16), (2, 8, 8, 8)"
    assert table["neck"] == ["FPN", shapes, f"{fpn:,}", f"{fpn:,}", f"{fpn:,}"]
    # One anchor, one logit, on each of two levels.
    assert table["rpn_head.rpn_cls"][:2] == ["Conv2d", "(2, 1, 16, 16) x2"]
    everything = sum(p.numel() for p in runner.model.parameters())
    heads = sum(
        p.numel()
        for name in ("neck", "rpn_head", "roi_head")
        for p in getattr(runner.model, name).parameters()
    )
    assert table["all"][:3] == ["MaskRCNN", f"{everything:,}", f"{heads:,}"]
    free = sum(p.numel() for p in runner.model.backbone.layer2.parameters())
    assert table["all"][3] == f"{heads + free:,}"


def test_summary_of_a_unet_states_its_levels(
    semantic_config: dict[str, Any], make_runner: Callable[..., Any]
) -> None:
    runner = make_runner(semantic_config, HOOK, **{"train_cfg.max_epochs": 1})

    runner.train()

    table = read_table((Path(runner.work_dir) / FILE).read_text())
    assert table["backbone"][:2] == ["UNet", "(2, 8, 32, 32), (2, 4, 64, 64)"]
    assert table["decode_head.conv_seg"][1:] == ["(2, 2, 64, 64)", "10", "10"]
    everything = f"{sum(p.numel() for p in runner.model.parameters()):,}"
    assert table["all"] == ["EncoderDecoder", everything, everything]


@dataclass
class Output:
    """What a layer of one's own may give."""

    boxes: torch.Tensor
    note: str = "no tensor"


class Odd(torch.nn.Module):
    """Gives a dict with a list, a dataclass, and itself."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = torch.nn.Linear(2, 2)

    def forward(self, value: torch.Tensor) -> dict[str, Any]:
        given: dict[str, Any] = {"list": [value, None], "one": Output(self.shared(value))}
        return given | {"self": given}


class Loop(torch.nn.Module):
    """Gives a list that holds itself."""

    def forward(self, value: torch.Tensor) -> list[Any]:
        given: list[Any] = [value]
        given.append(given)
        return given


class Model(BaseModel):
    """Layers that a summary must not stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.odd = Odd()
        self.loop = Loop()
        self.again = self.odd.shared
        self.lazy = torch.nn.LazyLinear(3)
        self.script = torch.jit.script(torch.nn.Linear(2, 2))
        self.unused = torch.nn.Linear(2, 5)
        self.levels = torch.nn.Identity()
        self.nothing = torch.nn.ModuleDict()
        self.unused.requires_grad_(False)

    def init_weights(self) -> None:
        """Do nothing: mmengine would ask the lazy layer for its shape."""

    def forward(
        self, inputs: list[torch.Tensor], data_samples: Any = None, mode: str = "tensor"
    ) -> dict[str, torch.Tensor]:
        given = self.odd(torch.stack(inputs))["one"].boxes
        self.levels([given] * 5)
        return {"loss": (self.script(self.again(self.loop(given)[0])) - 1).square().mean()}


def make_toy(folder: Path, *hooks: Any, **over: Any) -> Runner:
    loader = {
        "dataset": [{"inputs": torch.ones(2)} for _ in range(4)],
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    settings: dict[str, Any] = {
        "model": Model(),
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        **over,
    }
    return Runner(
        work_dir=str(folder),
        train_dataloader=loader,
        custom_hooks=list(hooks),
        experiment_name=f"{folder.parent.name}-{folder.name}",
        default_scope="mmengine",
        log_level="ERROR",
        **settings,
    )


def test_summary_of_an_odd_model_states_what_can_be_known(tmp_path: Path) -> None:
    """Nested, repeated, shared, scripted, lazy, unused and frozen layers."""
    runner = make_toy(tmp_path / "run", ModelSummary())

    runner.train()

    table = read_table((tmp_path / "run" / FILE).read_text())
    assert table["odd"] == ["Odd", "(2, 2), (2, 2), (2, 2) and 1 more", "6", "6"]
    assert table["odd.shared"] == ["Linear", "(2, 2) x2", "6", "6"]
    assert table["loop"][:1] == ["Loop"]
    assert table["levels"] == ["Identity", "(2, 2), (2, 2), (2, 2) and 2 more"]
    assert table["lazy"] == ["LazyLinear", "0", "0"]
    assert table["unused"] == ["Linear", "15", "0"]
    assert table["nothing"] == ["ModuleDict"]
    assert table["script"][1:] == ["6", "6"]
    assert table["all"] == ["Model", "27", "12"]


def test_hooks_after_the_first_step_are_gone(tmp_path: Path) -> None:
    runner = make_toy(tmp_path / "run", ModelSummary())

    runner.train()

    modules = [m for m in runner.model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    assert len(modules) > 5
    assert not any(module._forward_hooks for module in modules)


def test_log_has_layers_with_parameters_down_to_its_depth(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make_toy(tmp_path / "run", ModelSummary(depth=1))
    runner.logger.setLevel(logging.INFO)
    runner.logger.addHandler(caplog.handler)

    runner.train()

    (message,) = [r.getMessage() for r in caplog.records if "the model, every" in r.getMessage()]
    head, _, table = message.partition("\n")
    assert head == f"the model, every layer in {FILE}:"
    assert list(read_table(table)) == ["odd", "lazy", "script", "unused", "all"]


def test_stages_have_a_column_each_wherever_their_hook_stands(tmp_path: Path) -> None:
    stages = StagedTraining(
        [
            {"name": "script", "train": ["script.*"], "until": 1},
            {"name": "rest", "train": ["*"], "until": 2},
        ]
    )
    model = Model()
    model.lazy = torch.nn.Identity()  # stages count what is there before the first step
    runner = make_toy(tmp_path / "run", ModelSummary(), stages, model=model)

    runner.train()

    text = (tmp_path / "run" / FILE).read_text()
    assert "in script  in rest" in text.splitlines()[0]
    assert read_table(text)["all"] == ["Model", "27", "6", "12"]


def test_file_that_cannot_be_written_stops_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder of its name is in the way; nothing half written stays."""
    (tmp_path / "run" / FILE).mkdir(parents=True)
    runner = make_toy(tmp_path / "run", ModelSummary())
    runner.logger.addHandler(caplog.handler)
    runner.logger.setLevel(logging.WARNING)

    runner.train()

    assert runner.iter == 4
    assert f"cannot write {tmp_path / 'run' / FILE}: " in caplog.text
    assert not list((tmp_path / "run").glob(".*tmp"))


@pytest.mark.slow
@pytest.mark.release
def test_compiled_model_is_left_alone(tmp_path: Path) -> None:
    """Its step is traced, and hooks would be traced with it; the table has no shapes then."""
    runner = make_toy(tmp_path / "run", ModelSummary())
    runner.cfg.compile = True

    runner.train()

    table = read_table((tmp_path / "run" / FILE).read_text())
    assert table["odd.shared"] == ["Linear", "6", "6"]
