# SPDX-License-Identifier: Apache-2.0
"""Classes of a config of one's own beside the categories of its COCO JSON."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm

_NAMES = ("bolt", "nut", "ring")


def _write_json(path: Path, names: tuple[str, ...]) -> Path:
    """Write a COCO JSON of one image, with one object of each category; ids have gaps."""
    categories = [{"id": 7 * n + 3, "name": name} for n, name in enumerate(names)]
    annotations = [
        {
            "id": n,
            "image_id": 0,
            "category_id": category["id"],
            "iscrowd": 0,
            "bbox": [2 + 8 * n, 2, 6, 6],
            "area": 36,
            "segmentation": [[2 + 8 * n, 2, 8 + 8 * n, 2, 8 + 8 * n, 8]],
        }
        for n, category in enumerate(categories)
    ]
    image = {"id": 0, "file_name": "a.png", "width": 64, "height": 16}
    document = {"images": [image], "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(document))
    return path


def _is_right(coco: Any, classes: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Tell as `CocoDataset.load_data_list` does what each object is called."""
    ids = coco.get_cat_ids(cat_names=classes)
    is_misnamed = any(
        coco.loadCats([number])[0]["name"] != (classes[label] if label < len(classes) else None)
        for label, number in enumerate(ids)
    )
    lacks, spare = set(classes) - set(names), set(names) - set(classes)
    return bool(ids) and not is_misnamed and not (lacks and spare)


def test_check_names_refuses_what_mmdet_would_name_wrongly_and_nothing_else(
    tmp_path: Path,
) -> None:
    """Every list of up to three names of four, beside every such list."""
    from mmdet.datasets.api_wrappers import COCO

    from zoo.engine.dataset.class_order import check_names

    words = (*_NAMES, "Bolt")
    lists = [names for count in (1, 2, 3) for names in itertools.permutations(words, count)]
    wrong = []
    for names in lists:
        coco = COCO(str(_write_json(tmp_path / "a.json", names)))
        for classes in lists:
            try:
                check_names(classes, names, "x")
                is_taken = True
            except ConfigError:
                is_taken = False
            if is_taken != _is_right(coco, classes, names):
                wrong.append((classes, names, is_taken))

    assert wrong == []
    assert len(lists) ** 2 == 1600


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Return a function that gives a config of mmdet whose data sets have these classes."""
    from mmengine.config import Config

    def make(**classes: tuple[str, ...]) -> Any:
        path = _write_json(tmp_path / "a.json", _NAMES)
        loaders = {
            f"{split}_dataloader": {
                "dataset": {
                    "type": "RepeatDataset",
                    "times": 2,
                    "dataset": {
                        "type": "CocoDataset",
                        "data_root": str(tmp_path),
                        "ann_file": path.name,
                        "metainfo": {"classes": names},
                    },
                }
            }
            for split, names in classes.items()
        }
        evaluator = {"type": "CocoMetric", "ann_file": str(path)}
        return Config({"default_scope": "mmdet", "val_evaluator": evaluator, **loaders})

    return make


@pytest.mark.parametrize(
    ("classes", "what", "hint"),
    [
        (
            ("nut", "bolt", "ring"),
            "the config's classes are in another order than the JSON's, and order gives the ids; "
            "the config has (nut, bolt, ring), the JSON has (bolt, nut, ring).",
            "list the JSON's names in its order: metainfo=dict(classes=['bolt', 'nut', 'ring']) "
            "in each data set.",
        ),
        (
            ("bolt", "nut", "rings"),
            "the config's class 'rings' is not a category of the JSON; the config has "
            "(bolt, nut, rings), the JSON has (bolt, nut, ring).",
            "did you mean 'ring'?",
        ),
        (
            ("person", "car"),
            "none of the config's classes is a category of the JSON; the config has "
            "(person, car), the JSON has (bolt, nut, ring).",
            "list the JSON's names in its order: metainfo=dict(classes=['bolt', 'nut', 'ring']) "
            "in each data set.",
        ),
        (
            ("bolt", "screw"),
            "the config's class 'screw' is not a category of the JSON; the config has "
            "(bolt, screw), the JSON has (bolt, nut, ring).",
            "list the JSON's names in its order: metainfo=dict(classes=['nut', 'ring']) "
            "in each data set.",
        ),
    ],
    ids=["order", "typo", "others", "one"],
)
def test_classes_that_differ_are_shown_side_by_side(
    read: Any, tmp_path: Path, classes: tuple[str, ...], what: str, hint: str
) -> None:
    from zoo.engine.dataset.class_order import check_class_order

    for split in ("train", "val"):
        with pytest.raises(ConfigError) as caught:
            check_class_order(read(**{split: classes}), ("train", "val"))

        assert caught.value.message == f"classes differ: {what}"
        assert caught.value.hint == hint
        key = f"{split}_dataloader.dataset.dataset.metainfo.classes"
        assert caught.value.where == f"{key} and {tmp_path / 'a.json'}"


def test_metric_is_held_to_its_own_json(read: Any, tmp_path: Path) -> None:
    """Else it would score each class by the truth of another."""
    from zoo.engine.dataset.class_order import check_class_order

    config = read(val=_NAMES)
    config.val_evaluator.ann_file = str(_write_json(tmp_path / "b.json", _NAMES[::-1]))

    with pytest.raises(ConfigError, match="in another order than the JSON's") as caught:
        check_class_order(config, ("val",))

    assert caught.value.where == f"val_evaluator.ann_file and {tmp_path / 'b.json'}"


def test_classes_of_a_json_that_is_gone_or_of_other_data_are_left_alone(read: Any) -> None:
    from zoo.engine.dataset.class_order import check_class_order

    config = read(train=("nut", "bolt"), val=("bolt", "nut"))
    config.train_dataloader.dataset.dataset.type = "LVISDataset"
    check_class_order(config, ("train", "val", "test"))
    config.val_dataloader.dataset.dataset.ann_file = "gone.json"
    check_class_order(config, ("val",))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"categories": [3]}', "[" * 100_000])
def test_json_without_categories_is_refused(read: Any, tmp_path: Path, text: str) -> None:
    from zoo.engine.dataset.class_order import check_class_order

    config = read(train=_NAMES)
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(DataError, match="they have no list of categories with names") as caught:
        check_class_order(config, ("train",))

    assert caught.value.path == tmp_path / "a.json"


@pytest.mark.slow
def test_config_of_ones_own_in_another_order_is_refused_before_it_trains(tmp_path: Path) -> None:
    """With mmdet's Mask R-CNN as its base, as its users write it."""
    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.train import train

    _write_json(tmp_path / "train.json", _NAMES)
    dataset = {"data_root": str(tmp_path), "ann_file": "train.json", "data_prefix": {"img": ""}}
    (tmp_path / "mine.py").write_text(
        '_base_ = ["mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"]\n'
        "heads = dict(bbox_head=dict(num_classes=3), mask_head=dict(num_classes=3))\n"
        "model = dict(roi_head=heads)\n"
        f"data = dict({dataset!r}, metainfo=dict(classes=('nut', 'bolt', 'ring')))\n"
        "train_dataloader = dict(dataset=data)\nval_dataloader = dict(dataset=data)\n"
    )
    config = read_config(tmp_path / "mine.py", pretrained="none", work_dir=tmp_path / "run")

    with pytest.raises(ConfigError, match=r"the config has \(nut, bolt, ring\), the JSON has"):
        train(config)

    assert not (tmp_path / "run").exists()
