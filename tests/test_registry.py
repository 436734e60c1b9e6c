# SPDX-License-Identifier: Apache-2.0
"""``type='zoo...'`` from mmengine's, mmseg's and mmdet's registries, with no custom imports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ConflictError, LoadError, UnknownNameError

pytestmark = pytest.mark.mm

Write = Callable[..., Path]

ROWS = """
[[loss]]
name = "EdgeLoss"
target = "zoo_cells.parts:EdgeLoss"

[[model]]
name = "Wrapper"
target = "zoo_cells.parts:Wrapper"

[[model]]
name = "NotCallable"
target = "zoo_cells.parts:NUMBER"

[[model]]
name = "Broken"
target = "zoo_cells.broken:Broken"

[[dataset]]
name = "Numbers"
task = "semantic"
target = "zoo_cells.parts:Numbers"
classes = ["a"]
licence = "MIT"

[[transform]]
name = "Double"
target = "zoo_cells.parts:Double"
"""
PARTS = """
import torch
from mmengine.registry import TRANSFORMS
from mmseg.registry import MODELS

NUMBER = 3


class EdgeLoss(torch.nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor


class Wrapper(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = MODELS.build(inner)


class Double:
    def __call__(self, value):
        return 2 * value


class Numbers:
    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return 4

    def __getitem__(self, index):
        # Built here, so that a worker has to find the plugin by itself.
        from mmdet.registry import TRANSFORMS as FROM_MMDET
        from mmseg.registry import TRANSFORMS as FROM_MMSEG
        for registry in (FROM_MMDET, FROM_MMSEG):
            value = registry.build(dict(type='zoo.cells.Double'))(index)
        return value
"""


@pytest.fixture
def cells(write_plugin: Write) -> Path:
    return write_plugin("cells", ROWS, parts=PARTS, broken="import no_such_thing\n")


def registries(name: str) -> list[Any]:
    import mmdet.registry
    import mmengine.registry
    import mmseg.registry

    modules = (mmengine.registry, mmseg.registry, mmdet.registry)
    return [getattr(module, name) for module in modules]


@pytest.mark.parametrize("name", ["zoo.cells.EdgeLoss", "zoo.EdgeLoss"])
def test_build_from_every_registry_gives_the_plugins_class(cells: Path, name: str) -> None:
    for registry in registries("MODELS"):
        loss = registry.build({"type": name, "factor": 2.0})

        assert (type(loss).__module__, loss.factor) == ("zoo_cells.parts", 2.0)


@pytest.mark.parametrize("scope", ["mmengine", "mmseg", "mmdet"])
def test_build_in_every_default_scope_gives_the_plugins_class(cells: Path, scope: str) -> None:
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope(scope):
        for registry in registries("MODELS"):
            assert type(registry.build({"type": "zoo.cells.EdgeLoss"})).__name__ == "EdgeLoss"


def test_build_of_upstream_types_inside_a_plugins_module_works(cells: Path) -> None:
    from mmengine.registry import DefaultScope

    inner = {"type": "mmseg.CrossEntropyLoss"}
    with DefaultScope.overwrite_default_scope("mmseg"):
        for config in (inner, {"type": "CrossEntropyLoss"}, {"type": "zoo.EdgeLoss"}):
            model = registries("MODELS")[1].build({"type": "zoo.cells.Wrapper", "inner": config})

            assert type(model.inner).__name__ in ("CrossEntropyLoss", "EdgeLoss")


def test_build_when_zoo_is_the_scope_finds_upstreams_names_too(cells: Path) -> None:
    from mmengine.registry import HOOKS, MODELS

    for registry, name in (
        (HOOKS, "IterTimerHook"),
        (HOOKS, "mmengine.IterTimerHook"),
        (MODELS, "mmseg.CrossEntropyLoss"),
    ):
        built = registry.build({"type": name, "_scope_": "zoo"})

        assert type(built).__name__ == name.rpartition(".")[2]


def test_build_when_zoo_is_the_scope_finds_the_short_name(cells: Path) -> None:
    loss = registries("MODELS")[0].build({"type": "EdgeLoss", "_scope_": "zoo"})

    assert type(loss).__name__ == "EdgeLoss"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "zoo.cells.EdgLoss",
            "no model or loss named 'cells.EdgLoss'.\nHINT: did you mean cells.EdgeLoss?",
        ),
        ("zoo.EdgLoss", "no model or loss named 'EdgLoss'.\nHINT: did you mean EdgeLoss?"),
        ("zoo.subprocess.Popen", "no model or loss named 'subprocess.Popen'."),
    ],
)
def test_build_when_unknown_raises_with_near_names(cells: Path, name: str, message: str) -> None:
    """mmengine would say "is not in the registry", or import a dotted name on its own."""
    for registry in registries("MODELS"):
        with pytest.raises(UnknownNameError) as caught:
            registry.build({"type": name})

        assert str(caught.value).startswith(message)


def test_build_when_importing_fails_raises_the_cause(cells: Path) -> None:
    for registry in registries("MODELS"):
        with pytest.raises(LoadError) as caught:
            registry.build({"type": "zoo.cells.Broken"})

        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
        assert caught.value.message.startswith("cannot load model 'Broken': ModuleNotFoundError")


def test_build_when_two_plugins_have_the_name_raises_for_the_short_one(
    cells: Path, write_plugin: Write
) -> None:
    write_plugin("tissue", '[[loss]]\nname = "EdgeLoss"\ntarget = "zoo_tissue.parts:EdgeLoss"\n')

    with pytest.raises(ConflictError, match="plugin cells and plugin tissue both have one"):
        registries("MODELS")[1].build({"type": "zoo.EdgeLoss"})


def test_get_when_the_target_is_no_class_says_what_it_is(cells: Path) -> None:
    with pytest.raises(LoadError, match=r"zoo\.cells\.NotCallable is 3, expected a class or func"):
        registries("MODELS")[0].get("zoo.cells.NotCallable")


def test_get_registers_the_one_target_under_its_full_name(cells: Path) -> None:
    import mmengine.registry

    transform = mmengine.registry.TRANSFORMS.get("zoo.Double")

    child = mmengine.registry.TRANSFORMS.children["zoo"]
    assert child.module_dict["cells.Double"] is transform


def test_dataset_in_a_spawned_worker_builds_from_both_registries(cells: Path) -> None:
    """A worker starts anew, and must find the plugin and ``mmcv._ext`` by itself."""
    from mmengine.registry import DATASETS
    from torch.utils.data import DataLoader

    dataset = DATASETS.build({"type": "zoo.cells.Numbers"})
    loader = DataLoader(dataset, num_workers=1, multiprocessing_context="spawn")

    assert [int(batch) for batch in loader] == [0, 2, 4, 6]


def test_type_when_only_mmengine_was_imported_builds(cells: Path) -> None:
    """``import zoo`` by hand is not needed: mmengine imports ``zoo.registry`` for the scope."""
    code = (
        "from mmengine.registry import TRANSFORMS\n"
        "print(TRANSFORMS.build(dict(type='zoo.cells.Double'))(21))\n"
    )
    env = {**os.environ, "ZOO_PLUGIN_PATH": str(cells.parent.parent)}

    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)

    assert run.stdout.split() == ["42"], run.stderr
