# SPDX-License-Identifier: Apache-2.0
"""Test pipelines that say too little, or ask for what no transform can do: told, with the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError, ZooError

pytestmark = pytest.mark.mm

LOAD = {"type": "LoadImageFromFile"}
IMAGE = np.zeros((7, 5, 3), np.uint8)


def _reader(steps: Sequence[Any]) -> Any:
    from mmengine.config import Config

    from zoo.engine.prediction.image_reader import ImageReader

    return ImageReader(Config({"default_scope": "mmseg", "test_pipeline": list(steps)}))


def test_read_of_an_array_gives_a_batch_of_one_and_what_to_show() -> None:
    """Channels become BGR for the model, and RGB again for people."""
    image = IMAGE.copy()
    image[..., 0] = 200

    read = _reader([LOAD, {"type": "PackSegInputs"}]).read(image)

    (inputs,) = read.batch["inputs"]
    assert tuple(inputs.shape) == (3, 7, 5)
    assert [int(inputs[channel].max()) for channel in range(3)] == [0, 0, 200]
    assert np.array_equal(image, read.shown)
    assert read.batch["data_samples"][0].ori_shape == (7, 5)


def test_read_when_the_pipeline_packs_no_original_shape_is_refused() -> None:
    """Labels could not come at the image's own resolution."""
    packs = {"type": "PackSegInputs", "meta_keys": ("img_path", "img_shape")}

    with pytest.raises(DataError) as raised:
        _reader([LOAD, packs]).read(IMAGE)

    assert raised.value.message == (
        "cannot read 'an array': the test pipeline packs no 'ori_shape'."
    )
    assert raised.value.hint == "add it to meta_keys, or remove meta_keys."


@pytest.mark.parametrize(
    ("steps", "error", "reason"),
    [
        ([], ConfigError, "its config has no test pipeline"),
        ([{"type": "LoadAnnotations"}], ConfigError, "its test pipeline is empty"),
        ([LOAD], DataError, "the test pipeline returns no input for the model"),
        ([{"type": "PackSegInputs"}], DataError, "returns no input for the model"),
        ([LOAD, {"type": "Resize"}], ConfigError, "cannot build from the config"),
        ([LOAD, {"type": "Resize", "size": 3}], ConfigError, "'size'"),
        (
            [LOAD, {"type": "Resize", "scale": (10**6, 10**6), "keep_ratio": False}],
            DataError,
            "cannot read 'an array': ",
        ),
        ([LOAD, {"type": "Pad", "size": (10**7, 10**7)}], DataError, "cannot read 'an array': "),
    ],
    ids=["none", "labels only", "no packing", "no loading", "no scale", "key", "giant", "margin"],
)
def test_read_through_a_pipeline_that_cannot_be_says_why(
    steps: Sequence[Any], error: type[ZooError], reason: str
) -> None:
    with pytest.raises(error) as raised:
        _reader(steps).read(IMAGE)

    assert reason in raised.value.message


def test_read_through_a_loader_that_gives_no_array_is_refused() -> None:
    """A plugin's own, which does not keep the contract of one."""

    def load(results: dict[str, Any]) -> dict[str, Any]:
        return {**results, "img": [[1, 2], [3, 4]]}

    with pytest.raises(DataError, match=r"cannot read 'a\.scan': .*returns no input for the model"):
        _reader([load]).read("a.scan")
