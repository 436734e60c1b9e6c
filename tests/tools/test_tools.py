# SPDX-License-Identifier: Apache-2.0
"""The scripts, started as users start them, with workers that are spawned."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_TOOLS = Path(__file__).parents[2] / "tools"
_DRIVE = "mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py"
_SPAWN = "env_cfg.mp_cfg.mp_start_method=spawn"
_CODE = """
import sys, zoo
from zoo.engine.config.reading import read_config
from zoo.engine.runs.train import train
if __name__ == "__main__":
    train(read_config(sys.argv[1], data=sys.argv[2], cfg_options=sys.argv[3:], work_dir="run"))
"""


def _run(folder: Path, plugins: Path | str, *args: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ZOO_PLUGIN_PATH": str(plugins), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, args)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_train_tool_runs_an_unmodified_upstream_config_with_spawned_workers(
    drive: Path, tmp_path: Path
) -> None:
    """Only sizes and the place of the data are given; the config is mmseg's own file."""
    data_sets = ["train_dataloader.dataset.dataset", "val_dataloader.dataset"]
    options = [f"{key}.data_root={drive}" for key in data_sets]
    options += ["test_dataloader.dataset.pipeline.1.scale=(64,64)", "train_cfg.max_iters=2"]
    options += ["train_dataloader.dataset.dataset.pipeline.2.scale=(64,64)"]
    options += ["val_dataloader.dataset.pipeline.1.scale=(64,64)", "train_cfg.val_interval=2"]
    options += ["model.backbone.base_channels=2", "model.decode_head.in_channels=2"]
    options += ["model.decode_head.channels=2", "model.auxiliary_head.in_channels=4"]
    options += ["model.auxiliary_head.channels=2", "train_dataloader.batch_size=2"]
    options += ["train_dataloader.num_workers=1", "val_dataloader.num_workers=1", _SPAWN]

    done = _run(tmp_path, "", _TOOLS / "train.py", _DRIVE, "--cfg-options", *options)

    assert done.returncode == 0, done.stderr[-2000:]
    work_dir = tmp_path / "work_dirs" / "unet-s5-d16_fcn_4xb4-40k_drive-64x64"
    assert (work_dir / "iter_2.pth").is_file()
    assert "mDice" in done.stderr


@pytest.mark.release
def test_training_from_python_c_spawns_workers_that_find_the_plugin(
    squares_folder: Path, squares_data: Path, squares_config: Path, tmp_path: Path
) -> None:
    options = [_SPAWN, "train_dataloader.num_workers=1", "train_cfg.max_iters=1"]

    done = _run(tmp_path, squares_folder, "-c", _CODE, squares_config, squares_data, *options)

    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "iter_1.pth").is_file()


def test_dist_train_without_a_number_of_processes_shows_its_usage() -> None:
    done = subprocess.run([_TOOLS / "dist_train.sh", "c.py"], capture_output=True, text=True)

    assert done.returncode == 2
    assert "tools/dist_train.sh CONFIG PROCESSES [options of zoo train]" in done.stderr


def test_test_tool_shows_its_help() -> None:
    done = _run(Path.cwd(), "", _TOOLS / "test.py", "--help")

    assert done.returncode == 0
    assert "CONFIG|WORK_DIR" in done.stdout
