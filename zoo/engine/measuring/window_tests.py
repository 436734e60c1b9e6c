# SPDX-License-Identifier: Apache-2.0
"""Test images as ``zoo predict`` processes them: through the windows that the config states."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import Tiling
from zoo.engine.config_parts.parts import family_of
from zoo.engine.prediction.image_reader import ImageReader
from zoo.engine.prediction.model import LoadedModel
from zoo.engine.prediction.predictor import Predictor
from zoo.engine.scenes.tiling import find_tiling, windows_text
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config

    from zoo.engine.prediction.results import InstanceResult

__all__ = ["choose_windows", "seeing_windows", "seen_text"]


def choose_windows(config: Config, tiles: bool | None, *, tta: bool = False) -> Tiling | None:
    """Return the windows through which a config's test processes images; None for whole images.

    Args:
        config: A config whose test data set is the one to measure.
        tiles: True for windows, False for whole images, None for what ``zoo predict`` does.
        tta: Whether the test is augmented, which uses whole images.

    Raises:
        ConfigError: Windows are asked for, but the config states none or cannot be tested so.
    """
    if tiles is False:
        return None
    reason = None
    stated = find_tiling(config)
    if stated is None:
        reason = "its config states no windows"
    elif family_of(config) != "instance":
        reason = "it is not an instance model"
    elif tta:
        reason = "test-time augmentation uses whole images"
    elif not ImageReader(config).takes_pixels:
        reason = "its config's own transform loads images as a whole"
    if reason is None:
        return stated
    if tiles:
        message = f"cannot test through windows: {reason}."
        raise ConfigError(message, where="--tiles", hint="drop --tiles.")
    return None


def seen_text(config: Config, tiles: bool | None, *, tta: bool = False) -> str:
    """Describe how a config's test processes images; empty for a semantic model.

    Args:
        config: As for `choose_windows`.
        tiles: As there.
        tta: As there.
    """
    if family_of(config) != "instance":
        return ""
    return windows_text(choose_windows(config, tiles, tta=tta))


@contextlib.contextmanager
def seeing_windows(
    model: Any,
    config: Config,
    classes: tuple[str, ...],
    tiling: Tiling | None,
    *,
    dense: bool = False,
) -> Iterator[None]:
    """Make a model's ``test_step`` predict each image of a batch as ``zoo predict`` does.

    Args:
        model: Not in a wrapper; restored afterwards.
        config: Its test pipeline reads the windows.
        classes: Classes of the data set, by id.
        tiling: How images are cut into windows; None changes nothing.
        dense: Whether masks are arrays of the image's size, as OpenMMLab draws them, rather than
            run lengths.
    """
    if tiling is None:
        yield
        return
    from mmdet.models.utils.misc import samplelist_boxtype2tensor

    loaded = LoadedModel(
        name=Path(config.filename or "the model").stem,
        module=_Original(model),
        config=config,
        task="instance",
        classes=classes,
        palette=tuple((0, 0, 0) for _ in classes),
        checkpoint=Path(str(config.get("load_from"))),
    )
    predictor: Predictor[InstanceResult] = Predictor(loaded, score_thr=0.0, tiling=tiling)

    def test_step(batch: Mapping[str, Any]) -> list[Any]:
        samples: list[Any] = list(batch["data_samples"])
        samplelist_boxtype2tensor(samples)  # as mmdet's data preprocessor does
        return [_predict(predictor, sample, dense) for sample in samples]

    model.test_step = test_step
    try:
        yield
    finally:
        del model.test_step


class _Original:
    """Calls a model's original ``test_step``, although it has been replaced."""

    def __init__(self, model: Any) -> None:
        self.test_step = model.test_step
        self.parameters = model.parameters


def _predict(predictor: Predictor[InstanceResult], sample: Any, dense: bool) -> Any:
    path = sample.metainfo.get("img_path")
    if path is None:
        message = "cannot test through windows: the test pipeline packs no 'img_path'."
        hint = "add it to meta_keys, or use --whole."
        raise ConfigError(message, where="test_dataloader.dataset.pipeline", hint=hint)
    result = predictor(path)
    found, stated = (result.height_px, result.width_px), tuple(sample.ori_shape[:2])
    if found != stated:
        message = f"cannot test through windows: {Path(path).name!r} has {found[1]}x{found[0]} px, "
        message += f"the test pipeline read {stated[1]}x{stated[0]}."
        raise DataError(message, path=path, hint="give --whole.")
    sample.pred_instances = _instances(result, dense)
    return sample


def _instances(result: InstanceResult, dense: bool) -> Any:
    """Return a result as mmdet's metrics take it, masks as run lengths or arrays."""
    import numpy as np
    import torch
    from mmengine.structures import InstanceData

    found = InstanceData(
        bboxes=torch.from_numpy(result.boxes),
        scores=torch.from_numpy(result.scores),
        labels=torch.from_numpy(result.class_ids),
    )
    if result.masks is None:
        return found
    height_px, width_px = result.height_px, result.width_px
    if dense:
        masks = np.array([result.mask(index) for index in range(len(result))], bool)
        found.masks = torch.from_numpy(masks.reshape(-1, height_px, width_px))
    else:
        found.masks = [mask.to_rle(height_px, width_px) for mask in result.masks]
    return found
