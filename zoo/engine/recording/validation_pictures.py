# SPDX-License-Identifier: Apache-2.0
"""A few validation images with prediction and truth, for trackers, at each validation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook

from zoo.data import read_picture
from zoo.engine.overlays.instance_comparison import compare_instances
from zoo.engine.overlays.label_comparison import compare_labels
from zoo.engine.overlays.palette import default_palette
from zoo.engine.overlays.sample_arrays import label_ids, predicted_objects, true_objects
from zoo.engine.random_state import kept_random_state

if TYPE_CHECKING:
    import numpy as np
    from mmengine.runner import Runner
    from numpy.typing import NDArray

__all__ = ["ValidationPictures"]

_LOG = logging.getLogger("zoo")
_COUNT = 4
_LEAST_SCORE = 0.3


class ValidationPictures(Hook):
    """Passes pictures of the same few validation images to the visualizer's backends.

    Only backends of trackers get them; a picture that cannot be drawn is left out, with one
    warning.
    """

    def __init__(self) -> None:
        self._infos: dict[str, Mapping[str, Any]] | None = None
        self._is_warned = False

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draw those of a batch that are among the few.

        Args:
            runner: The run.
            batch_idx: Index of the batch, from 0.
            data_batch: The model's input.
            outputs: Data samples with its predictions.
        """
        with kept_random_state():
            try:
                chosen = self._choose(runner)
            except Exception as error:  # noqa: BLE001 - whatever a data set raises
                self._infos = chosen = {}
                self._warn(error)
            for sample in outputs or ():
                file = str(getattr(sample, "metainfo", {}).get("img_path"))
                if file in chosen:
                    self._tell(runner, sample, file, chosen[file])

    def _warn(self, error: Exception) -> None:
        if not self._is_warned:
            self._is_warned = True
            _LOG.warning("no pictures for trackers: %s", error)

    def _choose(self, runner: Runner) -> dict[str, Mapping[str, Any]]:
        """Return path -> row of the data set of some images, evenly spaced."""
        if self._infos is None:
            dataset: Any = runner.val_loop.dataloader.dataset
            size = len(dataset) if hasattr(dataset, "get_data_info") else 0
            places = sorted({round(i * (size - 1) / (_COUNT - 1)) for i in range(_COUNT) if size})
            infos = [dataset.get_data_info(place) for place in places]
            self._infos = {str(info.get("img_path")): info for info in infos}
        return self._infos

    def _tell(self, runner: Runner, sample: Any, file: str, info: Mapping[str, Any]) -> None:
        meta: Mapping[str, Any] = getattr(runner.val_loop.dataloader.dataset, "metainfo", {})
        try:
            picture = _draw(sample, file, info, meta)
        except Exception as error:  # noqa: BLE001 - of a file, a model, a data set: none ends a run
            self._warn(error)
            return
        if picture is None:
            return
        for name, backend in runner.visualizer._vis_backends.items():
            if name.startswith("zoo_"):
                tag = f"validation/{Path(file).stem}"
                suffix = f"_{runner.iter}.png" if name == "zoo_mlflow" else ""
                backend.add_image(f"{tag}{suffix}", picture, step=runner.iter)


def _draw(
    sample: Any, file: str, info: Mapping[str, Any], meta: Mapping[str, Any]
) -> NDArray[np.uint8] | None:
    classes = tuple(meta.get("classes") or ())
    colors = meta.get("palette") or ()
    palette = colors if len(colors) == len(classes) else default_palette(classes)
    how: dict[str, Any] = {"classes": classes, "palette": palette, "name": Path(file).name}
    if not classes:
        return None
    image = read_picture(file).to_uint8()
    if "pred_sem_seg" in sample:
        predicted, truth = label_ids(sample, "pred_sem_seg"), label_ids(sample, "gt_sem_seg")
        if predicted is None:
            return None
        is_whole = truth is not None and truth.shape == predicted.shape
        return compare_labels(image, predicted, truth if is_whole else None, **how)[0]
    if "pred_instances" not in sample:
        return None
    shape = (int(sample.metainfo["ori_shape"][0]), int(sample.metainfo["ori_shape"][1]))
    found = predicted_objects(sample.pred_instances, _LEAST_SCORE)
    return compare_instances(image, shape, found, true_objects(info, shape), **how)[0]
