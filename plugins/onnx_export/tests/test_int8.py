# SPDX-License-Identifier: Apache-2.0
"""Exports in 8 bits: calibrated on one split, compared on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from zoo_onnx_export import int8
from zoo_onnx_export.command import command
from zoo_onnx_export.entry import export_int8
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.exporter import make_graph
from zoo_onnx_export.images import find_held_out, read_split
from zoo_onnx_export.runner import OnnxModel

import zoo
from zoo.interfaces import ExportOptions

Toy = Callable[..., zoo.Predictor]
pytestmark = [pytest.mark.mm, pytest.mark.slow]

FIXED = {"type": "Resize", "scale": (192, 192), "keep_ratio": False}


@MODELS.register_module(force=True)
class ToyWide(BaseModule):
    """Convolutions of many channels, which 8 bits make cheaper."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.third = nn.Conv2d(64, 8, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.third(self.second(self.first(x).relu()).relu()).relu(),)


@MODELS.register_module(force=True)
class ToyGrouped(BaseModule):
    """Convolutions in groups, which are slower in 8 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 1)
        self.groups = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1, groups=4) for _ in range(4))
        self.last = nn.Conv2d(16, 8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.first(x)
        for layer in self.groups:
            x = x + 0.1 * torch.tanh(layer(x))
        return (self.last(x),)


@MODELS.register_module(force=True)
class ToyLoud(ToyWide):
    """An addend that is taken off again, beside which 8 bits see little of the image."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        loud = 500.0
        taken = loud * self.second.weight.sum(dim=(1, 2, 3))[:, None, None]
        x = self.second(self.first(x).relu() + loud) - taken
        return (self.third(x.relu()).relu(),)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder with images in each split."""
    folder = tmp_path_factory.mktemp("lungs")
    zoo.sample("lung_xray", folder / "raw", count=8, seed=3)
    zoo.prepare("lung_xray", folder / "raw", folder / "data", shares="0.5,0.25,0.25")
    return folder / "data"


def _measured(patch: pytest.MonkeyPatch, exported_ms: float) -> None:
    """Let a core take a time that no machine and no other work on it decides; in floats 10 ms."""
    times = {"float_core_ms": 10.0, "exported_core_ms": exported_ms}
    patch.setattr(int8, "_measure_cores", lambda *_: times)


@dataclass(frozen=True)
class Made:
    """A model, the folder of its export by the command line, and what that printed."""

    model: zoo.Predictor
    folder: Path
    printed: str

    @property
    def path(self) -> Path:
        (path,) = self.folder.iterdir()
        return path


@pytest.fixture(scope="module")
def made(write_toys: Toy, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A model of wide convolutions in 8 bits."""
    model, out = (
        write_toys(FIXED, classes=2, stem={"type": "ToyWide"}),
        tmp_path_factory.mktemp("o"),
    )
    words = [model.model.name, "--to", "onnx_int8", "--out", str(out), "--data", str(data)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "load", lambda name, device: model)
        _measured(patch, 9.0)
        ran = CliRunner().invoke(command, words, catch_exceptions=False)
    assert ran.exit_code == 0
    return Made(model, out, ran.output)


def _export(model: zoo.Predictor, out: Path, data: Path | None) -> dict[str, Any]:
    return dict(export_int8(model, out, ExportOptions(name="toy", data=data)))


def test_file_in_8_bits_has_a_name_of_its_own(made: Made) -> None:
    """The file in floats beside it stays."""
    assert made.path.name == "toy.int8.onnx"
    assert "time of an image on one core: 10 ms in floats, 9 ms in 8 bits" in made.printed
    assert f"exported: {made.path}" in made.printed


def test_file_in_8_bits_states_how_it_was_made(made: Made, data: Path) -> None:
    """Calibrated on the train split, compared on the test split, with a tolerance of its own."""
    model, classes = made.model, made.model.model.classes
    train, test = (read_split(data, classes, split) for split in ("train", "test"))

    opened = OnnxModel(made.path)

    stated, told = opened.certificate, opened.record["quantisation"]
    assert stated["passed"] is True
    assert set(stated["memory"].values()) == {None}
    assert stated["labels_differ"] <= stated["tolerance"]["labels_differ"] == 0.01
    assert stated["speed"].items() >= {"exported_core_ms": 9.0, "float_core_ms": 10.0}.items()
    assert stated["data"] == test.facts == find_held_out(data, classes).facts
    assert told["calibrated_on"] == {**train.facts, "images": len(train.samples)}
    assert (told["bits"], told["layers"]) == (8, 5)
    assert not {one.name for one in train.samples} & {one.name for one in test.samples}
    differing = [(opened(one.pixels).labels != model(one.pixels).labels) for one in test.samples]
    assert np.mean(differing) == pytest.approx(stated["labels_differ"], abs=1e-6)
    assert np.mean(differing) > 0  # it is another graph
    again = opened.verify(model, data)
    assert (again["compared_again"], again["data"]) == (True, test.facts)


def test_file_in_8_bits_runs_wherever_one_of_floats_does(made: Made, data: Path) -> None:
    """It has ONNX's own operators, and what is around the network is left alone."""
    from zoo_runtime import Predictor

    floats = onnx.load_model_from_string(make_graph(made.model, "toy"))
    graph = onnx.load(made.path)
    (sample, *_) = read_split(data, made.model.model.classes, "test").samples
    expected = made.model(sample.pixels).labels

    for engine in ("onnxruntime", *["openvino"] * (find_spec("openvino") is not None)):
        found = Predictor(made.path, engine=engine)(sample.pixels).labels
        assert (found != expected).mean() <= 0.01

    assert {node.domain for node in graph.graph.node} == {""}
    assert graph.opset_import == floats.opset_import
    one, other = (
        {
            node.name: node.op_type
            for node in each.graph.node
            if not node.name.startswith("network_") and not node.op_type.endswith("izeLinear")
        }
        for each in (floats, graph)
    )
    assert one == other
    weights = {each.name: each.data_type for each in graph.graph.initializer if len(each.dims) == 4}
    assert set(weights.values()) == {onnx.TensorProto.INT8}


@pytest.mark.release  # whether 8 bits are faster depends on the machine: VNNI and its like
def test_wide_convolutions_are_faster_in_8_bits_and_groups_are_not(
    write_toy: Toy, data: Path, tmp_path: Path
) -> None:
    """What is measured is the time of a core, and it decides."""
    wide, path = write_toy(FIXED, classes=2, stem={"type": "ToyWide"}), tmp_path / "toy.onnx"
    speed = _export(wide, path, data)["speed"]
    assert 0 < speed["exported_core_ms"] < speed["float_core_ms"]

    groups = write_toy(FIXED, classes=2, stem={"type": "ToyGrouped"})
    with pytest.raises(ExportError, match="it is not faster on this machine"):
        _export(groups, tmp_path / "groups.onnx", data)


def test_time_of_a_core_is_measured_of_both(write_toy: Toy, data: Path) -> None:
    """Whichever is less."""
    floats = make_graph(write_toy(FIXED, classes=2), "toy")
    (sample, *_) = read_split(data, ("background", "lung"), "test").samples

    times = int8._measure_cores(floats, floats, sample)

    assert times.keys() == {"float_core_ms", "exported_core_ms"}
    assert min(times.values()) > 0


REFUSED: dict[str, tuple[str, float, str]] = {
    "slow": (
        "ToyWide",
        10.0,
        r"it is not faster on this machine: an image takes 10.0 ms of one core, and in floats 10.0",
    ),
    "departs": (
        "ToyLoud",
        9.0,
        r"it departs from the model: .*% of the labels differ, expected at most",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_gains_nothing_is_refused_with_the_numbers(
    name: str, write_toy: Toy, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And there is no file."""
    stem, exported_ms, said = REFUSED[name]
    _measured(monkeypatch, exported_ms)
    model, path = write_toy(FIXED, classes=2, stem={"type": stem}), tmp_path / "toy.onnx"

    with pytest.raises(ExportError, match=f"^cannot export 'toy' in 8 bits: {said}") as caught:
        _export(model, path, data)

    assert caught.value.hint
    assert not path.exists()


@pytest.mark.parametrize("kind", ["none", "images", "no train", "no test"])
def test_data_that_cannot_serve_are_refused(
    kind: str, write_toy: Toy, data: Path, tmp_path: Path
) -> None:
    """Before anything is exported; with what to do."""
    model, given = write_toy(FIXED), None if kind == "none" else data
    if kind == "images":
        given = data / "images"
    elif kind.startswith("no "):
        shares = "0,0.5,0.5" if kind == "no train" else "1,0,0"
        zoo.sample("lung_xray", tmp_path / "raw", count=4)
        zoo.prepare("lung_xray", tmp_path / "raw", tmp_path / "data", shares=shares)
        given = tmp_path / "data"
    said = {
        "none": "it is calibrated on images, and there are none",
        "images": "'images' is no prepared folder",
        "no train": "the train split of 'data' is empty",
        "no test": "its test split and its val split are empty",
    }

    with pytest.raises(zoo.ZooError, match=said[kind]) as caught:
        _export(model, tmp_path / "toy.onnx", given)

    assert caught.value.hint
    assert not (tmp_path / "toy.onnx").exists()
