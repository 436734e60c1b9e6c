# SPDX-License-Identifier: Apache-2.0
"""Files that exporters of plugins write, verified against their originals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.plugin_code import naming_plugin
from zoo.errors import ZooError
from zoo.weights import find_weights, local_files
from zoo.weights.files import weights_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.engine.prediction.predictor import Predictor
    from zoo.interfaces import ExportedModel

__all__ = ["verify_exported"]


def verify_exported(
    exported: ExportedModel, model: str | None, data: Path | None
) -> Mapping[str, Any]:
    """Return what an export says after it was verified, against its original if that is at hand.

    Args:
        exported: The opened file.
        model: The original, as ``zoo predict`` takes it; None for the weights that the file names,
            if they are on this machine.
        data: Images to compare on, or None.

    Raises:
        ZooError: The file was changed or departs, or ``model`` cannot be opened.
    """
    from zoo.engine.prediction.predictor import load

    opened = _open_named(exported.record) if model is None else load(model, device="cpu")
    with naming_plugin():
        return exported.verify(opened, data)


def _open_named(record: Mapping[str, Any]) -> Predictor | None:
    """Return the weights of the name and digest in a record, if they are on this machine.

    The name is looked up as that of weights alone. The user did not give it, and the config of a
    work dir of that name would run. Nothing is fetched.
    """
    from zoo.engine.prediction.model import open_model
    from zoo.engine.prediction.model_files import find_weights_model
    from zoo.engine.prediction.predictor import Predictor

    name = str(record.get("name", ""))
    try:
        found = find_weights(name)
        # Weights of the same name may be newer than those that the file was made from.
        is_original = weights_row(found).sha256 == record.get("weights_sha256")
        if not is_original or next(local_files(found), None) is None:
            return None
    except ZooError:  # the file was made from a work dir, or elsewhere
        return None
    return Predictor(open_model(find_weights_model(name, offline=True), device="cpu"))
