# SPDX-License-Identifier: Apache-2.0
"""``_edit_``: steps of an inherited list changed by their types, against plain list operations."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config_files.files import parse_config_file
from zoo.engine.config_files.list_edits import edited
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

_TYPES = ("Load", "zoo.cells.Resize", "Flip", "mmseg.Crop", "Pack", "zoo.cells.Norm")
_SEEDS = range(60)


def _merge(new: Any, old: Any, _: str) -> dict[str, Any]:
    return {**old, **new}


def _steps(rng: random.Random) -> list[dict[str, Any]]:
    """Return a pipeline of different types, each with a key of its own."""
    types = rng.sample(_TYPES, rng.randint(1, len(_TYPES)))
    return [{"type": kind, "size": rng.randint(0, 9)} for kind in types]


def _change(rng: random.Random, label: str) -> tuple[Any, Callable[[dict[str, Any]], list[Any]]]:
    """Return a change of one step, and what plain code makes of that step."""
    one, two = {"type": f"One{label}"}, {"type": f"Two{label}", "p": 1}
    return rng.choice(
        [
            (None, lambda step: []),
            ([], lambda step: []),
            ([one, two], lambda step: [one, two]),
            ({"size": 99, "p": 1}, lambda step: [{**step, "size": 99, "p": 1}]),
            ({"_delete_": True, **two}, lambda step: [two]),
            ({"_before_": one}, lambda step: [one, step]),
            ({"_after_": [one, two]}, lambda step: [step, one, two]),
            (
                {"_before_": [two], "size": 5, "_after_": one},
                lambda step: [two, {**step, "size": 5}, one],
            ),
        ]
    )


@pytest.mark.parametrize("seed", _SEEDS)
def test_edit_makes_the_list_that_plain_list_operations_make(seed: int) -> None:
    """Whatever steps are changed, in whatever order they are named, by whole or short type."""
    rng = random.Random(seed)
    steps = _steps(rng)
    expected = copy.deepcopy(steps)
    changes = []
    # From the end, so that no operation moves a place that is still to be changed.
    for index in sorted(rng.sample(range(len(steps)), rng.randint(0, len(steps))), reverse=True):
        change, oracle = _change(rng, str(index))
        kind = steps[index]["type"]
        changes.append((rng.choice([kind, kind.rpartition(".")[2]]), change))
        expected[index : index + 1] = oracle(expected[index])
    edit: dict[str, Any] = {"_edit_": True}
    if rng.random() < 0.5:
        edit["_after_"] = {"type": "Last"}
        expected.append({"type": "Last"})
    if rng.random() < 0.5:
        edit["_before_"] = [{"type": "First"}, {"type": "Second"}]
        expected[:0] = [{"type": "First"}, {"type": "Second"}]
    rng.shuffle(changes)
    before = copy.deepcopy(steps)

    assert edited(steps, edit | dict(changes), "p", _merge) == expected
    assert steps == before


@pytest.mark.parametrize("seed", _SEEDS[:20])
@pytest.mark.parametrize("suffix", [".py", ".json", ".yaml"])
def test_edit_in_a_config_of_any_language_equals_the_list_written_out(
    tmp_path: Path, seed: int, suffix: str
) -> None:
    """And every loader that shares the list has it; what another loader has stays."""
    rng = random.Random(seed)
    steps = [*_steps(rng), {"type": "Last"}]
    name = steps[0]["type"].rpartition(".")[2]
    change, oracle = _change(rng, "0")
    other = [{"type": "Other"}]
    base = {
        "train_pipeline": steps,
        "train_dataloader": {"dataset": {"dataset": {"pipeline": steps}}},
        "val_dataloader": {"dataset": {"pipeline": other}},
    }
    (tmp_path / "base.json").write_text(json.dumps(base))
    edit = {"_edit_": True, name: change, "_after_": {"type": "End"}}
    child = {"_base_": "base.json", "train_pipeline": edit}
    path = tmp_path / f"mine{suffix}"
    lines = [f"{key} = {value!r}\n" for key, value in child.items()]
    path.write_text("".join(lines) if suffix == ".py" else json.dumps(child))

    config = parse_config_file(path).to_dict()

    expected = [*oracle(steps[0]), *steps[1:], {"type": "End"}]
    assert config["train_pipeline"] == expected
    assert config["train_dataloader"]["dataset"]["dataset"]["pipeline"] == expected
    assert config["val_dataloader"]["dataset"]["pipeline"] == other


def _parsed(tmp_path: Path, base: str, child: str) -> dict[str, Any]:
    (tmp_path / "base.py").write_text(base)
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = 'base.py'\n{child}")
    return parse_config_file(path).to_dict()


_BASE = """
train_pipeline = [dict(type="Load"), dict(type="Resize", scale=(8, 8), at=dict(x=1, y=2))]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline), batch_size=2)
val_dataloader = dict(dataset=dict(pipeline=[dict(type="Load"), dict(type="Resize", scale=1)]))
model = dict(head=dict(losses=[dict(type="CE"), dict(type="Dice")]), aux=None)
hooks = []
twice = [dict(type="A", n=1), dict(type="B"), dict(type="A", n=2)]
numbers = [1, 2]
"""


@pytest.mark.parametrize(
    ("child", "key", "expected"),
    [
        (
            "train_pipeline = dict(_edit_=True, Resize=dict(at=dict(x=5)))",
            "train_dataloader.dataset.pipeline.1.at",
            {"x": 5, "y": 2},
        ),
        (
            "train_pipeline = dict(_edit_=True, Resize=dict(at=dict(_delete_=True, z=5)))",
            "train_dataloader.dataset.pipeline.1.at",
            {"z": 5},
        ),
        (
            "train_dataloader = dict(dataset=dict(pipeline=dict(_edit_=True, Load=None)))",
            "train_pipeline.0.type",
            "Load",  # an edit inside a loader is the loader's own
        ),
        (
            "model = dict(head=dict(losses=dict(_edit_=True, CE=None)))",
            "model.head.losses",
            [{"type": "Dice"}],
        ),
        ("hooks = dict(_edit_=True, _after_=dict(type='H'))", "hooks", [{"type": "H"}]),
        (
            "_size = dict(_edit_=True, Resize=dict(scale=3))\n"
            "train_pipeline = _size\n"
            "val_dataloader = dict(dataset=dict(pipeline=_size))",
            "val_dataloader.dataset.pipeline.1.scale",
            3,
        ),
        (
            "train_pipeline = dict(_edit_=True, Load=None)\n"
            "train_dataloader = dict(dataset=dict(pipeline=train_pipeline), batch_size=3)",
            "train_dataloader",
            {
                "dataset": {
                    "pipeline": [{"type": "Resize", "scale": (8, 8), "at": {"x": 1, "y": 2}}]
                },
                "batch_size": 3,
            },
        ),
        ("hooks = [dict(type='X')]", "hooks", [{"type": "X"}]),
        ("numbers = dict(_delete_=True, a=1)", "numbers", {"a": 1}),
        (
            "twice = dict(_edit_=True, B=[dict(type='C')])",
            "twice",
            [{"type": "A", "n": 1}, {"type": "C"}, {"type": "A", "n": 2}],
        ),
    ],
)
def test_edit_changes_one_place_and_those_that_share_it(
    tmp_path: Path, child: str, key: str, expected: Any
) -> None:
    found: Any = _parsed(tmp_path, _BASE, child)
    assert "_size" not in found
    for part in key.split("."):
        found = found[int(part)] if part.isdigit() else found[part]

    assert found == expected


@pytest.mark.parametrize(
    ("child", "message", "where", "hint"),
    [
        (
            "train_pipeline = dict(_edit_=True, Resiz=None)",
            "cannot edit train_pipeline: none of its steps has the type 'Resiz'.",
            "train_pipeline",
            "did you mean Resize?",
        ),
        (
            "train_pipeline = dict(_edit_=True, Blur=None)",
            "none of its steps has the type 'Blur'",
            "train_pipeline",
            "its steps are Load, Resize.",
        ),
        ("twice = dict(_edit_=True, A=None)", "2 of its steps have the type 'A'", "twice", "whole"),
        (
            "numbers = dict(_edit_=True, A=None)",
            "none of its steps has the type 'A'",
            "numbers",
            "no steps",
        ),
        (
            "train_pipelin = dict(_edit_=True, Load=None)",
            "cannot edit train_pipelin: its bases do not have it.",
            "train_pipelin",
            "did you mean train_pipeline?",
        ),
        (
            "model = dict(head=dict(loses=dict(_edit_=True, CE=None)))",
            "cannot edit model.head.loses: its bases do not have it.",
            "model.head.loses",
            "losses",
        ),
        (
            "model = dict(head=dict(_edit_=True, CE=None))",
            "cannot edit model.head: its bases have",
            "model.head",
            "remove _edit_ from model.head",
        ),
        (
            "train_pipeline = dict(_edit_=True, Resize=dict(at=dict(_edit_=True, x=2)))",
            "cannot edit train_pipeline.Resize.at: its bases have",
            "train_pipeline.Resize.at",
            "remove _edit_ from train_pipeline.Resize.at",
        ),
        (
            "train_pipeline = dict(_edit_=True, Resize=dict(_edit_=True, scale=2))",
            "cannot edit train_pipeline.Resize: its bases have",
            "train_pipeline.Resize",
            "remove _edit_ from train_pipeline.Resize",
        ),
        (
            "model = dict(aux=dict(_edit_=True, CE=None))",
            "cannot edit model.aux: its bases have None",
            "model.aux",
            "",
        ),
        ("x = [dict(_edit_=True)]", "cannot edit x.0: its bases have no list", "x.0", ""),
        (
            "train_pipeline = dict(Resize=dict(scale=1))",
            "cannot lay a dict over train_pipeline, which is a list",
            "train_pipeline",
            "_edit_=True",
        ),
        (
            "model = dict(aux=dict(a=1))",
            "cannot lay a dict over model.aux, which is None",
            "model.aux",
            "_delete_=True",
        ),
        (
            "train_pipeline = dict(_edit_=1, Load=None)",
            "train_pipeline._edit_ is 1, expected True.",
            "train_pipeline._edit_",
            "",
        ),
        (
            "train_pipeline = dict(_edit_=True, Load=3)",
            "train_pipeline.Load is 3, expected a dict",
            "train_pipeline.Load",
            "",
        ),
        (
            "train_pipeline = dict(_edit_=True, Load=[dict(a=1)])",
            "train_pipeline.Load.0 is {'a': 1}, expected a step",
            "train_pipeline.Load.0",
            "",
        ),
        (
            "train_pipeline = dict(_edit_=True, _after_='Load')",
            "train_pipeline._after_.0 is 'Load', expected a step",
            "train_pipeline._after_.0",
            "",
        ),
        (
            "train_pipeline = dict(_edit_=True, Resize=dict(_delete_=True, a=1))",
            "train_pipeline.Resize is {'a': 1}, expected a step",
            "train_pipeline.Resize",
            "",
        ),
    ],
)
def test_edit_that_does_not_fit_its_list_names_key_file_and_a_way_out(
    tmp_path: Path, child: str, message: str, where: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _parsed(tmp_path, _BASE, child)

    assert message in caught.value.message
    assert caught.value.where == f"{where} in {tmp_path / 'mine.py'}"
    assert hint in (caught.value.hint or "")


def test_two_names_of_one_step_or_list_are_refused(tmp_path: Path) -> None:
    """Either would depend on the order of the names."""
    base = "a_pipeline = [dict(type='zoo.x.Load')]\nb_pipeline = [dict(type='zoo.x.Load')]\n"

    with pytest.raises(ConfigError, match="two names mean its step"):
        _parsed(tmp_path, base, "a_pipeline = {'_edit_': True, 'Load': None, 'x.Load': None}")
    with pytest.raises(ConfigError, match="they are the same list"):
        _parsed(
            tmp_path,
            base,
            "a_pipeline = dict(_edit_=True, Load=None)\nb_pipeline = dict(_edit_=True)",
        )


def test_edits_of_two_variables_mean_both_lists_as_they_were(tmp_path: Path) -> None:
    """The first makes of its list what the second list was, and the second leaves it alone."""
    base = "a = [dict(type='A'), dict(type='B')]\nb = [dict(type='A')]\nx = dict(a=a, b=b)\n"

    config = _parsed(tmp_path, base, "a = dict(_edit_=True, B=None)\nb = dict(_edit_=True, A=[])")

    assert config == {"a": [{"type": "A"}], "b": [], "x": {"a": [{"type": "A"}], "b": []}}


def test_edit_of_a_pipeline_that_no_loader_has_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It would change nothing that runs, and nobody would see."""
    base = "train_pipeline = [dict(type='A')]\ntrain_dataloader = dict(dataset=dict(pipeline=[]))\n"

    _parsed(tmp_path, base, "train_pipeline = dict(_edit_=True, A=dict(b=1))")

    told = [each for each in caplog.messages if each.startswith("train_pipeline: no data loader")]
    assert len(told) == 1


def test_edit_without_bases_or_in_a_config_of_the_new_style_is_refused(tmp_path: Path) -> None:
    """What nothing resolves must not reach a run, where it would be ignored."""
    alone, new, base = tmp_path / "alone.py", tmp_path / "new.py", tmp_path / "part.py"
    alone.write_text("train_pipeline = dict(_edit_=True)\n")
    base.write_text("pipeline = [dict(type='A')]\n")
    start = "from mmengine.config import read_base\nwith read_base():\n    from .part import *\n"
    new.write_text(f"{start}pipeline = dict(_edit_=True, A=None)\n")

    with pytest.raises(ConfigError, match=r"cannot edit train_pipeline: its bases do not"):
        parse_config_file(alone)
    with pytest.raises(ConfigError, match=r"cannot use pipeline\._edit_: .* by _base_"):
        parse_config_file(new)


def test_edit_is_refused_by_mmengine_alone_and_dumped_plain(tmp_path: Path) -> None:
    """A program that does not know edits fails; what a run dumps needs no zoo."""
    from mmengine.config import Config

    (tmp_path / "base.py").write_text(_BASE)
    path = tmp_path / "mine.py"
    path.write_text("_base_ = 'base.py'\ntrain_pipeline = dict(_edit_=True, Load=None)\n")

    with pytest.raises(TypeError):
        Config.fromfile(path)
    parse_config_file(path).dump(str(tmp_path / "dumped.py"))

    plain = Config.fromfile(tmp_path / "dumped.py").to_dict()
    assert plain == parse_config_file(path).to_dict()
    assert "_edit_" not in (tmp_path / "dumped.py").read_text()


def test_edit_of_an_upstream_config_holds_for_its_loaders(tmp_path: Path) -> None:
    """mmseg's variables and loaders share pipelines as zoo's do."""
    path = tmp_path / "mine.py"
    path.write_text(
        "_base_ = 'mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py'\n"
        "test_pipeline = dict(_edit_=True, Resize=dict(scale=(99, 99)))\n"
        "tta_pipeline = dict(_edit_=True, LoadImageFromFile=dict(backend_args=3))\n"
    )

    config = parse_config_file(path)

    for key in ("val_dataloader", "test_dataloader"):
        (step,) = [s for s in config[key].dataset.pipeline if s.type == "Resize"]
        assert step.scale == (99, 99)
    assert config.tta_pipeline[0].backend_args == 3
    assert all(step.get("scale") != (99, 99) for step in config.train_pipeline)
