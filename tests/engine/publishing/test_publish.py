# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, ManifestError

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
    from zoo.engine.publishing.publish import ModelCard

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

    from zoo.engine.publishing.publish import publish

    meta = {"dataset_meta": DATASET_META, "epoch": 4, "iter": 80, "seed": 3, "time": "now"}
    meta["mmengine_version"] = "0.10.793e2fb64614091b1bccf2f6476aa352a7649f089"  # with a commit
    checkpoint = _checkpoint(tmp_path / "best.pth", config, **meta)

    published = publish(config, checkpoint, tmp_path / "first", card)
    again = publish(config, checkpoint, tmp_path / "second", card)

    row = tomllib.loads(published.manifest_row())["weights"][0]
    data = published.path.read_bytes()
    assert again.sha256 == published.sha256 == hashlib.sha256(data).hexdigest() == row["sha256"]
    assert len(data) == row["size_bytes"]
    assert row["urls"] == ["package:weights/unet_tiny.safetensors"]
    assert [path.name for path in sorted((tmp_path / "first").iterdir())] == [
        "unet_tiny.md",
        "unet_tiny.safetensors",
        "unet_tiny.toml",
    ]
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
    assert (tmp_path / "first" / "unet_tiny.toml").read_text() == published.manifest_row()
    assert row["config"] == "unet_tiny_lung"
    assert row["data_licence"] == 'public, "as is"'
    assert row["metrics"] == ROWS
    expected = sum(p.numel() for p in _build(config).parameters())
    assert expected == row["parameters"] == published.record.parameters
    provenance = published.record.provenance
    assert provenance["epoch"] == 4
    assert provenance["mmengine_version"] == "0.10.7"
    assert provenance["split_digest"] == "ab12"
    assert "time" not in provenance
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() == provenance["checkpoint_sha256"]


def test_row_and_card_keep_the_unit_and_what_the_licence_forbids(
    tmp_path: Path, config: Any, card: Any
) -> None:
    """A value in percent is not listed as a fraction; the index of a source keeps the flag."""
    from dataclasses import replace

    from zoo.engine.publishing.publish import publish
    from zoo.weights.sources.published_files import rows_of_file

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)
    origins = [{"name": "held", "licence": "CC-BY-NC-4.0"}]
    metrics = [{**ROWS[0], "value": 53.3, "unit": "percent"}]
    held = replace(card, non_commercial=True, metrics=metrics, provenance={"started_from": origins})

    published = publish(config, checkpoint, tmp_path / "out", held)

    row = tomllib.loads(published.manifest_row())["weights"][0]
    (listed,) = rows_of_file(published.path, tmp_path / "source")
    text = published.path.with_suffix(".md").read_text()
    assert row["non_commercial"] is listed["non_commercial"] is True
    assert row["metrics"][0]["unit"] == listed["metrics"][0]["unit"] == "percent"
    assert "| 53.3% |" in text
    assert "| commercial use | not permitted |" in text
    assert "| started from | held, CC-BY-NC-4.0 |" in text


def _build(config: Any) -> Any:
    from mmengine.registry import MODELS

    return MODELS.build(config.model)


def test_publish_of_a_checkpoint_without_classes_is_refused(
    tmp_path: Path, config: Any, card: Any
) -> None:
    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "bare.pth", config)

    with pytest.raises(CheckpointError, match=r"'bare\.pth': it does not state its classes"):
        publish(config, checkpoint, tmp_path / "out", card)

    assert not (tmp_path / "out").exists()


def test_publish_of_another_models_checkpoint_leaves_no_file(
    tmp_path: Path, config: Any, card: Any
) -> None:
    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)
    config.model.decode_head.channels = 3

    with pytest.raises(CheckpointError, match="weights do not fit the model"):
        publish(config, checkpoint, tmp_path / "out", card)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"urls": ["http://a/b.safetensors"]},
            "cannot publish 'unet_tiny': [[weights]] urls holds 'http://a/b.safetensors', expected "
            "https://..., hf://ORG/REPO@REVISION/path, github://OWNER/REPO@TAG/ASSET or "
            "package:<path>.",
        ),
        ({"urls": ["package:../b.safetensors"]}, "expected a path inside the package"),
        ({"urls": ["https://a/b", "https://a/b"]}, "holds 'https://a/b' twice"),
        (
            {"urls": ["https://[a/b"]},
            "cannot publish the address 'https://[a/b': Invalid IPv6 URL.",
        ),
        (
            {"urls": ["https://me:hush@h/x.safetensors"]},
            "cannot publish the address https://h/x.safetensors: it holds a user's name or "
            "password, which everybody could read.",
        ),
        ({"urls": ["https://h/x?token="]}, "the address https://h/x: it holds 'token', which"),
        ({"urls": ["https://h/x?a=1&X-Amz-Signature=hush"]}, "it holds 'X-Amz-Signature'"),
        ({"urls": ["https://h/x?sv=1&sig=hush"]}, "it holds 'sig'"),
        ({"data_licence": " "}, "[[weights]] data_licence is ' ', expected some text."),
        ({"licence": ""}, "[[weights]] licence is '', expected some text."),
        ({"metrics": []}, "[[weights]] has no metrics"),
        ({"name": "ü"}, "[[weights]] name is 'ü'"),
    ],
)
def test_publish_of_what_a_manifest_refuses_writes_nothing(
    tmp_path: Path, config: Any, card: Any, change: dict[str, Any], message: str
) -> None:
    import dataclasses

    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)

    with pytest.raises(CheckpointError) as raised:
        publish(config, checkpoint, tmp_path / "out", dataclasses.replace(card, **change))

    assert message in raised.value.message
    assert raised.value.hint
    assert "hush" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_publish_to_addresses_that_are_public_keeps_them(
    tmp_path: Path, config: Any, card: Any
) -> None:
    import dataclasses

    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)
    urls = ["https://a.org/download?id=7&design=2", "package:weights/unet_tiny.safetensors"]

    published = publish(config, checkpoint, tmp_path, dataclasses.replace(card, urls=urls))

    (row,) = tomllib.loads(published.manifest_row())["weights"]
    assert row["urls"] == urls


def test_publish_below_a_file_says_what_is_wrong(tmp_path: Path, config: Any, card: Any) -> None:
    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)

    with pytest.raises(CheckpointError, match=r"cannot write 'unet_tiny\.safetensors': Not a dir"):
        publish(config, checkpoint, checkpoint / "out", card)


def test_card_of_a_published_file_says_what_a_reader_asks(
    tmp_path: Path, config: Any, card: Any
) -> None:
    """Data with split digests, metrics, both licences, how to load it, config and versions."""
    import dataclasses

    from zoo.engine.publishing.publish import publish

    data = {
        "name": "lung_xray.LungXrayDataset, source_set=montgomery",
        "plugin": "lung_xray",
        "version": "0.1.0",
        "splits": {"train": {"count": 111, "groups": 109, "digest": "b928076d"}},
        "digest": "0494816b",
    }
    provenance = {"data": data, "config_sha256": "c0ffee", "versions": {"torch": "2.13.0"}}
    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)

    published = publish(
        config, checkpoint, tmp_path, dataclasses.replace(card, provenance=provenance)
    )

    text = published.path.with_suffix(".md").read_text("utf-8")
    for expected in (
        "# unet_tiny\n",
        "| dice_lung | 0.97 | montgomery | test | true | README#evaluation |",
        "| train | 111 | 109 | `b928076d` |",
        "Trained on lung_xray.LungXrayDataset, source_set=montgomery.",
        '| licence of the data | public, "as is" |',
        "| licence of the weights | Apache-2.0 |",
        "zoo predict unet_tiny.safetensors IMAGE --out predictions",
        "| config_sha256 | c0ffee |",
        "| version of torch | 2.13.0 |",
        f"`{published.sha256}`",
    ):
        assert expected in text
    assert tomllib.loads(text.split("```toml\n")[1].split("```")[0])["weights"]


def test_card_and_row_of_hostile_texts_are_printable_and_say_the_same(
    tmp_path: Path, config: Any, card: Any
) -> None:
    """What data sets, classes and licences are called forges no line of either."""
    import dataclasses

    from zoo.engine.publishing.publish import publish

    hostile = "a\n## Forged\x1b[2J\u202e|\x7f\U000e0001"
    data = {"name": hostile, "plugin": hostile, "version": "1", "digest": "04", "splits": {}}
    changed = dataclasses.replace(
        card, provenance={"data": data, "command": hostile}, data_licence=hostile
    )
    meta = {"classes": ("background", hostile), "palette": [[0, 0, 0], [255, 0, 0]]}
    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=meta)

    published = publish(config, checkpoint, tmp_path, changed)

    text = published.path.with_suffix(".md").read_text("utf-8")
    row = published.path.with_suffix(".toml").read_text("utf-8")
    for lines in (text.split("\n"), row.split("\n")):
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("## Forged") for line in lines)
    assert tomllib.loads(row)["weights"][0]["data_licence"] == hostile


def test_open_by_an_edited_row_is_refused_and_by_its_file_done(
    tmp_path: Path, config: Any, card: Any, write_plugin: Callable[..., Path]
) -> None:
    """The hint leads out: the path that it ends with is a model, by the file's own record."""
    from zoo.engine.prediction.model import open_model
    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "iter_3.pth", config, dataset_meta=DATASET_META)
    published = publish(config, checkpoint, tmp_path / "out", card)
    row = published.manifest_row()
    good = write_plugin("good", row)
    edited = write_plugin(
        "edited", row.replace("unet_tiny", "unet_edit", 1).replace("0.97", "0.99")
    )
    for package in (good, edited):
        (package / "weights").mkdir()
        shutil.copy(published.path, package / "weights" / published.path.name)
        shutil.copy(published.path, package / "weights" / "unet_edit.safetensors")

    with pytest.raises(ManifestError) as raised:
        open_model("unet_edit", device="cpu")
    path = str(raised.value.hint).rpartition(": ")[2]

    assert "metrics: the row says 'dice_lung' 0.99 (" in raised.value.message
    assert ", the file 'dice_lung' 0.97 (" in raised.value.message
    assert open_model(path, device="cpu").classes == ("background", "lung")
    assert open_model("good.unet_tiny", device="cpu").classes == ("background", "lung")


def test_publish_of_a_config_that_is_only_validated_takes_that_pipeline(
    tmp_path: Path, config: Any, card: Any
) -> None:
    """As predicting does."""
    from zoo.engine.publishing.publish import publish

    checkpoint = _checkpoint(tmp_path / "best.pth", config, dataset_meta=DATASET_META)
    expected = publish(config, checkpoint, tmp_path / "tested", card).record.pipeline
    config.val_dataloader = config.pop("test_dataloader")

    published = publish(config, checkpoint, tmp_path / "validated", card)

    assert published.record.pipeline == expected
