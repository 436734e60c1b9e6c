# SPDX-License-Identifier: Apache-2.0
"""Checks of what a plugin adds to listings and pictures: the kinds ``check`` and ``panel``."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.checking.expecting import NotMeant, expect, needs
from zoo.checking.folders import Folders
from zoo.checking.kinds.datasets import DatasetChecks
from zoo.interfaces import CheckResult
from zoo.loading import load_target
from zoo.manifest.rows import CheckRow, Contribution, DatasetRow

__all__ = ["ShownChecks"]

_MOST = 1_000


class ShownChecks(DatasetChecks):
    """Checks of ``[[check]]`` and ``[[panel]]`` rows."""

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
