# SPDX-License-Identifier: Apache-2.0
"""Remote weights in a config: mapped to a file, a folder or none, and never fetched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog
from zoo.engine.adoption.obtaining import download
from zoo.engine.config.pretrained import Wanted, find_wanted, map_pretrained
from zoo.errors import ConfigError, DownloadError


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "model": {
            "pretrained": "open-mmlab://resnet50_v1c",
            "neck": {"init_cfg": {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}},
            "head": {
                "init_cfg": [
                    {"type": "Normal", "std": 0.1},
                    {"type": "Pretrained", "checkpoint": "https://x.org/a/head_0123abcd.pth"},
                ]
            },
            "local": {"init_cfg": {"type": "Pretrained", "checkpoint": "mine.pth"}},
        },
        "load_from": "https://x.org/whole-0123abcd.pth",
    }


def test_find_wanted_returns_every_remote_address(config: dict[str, Any]) -> None:
    assert find_wanted(config) == [
        Wanted("load_from", "https://x.org/whole-0123abcd.pth"),
        Wanted("model.pretrained", "open-mmlab://resnet50_v1c"),
        Wanted("model.neck.init_cfg.checkpoint", "torchvision://resnet50"),
        Wanted("model.head.init_cfg.1.checkpoint", "https://x.org/a/head_0123abcd.pth"),
    ]


def test_map_pretrained_without_choice_names_all_and_the_option(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        map_pretrained(config, None)

    assert "'open-mmlab://resnet50_v1c', 'torchvision://resnet50'" in caught.value.message
    assert "model.neck.init_cfg.checkpoint" in str(caught.value.where)
    assert str(caught.value.hint).startswith("use --pretrained FILE (or a DIR with the files), or ")


def test_map_pretrained_to_none_removes_them(config: dict[str, Any]) -> None:
    map_pretrained(config, "none")

    assert find_wanted(config) == []
    assert config["load_from"] is None
    assert config["model"]["pretrained"] is None
    assert config["model"]["neck"]["init_cfg"] is None
    assert config["model"]["head"]["init_cfg"] == [{"type": "Normal", "std": 0.1}]
    assert config["model"]["local"]["init_cfg"]["checkpoint"] == "mine.pth"


def test_map_pretrained_to_folder_finds_each_by_its_upstream_name(
    config: dict[str, Any], tmp_path: Path
) -> None:
    names = ["resnet50_v1c-2cccc1ad.pth", "resnet50-0676ba61.pth", "head_0123abcd.pth"]
    for name in [*names, "whole-0123abcd.pth", "resnet50_v1d-2cccc1ad.pth"]:
        (tmp_path / name).touch()

    map_pretrained(config, tmp_path)

    assert config["model"]["pretrained"] == str(tmp_path / names[0])
    assert config["model"]["neck"]["init_cfg"]["checkpoint"] == str(tmp_path / names[1])
    assert config["model"]["head"]["init_cfg"][1]["checkpoint"] == str(tmp_path / names[2])
    assert config["load_from"] == str(tmp_path / "whole-0123abcd.pth")


def test_map_pretrained_to_folder_that_lacks_one_says_which(
    config: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        map_pretrained(config, tmp_path)

    assert "expected head_0123abcd.pth or head_0123abcd-<hash>.pth." in caught.value.message
    assert caught.value.where == "model.head.init_cfg.1.checkpoint"


def test_map_pretrained_to_one_file_for_several_refuses(
    config: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "a.pth"
    file.touch()

    with pytest.raises(ConfigError) as caught:
        map_pretrained(config, file)

    assert caught.value.message.startswith("cannot use one file for 4 sets of weights: ")


@pytest.mark.parametrize("address", ["torchvision://resnet50", "user://resnet50"])
def test_map_pretrained_to_one_file_sets_it(tmp_path: Path, address: str) -> None:
    file = tmp_path / "a.pth"
    file.touch()
    wanting: dict[str, Any] = {"model": {"pretrained": address}}
    plain: dict[str, Any] = {"model": {}}

    map_pretrained(wanting, file)
    map_pretrained(plain, file)
    map_pretrained(plain, None)

    assert wanting == {"model": {"pretrained": str(file)}}
    assert plain == {"model": {}, "load_from": str(file)}


@pytest.mark.parametrize("model", [{}, {"pretrained": "torchvision://resnet50"}])
def test_map_pretrained_to_missing_file_raises(model: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        map_pretrained({"model": model}, "gone.pth")

    assert caught.value.message.startswith("no pretrained weights at 'gone.pth': ")


@pytest.fixture
def initializers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin with an initializer that brings weights, one that draws them, and a model."""
    rows = [
        ("weight_initializer", "Learned", "pretrained = true"),
        ("weight_initializer", "Drawn", ""),
        ("model", "Drawn", ""),
    ]
    manifest = tmp_path / "zoo_begin" / "zoo_plugin.toml"
    manifest.parent.mkdir()
    text = """[plugin]
name = "begin"
version = "0.1.0"
api = 1
summary = "Ways to begin"
license = "Apache-2.0"
"""
    for kind, name, more in rows:
        text += f'[[{kind}]]\nname = "{name}"\ntarget = "zoo_begin.begin:{name}"\n{more}\n'
    manifest.write_text(text, encoding="utf-8")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    forget_catalog()


@pytest.mark.usefixtures("initializers")
@pytest.mark.parametrize("name", ["zoo.begin.Learned", "zoo.Learned"])
def test_map_pretrained_to_none_leaves_out_initializers_that_bring_weights(name: str) -> None:
    """What a plugin draws at random stays, and so does what has that name elsewhere."""
    learned, drawn = {"type": name, "scale": 2}, {"type": "zoo.begin.Drawn"}
    remote = {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}
    config: dict[str, Any] = {
        "model": {
            "backbone": {"encoder": {"init_cfg": learned}},
            "neck": {"init_cfg": [learned, drawn, remote, learned, {"type": "Normal"}]},
            "head": {"init_cfg": {"type": "zoo.begin.Gone"}, "type": name},
        }
    }

    map_pretrained(config, "none")

    assert config["model"] == {
        "backbone": {"encoder": {"init_cfg": None}},
        "neck": {"init_cfg": [drawn, {"type": "Normal"}]},
        "head": {"init_cfg": {"type": "zoo.begin.Gone"}, "type": name},
    }


@pytest.mark.usefixtures("initializers")
@pytest.mark.parametrize("choice", [None, "weights.pth"])
def test_map_pretrained_when_weights_are_wanted_keeps_initializers_that_bring_them(
    choice: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.pth").touch()
    config: dict[str, Any] = {"model": {"init_cfg": {"type": "zoo.begin.Learned"}}}

    map_pretrained(config, choice)

    assert config["model"] == {"init_cfg": {"type": "zoo.begin.Learned"}}


@pytest.fixture
def put_backbone(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., bytes]:
    """Return a function that lists a backbone for an upstream name and puts it on a mirror."""

    def put(**digest: Any) -> bytes:
        data = b"the tensors"
        row = {"name": "body", "task": "backbone", "urls": ["https://x.example.invalid/body.pth"]}
        row |= {"format": "pth", "licence": "MIT", "data_licence": "unknown"}
        row |= {"replaces": ["torchvision://resnet7"]}
        row |= digest or {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        package = write_plugin("bodies")
        (package / "shelf.json").write_text(json.dumps({"format": 1, "weights": [row]}))
        manifest = package / "zoo_plugin.toml"
        manifest.write_text(f'{manifest.read_text()}\n[[shelf]]\nfile = "shelf.json"\n')
        mirror = tmp_path / "mirror"
        mirror.mkdir()
        (mirror / "body.pth").write_bytes(data)
        monkeypatch.setenv("ZOO_MIRRORS", str(mirror))
        monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
        forget_catalog()
        return data

    return put


def _starting_at(address: str) -> dict[str, Any]:
    return {"model": {"backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": address}}}}


def test_map_pretrained_without_choice_takes_living_weights_and_says_so(
    put_backbone: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """A row that stands for upstream's name has a full digest, so nothing needs to be asked."""
    data = put_backbone()
    config = _starting_at("torchvision://resnet7")

    map_pretrained(config, None, obtain=download)

    file = config["model"]["backbone"]["init_cfg"]["checkpoint"]
    assert Path(file).read_bytes() == data
    assert "bodies.body in place of torchvision://resnet7" in caplog.text


def test_map_pretrained_without_choice_when_one_of_two_has_no_weights_takes_none(
    put_backbone: Callable[..., bytes], tmp_path: Path
) -> None:
    put_backbone()
    config = _starting_at("torchvision://resnet7") | {"load_from": "https://x.org/whole.pth"}

    with pytest.raises(ConfigError) as caught:
        map_pretrained(config, None, obtain=download)

    assert "'https://x.org/whole.pth', 'torchvision://resnet7'" in caught.value.message
    assert not (tmp_path / "cache").exists()


def test_map_pretrained_without_choice_when_the_digest_is_not_full_names_the_command(
    put_backbone: Callable[..., bytes],
) -> None:
    put_backbone(sha256_prefix="01234567")

    with pytest.raises(DownloadError) as caught:
        map_pretrained(_starting_at("torchvision://resnet7"), None, obtain=download)

    assert "--pin" in str(caught.value.hint)


def test_map_pretrained_without_choice_when_reading_only_downloads_nothing(
    put_backbone: Callable[..., bytes], tmp_path: Path
) -> None:
    put_backbone()

    with pytest.raises(DownloadError) as caught:
        map_pretrained(_starting_at("torchvision://resnet7"), None)

    assert "zoo download" in str(caught.value.hint)
    assert not (tmp_path / "cache").exists()
