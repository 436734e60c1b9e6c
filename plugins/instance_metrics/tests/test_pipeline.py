# SPDX-License-Identifier: Apache-2.0
"""Data samples as mmdet's own data set and pipeline make them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from zoo_instance_metrics.coco import CocoMetric

import zoo  # noqa: F401  (the substitute for mmcv._ext, before mmdet)
from zoo.errors import DataError

pytestmark = pytest.mark.mm

IMAGE = {"type": "LoadImageFromFile"}
RESIZE = {"type": "Resize", "scale_factor": 2.0, "keep_ratio": True}
PACK = {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images of 40x30 px, with two squares each, and a crowd in the second."""
    import cv2

    images, annotations = [], []
    for number in (1, 2):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((30, 40, 3), np.uint8))
        images.append({"id": number, "file_name": f"{number}.png", "width": 40, "height": 30})
        for x, crowd in ((3, 0), (20, number - 1)):
            outline = [x, 5, x + 9, 5, x + 9, 16, x, 16]
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": 1}
            row |= {"bbox": [x, 5, 9, 11], "area": 99, "iscrowd": crowd, "segmentation": [outline]}
            if crowd:
                runs = [x * 30 + 5, *[11, 19] * 8, 11]
                counts = [*runs, 40 * 30 - sum(runs)]
                row["segmentation"] = {"size": [30, 40], "counts": counts}
            annotations.append(row)
    categories = [{"id": 1, "name": "square"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "val.json").write_text(json.dumps(content))
    return tmp_path


def read_samples(folder: Path, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the data samples, as dicts, of what a pipeline makes of the folder."""
    from mmdet.datasets import CocoDataset
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    dataset = CocoDataset(
        data_root=str(folder),
        ann_file="val.json",
        data_prefix={"img": ""},
        metainfo={"classes": ("square",)},
        test_mode=True,
        pipeline=list(steps),
    )
    return [dataset[index]["data_samples"].to_dict() for index in range(len(dataset))]


def perfect() -> dict[str, Any]:
    masks = torch.zeros((2, 30, 40), dtype=torch.bool)
    masks[0, 5:16, 3:12] = masks[1, 5:16, 20:29] = True
    return {
        "bboxes": torch.tensor([[3.0, 5, 12, 16], [20, 5, 29, 16]]),
        "labels": torch.zeros(2, dtype=torch.int64),
        "scores": torch.tensor([0.9, 0.8]),
        "masks": masks,
    }


# Without the file's own masks mmdet must draw them: it makes nothing of run lengths otherwise.
@pytest.mark.parametrize(("poly2mask", "ann_file"), [(True, False), (True, True), (False, True)])
def test_values_of_perfect_predictions_are_one(
    folder: Path, poly2mask: bool, ann_file: bool
) -> None:
    """Truth of the file and of the pipeline; what lies on the crowd is not wrong."""
    labels = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    labels["poly2mask"] = poly2mask
    metric = CocoMetric(ann_file=str(folder / "val.json") if ann_file else None)
    metric.dataset_meta = {"classes": ("square",)}
    samples = read_samples(folder, IMAGE, RESIZE, labels, PACK)

    for sample in samples:
        metric.process({}, [sample | {"pred_instances": perfect()}])
    values = metric.evaluate(len(samples))

    names = [f"coco/{kind}_mAP{end}" for kind in ("bbox", "segm") for end in ("", "_50", "_75")]
    assert {name: values[name] for name in names} == dict.fromkeys(names, 1.0)
    assert values["coco/count_bias"] == 0.5
    assert [row["values"]["segm_F1_50"] for row in metric.per_image_values()] == [1.0, 1.0]
    assert [row["values"]["count_true"] for row in metric.per_image_values()] == [2, 1]


def test_truth_that_was_resized_with_the_image_is_refused(folder: Path) -> None:
    """Predictions are at the image's own resolution; labels before Resize are not."""
    labels = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    metric = CocoMetric()
    metric.dataset_meta = {"classes": ("square",)}
    sample = read_samples(folder, IMAGE, labels, RESIZE, PACK)[0]

    with pytest.raises(DataError, match="found masks of 80x60 px, expected the image's 40x30"):
        metric.process({}, [sample | {"pred_instances": perfect()}])
