# SPDX-License-Identifier: Apache-2.0
"""Data and provenance of runs as rows of a table, a column for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.texts import counted
from zoo_run_report.charts import number

if TYPE_CHECKING:
    from zoo import Run, TestValues
    from zoo_run_report.sources import Tested

__all__ = ["FactRow", "data_rows", "package_rows", "run_rows", "test_rows"]

_SHOWN = 12  # characters of a digest


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact of each run.

    Attributes:
        name: What it is.
        values: One of each run.
        differs: Whether they are not all equal.
    """

    name: str
    values: Sequence[str]

    @property
    def differs(self) -> bool:
        """Return whether the runs differ in it."""
        return len(set(self.values)) > 1


def run_rows(runs: Sequence[Run]) -> list[FactRow]:
    """Return where runs came from and how they ended.

    Args:
        runs: As `zoo.read_run` returns them.
    """
    columns = [_facts_of_run(run) for run in runs]
    return _rows(columns)


def data_rows(tests: Sequence[Tested], runs: Sequence[Run]) -> list[FactRow]:
    """Return data set, splits and licence of each run; of a test without its run, those it states.

    Args:
        tests: The tests.
        runs: The runs.
    """
    if runs:
        return _rows([_facts_of_data(_first_data(run)) for run in runs])
    return _rows([_facts_of_data(each.test.facts_of_test.get("data")) for each in tests])


def test_rows(test: TestValues) -> list[FactRow]:
    """Return what a test measured, and how.

    Args:
        test: As `zoo.read_test` returns it.
    """
    found = test.facts_of_test
    options, tta = found.get("cfg_options"), found.get("tta")
    told = " ".join(map(str, options)) or "none" if isinstance(options, list) else "–"
    facts = {
        "checkpoint": str(found.get("checkpoint") or "–"),
        "sha256": str(found.get("checkpoint_sha256") or "–")[:_SHOWN],
        "--tta": "yes" if tta is True else "no" if tta is False else "–",
        "--cfg-options": told,
    }
    return _rows([facts])


def package_rows(runs: Sequence[Run]) -> list[FactRow]:
    """Return the versions of packages and plugins.

    Args:
        runs: As `zoo.read_run` returns them.
    """
    columns: list[dict[str, str]] = []
    for run in runs:
        latest = None if run.provenance is None else run.provenance.latest
        plugins = {} if latest is None else {f"plugin {k}": v for k, v in latest.plugins.items()}
        columns.append({**({} if latest is None else latest.packages), **plugins})
    return _rows(columns)


def _rows(columns: Sequence[Mapping[str, str]]) -> list[FactRow]:
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [FactRow(name, [column.get(name, "–") for column in columns]) for name in names]


def _facts_of_run(run: Run) -> dict[str, str]:
    made_by = run.provenance
    if made_by is None:
        return {"command": "not recorded: there is no run.json"}
    latest, hardware = made_by.latest, made_by.latest.hardware
    no_end = "not recorded: it runs still, or was killed"
    if latest.last_step is not None:
        no_end += f"; last known at step {latest.last_step}"
    facts = {
        "command": latest.command,
        "started": made_by.sessions[0].started,
        "ended": latest.ended or no_end,
        "outcome": latest.outcome or "–",
        "error": f"{latest.error['kind']}: {latest.error['message']}" if latest.error else "none",
        "steps": number(made_by.steps),
        "sessions": number(len(made_by.sessions) + made_by.dropped.sessions),
        "duration": _duration(made_by.seconds),
        "seed": number(latest.seed),
        "deterministic": "yes" if latest.is_deterministic else "no",
        "config": f"{latest.config_file}, sha256 {latest.config_sha256[:_SHOWN]}",
        "processor": f"{hardware.get('cpu')}, {counted(int(hardware.get('cores') or 1), 'core')}",
        "GPU": ", ".join(map(str, hardware.get("gpus") or ())) or "none",
        "peak memory": ", ".join(f"{k} {v / 2**30:.2f} GiB" for k, v in latest.peak_bytes.items()),
    }
    if latest.repository is not None:
        changed = {True: ", with changes that are not committed", None: ", changes unknown"}
        state = changed.get(latest.repository.is_dirty, "")
        facts["commit"] = f"{latest.repository.commit[:_SHOWN]}{state}"
        facts["repository"] = latest.repository.remote or "–"
    return {name: value or "–" for name, value in facts.items()}


def _first_data(run: Run) -> Any:
    if run.provenance is None or not run.provenance.latest.data:
        return None
    return run.provenance.latest.data[0]


def _facts_of_data(data: Any) -> dict[str, str]:
    if not isinstance(data, Mapping):
        return {"data set": "not recorded"}
    facts = {"data set": str(data.get("name", "–")), "licence": str(data.get("licence", "–"))}
    if "licence" not in data:
        facts.pop("licence")
    labels = {"true": "drawn by people", "derived": "made from something weaker"}
    if "labels" in data:
        facts["labels"] = labels.get(str(data["labels"]), str(data["labels"]))
    splits = data.get("splits")
    for name, split in splits.items() if isinstance(splits, Mapping) else ():
        if isinstance(split, Mapping):
            groups, digest = split.get("groups"), str(split.get("digest", ""))[:_SHOWN]
            text = f"{split.get('count')} images of {groups} groups, sha256 {digest}"
            facts[f"split {name}"] = text
    if data.get("digest"):
        facts["digest"] = str(data["digest"])[:_SHOWN]
    return facts


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
