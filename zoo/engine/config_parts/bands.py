# SPDX-License-Identifier: Apache-2.0
"""The steps of pipelines that read bands by name: those with a key ``bands``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.engine.config_parts.tree import iterate_dicts

__all__ = ["band_names", "iterate_band_steps"]


def iterate_band_steps(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(dotted key, step)`` of each step of a pipeline that has a key ``bands``.

    Args:
        config: The whole config, or a part of it.
    """
    for key, node in iterate_dicts(config):
        if "type" in node and "bands" in node and isinstance(node["bands"], Mapping | None):
            yield key, node


def band_names(config: Any) -> tuple[str, ...] | None:
    """Return the names of the bands that a config's pipelines read, in order; None for pictures.

    Args:
        config: The whole config.
    """
    for _, step in iterate_band_steps(config):
        if step["bands"]:
            return tuple(step["bands"]["names"])
    return None
