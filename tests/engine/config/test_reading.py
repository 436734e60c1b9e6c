# SPDX-License-Identifier: Apache-2.0
"""``read_config``: everything a command line gives, in one order."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.engine.config.reading import read_config
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


def test_read_config_lays_options_over_data(squares_config: Path, squares_data: Path) -> None:
    config = read_config(
        squares_config,
        data=squares_data,
        cfg_options=["model.decode_head.num_classes=7", "train_dataloader.batch_size=3"],
        work_dir="there",
    )

    assert config.model.decode_head.num_classes == 7
    assert config.train_dataloader.batch_size == 3
    assert config.train_dataloader.dataset.dataset.data_root == str(squares_data)
    assert config.work_dir == "there"
    assert config.filename == str(squares_config)


def test_read_config_by_default_goes_to_work_dirs_by_name(squares_config: Path) -> None:
    assert read_config(squares_config).work_dir == "work_dirs/squares"
    assert read_config(squares_config, cfg_options={"work_dir": "own"}).work_dir == "own"


@pytest.mark.parametrize(
    ("part", "scope"), [("decode_head", "mmseg"), ("roi_head", "mmdet"), ("other", "mmengine")]
)
def test_read_config_without_scope_tells_it_from_the_model(
    tmp_path: Path, part: str, scope: str
) -> None:
    path = tmp_path / "c.py"
    path.write_text(f"model = dict({part}=dict())\n")

    assert read_config(path).default_scope == scope


def test_read_config_of_a_base_file_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "schedule.py"
    path.write_text("train_cfg = dict(max_iters=5)\n")

    with pytest.raises(ConfigError) as caught:
        read_config(path)

    assert caught.value.message == (
        "cannot use 'schedule.py': it has no model, expected a trainable config."
    )


def test_read_config_of_upstream_with_remote_weights_wants_a_choice() -> None:
    name = "mmseg::deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscapes-512x1024.py"

    with pytest.raises(ConfigError, match=r"open-mmlab://resnet50_v1c.*\n.*model\.pretrained"):
        read_config(name)

    assert read_config(name, pretrained="none").model.pretrained is None
