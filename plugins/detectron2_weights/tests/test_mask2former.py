# SPDX-License-Identifier: Apache-2.0
"""Converted Mask2Formers give the original's logits, and tensors of other models are refused."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo_detectron2_weights
from torch import Tensor
from zoo_detectron2_weights import mask2former as converters

from zoo.errors import ConversionError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from mask2former_twin import Mask2FormerTwin  # noqa: E402

pytestmark = pytest.mark.mm
PACKAGE = Path(zoo_detectron2_weights.__file__).parent
SHELF = json.loads((PACKAGE / "shelf.json").read_text())
ROWS = [row for row in SHELF["weights"] if row["converter"].startswith("mask2former")]
CLASSES = {
    "coco_instance": 80,
    "cityscapes_instance": 8,
    "ade20k_instance": 100,
    "cityscapes": 19,
    "ade20k": 150,
}
CONFIGS = [name for name in converters.__all__ if name != "Mask2Former"]


def classes_of(config: str) -> int:
    return CLASSES[config.split("_", 2)[2]]


@functools.cache
def built(config: str) -> Any:
    """Return the model of a config, whose tensors have no numbers yet; its pixels have."""
    import mmseg.models  # noqa: F401
    from mmdet.registry import MODELS as DETECTION
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS as SEGMENTATION

    registry = DETECTION if config.endswith("instance") else SEGMENTATION
    model = Config.fromfile(PACKAGE / "configs" / f"{config}.py").model
    simplify(model)
    init_default_scope("mmdet" if registry is DETECTION else "mmseg")
    with torch.device("meta"):
        result = registry.build(model).eval()
    result.data_preprocessor = registry.build(model.data_preprocessor)
    return result


def simplify(config: Any) -> None:
    """Forget weights, and synchronized batch norm, which has the same tensors as the other."""
    if isinstance(config, dict):
        config.pop("init_cfg", None)
        if config.get("type") == "SyncBN":
            config["type"] = "BN"
        for value in config.values():
            simplify(value)


def on_meta(config: str) -> dict[str, Tensor]:
    entries = getattr(converters, config).entries()
    return {entry.source: torch.empty(entry.shape, device="meta") for entry in entries}


@pytest.mark.parametrize("config", CONFIGS)
def test_converted_tensors_are_all_of_the_model_and_no_others(config: str) -> None:
    """Names and shapes; the counters of batch norms too."""
    expected = {key: tuple(value.shape) for key, value in built(config).state_dict().items()}

    converted = getattr(converters, config)(on_meta(config))

    assert {key: tuple(value.shape) for key, value in converted.items()} == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_rows_state_parameters_and_classes_of_their_model(row: Any) -> None:
    """Counted again, and the licence that the model zoo states."""
    config = row["config"].removeprefix("d2_")
    model = built(config)

    assert sum(each.numel() for each in model.parameters()) == row["parameters"]
    assert config == row["converter"]
    assert len(SHELF["class_lists"][row["classes"]]) == classes_of(config)
    assert (row["licence"], row["non_commercial"]) == ("CC-BY-NC-4.0", True)


def test_lists_of_classes_are_those_of_upstream_data_sets() -> None:
    """Whose ids are the models' labels."""
    from mmdet.datasets.ade20k import ADE20KInstanceDataset
    from mmseg.datasets import ADE20KDataset, CityscapesDataset

    sources = {
        "ade20k": ADE20KDataset,
        "ade20k_instances": ADE20KInstanceDataset,
        "cityscapes_semantic": CityscapesDataset,
    }
    for name, source in sources.items():
        assert SHELF["class_lists"][name] == list(source.METAINFO["classes"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", ["mask2former_r50_cityscapes_instance", "mask2former_r50_ade20k"]
)
def test_converted_model_gives_the_logits_of_the_original(config: str) -> None:
    """From raw pixels, in float64: masks gate the attention."""
    twin = Mask2FormerTwin(classes_of(config))
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64), np.uint8)
    picture = torch.from_numpy(pixels)
    with torch.no_grad():
        logits, masks = twin.predict(picture)

        converted = getattr(converters, config)(twin.tensors.values)
        found = answers(config, converted, picture)

    for wanted, got in zip((logits, masks), found, strict=True):
        assert wanted.std() > 0.1
        assert (got[0] - wanted).abs().max() < 1e-5 * (wanted.max() - wanted.min())


def test_names_of_the_first_version_mean_the_same() -> None:
    """Which the original's own loader renames."""
    present = on_meta("mask2former_r50_ade20k")
    first = {first_name(key): value for key, value in present.items()}
    assert len(first.keys() - present.keys()) > 100

    converted = converters.mask2former_r50_ade20k(first)

    expected = converters.mask2former_r50_ade20k(present)
    counters = [key for key in expected if key.endswith("num_batches_tracked")]
    assert converted.keys() == expected.keys()
    assert all(converted[key] is expected[key] for key in expected.keys() - set(counters))


def first_name(key: str) -> str:
    return key.replace("sem_seg_head.pixel_decoder.", "sem_seg_head.").replace(
        "query_feat", "static_query"
    )


def answers(config: str, converted: dict[str, Tensor], picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class and mask logits of the OpenMMLab model."""
    model = built(config)
    model.load_state_dict(converted, strict=True, assign=True)
    model.double()
    size = tuple(picture.shape[1:])
    meta = {"img_shape": size, "ori_shape": size, "pad_shape": size, "scale_factor": (1.0, 1.0)}
    batch = model.data_preprocessor({"inputs": [picture], "data_samples": [sample(config, meta)]})
    head = model.panoptic_head if config.endswith("instance") else model.decode_head
    logits, masks = head(model.extract_feat(batch["inputs"].double()), batch["data_samples"])
    return logits[-1], masks[-1]


def sample(config: str, meta: dict[str, Any]) -> Any:
    from mmdet.structures import DetDataSample
    from mmseg.structures import SegDataSample

    return (DetDataSample if config.endswith("instance") else SegDataSample)(metainfo=meta)


@pytest.mark.parametrize("config", CONFIGS)
def test_tensors_of_every_other_model_are_refused(config: str) -> None:
    """R101 for R50, and other numbers of classes."""
    wanted = getattr(converters, config)
    for other in CONFIGS:
        source = on_meta(other)
        if getattr(converters, other).what == wanted.what:
            continue
        with pytest.raises(ConversionError) as caught:
            wanted(source)
        error = caught.value
        assert error.missing or error.unexpected or error.misshaped


def test_damaged_state_dict_is_refused_by_name() -> None:
    good = on_meta("mask2former_r50_ade20k")
    key = "sem_seg_head.predictor.query_feat.weight"
    missing = {name: value for name, value in good.items() if name != key}

    with pytest.raises(ConversionError) as caught:
        converters.mask2former_r50_ade20k(missing)

    assert caught.value.missing == (key,)
