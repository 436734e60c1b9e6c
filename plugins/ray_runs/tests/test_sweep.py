# SPDX-License-Identifier: Apache-2.0
"""``zoo sweep`` on a real Ray of this machine: killed in the middle, resumed, one trial failing."""

import importlib.util
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo

pytestmark = [
    pytest.mark.mm,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]

PLUGINS = "ray_runs,lung_xray,configs,segmentation_metrics,dice_loss,segmentation_transforms,"
PLUGINS += "training_hooks"
CONFIG = """
_base_ = ["zoo::unet_small_lung-128"]
model = dict(backbone=dict(base_channels=4), decode_head=dict(in_channels=4, channels=4))
train_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=2)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)
val_loss_dataloader = None
train_cfg = dict(val_interval=300)  # of 300 steps: one validation, however short the run is
"""
SPACE = """
"optim_wrapper.optimizer.lr" = { loguniform = [1e-4, 1e-1] }
"optim_wrapper.optimizer.type" = { grid = ["AdamW", "Adamm"] }
"""
STEPS = 12


def _wait_for(is_there: Callable[[], Any], process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 400
    while not is_there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


def _states(work: Path) -> dict[str, str]:
    file = work / "sweep.json"
    document = json.loads(file.read_text("utf-8")) if file.is_file() else {"trials": []}
    return {trial["name"]: trial["state"] for trial in document["trials"]}


def _write_inputs(folder: Path) -> None:
    zoo.sample("lung_xray", folder / "raw", count=6)
    zoo.prepare("lung_xray", folder / "raw", folder / "data", shares="0.6,0.2,0.2")
    (folder / "tiny.py").write_text(CONFIG, encoding="utf-8")
    (folder / "space.toml").write_text(SPACE, encoding="utf-8")


def _expect_trained(work: Path, trial: dict[str, Any]) -> None:
    """A trial has the values of its own folder, and was trained with its setting to the end."""
    run = zoo.read_run(work / "trials" / trial["name"])
    curve = run.metrics["mean_dice"]
    assert max(curve) == STEPS
    assert trial["value"] == curve[trial["step"]] == max(curve.values())
    rate = run.config["optim_wrapper"]["optimizer"]["lr"]
    assert rate == trial["options"]["optim_wrapper.optimizer.lr"]


@pytest.mark.timeout(1200)
def test_killed_sweep_is_finished_by_resume_alone(
    tmp_path: Path, start_zoo: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """``kill -9`` of all that the sweep started in its group; what had ended is not run again.

    The second trial names an optimizer that does not exist: it is listed, and ends nothing.
    """
    _write_inputs(tmp_path)
    work = tmp_path / "work"
    words = ("sweep", "tiny.py", "--space", "space.toml", "--data", "data", "--work-dir", "work")

    first = start_zoo(
        *(*words, "--trials", "2", "--cpus-per-trial", "1", "--", "--max-steps", str(STEPS)),
        plugins=PLUGINS,
        before=os.setsid,
    )
    # One trial has ended, and the other one has saved a step and perhaps not ended.
    _wait_for(lambda: set(_states(work).values()) - {"waiting"}, first)
    _wait_for(lambda: any(work.glob("trials/trial_001/iter_*.pth")), first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=120)
    ended = {name for name, state in _states(work).items() if state != "waiting"}
    logs = {name: (work / "trials" / f"{name}.log").read_bytes() for name in ended}
    second = start_zoo("sweep", "--work-dir", "work", "--resume", "--json", plugins=PLUGINS)
    out, said = second.communicate(timeout=600)

    assert second.returncode == 0, said
    assert "[" not in said, "a log line of Ray"
    result = json.loads(out)
    trials = {trial["name"]: trial for trial in result["trials"]}
    states = {name: trial["state"] for name, trial in trials.items()}
    assert states == {"trial_001": "finished", "trial_002": "failed"}
    assert all((work / "trials" / f"{name}.log").read_bytes() == log for name, log in logs.items())
    assert "Adamm" in trials["trial_002"]["error"]
    assert (result["metric"], result["direction"]) == ("mean_dice", "higher")
    assert result["ranked"] == ["trial_001"]
    _expect_trained(work, trials["trial_001"])
    assert (work / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_faulty_sweep_ends_with_one_message_and_without_ray(
    tmp_path: Path, start_zoo: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """A key that the config lacks costs no start of Ray, and leaves no folder behind."""
    (tmp_path / "space.toml").write_text(SPACE.replace(".lr", ".learning_rate"), encoding="utf-8")

    process = start_zoo(
        *("sweep", "unet_small_lung-128", "--space", "space.toml", "--work-dir", "work"),
        plugins=PLUGINS,
    )
    _, said = process.communicate(timeout=200)

    assert process.returncode == 1
    assert "the config has no 'learning_rate' in 'optim_wrapper.optimizer'" in said
    assert "Traceback" not in said
    assert not (tmp_path / "work").exists()


ASHA_SPACE = """
"optim_wrapper.optimizer.lr" = { grid = [1e-2, 0.0] }
"""


@pytest.mark.release
@pytest.mark.timeout(900)
def test_bad_trial_is_stopped_early_and_the_good_one_goes_on(
    tmp_path: Path, start_zoo: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """A trial that learns nothing ends at its first validation, which the other one has won."""
    _write_inputs(tmp_path)
    workers = "dict(num_workers=0, persistent_workers=False)"
    config = CONFIG.replace("val_loss_dataloader = None", f"val_loss_dataloader = {workers}")
    config = config.replace("val_interval=300", "val_interval=75")  # of 60 steps: after 15 each
    (tmp_path / "tiny.py").write_text(config, encoding="utf-8")
    (tmp_path / "space.toml").write_text(ASHA_SPACE, encoding="utf-8")
    alone = str(zoo.find_machine().cpus)  # one after the other: the good one is measured first

    process = start_zoo(
        *("sweep", "tiny.py", "--space", "space.toml", "--data", "data", "--work-dir", "work"),
        *("--metric", "val/loss", "--direction", "lower", "--asha", "--cpus-per-trial", alone),
        *("--json", "--", "--max-steps", "60"),
        plugins=PLUGINS,
    )
    out, said = process.communicate(timeout=800)

    assert process.returncode == 0, said
    result = json.loads(out)
    good, bad = result["trials"]
    assert [good["state"], bad["state"]] == ["finished", "stopped"]
    assert result["ranked"] == [good["name"], bad["name"]]
    trials = tmp_path / "work/trials"
    steps = {
        each["name"]: set(zoo.read_run(trials / each["name"]).validations["val/loss"])
        for each in (good, bad)
    }
    assert steps[good["name"]] == {15, 30, 45, 60}
    assert 15 in steps[bad["name"]]
    assert 60 not in steps[bad["name"]]
    assert (tmp_path / "work/sweep.png").is_file()
