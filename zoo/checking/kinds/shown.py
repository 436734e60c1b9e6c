# SPDX-License-Identifier: Apache-2.0
"""Checks of what a plugin adds to commands: ``check``, ``panel``, ``planner``, ``exchange``."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.checking.expecting import Broken, NotMeant, expect, needs
from zoo.checking.folders import Folders
from zoo.checking.kinds.datasets import DatasetChecks
from zoo.errors import DataError
from zoo.interfaces import (
    Allowance,
    CheckResult,
    ClassFacts,
    Fingerprint,
    LabelledImage,
    LabelledObject,
    LabelledPolygon,
    Labels,
    Machine,
    Measured,
    Plan,
    Reason,
    Spread,
)
from zoo.loading import load_target
from zoo.manifest.rows import CheckRow, Contribution, DatasetRow, ExchangeRow, PlannerRow

__all__ = ["ShownChecks"]

_MOST = 1_000
_MACHINES = (
    Machine(2, 4 * 2**30),
    Machine(16, 64 * 2**30, "a GPU", 16 * 2**30),
)
_SECONDS = 600.0


class ShownChecks(DatasetChecks):
    """Checks of ``[[check]]``, ``[[panel]]``, ``[[planner]]`` and ``[[exchange]]`` rows."""

    def test_check_yields_results_with_what_mends_them(
        self, each_check: CheckRow, tmp_path_factory: Folders
    ) -> None:
        """Each result is a ``CheckResult``; of the plugin's own sample, none is an error."""
        said, check = each_check.name, self._load(each_check)
        if each_check.of == "doctor":
            self._expect_results(said, list(islice(check(), _MOST + 1)))
            return
        from zoo.data import read_prepared

        rows = [row for row in self._prepared_rows() if each_check.dataset in (None, row.name)]
        if not rows:
            message = f"{said} looks at folders of other plugins, of which none is here"
            raise NotMeant(message)
        for row in rows:
            prepared = read_prepared(self._folders(row, tmp_path_factory)[1])
            results = list(islice(check(prepared), _MOST + 1))
            self._expect_results(said, results)
            wrong = [result.found for result in results if result.level == "error"]
            expect(not wrong, f"{said} finds an error in the sample of {row.name}: {wrong[:1]}")

    def test_panel_draws_runs_and_tests_and_nothing_without(
        self, each_panel: Contribution, tmp_path: Path
    ) -> None:
        """Without runs and tests it yields nothing; with some, each panel can be drawn."""
        from zoo.engine.work_dir.scalars import read_run
        from zoo.engine.work_dir.tested import read_test

        figures = needs("matplotlib.figure")
        said, panel = each_panel.name, self._load(each_panel)

        none = list(islice(panel([], []), _MOST + 1))
        run, test = _write_run(tmp_path / "run"), _write_test(tmp_path / "test.json")
        some = list(islice(panel([read_run(run)], [read_test(test)]), _MOST + 1))

        expect(not none, f"{said} yields {len(none)} panels for no runs and no tests")
        expect(len(some) <= _MOST, f"{said} yields more than {_MOST:,} panels for one run")
        for draw in some:
            draw(figures.Figure().subplots())

    def test_planner_plans_for_data_of_its_task_within_the_time(
        self, each_planner: PlannerRow
    ) -> None:
        """Each plan is a config, equal for equal facts; once measured, its steps fit its time."""
        said, planner = each_planner.name, self._load(each_planner)
        for data in _drawn(each_planner.task):
            for machine in _MACHINES:
                try:
                    self._check_plans(said, planner, data, machine)
                except DataError:  # a planner may refuse data, in one message
                    continue

    def test_exchange_counts_what_it_loses(
        self, each_exchange: ExchangeRow, tmp_path: Path
    ) -> None:
        """It writes labels as one file; what it does not read again is counted in the report."""
        from zoo.data import Report, open_source
        from zoo.engine.plugin_options import bind_options

        said = each_exchange.name
        options = bind_options(each_exchange.options, {}, doing=f"build {said!r}")
        exchange = self._load(each_exchange)(**options)
        drawn, report = _drawn_labels(), Report()
        out = tmp_path / f"drawn{each_exchange.suffixes[0]}"
        if not each_exchange.writes:
            message = f"{said} writes no labels that it could read again"
            raise NotMeant(message)
        exchange.write(drawn, out, report)
        expect(out.is_file(), f"{said} writes no file {out.name}")
        if each_exchange.reads:
            with open_source(tmp_path) as source:
                read = exchange.read(source, [out.name], report)
                images = {image.name: image for image in read.images}
            lost, told = _lost(drawn, images), len(report.dropped)
            message = f"{said} loses {lost} images or objects, and its report counts {told} of them"
            expect(lost <= told, message)

    def _check_plans(self, said: str, planner: Any, data: Fingerprint, machine: Machine) -> None:
        first = planner(data, machine, Allowance(seconds=_SECONDS))
        _expect_plan(said, first)
        again = planner(data, machine, Allowance(seconds=_SECONDS))
        expect(first == again, f"{said} returns two plans for equal arguments")
        measured = Measured(
            batch_size=first.batch_size,
            start_s=5.0,
            step_s=0.5,
            val_s=10.0,
            save_s=0.2,
            test_s=20.0,
            memory_bytes=2**30,
        )
        plan = planner(data, machine, Allowance(seconds=_SECONDS, batch_size=1, measured=measured))
        _expect_plan(said, plan)
        expect(plan.batch_size <= 1, f"{said} plans batches of {plan.batch_size}, expected 1")
        plan = planner(data, machine, Allowance(seconds=_SECONDS, measured=measured))
        _expect_plan(said, plan)
        whole_s = plan.train_s + measured.test_s
        steps_s = plan.steps * measured.step_s * plan.batch_size / measured.batch_size
        expect(whole_s <= _SECONDS, f"{said} plans {whole_s:.0f} s, expected {_SECONDS:.0f} s")
        expect(
            steps_s <= plan.train_s,
            f"{said} plans {plan.steps:,} steps in {plan.train_s:.0f} s, which take {steps_s:.0f}",
        )

    def _load(self, row: Contribution) -> Any:
        return load_target(self.record(), row.target)

    def _prepared_rows(self) -> list[DatasetRow]:
        rows = [row for row in self.rows_of("dataset") if isinstance(row, DatasetRow)]
        return [row for row in rows if row.prepare is not None]

    def _expect_results(self, said: str, results: list[Any]) -> None:
        expect(len(results) <= _MOST, f"{said} yields more than {_MOST:,} results")
        for result in results:
            is_one = isinstance(result, CheckResult)
            expect(is_one, f"{said} yields {result!r:.80}, expected zoo.interfaces.CheckResult")
            told = f"{said}: {result.found!r} is of level {result.level} and names nothing to mend"
            expect(result.level == "ok" or result.mend, told)


def _drawn_labels() -> Labels:
    from zoo.data import rle_of_polygons

    square, inner = (4.0, 4.0, 20.0, 4.0, 20.0, 16.0, 4.0, 16.0), (8.0, 8.0, 12.0, 8.0, 12.0, 12.0)
    whole = LabelledPolygon(outline=square)
    far = LabelledPolygon(outline=tuple(value + 21.0 for value in inner))
    objects = (
        LabelledObject(label="pond", polygons=(whole,)),
        LabelledObject(label="pond", polygons=(whole, far)),
        LabelledObject(label="tank", polygons=(LabelledPolygon(outline=square, holes=(inner,)),)),
        LabelledObject(label="tank", rle=rle_of_polygons([(square, [inner])], 36, 40)),
        LabelledObject(label="tank", box=(1.0, 2.0, 9.0, 7.0)),
    )
    place: dict[str, Any] = {
        "crs": "urn:ogc:def:crs:EPSG::32631",
        "transform": (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0),
    }
    images = (
        LabelledImage(name="drawn.png", size=(40, 36), objects=objects, **place),
        LabelledImage(name="empty.png", size=(40, 36), **place),
    )
    return Labels(classes=("pond", "tank"), images=images)


def _lost(drawn: Labels, read: Mapping[str, LabelledImage]) -> int:
    """Return how many images were not read again, and objects of those that were."""
    lost = 0
    for image in drawn.images:
        found = read.get(image.name)
        missing = 1 if found is None else len(image.objects) - len(found.objects)
        lost += max(missing, 0)
    return lost


def _write_run(work_dir: Path) -> Path:
    log = work_dir / "20240101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    lines: list[dict[str, float]] = []
    for step in (1, 2, 3, 4):
        lines.append({"lr": 0.1 / step, "loss": 1.0 / step, "iter": step, "step": step})
        lines += [{"mIoU": 10.0 * step, "dice": step / 10, "step": step}] if step % 2 == 0 else []
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return work_dir


def _write_test(path: Path) -> Path:
    rows = [{"file": f"{number}.png", "values": {"dice": number / 4}} for number in range(4)]
    document = {"schema": "zoo.test/1", "split": "test", "metrics": {"dice": 0.4}}
    path.write_text(json.dumps({**document, "per_image": rows}), encoding="utf-8")
    return path


def _expect_plan(said: str, plan: Any) -> None:
    expect(isinstance(plan, Plan), f"{said} returns {plan!r:.80}, expected zoo.interfaces.Plan")
    try:
        tree = ast.parse(plan.config)
    except (SyntaxError, ValueError) as error:
        message = f"{said} writes a config that is no Python: {error}"
        raise Broken(message) from error
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    expect(bool(names), f"{said} writes a config that sets nothing")
    expect(plan.batch_size >= 1, f"{said} plans batches of {plan.batch_size}, expected 1 or more")
    expect(plan.steps >= 1, f"{said} plans {plan.steps} steps, expected 1 or more")
    odd = [each for each in plan.reasons if not isinstance(each, Reason)]
    expect(not odd, f"{said} gives {odd[:1]} as a reason, expected zoo.interfaces.Reason")


def _drawn(task: str) -> Iterator[Fingerprint]:
    """Yield facts of a small set of small images and of a large one of large images."""
    for images, side, size in ((20, 96.0, 12.0), (5000, 3000.0, 200.0)):
        same = Spread(side, side, side)
        yield Fingerprint(
            task=task,
            dataset="zoo.drawn.DrawnDataset",
            root="data/drawn",
            images={"train": images, "val": images // 8, "test": images // 8},
            groups={"train": images, "val": images // 8, "test": images // 8},
            sampled=20,
            height_px=same,
            width_px=same,
            channels=3,
            bits_per_sample=8,
            classes=_classes(task),
            object_px=Spread(size / 2, size, size * 2),
            thickness_px=Spread(size / 4, size / 2, size),
            aspect=Spread(1.0, 1.2, 2.0),
            objects_per_image=Spread(0.0, 3.0, 12.0),
            touching_share=0.1,
        )


def _classes(task: str) -> tuple[ClassFacts, ...]:
    thing = ClassFacts(name="thing", pixel_share=0.05, images=16, objects=60)
    if task == "instance":
        return (thing,)
    return ClassFacts(name="background", pixel_share=0.95, images=20, objects=20), thing
