# SPDX-License-Identifier: Apache-2.0
"""Every row of the shelf: its facts beside torchvision's own, and its model counted."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import zoo

pytestmark = pytest.mark.mm

MANIFEST = zoo.read_catalog().plugin("torchvision_weights").checked()
ROWS: list[Any] = list(MANIFEST.weights)
BACKBONES = [row for row in ROWS if row.task == "backbone"]
METRICS = {
    "coco/bbox_mAP": "box_map",
    "coco/segm_mAP": "mask_map",
    "mIoU": "miou",
    "aAcc": "pixel_acc",
    "accuracy/top1": "acc@1",
    "accuracy/top5": "acc@5",
}


def by_name(row: Any) -> str:
    name: str = row.name
    return name


def published(torchvision: Any, row: Any) -> Any:
    """Return torchvision's own entry for a row, found by what the row says was published where."""
    (place,) = {metric.published for metric in row.metrics}
    release, _, entry = place.partition(", ")
    assert release == f"torchvision {torchvision.__version__.partition('+')[0]}"
    enum, _, name = entry.partition(".")
    for module in (
        torchvision.models,
        torchvision.models.detection,
        torchvision.models.segmentation,
    ):
        if hasattr(module, enum):
            return getattr(module, enum)[name]
    pytest.fail(f"torchvision has no {enum}")


def backbone_config(row: Any) -> dict[str, Any]:
    """Return the config of the backbone class that takes a row's tensors."""
    name = row.converter
    if name.startswith("mobilenet"):
        return {"type": f"{name.rpartition('_')[2]}.MobileNetV2"}
    resnext = re.fullmatch(r"resnext(\d+)_(\d+)x(\d+)d", name)
    if resnext:
        depth, groups, width = map(int, resnext.groups())
        return {"type": "mmseg.ResNeXt", "depth": depth, "groups": groups, "base_width": width}
    (depth,) = re.findall(r"\d{2,3}", name)
    kind = "zoo.torchvision_weights.WideResNet" if name.startswith("wide") else "mmseg.ResNet"
    return {"type": kind, "depth": int(depth)}


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_row_states_what_torchvision_states(torchvision: Any, row: Any) -> None:
    """The address, the digits in it, and every metric; nothing else is claimed."""
    entry = published(torchvision, row)
    (values,) = entry.meta["_metrics"].values()

    assert row.urls == (entry.url,)
    digits = re.search(r"-([0-9a-f]{8})\.pth$", entry.url)
    assert digits is not None
    assert row.digest.value.startswith(digits[1])
    assert {METRICS[one.name]: one.value for one in row.metrics} == values
    assert {one.unit for one in row.metrics} == {"percent"}
    assert row.size_bytes is None or row.size_bytes / 2**20 == pytest.approx(
        entry.meta["_file_size"], abs=6e-4
    )
    assert row.licence == "BSD-3-Clause"
    assert row.source.startswith("torchvision 0.28.0 source")


def test_rows_use_every_converter_and_have_their_own_names() -> None:
    """A converter that no row names could not be reached; a name twice would be ambiguous."""
    converters = {row.name for row in MANIFEST.contributions if row.kind == "converter"}
    names = [name for row in ROWS for name in (row.name, *row.aliases)]
    claims = [address for row in ROWS for address in row.replaces]

    assert converters == {row.converter for row in ROWS}
    assert len(names) == len(set(names))
    assert len(claims) == len(set(claims))
    assert len(ROWS) == 33


def test_every_torchvision_name_of_a_shipped_config_is_on_the_shelf() -> None:
    """Upstream's configs name their backbones so; mmengine's list says which file it was."""
    import json

    spec = find_spec("mmengine")
    assert spec is not None
    assert spec.origin is not None
    of_mmengine = json.loads(
        (Path(spec.origin).parent / "hub" / "torchvision_0.12.json").read_text("utf-8")
    )
    wanted = set()
    for package in ("mmdet", "mmseg"):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        for file in (Path(spec.origin).parent / ".mim" / "configs").rglob("*.py"):
            wanted |= set(re.findall(r"torchvision://([\w.]+)", file.read_text("utf-8")))
    claims = {address: row for row in ROWS for address in row.replaces}

    assert wanted >= {"resnet18", "resnet34", "resnet50", "resnet101"}
    for name in wanted:
        assert claims[f"torchvision://{name}"].urls == (of_mmengine[name],)
    for address, row in claims.items():
        plain = address.removeprefix("torchvision://")
        if "." not in plain:
            assert row.urls == (of_mmengine[plain],)


@pytest.mark.parametrize("row", [row for row in ROWS if row.task != "backbone"], ids=by_name)
def test_model_of_a_row_has_its_parameters_and_classes(build: Any, row: Any) -> None:
    """Counted in the model of its config; classes in the order of mmdet's and mmseg's data sets."""
    import torch
    from mmdet.datasets import CocoDataset
    from mmseg.datasets import PascalVOCDataset

    with torch.device("meta"):
        model = build(row.config)

    assert sum(one.numel() for one in model.parameters()) == row.parameters
    dataset = CocoDataset if row.task == "instance" else PascalVOCDataset
    assert tuple(dataset.METAINFO["classes"]) == row.classes


@pytest.mark.parametrize("row", BACKBONES, ids=by_name)
def test_backbone_of_a_row_has_its_parameters(row: Any) -> None:
    """Counted in the OpenMMLab class that takes the tensors."""
    import torch
    from mmcv.cnn import VGG
    from mmdet.registry import MODELS as OF_MMDET
    from mmseg.registry import MODELS as OF_MMSEG

    with torch.device("meta"):
        if row.converter.startswith("vgg"):
            backbone = VGG(int(row.converter[3:5]), with_bn=row.converter.endswith("_bn"))
        else:
            registry = OF_MMDET if row.converter.endswith("mmdet") else OF_MMSEG
            backbone = registry.build(backbone_config(row))

    assert sum(one.numel() for one in backbone.parameters()) == row.parameters


def test_classes_of_fcn_are_torchvisions(torchvision: Any) -> None:
    """In their order, under VOC's names; the background is the first."""
    from torchvision.models._meta import _VOC_CATEGORIES

    (classes,) = {row.classes for row in ROWS if row.task == "semantic"}

    assert list(classes[1:]) == _VOC_CATEGORIES[1:]
    assert (classes[0], _VOC_CATEGORIES[0]) == ("background", "__background__")
