# SPDX-License-Identifier: Apache-2.0
"""Test label maps as ``zoo predict`` outputs them: after the stated postprocessing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.engine.checkpoints.published import find_record
from zoo.engine.cleaning.postprocess import Postprocess, parse_postprocess
from zoo.engine.config_parts.parts import family_of

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["choose_postprocess", "cleaning_labels"]


def choose_postprocess(
    config: Config, checkpoint: str | Path, classes: Sequence[str]
) -> Postprocess:
    """Return the postprocessing of label maps that the config states, else the published file.

    Args:
        config: Config of the test.
        checkpoint: The checkpoint to test.
        classes: Classes of the data, by id.

    Raises:
        ConfigError: The model cannot have it.
    """
    stated = config.get("postprocess")
    if stated is None and Path(checkpoint).suffix == ".safetensors":
        record = find_record(checkpoint)
        stated = None if record is None else record.postprocess
    return parse_postprocess(stated, classes, task=family_of(config) or "semantic")


@contextlib.contextmanager
def cleaning_labels(model: Any, postprocess: Postprocess, classes: Sequence[str]) -> Iterator[None]:
    """Make a model's ``test_step`` return postprocessed label maps.

    The network's scores of each class (``seg_logits``) are not changed.

    Args:
        model: Not in a wrapper; restored afterwards.
        postprocess: If it does nothing, nothing is changed.
        classes: Classes of the data, by id.
    """
    if not postprocess:
        yield
        return
    import torch

    predict = model.test_step

    def test_step(batch: Any) -> list[Any]:
        samples: list[Any] = predict(batch)
        for sample in samples:
            ids = sample.pred_sem_seg.data
            labels = ids.squeeze(0).cpu().numpy().astype(np.uint8)
            ids.copy_(torch.from_numpy(postprocess.apply(labels, classes))[None])
        return samples

    model.test_step = test_step
    try:
        yield
    finally:
        del model.test_step
