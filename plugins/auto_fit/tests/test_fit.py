# SPDX-License-Identifier: Apache-2.0
"""``zoo fit`` as a user meets it: a raw folder, a planner of another plugin, Ctrl-C, --resume."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import squares, write_raw

pytestmark = [pytest.mark.mm, pytest.mark.slow]

PLUGINS = "auto_fit,brief,folder_data,training_hooks,segmentation_metrics,dice_loss,"
PLUGINS += "segmentation_transforms,lung_xray,configs,run_report"
STEPS = 6
PLANNER = f'''
from zoo.interfaces import Plan, Reason

CONFIG = """
_base_ = ["zoo::unet_small_folder-512"]
data_root = {{root!r}}
model = dict(backbone=dict(base_channels=4), decode_head=dict(in_channels=4, channels=4))
train_dataloader = dict(batch_size={{batch}}, dataset=dict(data_root=data_root))
train_dataloader.update(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
val_loss_dataloader = None
train_cfg = dict(max_iters={STEPS}, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2))
"""


def plan(fingerprint, machine, allowance):
    batch = min(1, allowance.batch_size or 1)
    config = CONFIG.format(root=fingerprint.root, batch=batch)
    train_s = allowance.seconds / 2
    why = Reason("steps", "{STEPS}", "always")
    return Plan(config=config, batch_size=batch, steps=17, train_s=train_s, reasons=(why,))
'''
ROWS = '[[planner]]\nname = "brief"\ntask = "semantic"\ntarget = "zoo_brief.parts:plan"\n'


def test_fit_of_a_raw_folder_is_stopped_and_continued(
    tmp_path: Path,
    start_zoo: Callable[..., "subprocess.Popen[str]"],
    write_plugin: Callable[..., Path],
) -> None:
    """Ctrl-C in the middle says how to go on, and that goes on to the end.

    The run is that of ``fit/plan.py``, which the planner wrote, and its test is written down. Both
    starts tell the tracker. As the time is used up by then, the report is left out.
    """
    folder = write_plugin("brief", ROWS, parts=PLANNER).parent
    write_raw(tmp_path / "raw", squares(20))
    run = tmp_path / "run"
    words = ("fit", "raw", "--budget", "30m", "--work-dir", "run", "--planner", "brief.brief")
    words += ("--track", "tensorboard")

    first = start_zoo(*words, plugins=PLUGINS, folder=folder, before=os.setsid)
    _wait_for(lambda: any(run.glob("iter_*.pth")), first)
    os.killpg(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=120)
    stopped = sorted(run.glob("iter_*.pth"))
    used_s = _use_up(run)
    second = start_zoo(
        *("fit", "--work-dir", "run", "--resume", "--json"), plugins=PLUGINS, folder=folder
    )
    out, err = second.communicate(timeout=300)

    assert first.returncode == 130, said
    assert "Continue with: zoo fit --work-dir run --resume" in said
    assert f"steps: {STEPS} (always)" in said
    assert stopped
    assert second.returncode == 0, err
    trained = "run: zoo train run/fit/plan.py --work-dir run --track tensorboard"
    assert [trained in text for text in (said, err)] == [True, True]
    assert "make it with: zoo report run --out run" in err
    result = json.loads(out)
    assert result["report"] is None
    assert result["split"] == "test"
    assert 0 <= result["metrics"]["mean_dice"] <= 1
    _check_files(run, used_s=used_s)


def _use_up(run: Path) -> float:
    """Make a fit believe that it began much earlier, and return what it then has used."""
    path = run / "fit" / "fit.json"
    record = json.loads(path.read_text())
    used_s = 2 * record["budget_s"] + record["used_s"]
    path.write_text(json.dumps(record | {"used_s": used_s}))
    return used_s


def _check_files(run: Path, used_s: float) -> None:
    """Check what a fit leaves, and that the time of both starts was added to what was used."""
    assert (run / f"iter_{STEPS}.pth").is_file()
    assert "_base_" in (run / "fit" / "plan.py").read_text()
    assert json.loads((run / "test.json").read_text())["split"] == "test"
    record = json.loads((run / "fit" / "fit.json").read_text())
    assert record["state"] == "tested"
    assert record["used_s"] > used_s
    assert any((run / "tensorboard").iterdir())
    assert not list((run / "fit").glob("probe*/"))


def _wait_for(is_there: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 240
    while not is_there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
