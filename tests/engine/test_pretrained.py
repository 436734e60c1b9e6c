# SPDX-License-Identifier: Apache-2.0
"""Remote weights in a config: mapped to a file, a folder or none, and never fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.engine.pretrained import Wanted, find_wanted, map_pretrained
from zoo.errors import ConfigError


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
    assert str(caught.value.hint).startswith("--pretrained FILE (or a DIR that holds them), or ")


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


def test_map_pretrained_to_one_file_sets_it(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    file.touch()
    wanting: dict[str, Any] = {"model": {"pretrained": "torchvision://resnet50"}}
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
