# SPDX-License-Identifier: Apache-2.0
"""While a record is built or run, a type is an entry of a registry and no import path."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zoo.engine.records.confining import registries_alone
from zoo.errors import ZooError

pytestmark = pytest.mark.mm


def _build(type_: str, scope: str | None = None) -> str:
    """Return what a type builds to, or the name of the exception."""
    import mmcv.cnn  # noqa: F401  it registers the layers
    from mmengine.registry import MODELS

    cfg = {"type": type_} if scope is None else {"type": type_, "_scope_": scope}
    try:
        return type(MODELS.build(cfg)).__name__
    except Exception as error:  # noqa: BLE001  whichever it is
        return type(error).__name__


def test_dotted_type_outside_the_block_imports_and_inside_is_unknown() -> None:
    """The control first: mmengine itself builds what no registry has."""
    before = _build("os.getcwd")

    with registries_alone():
        inside = [_build("os.getcwd"), _build("collections.OrderedDict"), _build("ReLU")]
        with registries_alone():
            pass
        inside.append(_build("os.getcwd"))

    assert before == "str"
    assert inside == ["KeyError", "KeyError", "ReLU", "KeyError"]
    assert _build("os.getcwd") == "str"


@pytest.mark.parametrize("form", ["{}_a.Net", "{}_b"])
def test_scope_of_a_record_imports_no_package(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ``canary.Net`` nor ``_scope_='canary'`` imports a package of that name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("canary_out", "canary_in"):
        code = f"open({str(tmp_path / name)!r}, 'w').close()"
        for module in (f"{name}_a.py", f"{name}_b.py"):
            (tmp_path / module).write_text(code)

    def run(name: str) -> None:
        named = form.format(name)
        _build(named) if "." in form else _build("ReLU", scope=named)

    run("canary_out")
    with registries_alone():
        run("canary_in")

    assert (tmp_path / "canary_out").exists()  # the control: mmengine imports it
    assert not (tmp_path / "canary_in").exists()


def test_upstream_layer_that_looks_a_string_up_finds_registries_alone() -> None:
    """mmcv builds ``dict(type=padding_mode)``: the string is a type."""
    from mmcv.cnn import ConvModule

    with registries_alone(), pytest.raises(KeyError, match="in registry under scope"):
        ConvModule(3, 3, 1, padding_mode="os.getenv", padding="HOME")


def test_rule_holds_in_threads_and_in_forked_workers() -> None:
    in_thread: list[str] = []

    with registries_alone():
        thread = threading.Thread(target=lambda: in_thread.append(_build("os.getcwd")))
        thread.start()
        thread.join()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, _build("os.getcwd").encode())
            os._exit(0)
        os.waitpid(child, 0)
        in_worker = os.read(reading, 100).decode()

    os.close(reading)
    os.close(writing)
    assert in_thread == ["KeyError"]
    assert in_worker == "KeyError"


_PLUGIN = """
import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import PixelData


def look(when):
    try:
        MODELS.build(dict(type="os.mkdir", path={folder!r} + when))
    except KeyError:
        pass


class Looking(BaseModel):
    '''Builds a dotted type while it is built, loaded and run.'''

    def __init__(self, data_preprocessor=None, num_classes=2):
        super().__init__(data_preprocessor)
        look("built")
        self.level = torch.nn.Parameter(torch.tensor(1.0))

    def _load_from_state_dict(self, *args):
        look("loaded")
        return super()._load_from_state_dict(*args)

    def forward(self, inputs, data_samples, mode="tensor"):
        look("run")
        for one, sample in zip(inputs, data_samples):
            sample.pred_sem_seg = PixelData(data=torch.zeros(1, *one.shape[1:], dtype=torch.long))
        return data_samples


class LookingStep:
    def __init__(self):
        look("step_built")

    def __call__(self, results):
        look("step_run")
        return results
"""
_MANIFEST = """
[plugin]
name = "looking"
version = "0.1.0"
api = 1
summary = "looks dotted types up"
license = "Apache-2.0"

[[model]]
name = "Looking"
target = "zoo_looking.parts:Looking"

[[transform]]
name = "LookingStep"
target = "zoo_looking.parts:LookingStep"
"""
_PREDICT = """
import sys, numpy as np, torch, zoo
from mmengine.config import Config
from zoo.engine.checkpoints.published import write_published
from zoo.engine.records.record import make_record
from zoo.engine.prediction.predictor import Predictor

steps = [dict(type="LoadImageFromFile"), dict(type="zoo.looking.LookingStep")]
steps.append(dict(type="PackSegInputs"))
model = dict(type="zoo.looking.Looking", data_preprocessor=dict(type="SegDataPreProcessor"))
config = Config(dict(default_scope="mmseg", model=model, test_pipeline=steps))
record = make_record(
    config, name="looking", task="semantic", classes=("a", "b"), palette=[[0, 0, 0]] * 2,
    labels="true", licence="x", data_licence="x", trained_with="x", parameters=1)
if sys.argv[1] == "published":
    model = str(write_published(sys.argv[2], {"level": torch.tensor(1.0)}, record))
else:
    config.work_dir, config.test_dataloader = ".", dict(dataset=dict(
        type="BaseSegDataset", pipeline=steps, metainfo=dict(classes=("a", "b"))))
    config.dump(sys.argv[2] + ".py")
    torch.save({"state_dict": {"level": torch.tensor(1.0)}, "meta": {}}, sys.argv[2] + ".pth")
    model = f"{sys.argv[2]}.py,{sys.argv[2]}.pth"
print(Predictor(model, device="cpu")(np.zeros((4, 4, 3), np.uint8)).labels.shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["published", "config"])
def test_whole_life_of_a_published_model_knows_registries_alone(tmp_path: Path, form: str) -> None:
    """Built, loaded and run, model and transforms; one's own config keeps its dotted types."""
    package = tmp_path / "zoo_looking"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text(_PLUGIN.format(folder=f"{tmp_path}/by_"))
    (package / "zoo_plugin.toml").write_text(_MANIFEST)

    done = subprocess.run(
        [sys.executable, "-c", _PREDICT, form, str(tmp_path / "looking.safetensors")],
        env={**os.environ, "ZOO_PLUGIN_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "(4, 4)" in done.stdout, done.stderr
    made = sorted(path.name for path in tmp_path.glob("by_*"))
    expected = ["built", "loaded", "run", "step_built", "step_run"] if form == "config" else []
    assert made == [f"by_{when}" for when in expected]


@pytest.mark.parametrize("block", ["record", "config"])
def test_named_instance_that_fails_to_build_leaves_other_threads_free(block: str) -> None:
    """mmengine's ``get_instance`` keeps its lock when a constructor raises."""
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    from zoo.engine.config.building import explaining

    used = registries_alone() if block == "record" else explaining(Config({}))
    with pytest.raises((AssertionError, ZooError)), used:
        DefaultScope.get_instance(5, scope_name="mmseg")

    other = threading.Thread(target=DefaultScope.get_current_instance, daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive()
