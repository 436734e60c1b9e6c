# SPDX-License-Identifier: Apache-2.0
"""Single keys of old configs, each in its place of the new generation."""

from pathlib import Path
from typing import Any

import pytest
from zoo_openmmlab_migration.configs.migration import MigratedConfig, migrate_config
from zoo_openmmlab_migration.reading.files import OldConfig

from zoo.errors import ConfigError

_NORM = {"type": "Normalize", "mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0], "to_rgb": True}


def _migrate(**values: Any) -> MigratedConfig:
    return migrate_config(OldConfig(Path("old.py"), values, [Path("old.py")]))


def _det(train: list[Any], test: list[Any] | None = None, **more: Any) -> MigratedConfig:
    leaf = {"type": "CocoDataset", "ann_file": "a.json", "img_prefix": "images/"}
    data = {"samples_per_gpu": 2, "train": {**leaf, "pipeline": train}}
    if test is not None:
        data |= {"val": {**leaf, "pipeline": test}, "test": {**leaf, "pipeline": test}}
    runner = {"type": "EpochBasedRunner", "max_epochs": 12}
    return _migrate(**{"model": {"type": "FasterRCNN"}, "data": data, "runner": runner, **more})


def _seg(train: list[Any], test: list[Any] | None = None, **more: Any) -> MigratedConfig:
    leaf = {"type": "CustomDataset", "data_root": "d", "img_dir": "images", "ann_dir": "masks"}
    data = {"samples_per_gpu": 2, "train": {**leaf, "pipeline": train}}
    if test is not None:
        data |= {"val": {**leaf, "pipeline": test}, "test": {**leaf, "pipeline": test}}
    runner = {"type": "IterBasedRunner", "max_iters": 80}
    model = {"type": "EncoderDecoder", "decode_head": {}}
    return _migrate(**{"model": model, "data": data, "runner": runner, **more})


def _steps(made: MigratedConfig, split: str = "train") -> list[Any]:
    steps: list[Any] = made.values[f"{split}_dataloader"]["dataset"]["pipeline"]
    return steps


def _aug(*steps: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    around = {"type": "MultiScaleFlipAug", "img_scale": (96, 64), "flip": False, **more}
    return [{"type": "LoadImageFromFile"}, {**around, "transforms": list(steps)}]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"img_scale": (96, 64)}, {"type": "Resize", "scale": (96, 64), "keep_ratio": True}),
        (
            {"img_scale": [(96, 64), (96, 32)], "multiscale_mode": "value"},
            {"type": "RandomChoiceResize", "scales": [(96, 64), (96, 32)], "keep_ratio": True},
        ),
        (
            {"img_scale": [(96, 32), (96, 64)], "keep_ratio": False},
            {"type": "RandomResize", "scale": [(96, 32), (96, 64)], "keep_ratio": False},
        ),
        (
            {"img_scale": [(32, 96), (96, 64)]},
            {"type": "RandomResize", "scale": [(96, 32), (96, 64)], "keep_ratio": True},
        ),
        (
            {"img_scale": (96, 64), "ratio_range": [0.5, 2.0]},
            {
                "type": "RandomResize",
                "scale": (96, 64),
                "ratio_range": (0.5, 2.0),
                "keep_ratio": True,
            },
        ),
        (
            {"img_scale": (96, 64), "min_size": 48},
            {"type": "ResizeShortestEdge", "scale": 48, "max_size": 96},
        ),
        (
            {"img_scale": (96, 64), "bbox_clip_border": False, "backend": "pillow"},
            {
                "type": "Resize",
                "scale": (96, 64),
                "keep_ratio": True,
                "backend": "pillow",
                "clip_object_border": False,
            },
        ),
    ],
)
def test_resize_becomes_the_class_of_its_case(old: dict[str, Any], new: dict[str, Any]) -> None:
    """One class did all; each case has its own now."""
    made = _det([{"type": "Resize", **old}])

    assert _steps(made) == [new]
    assert made.ledger.is_whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"type": "RandomCrop", "crop_size": (384, 600)},
            {"type": "RandomCrop", "crop_size": (600, 384)},
        ),
        (
            {"type": "RandomCrop", "crop_size": (384, 600), "crop_type": "absolute_range"},
            {"type": "RandomCrop", "crop_size": (384, 600), "crop_type": "absolute_range"},
        ),
        ({"type": "Mosaic", "img_scale": (64, 96)}, {"type": "Mosaic", "img_scale": (96, 64)}),
        (
            {"type": "RandomAffine", "border": (-32, -48)},
            {"type": "RandomAffine", "border": (-48, -32)},
        ),
        ({"type": "RandomFlip", "flip_ratio": 0.5}, {"type": "RandomFlip", "prob": 0.5}),
        ({"type": "RandomShift", "shift_ratio": 0.3}, {"type": "RandomShift", "prob": 0.3}),
        (
            {"type": "BrightnessTransform", "level": 5, "prob": 0.2},
            {"type": "Brightness", "prob": 0.2, "level": 5},
        ),
        (
            {"type": "Rotate", "level": 5, "max_rotate_angle": 20, "random_negative_prob": 0.1},
            {
                "type": "Rotate",
                "prob": 0.5,
                "level": 5,
                "reversal_prob": 0.1,
                "max_mag": 20.0,
            },
        ),
        (
            {"type": "LoadImageFromFile", "file_client_args": {"backend": "disk"}},
            {"type": "LoadImageFromFile"},
        ),
        (
            {"type": "LoadImageFromFile", "file_client_args": {"backend": "petrel", "p": 1}},
            {"type": "LoadImageFromFile", "backend_args": {"backend": "petrel", "p": 1}},
        ),
    ],
    ids=lambda value: str(value.get("type")),
)
def test_step_of_a_detector_is_renamed(old: dict[str, Any], new: dict[str, Any]) -> None:
    """New names and arguments, and sides as (width, height) where mmdet 3.x turned them."""
    made = _det([old])

    assert _steps(made) == [new]
    assert made.ledger.is_whole


def test_crop_of_mmseg_keeps_height_and_width() -> None:
    """mmseg 1.x gives (height, width), as 0.x did."""
    made = _seg([{"type": "RandomCrop", "crop_size": (64, 96)}, _NORM])

    assert _steps(made) == [{"type": "RandomCrop", "crop_size": (64, 96)}]
    assert made.values["model"]["data_preprocessor"]["size"] == (64, 96)


def test_normalization_and_padding_move_to_the_preprocessor() -> None:
    """What the pipeline did at its end, with the masks that it loads."""
    masks = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    pad = {"type": "Pad", "size_divisor": 32}

    made = _det([masks, _NORM, pad, {"type": "DefaultFormatBundle"}, {"type": "Collect"}])

    assert made.values["model"]["data_preprocessor"] == {
        "type": "DetDataPreprocessor",
        "mean": [1.0, 2.0, 3.0],
        "std": [4.0, 5.0, 6.0],
        "bgr_to_rgb": True,
        "pad_size_divisor": 32,
        "pad_mask": True,
        "mask_pad_value": 0,
    }
    assert _steps(made) == [masks, {"type": "PackDetInputs"}]


def test_fixed_padding_of_a_detector_becomes_a_batch_augmentation() -> None:
    """As in upstream's own configs with large jitter."""
    made = _det([_NORM, {"type": "Pad", "size": (64, 96)}, {"type": "Collect"}])

    augment = made.values["model"]["data_preprocessor"]["batch_augments"]
    assert augment[0]["type"] == "BatchFixedSizePad"
    assert augment[0]["size"] == (64, 96)


def test_padding_before_a_resize_stays_where_it_is() -> None:
    """It decides what the resize shrinks; the preprocessor pads to the crop only."""
    resize = {"type": "Resize", "img_scale": (48, 32), "keep_ratio": False}
    crop = {"type": "RandomCrop", "crop_size": (16, 24)}
    pad = {"type": "Pad", "size": (64, 96), "pad_val": 0, "seg_pad_val": 255}

    made = _seg([pad, resize, crop, _NORM, {"type": "Collect"}])

    assert _steps(made)[0] == {"type": "Pad", "size": (96, 64), "pad_val": {"img": 0, "seg": 255}}
    assert made.values["model"]["data_preprocessor"]["size"] == (16, 24)


def test_padding_of_a_pipeline_that_goes_on_elsewhere_stays_where_it_is() -> None:
    """CopyPaste of the wrapper needs images of one size."""
    inner = {"type": "CocoDataset", "ann_file": "a.json", "img_prefix": "i/"}
    inner["pipeline"] = [{"type": "Pad", "size": (64, 64)}]
    mixed = {"type": "MultiImageMixDataset", "dataset": inner}
    mixed["pipeline"] = [{"type": "CopyPaste"}, _NORM, {"type": "Collect"}]

    made = _migrate(model={"type": "MaskRCNN"}, data={"train": mixed}, total_epochs=1)

    dataset = made.values["train_dataloader"]["dataset"]
    assert dataset["dataset"]["pipeline"] == [{"type": "Pad", "size": (64, 64)}]


def test_crop_that_is_resized_later_is_not_the_size_of_a_batch() -> None:
    """A batch of the crop's size would pad every image to it."""
    crop = {"type": "RandomCrop", "crop_size": (64, 64)}
    resize = {"type": "Resize", "img_scale": (32, 32), "keep_ratio": True}

    made = _seg([crop, resize, _NORM, {"type": "Collect"}])

    assert "size" not in made.values["model"]["data_preprocessor"]


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("form", ["list", "paths", "wrapper"])
def test_joined_data_sets_of_a_measurement_are_named(split: str, form: str) -> None:
    """CocoMetric reads the annotations of one file, and would judge all images by them."""
    leaf = {"type": "CocoDataset", "ann_file": "a.json", "img_prefix": "i/", "pipeline": []}
    several: Any = [leaf, {**leaf, "ann_file": "b.json"}]
    if form == "wrapper":
        several = {"type": "ConcatDataset", "datasets": several, "separate_eval": False}
    elif form == "paths":
        several = {**leaf, "ann_file": ["a.json", "b.json"]}

    made = _migrate(model={"type": "MaskRCNN"}, data={"train": leaf, split: several})

    assert any(entry.key.startswith(f"data.{split}") for entry in made.ledger.lost)


@pytest.mark.parametrize(
    ("root", "file", "prefix", "expected"),
    [
        ("d/coco/", "d/coco/a.json", "d/coco/img/", ("d/coco/", "a.json", "img/")),
        ("d/coco", "d/coco/a.json", "d/coco/img", ("d/coco", "a.json", "img")),
        ("D:\\c", "D:\\c\\a.json", "D:\\c\\i", ("D:\\c", "a.json", "i")),
        ("d/coco", "d/coco2/a.json", "d/coco/img", (None, "d/coco2/a.json", "d/coco/img")),
        ("d/coco/", "d/coco/a.json", "d/coco/", ("d/coco/", "a.json", "")),
        ("d/coco/", "e/a.json", "d/coco/img", (None, "e/a.json", "d/coco/img")),
    ],
)
def test_paths_below_the_shared_root_are_written_from_it(
    root: str, file: str, prefix: str, expected: tuple[str | None, str, str]
) -> None:
    """Joined again they are the old paths; none becomes absolute, and no sibling is below."""
    leaf = {"type": "CocoDataset", "ann_file": file, "img_prefix": prefix, "pipeline": []}

    made = _migrate(model={"type": "RPN"}, data={"train": leaf}, data_root=root, total_epochs=1)

    dataset = made.values["train_dataloader"]["dataset"]
    found = (dataset.get("data_root"), dataset["ann_file"], dataset["data_prefix"]["img"])
    assert found == expected


def test_labels_of_cityscapes_are_beside_the_images() -> None:
    """Wherever these are. Source: CityscapesDataset of mmdet 2.28."""
    leaf = {"type": "CityscapesDataset", "ann_file": "a.json", "img_prefix": "x/leftImg8bit/val/"}
    data = {"train": leaf, "val": leaf}

    made = _migrate(model={"type": "RPN"}, data=data, evaluation={"metric": "cityscapes"})

    assert made.values["val_evaluator"]["seg_prefix"] == "x/gtFine/val/"


@pytest.mark.parametrize(("start", "lost"), [(4, []), (5, ["evaluation.start"])])
def test_first_validation_between_intervals_is_named(start: int, lost: list[str]) -> None:
    """mmcv validated at 5, 7, 9, ..., and mmengine at 6, 8, 10, ..."""
    made = _det([], [], evaluation={"interval": 2, "start": start, "metric": "bbox"})

    assert made.values["train_cfg"]["val_begin"] == start
    assert [entry.key for entry in made.ledger.lost] == lost


def test_settings_of_the_wandb_logger_are_carried() -> None:
    """mmengine's backend takes these; which files mmcv sent to it is a matter of the old one."""
    kept = {"init_kwargs": {"project": "p"}, "commit": False, "define_metric_cfg": {"loss": "min"}}
    old = {"type": "WandbLoggerHook", "with_step": False, "log_artifact": True, **kept}

    made = _det([], log_config={"interval": 5, "hooks": [old]})

    assert made.values["visualizer"]["vis_backends"][1] == {"type": "WandbVisBackend", **kept}
    assert made.ledger.is_whole


def test_label_maps_joined_as_one_are_measured_as_one() -> None:
    """``separate_eval=False`` is what mmengine does."""
    leaf = {"type": "CustomDataset", "img_dir": ["a", "b"], "ann_dir": "m", "pipeline": []}
    model = {"type": "EncoderDecoder", "decode_head": {}}

    apart = _migrate(model=model, total_epochs=1, data={"train": leaf, "val": leaf})
    one = {**leaf, "separate_eval": False}
    joined = _migrate(model=model, total_epochs=1, data={"train": leaf, "val": one})

    assert [entry.key for entry in apart.ledger.lost] == ["data.val"]
    assert joined.ledger.is_whole


@pytest.mark.parametrize(("kind", "plain"), [("CustomDataset", False), ("ADE20KDataset", True)])
@pytest.mark.parametrize("stated", [None, True, False])
@pytest.mark.parametrize("loads", [None, True, False])
def test_training_and_measuring_reduce_labels_as_in_the_old_config(
    kind: str, plain: bool, stated: bool | None, loads: bool | None
) -> None:
    """mmseg 0.x trained by what LoadAnnotations says, and measured by what the data set says."""
    leaf: dict[str, Any] = {"type": kind, "img_dir": "i", "ann_dir": "m"}
    load: dict[str, Any] = {"type": "LoadAnnotations"}
    leaf |= {} if stated is None else {"reduce_zero_label": stated}
    load |= {} if loads is None else {"reduce_zero_label": loads}
    train = {**leaf, "pipeline": [load, _NORM, {"type": "Collect"}]}
    val = {**leaf, "pipeline": _aug(_NORM, {"type": "Collect"})}
    model = {"type": "EncoderDecoder", "decode_head": {}}

    made = _migrate(model=model, total_epochs=1, data={"train": train, "val": val})

    for split, wanted in (("train", bool(loads)), ("val", plain if stated is None else stated)):
        dataset = made.values[f"{split}_dataloader"]["dataset"]
        of_set = dataset.get("reduce_zero_label", plain)
        step = next(s for s in dataset["pipeline"] if s["type"] == "LoadAnnotations")
        assert step.get("reduce_zero_label", of_set) == of_set  # mmseg 1.x refuses two answers
        assert of_set is wanted


def test_labels_of_a_test_are_loaded_after_its_resize() -> None:
    """They are compared at the size of the original image."""
    load = {"type": "LoadAnnotations", "imdecode_backend": "cv2"}
    test = _aug({"type": "Resize", "keep_ratio": True}, {"type": "RandomFlip"}, _NORM)
    test[1]["transforms"] += [{"type": "ImageToTensor"}, {"type": "Collect"}]

    made = _seg([load, _NORM, {"type": "Collect"}], test)

    assert _steps(made, "val") == [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": (96, 64), "keep_ratio": True},
        load,
        {"type": "PackSegInputs"},
    ]
    assert "tta_pipeline" not in made.values


def test_scales_and_flips_of_a_test_become_tta() -> None:
    """The plain test has one scale; all of them are in the pipeline for TTA."""
    resize = {"type": "Resize", "keep_ratio": True}
    test = _aug(resize, {"type": "RandomFlip"}, _NORM, img_ratios=[0.5, 1.0], flip=True)
    test[1]["transforms"].append({"type": "Collect"})

    made = _seg([{"type": "LoadAnnotations"}, _NORM], test)

    branches = made.values["tta_pipeline"][-1]["transforms"]
    assert [each["scale"] for each in branches[0]] == [(48, 32), (96, 64)]
    assert [each["prob"] for each in branches[1]] == [0.0, 1.0]
    assert made.values["tta_model"] == {"type": "SegTTAModel"}
    assert _steps(made, "test")[1]["scale"] == (96, 64)


@pytest.mark.parametrize(
    ("values", "key", "expected"),
    [
        ({"fp16": {"loss_scale": "dynamic"}}, "type", "AmpOptimWrapper"),
        ({"optimizer_config": {"grad_clip": {"max_norm": 3}}}, "clip_grad", {"max_norm": 3}),
        (
            {
                "optimizer_config": {
                    "type": "DistOptimizerHook",
                    "use_fp16": True,
                    "grad_clip": None,
                    "update_interval": 2,
                    "coalesce": True,
                    "bucket_size_mb": -1,
                }
            },
            "accumulative_counts",
            2,
        ),
        (
            {"optimizer_config": {"type": "GradientCumulativeFp16OptimizerHook"}},
            "loss_scale",
            512.0,
        ),
    ],
)
def test_optimizer_becomes_a_wrapper(values: dict[str, Any], key: str, expected: Any) -> None:
    """Clipping, accumulation and precision are its arguments."""
    optimizer = {"type": "SGD", "lr": 0.1, "paramwise_cfg": {"norm_decay_mult": 0.0}}

    made = _det([], optimizer=optimizer, **values)

    wrapper = made.values["optim_wrapper"]
    assert wrapper[key] == expected
    assert wrapper["optimizer"] == {"type": "SGD", "lr": 0.1}
    assert wrapper["paramwise_cfg"] == {"norm_decay_mult": 0.0}
    assert made.ledger.is_whole


@pytest.mark.parametrize(
    ("evaluation", "evaluator", "best"),
    [
        (
            {"metric": ["bbox", "segm"], "save_best": "segm_mAP", "classwise": True},
            {
                "type": "CocoMetric",
                "ann_file": "a.json",
                "metric": ["bbox", "segm"],
                "format_only": False,
                "classwise": True,
            },
            "coco/segm_mAP",
        ),
        (
            {"metric": "proposal_fast", "save_best": "auto"},
            {
                "type": "CocoMetric",
                "ann_file": "a.json",
                "metric": "proposal_fast",
                "format_only": False,
            },
            "auto",
        ),
    ],
)
def test_evaluation_of_a_detector_becomes_an_evaluator(
    evaluation: dict[str, Any], evaluator: dict[str, Any], best: str
) -> None:
    """The file of the truth comes from the data set, the best metric has its prefix."""
    made = _det([], _aug(_NORM, {"type": "Collect"}), evaluation={"interval": 3, **evaluation})

    assert made.values["val_evaluator"] == evaluator
    assert made.values["default_hooks"]["checkpoint"]["save_best"] == best
    assert made.values["train_cfg"]["val_interval"] == 3
    assert made.ledger.is_whole


def test_runs_by_iterations_count_iterations_everywhere() -> None:
    """Sampler, checkpoints and log, as IterBasedRunner set them."""
    made = _seg([_NORM], checkpoint_config={"interval": 8}, log_config={"interval": 5})

    assert made.values["train_cfg"] == {"type": "IterBasedTrainLoop", "max_iters": 80}
    assert made.values["train_dataloader"]["sampler"]["type"] == "InfiniteSampler"
    assert made.values["default_hooks"]["checkpoint"]["by_epoch"] is False
    assert made.values["log_processor"]["by_epoch"] is False


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "FPN", "add_extra_convs": True, "extra_convs_on_inputs": False},
            {"type": "FPN", "add_extra_convs": "on_output"},
        ),
        (
            {"type": "SwinTransformer", "embed_dim": 96, "ape": False, "use_checkpoint": True},
            {
                "type": "SwinTransformer",
                "embed_dims": 96,
                "use_abs_pos_embed": False,
                "with_cp": True,
                "drop_path_rate": 0.2,
                "convert_weights": True,
            },
        ),
        (
            {"type": "CTResNetNeck", "in_channel": 512},
            {"type": "CTResNetNeck", "in_channels": 512},
        ),
        (
            {"nms_across_levels": False, "nms_pre": 9, "max_num": 5, "nms_thr": 0.7},
            {"nms_pre": 9, "nms": {"type": "nms", "iou_threshold": 0.7}, "max_per_img": 5},
        ),
    ],
)
def test_part_of_a_model_is_renamed(part: dict[str, Any], expected: dict[str, Any]) -> None:
    """At any depth of the model."""
    made = _det([], model={"type": "FasterRCNN", "neck": part})

    assert made.values["model"]["neck"] == expected


def test_settings_beside_the_model_move_into_it() -> None:
    """Until mmdet 2.4 and mmseg 0.8 they stood at the top level."""
    made = _det([], train_cfg={"a": 1}, test_cfg={"b": 2})

    assert made.values["model"]["train_cfg"] == {"a": 1}
    assert made.values["model"]["test_cfg"] == {"b": 2}
    assert made.values["train_cfg"]["type"] == "EpochBasedTrainLoop"


def test_earliest_form_of_detr_is_named() -> None:
    """mmdet 2.3 built its transformer from numbers."""
    transformer = {"type": "Transformer", "embed_dims": 256, "num_encoder_layers": 6}
    head = {"type": "DETRHead", "transformer": transformer}

    made = _det([], model={"type": "DETR", "bbox_head": head})

    assert [entry.key for entry in made.ledger.lost] == ["model.bbox_head.transformer"]


@pytest.mark.parametrize(
    "values",
    [
        {"lr_config": {"policy": "step", "step": 0.5}},
        {"data": {"train": {"type": "CocoDataset", "pipeline": 3}}},
        {"log_config": {"hooks": [3]}},
    ],
)
def test_values_of_another_kind_end_with_one_message(values: dict[str, Any]) -> None:
    """Never with an error of Python."""
    with pytest.raises(ConfigError, match=r"mmcv 1\.x takes") as caught:
        _det([], **values)

    assert caught.value.hint


def test_key_that_nobody_knows_is_kept_and_named() -> None:
    """It may be read by code of the user's own."""
    made = _det([], my_setting={"a": 1})

    assert made.values["my_setting"] == {"a": 1}
    assert "my_setting" in [entry.key for entry in made.ledger.changed]
