# SPDX-License-Identifier: Apache-2.0
"""What manifests state of a metric's values is used wherever zoo would else guess by name."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.metric_facts import MetricFacts, types_in

Write = Callable[..., Path]

ROWS = """
[[metric]]
name = "Whole"
target = "zoo_gauge.parts:Whole"
direction = "lower"
unit = "px"

[[metric]]
name = "Parts"
target = "zoo_gauge.parts:Parts"
direction = { "*_gap" = "lower", "inner_gap" = "higher", "shift" = "zero", "items" = "none" }
unit = { "*_gap" = "mm", "*" = "count" }

[[metric]]
name = "Silent"
target = "zoo_gauge.parts:Silent"

[[evaluator]]
name = "Judge"
target = "zoo_gauge.parts:Judge"
direction = { "verdict" = "lower" }
"""


@pytest.fixture
def gauge(write_plugin: Write) -> Path:
    return write_plugin("gauge", ROWS)


@pytest.mark.usefixtures("gauge")
@pytest.mark.parametrize(
    ("protocol", "value", "direction", "unit"),
    [
        # One metric, one statement: of every value, with or without a prefix.
        ("zoo.gauge.Whole", "mIoU", "lower", "px"),
        ("zoo.Whole", "near/quality", "lower", "px"),
        # A table: exact before pattern, pattern before all; the prefix may be left out.
        ("zoo.Parts", "outer_gap", "lower", "mm"),
        ("zoo.Parts", "inner_gap", "higher", "mm"),
        ("zoo.Parts", "coco/inner_gap", "higher", "mm"),
        ("zoo.Parts", "shift", "zero", "count"),
        ("zoo.Parts", "items", "none", "count"),
        # What no name fits is guessed, as is what a silent metric or OpenMMLab's may have measured.
        ("zoo.Parts", "other", None, "count"),
        ("zoo.Whole, IoUMetric", "mIoU", None, None),
        ("zoo.Whole, zoo.Silent", "quality", None, None),
        ("zoo.Silent", "quality", None, None),
        # Tables are exact, whatever stands beside them; and a table leaves the rest to the whole.
        ("zoo.Parts, IoUMetric", "outer_gap", "lower", "mm"),
        ("zoo.Whole, zoo.Parts", "quality", "lower", None),
        # An evaluator states the values that it adds.
        ("zoo.gauge.Judge(zoo.Parts)", "verdict", "lower", None),
        ("zoo.gauge.Judge(zoo.Parts)", "shift", "zero", None),
        # Nothing installed, or not a type at all.
        ("zoo.absent.Metric", "quality", None, None),
        ("zoo.gauge.Absent", "quality", None, None),
        ("", "quality", None, None),
    ],
)
def test_facts_of_a_value_are_those_of_the_metric_that_may_have_measured_it(
    protocol: str, value: str, direction: str | None, unit: str | None
) -> None:
    facts = MetricFacts.of_types(types_in(protocol))

    assert (facts.stated_direction(value), facts.unit(value)) == (direction, unit)


_PARTS = '''
from mmengine.evaluator import BaseMetric


class Gap(BaseMetric):
    """Falls and rises again; its name says nothing."""

    values = [8.0, 2.0, 5.0]
    calls = 0

    def process(self, data_batch, data_samples):
        self.results += [float(len(sample["img_path"])) for sample in data_samples]

    def compute_metrics(self, results):
        Gap.calls += 1
        return {"quality": Gap.values[(Gap.calls - 1) % 3], "mDice": 1.0 / Gap.calls}
'''
_GAP = """
[[metric]]
name = "Gap"
target = "zoo_gap.parts:Gap"
direction = { quality = "lower" }
unit = { quality = "px" }
"""


@pytest.fixture
def gap(
    write_plugin: Write,
    squares: Path,
    squares_config: Path,
    squares_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Return a function that reads the squares' config, measured by the metric Gap."""
    from zoo.catalog import forget_catalog
    from zoo.engine.config.reading import read_config

    package = write_plugin("gap", _GAP, parts=_PARTS)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{package.parent}{os.pathsep}{squares}")
    forget_catalog()

    def run(**checkpoint: Any) -> Any:
        hook = {"type": "CheckpointHook", "by_epoch": False, "interval": 2, **checkpoint}
        lines = "val_evaluator = test_evaluator = dict(type='zoo.gap.Gap')\n"
        lines += f"default_hooks['checkpoint'] = {hook!r}\ntrain_cfg['val_interval'] = 2\n"
        squares_config.write_text(f"{squares_config.read_text()}\n{lines}")
        return read_config(squares_config, data=squares_data, work_dir=tmp_path / "run")

    return run


@pytest.mark.mm
@pytest.mark.slow
def test_run_by_a_metric_whose_name_says_nothing_keeps_its_lowest(
    gap: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """save_best has a rule, the log's best step is the lowest, published and printed with units."""
    from zoo.cli import main
    from zoo.engine.runs.train import train
    from zoo.engine.work_dir.scalars import read_run
    from zoo.engine.work_dir.tested import read_test

    run = train(gap(save_best=["quality", "mDice"]))
    for words in (
        ["test", str(run), "--out", str(run / "test.json")],
        ["publish", str(run), "--name", "tiny", "--out", str(tmp_path / "out")],
    ):
        main(words, standalone_mode=False)

    kept = {path.stem for path in run.glob("best_*.pth")}
    log = read_run(run)
    row = tomllib.loads((tmp_path / "out" / "tiny.toml").read_text())["weights"][0]
    units = {each["name"]: each.get("unit") for each in row["metrics"]}
    assert "best_quality_iter_4" in kept
    assert "best_mDice_iter_2" in kept
    assert log.facts.direction("quality") == "lower"
    assert log.facts.direction("mDice") == "higher"
    assert read_test(run / "test.json").direction("quality") == "lower"
    assert units == {"quality": "px", "mDice": None}
    assert " px, lower is better\n" in capsys.readouterr().out


@pytest.mark.mm
@pytest.mark.parametrize(
    ("hook", "rule"),
    [
        ({"save_best": "quality"}, "less"),
        ({"save_best": ["quality"]}, ["less"]),
        ({"save_best": "quality", "rule": "greater"}, "greater"),
        ({"save_best": "auto"}, "less"),
        ({"save_best": "mDice"}, None),
        ({"save_best": ["mDice", "quality"]}, ["greater", "less"]),
        ({"save_best": ["mDice", "mIoU"]}, None),
        ({"save_best": None}, None),
        ({"monitor": "quality"}, "less"),
        ({"monitor": "val/loss"}, None),
    ],
)
@pytest.mark.parametrize("place", ["default", "custom"])
def test_rule_of_a_hook_is_what_the_manifest_states(
    write_plugin: Write,
    caplog: pytest.LogCaptureFixture,
    place: str,
    hook: dict[str, Any],
    rule: Any,
) -> None:
    """A rule of the config is kept, with a warning if it contradicts; the rest is mmengine's."""
    from zoo.engine.runs.best_rule import set_rules

    write_plugin("gap", _GAP)
    own = dict(hook)
    hooks = (
        {"default_hooks": {"checkpoint": own}} if place == "default" else {"custom_hooks": [own]}
    )
    config = {"val_evaluator": {"type": "zoo.gap.Gap"}, **hooks}

    set_rules(config)

    assert own.get("rule") == rule
    assert bool(caplog.records) is ("rule" in hook)


def test_info_of_a_metric_tells_what_its_values_mean(
    gauge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoo.cli import main

    main(["info", "metric/Parts", "--json"], standalone_mode=False)
    (facts,) = json.loads(capsys.readouterr().out)
    main(["info", "metric/Whole"], standalone_mode=False)

    assert facts["direction"]["shift"] == "zero"
    assert facts["unit"] == {"*_gap": "mm", "*": "count"}
    assert "direction:\n  *: lower\nunit:\n  *: px\n" in capsys.readouterr().out
