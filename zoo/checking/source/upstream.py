# SPDX-License-Identifier: Apache-2.0
"""The types that OpenMMLab registers, from a list: nothing of it is imported."""

from __future__ import annotations

import functools
import json
from importlib import resources

__all__ = ["SCOPES", "upstream_names"]

SCOPES = ("mmengine", "mmcv", "mmseg", "mmdet")
"""The packages whose types the list has."""


@functools.cache
def upstream_names() -> frozenset[str]:
    """Return the name of each type in any registry; ``tools/upstream_types.py`` writes the list."""
    text = resources.files("zoo.checking.source").joinpath("upstream_types.json").read_text("utf-8")
    registries: dict[str, list[str]] = json.loads(text)
    return frozenset(name for names in registries.values() for name in names)
