# SPDX-License-Identifier: Apache-2.0
"""A sweep in words: options for the command line, settings in one line, the table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.texts import printable
from zoo_ray_runs.record import SweepRecord

__all__ = ["option_words", "setting_text", "short_keys", "table", "value_text"]


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return settings as ``--cfg-options`` of ``zoo train``.

    Args:
        options: Dotted key -> value.

    Example:
        >>> option_words({"a.lr": 0.01, "a.betas": [0.9, 0.99], "on": True})
        ['--cfg-options=a.lr=0.01', '--cfg-options=a.betas=[0.9,0.99]', '--cfg-options=on=True']
    """
    return [f"--cfg-options={key}={_typed(value)}" for key, value in options.items()]


def _typed(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    return str(value)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return key -> as many of its last parts as tell it from the others.

    Args:
        keys: Dotted keys, all different.

    Example:
        >>> short_keys(["optimizer.lr", "model.head.depth", "model.neck.depth"])
        {'optimizer.lr': 'lr', 'model.head.depth': 'head.depth', 'model.neck.depth': 'neck.depth'}
    """
    short = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            end = ".".join(parts[-count:])
            if sum(f".{other}".endswith(f".{end}") for other in keys) == 1:
                break
        short[key] = end
    return short


def value_text(value: Any) -> str:
    """Return a value of a metric or of a setting, short.

    Args:
        value: A number, a word, or a list of them.
    """
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 or abs(value) >= 1000 else f"{value:.4f}"
    return _typed(value)


def setting_text(options: Mapping[str, Any]) -> str:
    """Return settings in one line.

    Args:
        options: Dotted key -> value.
    """
    short = short_keys(list(options))
    return ", ".join(f"{short[key]} {value_text(value)}" for key, value in options.items())


def table(record: SweepRecord) -> list[str]:
    """Return the lines of the table of a sweep, best trial first.

    Args:
        record: The sweep.
    """
    keys = list(record.trials[0].options)
    short = short_keys(keys)
    head = ["trial", record.metric or "metric", "at step", "steps", "time", "state"]
    rows = [[*head, *(short[key] for key in keys)]]
    for trial in record.ranked():
        value = "-" if trial.value is None else value_text(trial.value)
        step = "-" if trial.step is None else str(trial.step)
        facts = [trial.name, value, step, str(trial.steps), f"{trial.seconds:.0f} s", trial.state]
        rows.append([*facts, *(value_text(trial.options[key]) for key in keys)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [printable("  ".join(map(str.ljust, row, widths)).rstrip()) for row in rows]
