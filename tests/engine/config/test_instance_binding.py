# SPDX-License-Identifier: Apache-2.0
"""What ``--data`` sets in a config of mmdet, from a prepared folder of instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config.data_folder import bind_data
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


@pytest.fixture(scope="session")
def discs_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare 16 images of 32 x 32 px with a disc each, of two classes."""
    return _prepare_discs(tmp_path_factory.mktemp("discs"), "true")


_DISCS_MANIFEST = """
[plugin]
name = "discs"
version = "0.1.0"
api = 1
summary = "discs"
license = "Apache-2.0"

[[dataset]]
name = "DiscDataset"
task = "instance"
target = "zoo_discs.parts:DiscDataset"
prepare = "zoo_discs.parts:prepare"
classes = ["disc", "ring"]
labels = "true"
licence = "none"
summary = "discs and rings"

[[dataset.option]]
name = "masks"
type = "choice"
choices = ["ellipse", "box"]
default = "ellipse"
help = "what is made from a box"
"""


def _prepare_discs(root: Path, labels: str, **options: Any) -> Path:
    import cv2
    import numpy as np

    from zoo.data import (
        DatasetIdentity,
        Instance,
        Report,
        Scene,
        Shares,
        ellipse_polygon,
        open_source,
        parse_tiling,
        prepare_instances,
    )

    (root / "raw").mkdir()
    scenes = []
    for number in range(16):
        name = f"s{number:02}.png"
        assert cv2.imwrite(str(root / "raw" / name), np.full((32, 32), number, np.uint8))
        box = (4.0, 5.0, 16.0, 17.0)
        shown = (Instance(box, number % 2, [ellipse_polygon(box)]),)
        scenes.append(Scene(name[:3], name[:3], name, shown))
    with open_source(root / "raw") as source:
        prepare_instances(
            source,
            root / "data",
            dataset=DatasetIdentity("discs", "DiscDataset", "0.1.0"),
            scenes=scenes,
            classes=("disc", "ring"),
            palette=((255, 196, 0), (0, 196, 255)),
            shares=Shares(0.6, 0.2, 0.2),
            report=Report(),
            tiling=parse_tiling("whole"),
            labels=labels,
            licence="none",
            options=options,
        )
    return root / "data"


def _coco(**more: Any) -> dict[str, Any]:
    kept = {
        "type": "CocoDataset",
        "data_root": "data/coco/",
        "ann_file": "annotations/instances_train2017.json",
        "data_prefix": {"img": "train2017/"},
        "pipeline": [{"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}],
        "backend_args": None,
    }
    return kept | more


@pytest.fixture
def config() -> dict[str, Any]:
    """Return what upstream's Mask R-CNN configs hold of data and heads."""
    val = {"batch_size": 1, "dataset": _coco(test_mode=True)}
    evaluator = {"type": "CocoMetric", "ann_file": "data/coco/val.json", "metric": ["bbox", "segm"]}
    return {
        "model": {
            "type": "MaskRCNN",
            "rpn_head": {"num_classes": 1},
            "roi_head": {
                "bbox_head": [{"num_classes": 80}, {"num_classes": 80}],
                "mask_head": {"num_classes": 80},
            },
        },
        "train_dataloader": {
            "dataset": {
                "type": "RepeatDataset",
                "times": 2,
                "dataset": _coco(filter_cfg={"filter_empty_gt": True, "min_size": 32}),
            }
        },
        "val_dataloader": val,
        "test_dataloader": val,
        "val_evaluator": evaluator,
        "test_evaluator": [evaluator, {"type": "DumpDetResults", "out_file_path": "x.pkl"}],
    }


def test_bind_data_of_instances_sets_json_images_and_classes(
    config: dict[str, Any], discs_data: Path
) -> None:
    """What speaks of the old files goes; filters and test mode stay."""
    bind_data(config, discs_data)

    assert config["train_dataloader"]["dataset"]["dataset"] == {
        "type": "zoo.discs.DiscDataset",
        "data_root": str(discs_data),
        "ann_file": "annotations/train.json",
        "data_prefix": {"img": "images"},
        "metainfo": {"classes": ["disc", "ring"], "palette": [[255, 196, 0], [0, 196, 255]]},
        "pipeline": [{"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}],
        "filter_cfg": {"filter_empty_gt": True, "min_size": 32},
    }
    for split in ("val", "test"):
        dataset = config[f"{split}_dataloader"]["dataset"]
        assert (dataset["ann_file"], dataset["test_mode"]) == (f"annotations/{split}.json", True)


def test_bind_data_of_instances_gives_each_evaluator_its_own_json(
    config: dict[str, Any], discs_data: Path
) -> None:
    """Though one dict stood under both keys; other metrics are left alone."""
    bind_data(config, discs_data)

    found = [config["val_evaluator"]["ann_file"], config["test_evaluator"][0]["ann_file"]]
    assert found == [str(discs_data / f"annotations/{split}.json") for split in ("val", "test")]
    assert config["test_evaluator"][1] == {"type": "DumpDetResults", "out_file_path": "x.pkl"}


@pytest.mark.parametrize(
    "evaluator",
    [
        {"type": "CocoMetric"},
        [{"type": "CocoMetric", "metric": "segm"}, {"type": "VOCMetric"}],
        {"type": "Evaluator", "metrics": [{"type": "mmdet.CocoMetric"}]},
        {"metrics": {"type": "CocoMetric", "ann_file": None}},
    ],
    ids=["dict", "list", "evaluator", "none"],
)
def test_bind_data_of_instances_gives_a_json_to_metrics_that_name_none(
    config: dict[str, Any], discs_data: Path, evaluator: Any
) -> None:
    """Without one they want annotations of the pipeline, and fail at the first validation."""
    from zoo.engine.config_parts.parts import iterate_metrics

    config |= {"default_scope": "mmdet", "val_evaluator": evaluator}

    bind_data(config, discs_data)

    found = [metric for _, metric in iterate_metrics(config["val_evaluator"], "val_evaluator")]
    assert found[0]["ann_file"] == str(discs_data / "annotations/val.json")
    assert [metric for metric in found[1:] if "ann_file" in metric] == []


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"type": "LVISMetric", "metric": ["bbox", "segm"]}, ["bbox", "segm"]),
        ({"type": "CityScapesMetric", "outfile_prefix": "x", "seg_prefix": "y"}, ["bbox"]),
        ({"type": "mmdet.OpenImagesMetric", "iou_thrs": 0.5}, ["bbox"]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_metric_of_another_data_set_s_files_becomes_cocos(
    config: dict[str, Any], discs_data: Path, metric: dict[str, Any], expected: list[str]
) -> None:
    """Else it asks for a package, or for files, that the data has nothing to do with."""
    config["val_evaluator"] = [metric]

    bind_data(config, discs_data)

    truth = str(discs_data / "annotations/val.json")
    row = {"type": "mmdet.CocoMetric", "metric": expected, "ann_file": truth}
    assert config["val_evaluator"] == [row]


COCO = {"type": "CocoMetric", "metric": ["bbox"]}
CITYSCAPES = {"type": "CityScapesMetric", "outfile_prefix": "x"}
LVIS = {"type": "LVISMetric", "metric": ["bbox", "segm"]}


@pytest.mark.parametrize(
    ("evaluator", "expected"),
    [
        ([COCO, CITYSCAPES], [["bbox"]]),
        ([COCO, LVIS], [["bbox", "segm"]]),
        ([LVIS, COCO], [["bbox", "segm"]]),
        ([LVIS, CITYSCAPES], [["bbox", "segm"]]),
        ({"type": "Evaluator", "metrics": [COCO, CITYSCAPES]}, [["bbox"]]),
        ([{**COCO, "prefix": "own"}, CITYSCAPES], [["bbox"], ["bbox"]]),
        ([COCO, COCO], [["bbox"], ["bbox"]]),
    ],
    ids=["covered", "wider", "before", "both", "evaluator", "prefix", "not replaced"],
)
def test_metrics_that_become_cocos_are_one_with_that_which_is_there(
    config: dict[str, Any], discs_data: Path, evaluator: Any, expected: list[list[str]]
) -> None:
    """Two would give values of one name, which ends the first validation; others stay."""
    from zoo.engine.config_parts.parts import iterate_metrics

    config |= {"default_scope": "mmdet", "val_evaluator": evaluator}

    bind_data(config, discs_data)

    found = [metric for _, metric in iterate_metrics(config["val_evaluator"], "val_evaluator")]
    assert [metric["metric"] for metric in found] == expected
    assert {metric["ann_file"] for metric in found} == {str(discs_data / "annotations/val.json")}


def _upstream(name: str) -> dict[str, Any]:
    from zoo.engine.config_files.files import find_config_file, parse_config_file

    tree: dict[str, Any] = parse_config_file(find_config_file(f"mmdet::{name}"))._cfg_dict
    return tree


def test_bind_data_of_instances_counts_things_of_mask2former(discs_data: Path) -> None:
    """Two of them and no stuff, in the head, where masks are fused, and in its weights."""
    config = _upstream("mask2former/mask2former_r50_8xb2-lsj-50e_coco.py")

    bind_data(config, discs_data)

    model = config["model"]
    for part in ("panoptic_head", "panoptic_fusion_head"):
        counts = model[part]["num_things_classes"], model[part]["num_stuff_classes"]
        assert counts == (2, 0), part
    assert model["panoptic_head"]["loss_cls"]["class_weight"] == [1.0, 1.0, 0.1]


def test_model_that_counts_other_things_than_its_data_is_refused(discs_data: Path) -> None:
    """As where a config of one's own forgets it: it would fail after training, or never."""
    from mmengine.config import Config

    from zoo.engine.dataset.class_check import check_run_classes

    config = _upstream("mask2former/mask2former_r50_8xb2-lsj-50e_coco.py")
    bind_data(config, discs_data)
    check_run_classes(Config(config), "train_dataloader")
    config["model"]["panoptic_head"]["num_things_classes"] = 80

    with pytest.raises(ConfigError) as caught:
        check_run_classes(Config(config), "train_dataloader")

    key = "model.panoptic_head.num_things_classes"
    assert caught.value.message == (
        f"classes differ: the config's {key} and num_stuff_classes make 80, the data set has 2 "
        "(disc, ring)."
    )
    assert str(caught.value.hint).startswith(f"--cfg-options {key}=2 model.panoptic_head.num_stuff")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py", "LoadPanopticAnnotations"),
        ("mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py", "LoadPanopticAnnotations"),
        ("maskformer/maskformer_r50_ms-16xb1-75e_coco.py", "LoadPanopticAnnotations"),
        ("htc/htc_r50_fpn_1x_coco.py", "LoadAnnotations"),
    ],
)
def test_bind_data_of_instances_refuses_models_that_want_semantic_maps(
    discs_data: Path, name: str, kind: str
) -> None:
    """They would end in a traceback in the first step."""
    with pytest.raises(ConfigError) as caught:
        bind_data(_upstream(name), discs_data)

    assert caught.value.message == (
        f"cannot use instance data: the config also needs a semantic map of each image ({kind})."
    )
    assert str(caught.value.where).startswith("train_dataloader.dataset.pipeline.")


def test_bind_data_of_instances_counts_classes_in_box_and_mask_heads(
    config: dict[str, Any], discs_data: Path
) -> None:
    """What proposes regions tells objects from none, whatever their class."""
    bind_data(config, discs_data)

    model = config["model"]
    assert model["rpn_head"] == {"num_classes": 1}
    assert model["roi_head"] == {
        "bbox_head": [{"num_classes": 2}, {"num_classes": 2}],
        "mask_head": {"num_classes": 2},
    }


def test_bind_data_of_instances_with_a_semantic_model_refuses(discs_data: Path) -> None:
    config = {"model": {"decode_head": {}}, "train_dataloader": {"dataset": _coco()}}

    with pytest.raises(ConfigError, match="instance data with a model for semantic segmentation"):
        bind_data(config, discs_data)


def test_bound_config_builds_a_data_set_of_mmdet(config: dict[str, Any], discs_data: Path) -> None:
    """With mmdet's own class in the place of the plugin's."""
    from mmdet.datasets import CocoDataset

    bind_data(config, discs_data)

    leaf = {**config["test_dataloader"]["dataset"], "pipeline": []}
    leaf.pop("type")
    dataset = CocoDataset(**leaf)
    rows = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert rows
    assert [row["instances"][0]["bbox"] for row in rows] == [[4, 5, 16, 17]] * len(rows)
    assert all(Path(row["img_path"]).is_file() for row in rows)


def test_config_for_train_images_scores_them_by_their_own_json(
    config: dict[str, Any], discs_data: Path
) -> None:
    """`zoo test --split train`: the truth of the test images would know none of them."""
    from mmengine.config import Config

    from zoo.engine.measuring.test import _config_for

    bind_data(config, discs_data)

    found = _config_for(Config(config), "train")

    truth = str(discs_data / "annotations" / "train.json")
    assert found.test_evaluator[0].ann_file == truth
    assert found.test_dataloader.dataset.ann_file == "annotations/train.json"
    assert config["test_evaluator"][0]["ann_file"].endswith("test.json")


@pytest.mark.parametrize("labels", ["true", "derived"])
def test_has_derived_labels_tells_what_the_folder_says(
    config: dict[str, Any], tmp_path: Path, labels: str
) -> None:
    from zoo.engine.dataset.facts import has_derived_labels

    bind_data(config, _prepare_discs(tmp_path, labels))
    del config["test_dataloader"]

    found = [has_derived_labels(config, split) for split in ("train", "val", "test")]

    assert found == [labels == "derived"] * 3


def test_has_derived_labels_of_data_that_is_not_prepared_is_false(config: dict[str, Any]) -> None:
    from zoo.engine.dataset.facts import has_derived_labels

    assert not has_derived_labels(config, "val")


@pytest.mark.parametrize(
    ("masks", "expected"),
    [("", ""), ("box", ", masks=box"), ("ellipse", "")],
    ids=["true", "chosen", "default"],
)
def test_facts_of_a_folder_name_the_options_that_say_something_else_than_their_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masks: str, expected: str
) -> None:
    """True masks leave empty how they are made."""
    from zoo.engine.dataset.facts import facts_of_folder

    (tmp_path / "zoo_discs").mkdir()
    (tmp_path / "zoo_discs/zoo_plugin.toml").write_text(_DISCS_MANIFEST)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    data = _prepare_discs(tmp_path, "derived" if masks else "true", masks=masks)

    assert facts_of_folder(data)["name"] == f"discs.DiscDataset{expected}"
