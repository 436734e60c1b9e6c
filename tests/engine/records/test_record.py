# SPDX-License-Identifier: Apache-2.0
"""Records: what is written can be read, and what could run code is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, UnknownNameError, UnsafeCheckpointError, ZooError

pytestmark = pytest.mark.mm

BACKBONE = {
    "type": "UNet",
    "in_channels": 3,
    "base_channels": 2,
    "strides": (1, 1),
    "num_stages": 2,
    "enc_num_convs": (1, 1),
    "dec_num_convs": (1,),
    "downsamples": (True,),
    "enc_dilations": (1, 1),
    "dec_dilations": (1,),
    "norm_cfg": {"type": "BN", "requires_grad": True},
    "upsample_cfg": {"type": "InterpConv"},
    "init_cfg": {"type": "Pretrained", "checkpoint": "https://example.org/a.pth"},
}
LOSSES = [{"type": "CrossEntropyLoss"}, {"type": "zoo.no_such_plugin.Loss"}]
CONFIG = {
    "default_scope": "mmseg",
    "model": {
        "type": "EncoderDecoder",
        "pretrained": None,
        "data_preprocessor": {"type": "SegDataPreProcessor", "size": (32, 32), "_scope_": "mmseg"},
        "backbone": BACKBONE,
        "decode_head": {
            "type": "FCNHead",
            "in_channels": 2,
            "in_index": 1,
            "channels": 2,
            "num_convs": 1,
            "num_classes": 2,
            "loss_decode": LOSSES,
        },
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    },
    "test_dataloader": {
        "dataset": {
            "type": "RepeatDataset",
            "dataset": {
                "pipeline": [
                    {"type": "LoadImageFromFile", "backend_args": None},
                    {"type": "Resize", "scale": (32, 32), "keep_ratio": False},
                    {"type": "PackSegInputs"},
                ]
            },
        }
    },
}
CARD: dict[str, Any] = {
    "name": "tiny",
    "task": "semantic",
    "classes": ["background", "lung"],
    "palette": [[0, 0, 0], [255, 0, 0]],
    "labels": "true",
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "trained_with": "unet_tiny",
    "parameters": 100,
    "metrics": [{"name": "dice_lung", "value": 0.5, "split": "test"}],
    "provenance": {"seed": 3},
}


def _record(**over: Any) -> Any:
    from mmengine.config import Config

    from zoo.engine.records.record import make_record

    return make_record(Config(CONFIG), **{**CARD, **over})


def test_make_record_of_a_training_config_keeps_what_prediction_needs() -> None:
    """No init_cfg, no pretrained, no plugin's loss, no _scope_; tuples stay tuples."""
    record = _record()

    assert record.model["backbone"]["strides"] == (1, 1)
    assert "init_cfg" not in record.model["backbone"]
    assert "pretrained" not in record.model
    assert "loss_decode" not in record.model["decode_head"]
    assert "_scope_" not in record.model["data_preprocessor"]
    assert record.model["train_cfg"] is None
    assert record.pipeline[1] == {"type": "Resize", "scale": (32, 32), "keep_ratio": False}
    assert record.config["default_scope"] == "mmseg"
    assert record.config["test_dataloader"]["dataset"]["metainfo"]["classes"] == (
        "background",
        "lung",
    )


def test_make_record_of_another_scope_writes_it_before_the_types() -> None:
    from mmengine.config import Config

    from zoo.engine.records.checks import check_record
    from zoo.engine.records.record import make_record

    neck = {
        "type": "FPN",
        "_scope_": "mmdet",
        "in_channels": [2],
        "out_channels": 2,
        "num_outs": 1,
        "norm_cfg": {"type": "BN"},
    }
    config = Config({**CONFIG, "model": {**CONFIG["model"], "neck": neck}})  # type: ignore[dict-item]

    record = make_record(config, **CARD)

    assert record.model["neck"]["type"] == "mmdet.FPN"
    assert record.model["neck"]["norm_cfg"]["type"] == "BN"  # mmengine's own
    check_record(record, "here")


def test_record_written_and_read_is_equal() -> None:
    from zoo.engine.records.record import parse_record

    record = _record()

    assert record == parse_record(record.to_json(), "here")
    assert record.to_json() == parse_record(record.to_json(), "here").to_json()


def test_make_record_of_an_object_in_the_config_is_refused() -> None:
    from mmengine.config import Config

    from zoo.engine.records.record import make_record

    config = Config(CONFIG)
    config.model.backbone.thing = print

    with pytest.raises(CheckpointError, match=r"model\.backbone\.thing is <built-in function prin"):
        make_record(config, **CARD)


def test_make_record_without_a_test_pipeline_is_refused() -> None:
    from mmengine.config import Config

    from zoo.engine.records.record import make_record

    with pytest.raises(CheckpointError, match="the config has no test pipeline"):
        make_record(Config({"model": CONFIG["model"]}), **CARD)


def _set(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        node: Any = values
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value

    return change


def _deep() -> Any:
    node: Any = 1
    for _ in range(60):
        node = {"a": node}
    return node


# One change to a good record each, the error, and what it says.
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], type[ZooError], str]] = {
    "Popen as model": (
        _set("model", "type", value="subprocess.Popen"),
        UnsafeCheckpointError,
        "model.type is 'subprocess.Popen', expected a registered name",
    ),
    "path of a real class": (
        _set("model", "type", value="mmseg.models.segmentors.EncoderDecoder"),
        UnsafeCheckpointError,
        "expected a registered name",
    ),
    "an edit of a list, which only a config may have": (
        _set("pipeline", 1, "_edit_", value=True),
        CheckpointError,
        "'_edit_' is not a key of a resolved config",
    ),
    "an edit in a model": (
        _set("model", "decode_head", "_edit_", value=True),
        CheckpointError,
        "'_edit_' is not a key of a resolved config",
    ),
    "dotted, in mmengine": (
        _set("pipeline", 0, "type", value="mmengine.fileio.rmtree"),
        UnsafeCheckpointError,
        "pipeline.0.type is 'mmengine.fileio.rmtree'",
    ),
    "two parts, in mmengine": (
        _set("pipeline", 0, "type", value="mmengine.fileio"),
        UnknownNameError,
        "nothing registers its type 'mmengine.fileio'",
    ),
    "a module's name": (
        _set("pipeline", 0, "type", value="antigravity"),
        UnknownNameError,
        "nothing registers its type 'antigravity'",
    ),
    "os.system": (
        _set("pipeline", 1, "type", value="os.system"),
        UnsafeCheckpointError,
        "pipeline.1.type is 'os.system'",
    ),
    "builtins.eval": (
        _set("model", "decode_head", "type", value="builtins.eval"),
        UnsafeCheckpointError,
        "'builtins.eval'",
    ),
    "evaluated by nms": (
        _set("model", "test_cfg", "nms", value={"type": "__import__('os').abort()"}),
        UnsafeCheckpointError,
        "__import__",
    ),
    "evaluated by a task util": (
        _set(
            "model",
            "backbone",
            value={"type": "mmdet.CameraMotionCompensation", "warp_mode": "print(1)"},
        ),
        UnsafeCheckpointError,
        "model.backbone.warp_mode is 'print(1)', expected words only",
    ),
    "type as a list": (
        _set("model", "type", value=["EncoderDecoder"]),
        UnsafeCheckpointError,
        "expected a registered name",
    ),
    "transform as model": (
        _set("model", "backbone", value={"type": "LoadImageFromFile"}),
        UnknownNameError,
        "nothing registers its type 'LoadImageFromFile'",
    ),
    "plugin that is not here": (
        _set("model", "backbone", value={"type": "zoo.no_such_plugin.Net"}),
        UnknownNameError,
        "no installed plugin has its type 'zoo.no_such_plugin.Net'",
    ),
    "init_cfg": (
        _set("model", "init_cfg", value={"type": "Pretrained"}),
        CheckpointError,
        "model.init_cfg: init_cfg is not allowed in a record",
    ),
    "pretrained": (
        _set("model", "pretrained", value=True),
        CheckpointError,
        "pretrained is not allowed in a record",
    ),
    "backend": (
        _set("pipeline", 0, "backend_args", value={"backend": "petrel"}),
        CheckpointError,
        "backend_args is not allowed in a record",
    ),
    "custom_imports": (
        _set("model", "custom_imports", value={"imports": ["antigravity"]}),
        CheckpointError,
        "custom_imports is not allowed in a record",
    ),
    "_delete_": (
        _set("model", "backbone", "_delete_", value=True),
        CheckpointError,
        "'_delete_' is not a key of a resolved config",
    ),
    "_scope_": (
        _set("model", "_scope_", value="os"),
        CheckpointError,
        "'_scope_' is not a key of a resolved config",
    ),
    "_base_": (
        _set("model", "_base_", value="x.py"),
        CheckpointError,
        "'_base_' is not a key of a resolved config",
    ),
    "file path": (
        _set("model", "backbone", "weights", value="/etc/passwd"),
        UnsafeCheckpointError,
        "model.backbone.weights is '/etc/passwd', expected words only",
    ),
    "address": (
        _set("model", "backbone", "weights", value="https://example.org/x"),
        UnsafeCheckpointError,
        "expected words only",
    ),
    "file name": (
        _set("model", "backbone", "weights", value="evil.py"),
        UnsafeCheckpointError,
        "model.backbone.weights is 'evil.py'",
    ),
    "dunder": (
        _set("model", "backbone", "weights", value="a.__class__"),
        UnsafeCheckpointError,
        "expected words only",
    ),
    "huge number": (
        _set("model", "backbone", "base_channels", value=10**12),
        CheckpointError,
        "model.backbone.base_channels: 1000000000000 is out of bounds",
    ),
    "nested deep": (
        _set("model", "backbone", "a", value=_deep()),
        CheckpointError,
        "nested deeper than 40",
    ),
    "many values": (
        _set("model", "backbone", "a", value=list(range(30_000))),
        CheckpointError,
        "more than 20000 values",
    ),
    "no classes": (
        _set("classes", value={"$tuple": []}),
        CheckpointError,
        "0 classes and 2 colours",
    ),
    "scope": (
        _set("scope", value="os"),
        CheckpointError,
        "scope is 'os', expected 'mmseg', 'mmdet' or 'mmengine'",
    ),
    "task": (_set("task", value="mining"), CheckpointError, "task is 'mining'"),
    "newer schema": (_set("schema", value=2), CheckpointError, "found schema 2, expected 1"),
    "unknown key": (_set("hooks", value=[]), CheckpointError, "unknown 'hooks'"),
    "missing key": (lambda values: values.pop("licence"), CheckpointError, "missing 'licence'"),
    "infinite": (
        _set("metrics", value={"$tuple": [{"value": float("inf")}]}),
        CheckpointError,
        "it holds the number inf, expected finite ones",
    ),
    "deeper than a row is compared": (
        _set("provenance", value={"a": json.loads("[" * 80 + "]" * 80)}),
        CheckpointError,
        "it is nested too deeply, expected at most 64 levels",
    ),
    "integer of 4,000 digits": (
        _set("parameters", value=10**4000),
        CheckpointError,
        "it holds an integer beyond 64 bits",
    ),
    "half a character": (
        _set("classes", "$tuple", 0, value="\ud800"),
        CheckpointError,
        "expected a tuple of texts",
    ),
    "a pipeline without end": (
        lambda values: values["pipeline"].extend([{"type": "Resize", "scale": [9, 9]}] * 100),
        CheckpointError,
        "pipeline: more than 100 steps",
    ),
    "type that is the prefix of plugins' alone": (
        _set("model", "backbone", "type", value="zoo"),
        UnknownNameError,
        "nothing registers its type 'zoo'",
    ),
    "colour beyond a byte": (
        _set("palette", "$tuple", 1, value={"$tuple": [0, 256, 0]}),
        CheckpointError,
        "expected RGB colours in 0..255",
    ),
    "colour of two": (
        _set("palette", "$tuple", 1, value={"$tuple": [0, 1]}),
        CheckpointError,
        "expected RGB colours in 0..255",
    ),
    "step without a type": (
        _set("pipeline", 1, value={"scale": 2}),
        CheckpointError,
        "expected a list of transforms",
    ),
    "step that is a text": (
        _set("pipeline", 0, value="LoadImageFromFile"),
        CheckpointError,
        "pipeline is ['LoadImageFromFile', ",
    ),
    "classes as text": (
        _set("classes", value="lung"),
        CheckpointError,
        "classes is 'lung', expected a tuple of texts",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_record_that_could_run_code_is_refused(case: str) -> None:
    from zoo.engine.records.checks import check_record
    from zoo.engine.records.record import parse_record

    change, error, message = HOSTILE[case]
    values = json.loads(_record().to_json())
    change(values)

    with pytest.raises(error) as raised:
        check_record(parse_record(json.dumps(values), "x.safetensors"), "x.safetensors")

    assert message in raised.value.message
    assert raised.value.where is not None
    assert "x.safetensors" in raised.value.where
    assert raised.value.hint


def test_record_that_is_no_json_is_refused() -> None:
    from zoo.engine.records.record import parse_record

    for text in ("{", "[" * 100_000, '"text"', "[]", "null"):
        with pytest.raises(CheckpointError, match="cannot use the model's record"):
            parse_record(text, "here")


def test_record_of_good_values_passes_and_builds() -> None:
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.records.checks import check_record

    record = dataclasses.replace(_record())
    check_record(record, "here")
    init_default_scope(record.scope)

    model = MODELS.build(Config(record.config).model)

    assert isinstance(model, torch.nn.Module)


def test_record_without_what_a_detector_hands_on_to_its_heads(tmp_path: Path) -> None:
    """mmdet writes it into the heads' configs while it builds; the shipped tanks' file has it."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.config.reading import read_config
    from zoo.engine.records.checks import check_record
    from zoo.engine.records.record import make_record

    config = read_config("mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", pretrained="none")
    init_default_scope("mmdet")
    built = Config(config.to_dict())
    MODELS.build(built.model)

    def record(one: Any) -> Any:
        return make_record(
            one,
            name="tanks",
            task="instance",
            classes=("tank",),
            palette=((1, 2, 3),),
            labels="true",
            licence="MIT",
            data_licence="MIT",
            trained_with="x",
            parameters=1,
        )

    assert built.model.roi_head.test_cfg == config.model.test_cfg.rcnn
    assert record(built).to_json() == record(config).to_json()
    assert "test_cfg" not in record(built).model["roi_head"]
    check_record(record(built), tmp_path)
