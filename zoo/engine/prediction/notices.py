# SPDX-License-Identifier: Apache-2.0
"""``notice`` lines: what plugins want everyone who sees a result of their models to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoo.catalog import PluginRecord, read_catalog
from zoo.engine.config_parts.tree import iterate_dicts

__all__ = ["join_notices", "notices_of_config"]


def notices_of_config(config: Any) -> list[str]:
    """Return the notices of the plugins whose types a config names, each once.

    Args:
        config: A config, or a part of one, as nested dicts.
    """
    types = {str(node.get("type")) for _, node in iterate_dicts(config)}
    named = {kind.removeprefix("zoo.") for kind in types if kind.startswith("zoo.")}
    if not named:
        return []
    return [
        record.manifest.notice
        for record in read_catalog().plugins
        if record.error is None
        and record.manifest is not None
        and record.manifest.notice is not None
        and any(_brings(record, name) for name in named)
    ]


def join_notices(notices: Iterable[str | None]) -> str | None:
    """Return notices as one text, each once; None if there are none.

    Args:
        notices: Texts, or None for those that have none.
    """
    return " ".join(dict.fromkeys(notice for notice in notices if notice)) or None


def _brings(record: PluginRecord, name: str) -> bool:
    """Tell whether ``plugin.Name``, or ``Name`` alone, is a row of a plugin."""
    plugin, dot, _ = name.partition(".")
    rows = () if record.manifest is None else record.manifest.contributions
    return plugin == record.name if dot else any(row.name == name for row in rows)
