# SPDX-License-Identifier: Apache-2.0
"""Hash a config without the places where it ran, which differ between machines."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.places import find_data_roots, within_roots

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["COMMAND", "DATA", "digest_of_config"]

COMMAND, DATA = "zoo_command", "zoo_data_digest"
"""Keys of a run's config, which mmengine writes into the work dir."""

_PLACES = (COMMAND, DATA, "work_dir", "load_from", "resume", "launcher", "experiment_name")


def digest_of_config(config: Config) -> str:
    """Return the sha256 of a resolved config, 64 hex digits.

    Keys that name places, the start or the run are left out, and full paths are cut.

    Args:
        config: The whole config; not changed.
    """
    config = copy.deepcopy(config)
    for key in _PLACES:
        config.pop(key, None)
    if isinstance(config.get("visualizer"), dict):
        config.visualizer.pop("name", None)  # another one for each run of a process
    roots = find_data_roots(config)
    values = _placeless(config.to_dict(), roots)
    # Not formatted: line breaks depend on yapf, and on the length of the values.
    text = type(config)(values, format_python_code=False).pretty_text
    return hashlib.sha256(text.encode()).hexdigest()


def _placeless(value: Any, roots: Sequence[str]) -> Any:
    """Return a config's value with ``DIR`` for data folders, and other full paths cut."""
    if isinstance(value, dict):
        return {key: _placeless(part, roots) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_placeless(part, roots) for part in value)
    if not isinstance(value, str):
        return value
    text = within_roots(value, roots)
    return Path(text).name if Path(text).is_absolute() else text
