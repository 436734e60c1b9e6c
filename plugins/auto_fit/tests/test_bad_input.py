# SPDX-License-Identifier: Apache-2.0
"""Bad input of ``zoo fit`` from outside: one message, and a hint that leads out of it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from zoo_auto_fit.raw_data import prepare_raw
from zoo_auto_fit.record import FitRecord, write_record

import zoo
from zoo.data import Prepared, read_prepared

from .conftest import squares, write_raw

pytestmark = [pytest.mark.mm, pytest.mark.slow]

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Prepare = Callable[..., Prepared]
PLUGINS = "auto_fit,folder_data,training_hooks,segmentation_metrics,dice_loss,vgg_unet,"
PLUGINS += "segmentation_transforms,configs,run_report"


def _refused(ended: "subprocess.CompletedProcess[str]") -> str:
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("error: ") == 1
    assert "HINT: " in ended.stderr
    return ended.stderr


def test_one_image_is_refused(tmp_path: Path, run_zoo: Run) -> None:
    write_raw(tmp_path / "raw", squares(1))

    said = _refused(run_zoo("fit", "raw", "--budget", "10m", "--work-dir", "run", plugins=PLUGINS))

    assert "one image" in said


def test_classes_that_never_occur_are_refused(prepare: Prepare, run_zoo: Run) -> None:
    root = prepare([np.zeros((32, 32), np.uint8)] * 20).root

    said = _refused(run_zoo("fit", root, "--budget", "10m", "--work-dir", "run", plugins=PLUGINS))

    assert "no training image has thing" in said


def test_data_that_changed_is_refused(tmp_path: Path, prepare: Prepare, run_zoo: Run) -> None:
    prepared = prepare(squares(20))
    root = str(prepared.root)
    write_record(
        tmp_path / "run",
        FitRecord(
            data=root, source=root, digest=prepared.digest, budget_s=600.0, used_s=1.0, split="test"
        ),
    )
    (tmp_path / "drawn").rename(tmp_path / "before")
    write_raw(tmp_path / "other", squares(20, side=24))
    zoo.prepare("folder_data", tmp_path / "other", tmp_path / "drawn", task="semantic")

    said = _refused(run_zoo("fit", "--work-dir", "run", "--resume", plugins=PLUGINS))

    assert "its data was prepared again since, and differs" in said


@pytest.mark.release
def test_budget_too_small_says_what_would_fit(tmp_path: Path, run_zoo: Run) -> None:
    """That the one which is named is accepted, test_refusals.py shows for many.

    Without a work dir, the plan of a raw folder would name a folder that is gone.
    """
    write_raw(tmp_path / "raw", squares(20))
    words = ("fit", "raw", "--dry-run", "--budget", "5s")

    gone = run_zoo(*words, plugins=PLUGINS)
    said = _refused(run_zoo(*words, "--work-dir", "run", plugins=PLUGINS))

    (named,) = re.findall(r"HINT: give --budget (\S+);", said)
    assert gone.returncode == 2
    assert "--work-dir is missing: the data is not prepared yet" in gone.stderr
    assert f"expected a budget of at least {named}" in said
    assert (tmp_path / "run" / "fit" / "data" / "dataset.json").is_file()
    assert not list((tmp_path / "run" / "fit").glob("probe*/"))


def test_raw_folder_is_prepared_anew_after_a_refusal(tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", squares(20))
    folder = tmp_path / "run" / "fit"
    first = prepare_raw(tmp_path / "raw", folder, "semantic", ["--shares", "0.6,0.2,0.2"])
    before = read_prepared(first).digest

    second = prepare_raw(tmp_path / "raw", folder, "semantic", ["--shares", "0.8,0.1,0.1"])

    assert first == second == folder / "data"
    assert read_prepared(second).digest != before


def test_tracker_that_is_unknown_is_refused_before_anything_is_done(
    tmp_path: Path, run_zoo: Run
) -> None:
    write_raw(tmp_path / "raw", squares(4))
    words = ("fit", "raw", "--budget", "10m", "--work-dir", "run", "--track", "tensorbord")

    said = _refused(run_zoo(*words, plugins=PLUGINS))

    assert "cannot track the run with 'tensorbord'" in said
    assert not (tmp_path / "run").exists()
