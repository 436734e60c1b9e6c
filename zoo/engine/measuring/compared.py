# SPDX-License-Identifier: Apache-2.0
"""One tested image: prediction and ground truth as arrays, drawn side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.engine.overlays.instance_comparison import compare_instances
from zoo.engine.overlays.label_comparison import compare_labels
from zoo.engine.overlays.palette import default_palette
from zoo.engine.overlays.sample_arrays import label_ids, predicted_objects, true_objects
from zoo.engine.prediction.image_reader import ImageReader
from zoo.engine.prediction.notices import join_notices, notices_of_config
from zoo.engine.prediction.predictor import SCORE_THR
from zoo.engine.scenes.opening import open_scene
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config
    from numpy.typing import NDArray

__all__ = ["Comparer"]


class Comparer:
    """Draws the test result of each image.

    Args:
        config: Its test pipeline reads the images, without augmentation.
        metainfo: Meta of the data set: classes and, if it has one, palette.
        task: ``semantic`` or ``instance``.
    """

    def __init__(self, config: Config, metainfo: Mapping[str, Any], task: str) -> None:
        self._reader = ImageReader(config)
        self._task = task
        self._classes = tuple(metainfo.get("classes") or ())
        colors = metainfo.get("palette")
        has_colors = isinstance(colors, Sequence) and len(colors) == len(self._classes)
        self._palette = colors if has_colors else default_palette(self._classes)
        notice = join_notices(notices_of_config(config._cfg_dict))
        self._notes = [notice] if notice else []

    @property
    def score_name(self) -> str:
        """The name of the scores."""
        if self._task == "semantic":
            return "mean Dice of the classes that occur, without the background"
        return f"F1 at IoU 0.5, of instances with a score of {SCORE_THR:g} or more"

    def file_of(self, sample: Any) -> str:
        """Return the path of a sample's image.

        Args:
            sample: A data sample of mmseg or mmdet.

        Raises:
            ConfigError: The test pipeline does not keep it.
        """
        path = sample.metainfo.get("img_path")
        if path is None:
            message = "cannot draw the tested images: the test pipeline packs no 'img_path'."
            where = "test_dataloader.dataset.pipeline"
            raise ConfigError(message, where=where, hint="name it in meta_keys.")
        return str(path)

    def draw(self, sample: Any, info: Mapping[str, Any]) -> tuple[NDArray[np.uint8], float | None]:
        """Return the picture of one image, RGB, and its score.

        Args:
            sample: The model's prediction, as OpenMMLab's metrics take it.
            info: The data set's row of the image.
        """
        file = self.file_of(sample)
        how: dict[str, Any] = {
            "classes": self._classes,
            "palette": self._palette,
            "name": Path(file).name,
        }
        if self._task == "semantic":
            predicted, truth = (label_ids(sample, key) for key in ("pred_sem_seg", "gt_sem_seg"))
            if predicted is None:
                raise _without_result(sample)
            if truth is not None and truth.shape != predicted.shape:
                truth = None
            image = self._reader.read(file).shown
            return compare_labels(image, predicted, truth, notes=self._notes, **how)
        if "pred_instances" not in sample:
            raise _without_result(sample)
        shape = tuple(int(side) for side in sample.metainfo["ori_shape"][:2])
        notes = [f"Instances with a score of {SCORE_THR:g} or more.", *self._notes]
        return compare_instances(
            self._shown(file),
            (shape[0], shape[1]),
            predicted_objects(sample.pred_instances, SCORE_THR),
            true_objects(info, (shape[0], shape[1])),
            notes=notes,
            **how,
        )

    def _shown(self, file: str) -> NDArray[np.uint8]:
        if not self._reader.takes_pixels:
            return self._reader.read(file).shown
        with open_scene(file) as scene:
            return scene.shown()


def _without_result(sample: Any) -> ConfigError:
    held = ", ".join(sorted(map(str, sample.keys()))) or "nothing"
    message = f"cannot draw the tested images: the model's result holds {held}, expected "
    message += "pred_sem_seg or pred_instances."
    return ConfigError(message, where="--show-dir", hint="leave --show-dir out.")
