# SPDX-License-Identifier: Apache-2.0
"""A plugin's code that raises in a run ends in one message with plugin, class and line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.catalog import forget_catalog
from zoo.errors import PluginCodeError

pytestmark = pytest.mark.mm

_MANIFEST = """
[plugin]
name = "frail"
version = "0.1.0"
api = 1
summary = "parts that raise when told to"
license = "Apache-2.0"

[requires]
distributions = []

[[transform]]
name = "FrailFlip"
target = "zoo_frail.parts:FrailFlip"

[[loss]]
name = "FrailLoss"
target = "zoo_frail.parts:FrailLoss"

[[hook]]
name = "FrailHook"
target = "zoo_frail.parts:FrailHook"

[[metric]]
name = "FrailMetric"
target = "zoo_frail.parts:FrailMetric"

[[command]]
name = "frail"
target = "zoo_frail.parts:command"
"""
_PARTS = '''"""Parts that raise once they were used ``after`` times."""
import click
import torch
from mmcv.transforms import BaseTransform
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook


class Frail:
    uses = 0

    def use(self, after):
        self.uses += 1
        if self.uses > after:
            raise ValueError("two\\nlines")  # FAULT


class FrailFlip(BaseTransform, Frail):
    def __init__(self, after):
        self.after = after

    def transform(self, results):
        self.uses += 1
        if self.uses > self.after:
            results["no such key"]  # transform
        return results


class FrailLoss(torch.nn.Module):
    loss_name = "loss_frail"
    uses = 0

    def __init__(self, after):
        super().__init__()
        self.after = after

    def forward(self, pred, target, weight=None, ignore_index=255):
        self.uses += 1
        rows = 3 if self.uses > self.after else 1
        return (pred.mean() * torch.ones(1, 2) @ torch.ones(rows + 1, 1)).sum()  # loss


class FrailHook(Hook):
    def __init__(self, after):
        self.after = after

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter >= self.after:
            assert batch_idx < 0  # hook


class FrailMetric(BaseMetric):
    default_prefix = None

    def __init__(self, after=0, **kwargs):
        super().__init__(**kwargs)

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {"mDice": 1 / 0}  # metric


@click.command()
def command():
    {}["absent"]  # command
'''


@pytest.fixture(scope="module")
def frail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the plugin once: a package is imported from one place only."""
    package = tmp_path_factory.mktemp("frail") / "zoo_frail"
    package.mkdir()
    (package / "__init__.py").write_text("import zoo\n")
    (package / "zoo_plugin.toml").write_text(_MANIFEST)
    (package / "parts.py").write_text(_PARTS)
    return package.parent


@pytest.fixture
def frail(frail_folder: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the catalog find the plugin beside the one of bright squares."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", os.pathsep.join(map(str, (frail_folder, squares))))
    forget_catalog()
    return frail_folder / "zoo_frail" / "parts.py"


def line_of(word: str) -> int:
    """Return the line of the parts that ends in a mark."""
    return next(n for n, line in enumerate(_PARTS.splitlines(), 1) if line.endswith(f"# {word}"))


def config_with(kind: str, after: int, text: str, workers: int) -> str:
    """Return the squares' config with one part that raises."""
    part = f"type='zoo.frail.Frail{kind.title()}', after={after}"
    if kind == "transform":
        part = f"type='zoo.frail.FrailFlip', after={after}"
        text = text.replace(
            "dict(type='LoadAnnotations'),", f"dict(type='LoadAnnotations'), dict({part}),", 1
        )
    elif kind == "loss":
        text = text.replace("dict(type='CrossEntropyLoss')", f"dict({part})")
    elif kind == "metric":
        text = text.replace("dict(type='IoUMetric', iou_metrics=['mDice'])", f"dict({part})")
    else:
        text += f"\ncustom_hooks = [dict({part})]\n"
    return text.replace("batch_size=2, num_workers=0", f"batch_size=2, num_workers={workers}")


@pytest.mark.parametrize("after", [0, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("kind", "name", "workers", "error"),
    [
        ("transform", "transform FrailFlip", 0, "KeyError: 'no such key'"),
        ("transform", "transform FrailFlip", 1, "KeyError: 'no such key'"),
        ("loss", "loss FrailLoss", 0, "RuntimeError: mat1 and mat2"),
        ("hook", "hook FrailHook", 0, "AssertionError"),
        ("metric", "metric FrailMetric", 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_code_of_a_plugin_that_raises_in_training_is_named_with_its_line(
    kind: str,
    name: str,
    workers: int,
    error: str,
    after: int,
    frail: Path,
    squares_data: Path,
    squares_text: str,
    tmp_path: Path,
) -> None:
    """In the first step and later, in this process and in a worker; the cause is chained."""
    import zoo

    config = tmp_path / "frail.py"
    config.write_text(config_with(kind, after, squares_text, workers))

    with pytest.raises(PluginCodeError) as caught:
        zoo.train(config, data=squares_data, work_dir=tmp_path / "run", max_steps=6)

    assert caught.value.message.startswith(
        f"cannot continue: the {name} of plugin 'frail' raises {error}"
    )
    assert caught.value.where == f"{frail}:{line_of(kind)}"
    assert caught.value.plugin == "frail"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("words", [["frail"], ["frail", "--debug"]])
def test_a_command_of_a_plugin_that_raises_ends_in_one_message(
    words: list[str], frail: Path
) -> None:
    """--debug shows the traceback in its place."""
    run = subprocess.run(
        [sys.executable, "-m", "zoo", *words], capture_output=True, text=True, check=False
    )

    assert run.returncode == 1
    text = "cannot continue: the command frail of plugin 'frail' raises KeyError: 'absent'."
    place = f"where: {frail}:{line_of('command')}\nHINT: "
    is_told = run.stderr.startswith(f"error: {text}\n{place}") and "Traceback" not in run.stderr
    assert is_told == ("--debug" not in words)
    assert is_told or run.stderr.endswith("KeyError: 'absent'\n")


@pytest.mark.parametrize("error", [MemoryError("no"), OSError(28, "full")])
def test_lack_of_memory_or_disk_is_no_fault_of_a_plugin(error: Exception, frail: Path) -> None:
    """The same code works on another machine."""
    from zoo.engine.plugin_code import plugin_code_error

    code = compile("raise error", str(frail), "exec")
    with pytest.raises(type(error)) as caught:
        exec(code, {"error": error})

    assert plugin_code_error(caught.value) is None
