# SPDX-License-Identifier: Apache-2.0
"""Two processes of the launcher, on a CPU: they train together and measure what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_TOOLS = Path(__file__).parents[2] / "tools"
_METRIC = """
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class PredictedShare(BaseMetric):
    def process(self, data_batch, data_samples):
        for sample in data_samples:
            share = float(sample["pred_sem_seg"]["data"].float().mean())
            self.results.append((sample["img_path"], share))

    def compute_metrics(self, results):
        self._rows = [{"file": file, "values": {"share": share}} for file, share in results]
        return {"share": sum(share for _, share in results) / len(results)}

    def per_image_values(self):
        return self._rows if is_main_process() else []
"""
_CONFIG = """
_base_ = ["mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py"]
custom_imports = dict(imports=["predicted_share"])
norm = dict(type="BN", requires_grad=True)
model = dict(
    backbone=dict(base_channels=4, norm_cfg=norm),
    decode_head=dict(in_channels=4, channels=4, norm_cfg=norm),
    auxiliary_head=dict(in_channels=8, channels=4, norm_cfg=norm),
    test_cfg=dict(_delete_=True, mode="whole"),
)
pipeline = [dict(type=name) for name in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")]
data = dict(data_root="DRIVE", pipeline=pipeline)
loader = dict(batch_size=1, num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(dataset=data))
val_dataloader = dict(**loader, dataset=data)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type="PredictedShare")
test_evaluator = val_evaluator
train_cfg = dict(max_iters=2, val_interval=2)
work_dir = "run"
"""


def _run(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHON": sys.executable,
        "PYTHONPATH": str(folder),
        "PORT": str(29500 + os.getpid() % 1000),
    }
    return subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def task(drive: Path) -> Path:
    """Write a small config on DRIVE, with a metric that knows its images in one process only."""
    (drive.parent / "predicted_share.py").write_text(_METRIC)
    (drive.parent / "small.py").write_text(_CONFIG)
    return drive.parent


def test_two_processes_without_a_gpu_train_and_test_as_one_does(task: Path) -> None:
    trained = _run(task, _TOOLS / "dist_train.sh", "small.py", 2)
    assert trained.returncode == 0, trained.stderr[-3000:]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    launcher.append(f"--master_port={29500 + os.getpid() % 1000}")
    tested = [_TOOLS / "test.py", "small.py", "run/iter_2.pth", "--out"]

    two = _run(task, *launcher, *tested, "two.json", "--launcher", "pytorch")
    one = _run(task, sys.executable, *tested, "one.json")

    assert (two.returncode, one.returncode) == (0, 0), two.stderr[-3000:] + one.stderr[-3000:]
    documents = [json.loads((task / name).read_text()) for name in ("one.json", "two.json")]
    assert len(documents[0]["per_image"]) == 2
    assert all("share" in row["values"] for row in documents[1]["per_image"])
    assert documents[1] == documents[0]


def test_two_processes_on_ctrl_c_stop_after_the_same_step_and_go_on(task: Path) -> None:
    """One checkpoint, no process left over, and none that waits for another."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(task)}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    launcher.append(f"--master_port={29500 + (os.getpid() + 1) % 1000}")
    words = [*launcher, _TOOLS / "train.py", "small.py", "--launcher", "pytorch", "--resume"]
    words += ["--verbose"]
    words += ["--cfg-options", "train_cfg.max_iters=100000", "default_hooks.logger.interval=1"]
    words += ["train_cfg.val_interval=100000", "default_hooks.checkpoint.interval=100000"]
    steps = []
    for _ in range(2):
        run = sys.modules["terminal"].Terminal(words, folder=task, environment=environment)
        assert run.wait_for(r"Iter\(train\) \[ *\d+/100000\]"), run.text[-3000:]

        run.press_ctrl_c()

        assert run.wait() != 0
        assert run.others(wait_s=10) == []
        steps.append(int((task / "run/last_checkpoint").read_text().rpartition("_")[2][:-4]))
        assert f"stopped after step {steps[-1]}" in run.text, run.text[-3000:]
        assert (task / f"run/iter_{steps[-1]}.pth").is_file()
    assert 0 < steps[0] < steps[1]
