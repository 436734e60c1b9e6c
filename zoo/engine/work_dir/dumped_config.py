# SPDX-License-Identifier: Apache-2.0
"""The config that a run leaves in its work dir."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import ConfigError

__all__ = ["find_dumped_config"]


def find_dumped_config(folder: Path) -> Path:
    """Return the config that the last run wrote into its work dir.

    Args:
        folder: The work dir.
    """
    own = sorted(folder.glob("*.py"))
    if len(own) == 1:
        return own[0]
    # After runs of several configs in one folder, each config is also beside its log.
    logged = sorted(folder.glob("*/vis_data/config.py"))
    if logged:
        return logged[-1]
    found = "no config" if not own else f"{len(own)} configs"
    message = f"cannot open the work dir {str(folder)!r}: found {found} in it, expected one."
    raise ConfigError(message, where=folder, hint="give CONFIG,CHECKPOINT.")
