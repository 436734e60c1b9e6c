# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm

ROWS = [
    {
        "name": "dice_lung",
        "value": 0.97,
        "dataset": "montgomery",
        "split": "test",
        "labels": "true",
        "protocol": "README#evaluation",
    }
]


@pytest.fixture
def config() -> Any:
    """A config of mmseg's, two layers wide, as `read_config` would return it."""
    from mmengine.config import Config

    backbone = {
        "type": "UNet",
        "base_channels": 2,
        "num_stages": 2,
        "strides": (1, 1),
        "enc_num_convs": (1, 1),
        "dec_num_convs": (1,),
        "downsamples": (True,),
        "enc_dilations": (1, 1),
        "dec_dilations": (1,),
    }
    head = {
        "type": "FCNHead",
        "in_channels": 2,
        "in_index": 1,
        "channels": 2,
        "num_convs": 1,
        "num_classes": 2,
        "loss_decode": {"type": "CrossEntropyLoss"},
    }
    model = {"type": "EncoderDecoder", "backbone": backbone, "decode_head": head}
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}]
    test = {"dataset": {"pipeline": pipeline}}
    return Config({"default_scope": "mmseg", "model": model, "test_dataloader": test})


@pytest.fixture
def card() -> Any:
    from zoo.engine.publishing import ModelCard

    return ModelCard(
        name="unet_tiny",
        config_name="unet_tiny_lung",
        licence="Apache-2.0",
        data_licence='public, "as is"',
        metrics=ROWS,
        provenance={"split_digest": "ab12"},
    )


def _checkpoint(path: Path, config: Any, **meta: Any) -> Path:
    import torch
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return path


DATASET_META = {"classes": ("background", "lung"), "palette": [[0, 0, 0], [255, 0, 0]]}


def test_publish_of_a_checkpoint_writes_a_file_and_its_row(
    tmp_path: Path, config: Any, card: Any
) -> None:
    """The row is TOML with the true size and digest, and a second run writes the same bytes."""
    import hashlib

    from zoo.engine.publishing import publish

    meta = {"dataset_meta": DATASET_META, "epoch": 4, "iter": 80, "seed": 3, "time": "now"}
    checkpoint = _checkpoint(tmp_path / "best.pth", config, **meta)

    published = publish(config, checkpoint, tmp_path / "first", card)
    again = publish(config, checkpoint, tmp_path / "second", card)

    row = tomllib.loads(published.manifest_row())["weights"][0]
    data = published.path.read_bytes()
    assert again.sha256 == published.sha256 == hashlib.sha256(data).hexdigest() == row["sha256"]
    assert len(data) == row["size_bytes"]
    assert row["urls"] == ["package:weights/unet_tiny.safetensors"]
    assert row["config"] == "unet_tiny_lung"
    assert row["data_licence"] == 'public, "as is"'
    assert row["metrics"] == ROWS
    expected = sum(p.numel() for p in _build(config).parameters())
    assert expected == row["parameters"] == published.record.parameters
    provenance = published.record.provenance
    assert provenance["epoch"] == 4
    assert provenance["split_digest"] == "ab12"
    assert "time" not in provenance
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() == provenance["checkpoint_sha256"]


def _build(config: Any) -> Any:
    from mmengine.registry import MODELS

    return MODELS.build(config.model)


def test_publish_of_a_checkpoint_without_classes_is_refused(
    tmp_path: Path, config: Any, card: Any
) -> None:
    from zoo.engine.publishing import publish

    checkpoint = _checkpoint(tmp_path / "bare.pth", config)

    with pytest.raises(CheckpointError, match=r"'bare\.pth': it does not say its classes"):
        publish(config, checkpoint, tmp_path / "out", card)

    assert not (tmp_path / "out").exists()


def test_publish_of_another_models_checkpoint_leaves_no_file(
    tmp_path: Path, config: Any, card: Any
) -> None:
    from zoo.engine.publishing import publish

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)
    config.model.decode_head.channels = 3

    with pytest.raises(CheckpointError, match="weights do not fit the model"):
        publish(config, checkpoint, tmp_path / "out", card)

    assert not (tmp_path / "out").exists()


def test_publish_tool_prints_the_row_and_one_message_on_failure(
    tmp_path: Path,
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "publish_checkpoint.py"))
    config.dump(tmp_path / "tiny.py")
    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)
    (tmp_path / "rows.json").write_text(json.dumps([*ROWS, {**ROWS[0], "name": "iou_lung"}]))
    stated = ["--name", "tiny", "--metric", "dice_lung", "--data-licence", "CC0-1.0"]
    files = ["--metrics", str(tmp_path / "rows.json"), "--out", str(tmp_path / "out")]

    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "tiny.py"), str(checkpoint)])
    sys.argv += [*stated, *files]
    code = tool["main"]()
    row = tomllib.loads(capsys.readouterr().out)["weights"][0]
    sys.argv[2] = str(tmp_path / "absent.pth")
    failed = tool["main"]()

    assert code == 0
    assert [metric["name"] for metric in row["metrics"]] == ["dice_lung"]
    assert (row["config"], row["data_licence"]) == ("tiny", "CC0-1.0")
    assert (tmp_path / "out" / "tiny.safetensors").stat().st_size == row["size_bytes"]
    assert failed == 1
    assert "cannot read the checkpoint 'absent.pth': found no such file" in capsys.readouterr().err


def test_read_metric_rows_of_a_test_document_takes_its_split(tmp_path: Path) -> None:
    from zoo.engine.publishing import read_metric_rows

    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "split": "test", "metrics": {"a": 0.5}}))

    rows = read_metric_rows(path, dataset="d", labels="true", protocol="p")

    assert rows == [
        {
            "name": "a",
            "value": 0.5,
            "dataset": "d",
            "split": "test",
            "labels": "true",
            "protocol": "p",
        }
    ]


def test_read_metric_rows_that_lack_facts_names_them(tmp_path: Path) -> None:
    from zoo.engine.publishing import read_metric_rows

    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"name": "dice", "value": 0.5, "split": "test"}]))

    with pytest.raises(CheckpointError) as raised:
        read_metric_rows(path, labels="true")

    assert raised.value.message == "metric 'dice' has no dataset, protocol."


@pytest.mark.parametrize("text", ["nonsense", "3", '["a"]', '{"metrics": []}'])
def test_read_metric_rows_of_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    from zoo.engine.publishing import read_metric_rows

    path = tmp_path / "rows.json"
    path.write_text(text)

    with pytest.raises(CheckpointError, match=r"cannot read the metrics in 'rows\.json'"):
        read_metric_rows(path)
