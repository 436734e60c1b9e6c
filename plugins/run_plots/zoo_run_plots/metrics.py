# SPDX-License-Identifier: Apache-2.0
"""The validation metrics of a plot as panels, the one that chooses the checkpoint first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo_run_plots.axes import fit_values, is_unit
from zoo_run_plots.names import family_of, label_of, lead_first, merge_equal
from zoo_run_plots.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Paint", "metric_panels"]

Paint: TypeAlias = "Callable[[Axes], None]"

_MAX_METRICS = 6  # in one panel, unless they are of one family


def metric_panels(runs: Runs) -> dict[str, Paint]:
    """Return the panels of metrics by title, the one with the leading metric first.

    For one run, each scale has a panel, with shares (0..1) apart from the others; more than six of
    one scale are grouped by what they measure. For several runs, each metric has a panel with a
    curve for each run. Metrics of a panel that are equal throughout are one curve with all names.

    Args:
        runs: The runs.
    """
    keys = list(dict.fromkeys(key for log in runs.logs for key in log.metrics))
    keys = lead_first(keys, next((log.lead for log in runs.logs if log.lead is not None), None))
    groups = _groups(runs, keys) if runs.is_single else _single_groups(runs, keys)
    panels: dict[str, Paint] = {}
    for title, labels in _without_repeats(runs, groups):
        name = title if runs.is_single else f"{title} ({next(iter(labels.values()))})"
        panels[name] = partial(_paint, runs=runs, labels=labels, lead=keys[0])
    return panels


def _without_repeats(
    runs: Runs, groups: Sequence[tuple[str, list[str]]]
) -> list[tuple[str, dict[str, str]]]:
    """Return the panels with their curves' labels, metric -> label, each curve once in a panel.

    A panel of which an earlier one shows every curve is left out, its names added there.
    """
    first = {
        key: names[0]
        for names in merge_equal([log.metrics for log in runs.logs]).values()
        for key in names
    }
    panels: list[tuple[str, dict[str, list[str]]]] = []
    for title, keys in groups:
        names: dict[str, list[str]] = {}
        for key in keys:
            names.setdefault(first[key], []).append(key)
        shown = [entry for _, panel in panels for entry in panel.items()]
        if set(names) <= {curve for curve, _ in shown}:
            for curve, added in names.items():
                next(found for seen, found in shown if seen == curve).extend(added)
        else:
            panels.append((title, names))
    return [
        (title, {keys[0]: label_of(keys) for keys in names.values()}) for title, names in panels
    ]


def _scale(runs: Runs, key: str) -> str:
    values = [value for log in runs.logs for value in log.metrics.get(key, {}).values()]
    return "validation, 0 to 1" if is_unit(values) else "validation"


def _groups(runs: Runs, keys: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Group the metrics by scale, and many of one scale by their families."""
    scales: dict[str, list[str]] = {}
    for key in keys:
        scales.setdefault(_scale(runs, key), []).append(key)
    groups: dict[str, list[str]] = {}
    for title, members in scales.items():
        for key in members:
            name = f"{title}: {family_of(key)}" if len(members) > _MAX_METRICS else title
            groups.setdefault(name, []).append(key)
    return _shares_before_others(list(groups.items()))


def _single_groups(runs: Runs, keys: Sequence[str]) -> list[tuple[str, list[str]]]:
    return _shares_before_others([(_scale(runs, key), [key]) for key in keys])


def _shares_before_others(
    groups: Sequence[tuple[str, list[str]]],
) -> list[tuple[str, list[str]]]:
    """Return the first group, which leads, and the others, shares before other scales."""
    return [*groups[:1], *sorted(groups[1:], key=lambda group: "0 to 1" not in group[0])]


def _paint(axes: Axes, runs: Runs, labels: Mapping[str, str], lead: str) -> None:
    """Draw a curve for each metric, or run; the leading metric's is the heavier one."""
    shown: list[float] = []
    for number, (name, log) in enumerate(zip(runs.names, runs.logs, strict=True)):
        for index, key in enumerate(labels):
            if key not in log.metrics:
                continue
            turn = index if runs.is_single else number
            color, curve = runs.color(turn), log.metrics[key]
            label = labels[key] if runs.is_single else name
            label += runs.mark_best(axes, log, key, curve, color)
            is_heavy = runs.is_single and len(labels) > 1 and key == lead
            style: dict[str, Any] = {"marker": "o", "markersize": 3, "clip_on": False}
            style |= {"linewidth": 2.4 if is_heavy else 1.4, "zorder": 3 if is_heavy else 2}
            style |= {"color": color, "linestyle": runs.dashes(turn)}
            runs.draw(axes, log, curve, label, is_validation=True, **style)
            shown += curve.values()
    directions = {log.direction(key) for log in runs.logs for key in labels}
    fit_values(axes, shown, is_share=is_unit(shown) and directions != {"lower"})
