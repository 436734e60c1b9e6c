# SPDX-License-Identifier: Apache-2.0
"""Files that exporters of plugins write, verified against their originals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.plugin_code import naming_plugin
from zoo.errors import ZooError
from zoo.weights import find_weights, local_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.interfaces import ExportedModel

__all__ = ["verify_exported"]


def verify_exported(
    exported: ExportedModel, model: str | None, data: Path | None
) -> Mapping[str, Any]:
    """Return what an export says after it was verified, against its original if that is at hand.

    Args:
        exported: The opened file.
        model: The original, as ``zoo predict`` takes it; None for the weights of the name in the
            file, if they are on this machine.
        data: Images to compare on, or None.

    Raises:
        ZooError: The file was changed or departs, or ``model`` cannot be opened.
    """
    from zoo.engine.prediction.predictor import load

    name = str(exported.record.get("name", ""))
    opened = load(model or name, device="cpu") if model is not None or _is_here(name) else None
    if model is None and opened is not None:
        # Weights of the same name may be newer than those that the file was made from.
        is_original = opened.model.identity()["sha256"] == exported.record.get("weights_sha256")
        opened = opened if is_original else None
    with naming_plugin():
        return exported.verify(opened, data)


def _is_here(name: str) -> bool:
    """Return whether weights of a name are on this machine; nothing is fetched."""
    try:
        return next(local_files(find_weights(name)), None) is not None
    except ZooError:  # the file was made from a work dir, or elsewhere
        return False
