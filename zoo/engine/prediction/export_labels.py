# SPDX-License-Identifier: Apache-2.0
"""The label map that an exported file has for one image or scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zoo.data import Tiling, count_labels, find_spacing_mm, read_picture, to_uint8
from zoo.data.pictures.decoding import BandChoice
from zoo.engine.plugin_code import naming_plugin
from zoo.engine.prediction.results import SemanticResult
from zoo.engine.prediction.semantic import label_scene
from zoo.engine.scenes.arrays import as_picture
from zoo.engine.scenes.label_journal import KeptAt
from zoo.engine.scenes.opening import find_georeference
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.cleaning.postprocess import Postprocess
    from zoo.engine.prediction.model import LoadedModel
    from zoo.engine.scenes.scene import Scene
    from zoo.interfaces import ExportedModel

__all__ = ["predict_export", "predict_export_scene"]


def predict_export(
    model: LoadedModel,
    image: str | NDArray[Any],
    *,
    bands: BandChoice = None,
    postprocess: Postprocess | None = None,
) -> SemanticResult:
    """Return the labels that an exported file has for an image, read by zoo's rules.

    Args:
        model: A model with an export, of the task ``semantic``.
        image: A path or an array.
        bands: The bands of a raster that are red, green and blue.
        postprocess: Postprocessing of the labels.

    Raises:
        DataError: The image cannot be read.
        ZooError: What the runner raises.
    """
    if isinstance(image, np.ndarray):
        pixels = to_uint8(as_picture(image))
    else:
        pixels = read_picture(image, bands=bands).to_uint8()
    run = cast("ExportedModel", model.export)
    with naming_plugin():
        labels = np.asarray(run(pixels).labels)
    if labels.shape != pixels.shape[:2]:
        message = f"cannot use the labels of {model.checkpoint.name!r}: their shape is "
        message += f"{labels.shape}, expected {pixels.shape[:2]}."
        raise ConfigError(message, where=model.checkpoint, hint="export the model again.")
    if postprocess is not None:
        labels = postprocess.apply(labels, model.classes)
    counts = count_labels(labels)
    spacing_mm = None if isinstance(image, np.ndarray) else find_spacing_mm(image)
    return SemanticResult(
        labels=labels,
        classes=model.classes,
        palette=model.palette,
        areas_px={name: int(counts[index]) for index, name in enumerate(model.classes)},
        meta={} if spacing_mm is None else {"spacing_mm": list(spacing_mm)},
        shown=pixels,
        georeference=find_georeference(image),
        notice=model.notice,
    )


def predict_export_scene(
    model: LoadedModel,
    scene: Scene,
    *,
    tiling: Tiling,
    where: str,
    postprocess: Postprocess | None = None,
    kept: KeptAt | None = None,
) -> SemanticResult:
    """Return the labels that an exported file has for a scene, by blending overlapping windows.

    Args:
        model: A model with an export, of the task ``semantic``.
        scene: An open scene.
        tiling: How the scene is cut into windows.
        where: The image, for messages.
        postprocess: Postprocessing of the labels.
        kept: Where finished rows of a large scene are kept, to continue from; None to begin anew.

    Raises:
        DataError: The scene cannot be read, or is too large for the postprocessing.
        ConfigError: The file gives no probabilities of each class.
        ZooError: What the runner raises.
    """
    run = cast("ExportedModel", model.export)
    spacing_mm = find_spacing_mm(where)
    meta = {} if spacing_mm is None else {"spacing_mm": list(spacing_mm)}

    def look(pixels: NDArray[Any]) -> tuple[NDArray[np.float32], dict[str, Any]]:
        with naming_plugin():
            shares = np.asarray(run.probabilities(pixels), np.float32)
        if shares.ndim != 3 or len(shares) != len(model.classes):
            message = f"cannot use the probabilities of {model.checkpoint.name!r}: their shape is "
            message += f"{shares.shape}, expected one map for each of {len(model.classes)} classes."
            raise ConfigError(message, where=model.checkpoint, hint="export the model again.")
        # Logits but for a number that all classes of a pixel share, which decides nothing.
        return np.log(np.maximum(shares, np.finfo(np.float32).tiny)), meta

    return label_scene(
        model,
        scene,
        look,
        tiling=tiling,
        threshold=run.record.get("threshold"),
        where=where,
        postprocess=postprocess,
        kept=kept,
    )
