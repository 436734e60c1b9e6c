# SPDX-License-Identifier: Apache-2.0
"""How the family's table sets up its runs, keeps what is done, and is written."""

from __future__ import annotations

import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "unet_family.py"
ROW = {
    "settings": {"steps": 5, "size": 256, "batch": None},
    "config": "a",
    "parameters": 1_814_610,
    "input_px": [256, 256],
    "forward_flops": 4_876_304_384,
    "batch": 4,
    "seconds_a_step": 1.234,
    "cpu_seconds_a_step": 1.126,
    "steps": 5,
    "dice_lung": 0.98765,
}
TABLE = """\
| config | parameters | input | GFLOPs | batch | s a step | CPU s a step | steps | lung Dice |
|---|---|---|---|---|---|---|---|---|
| a | 1.8 M | 256x256 | 4.9 | 4 | 1.23 | 1.13 | 5 | 0.9877 |
"""


@pytest.fixture
def script() -> dict[str, Any]:
    return runpy.run_path(str(_SCRIPT))


def _config(*train: dict[str, Any]) -> dict[str, Any]:
    resize = {"type": "Resize", "scale": (512, 512)}
    loaders = {name: {"dataset": {"pipeline": [resize]}} for name in ("val_dataloader",)}
    loaders["test_dataloader"] = loaders["val_dataloader"]
    return {"train_dataloader": {"dataset": {"pipeline": [resize, *train]}}, **loaders}


def test_scale_sets_every_resize_and_keeps_the_crops_share(script: dict[str, Any]) -> None:
    config = _config({"type": "RandomCrop", "crop_size": (448, 448)})

    assert script["scale"](config, 256) == {
        "model.data_preprocessor.size": (224, 224),
        "train_dataloader.dataset.pipeline.0.scale": (256, 256),
        "train_dataloader.dataset.pipeline.1.crop_size": (224, 224),
        "val_dataloader.dataset.pipeline.0.scale": (256, 256),
        "test_dataloader.dataset.pipeline.0.scale": (256, 256),
    }


@pytest.mark.parametrize(("size", "image", "whole"), [(256, 260, 444), (388, 388, 572)])
def test_scale_of_the_original_takes_the_next_size_that_it_allows(
    script: dict[str, Any], size: int, image: int, whole: int
) -> None:
    affine = {"type": "zoo.segmentation_transforms.RandomAffine", "size": (388, 388)}
    config = _config(affine, {"type": "zoo.vgg_unet.MirrorPad", "margin_px": 92})

    options = script["scale"](config, size)

    assert options["train_dataloader.dataset.pipeline.1.size"] == (image, image)
    assert options["test_dataloader.dataset.pipeline.0.scale"] == (image, image)
    assert options["model.data_preprocessor.size"] == (whole, whole)


def test_short_run_at_its_own_size_changes_the_schedule_alone(script: dict[str, Any]) -> None:
    options = script["short_run"](_config(), 100, 0, 3)

    assert options["param_scheduler.1.end"] == options["train_cfg.max_iters"] == 100
    assert options["train_dataloader.batch_size"] == 3
    assert not any("pipeline" in key for key in options)


def test_seconds_are_the_median_of_training_steps_without_loading(
    script: dict[str, Any], tmp_path: Path
) -> None:
    steps = [{"loss": 1, "time": 9, "data_time": 0}] * 3
    steps += [{"loss": 1, "time": t, "data_time": 0.5} for t in (1.5, 2.5, 3.5)]
    log = tmp_path / "20260101" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text("\n".join(map(json.dumps, [*steps, {"dice_lung": 1, "time": 99}])))

    assert script["read_seconds"](tmp_path) == 2.0


@pytest.mark.mm
def test_cpu_seconds_of_a_step_are_what_it_works_not_what_it_waits(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmengine.runner import IterBasedTrainLoop

    def work(loop: object, data_batch: float) -> None:
        time.sleep(0.3)
        start = time.process_time()
        while time.process_time() - start < data_batch:
            pass

    monkeypatch.setattr(IterBasedTrainLoop, "run_iter", work)

    seconds = script["watch_cpu"]()
    IterBasedTrainLoop.run_iter(None, 0.05)
    IterBasedTrainLoop.run_iter(None, 0.1)

    assert 0.05 <= seconds[0] < 0.25
    assert 0.1 <= seconds[1] < 0.3


def test_run_with_every_row_done_measures_nothing_and_writes_the_table(
    script: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a run that was cut had finished is not measured again."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text("{}")
    script["write_json"](tmp_path / "rows" / "a.json", ROW)
    args = ["x", "--out", str(tmp_path), "--steps", "5", "--configs", "a"]
    monkeypatch.setattr(sys, "argv", args)
    monkeypatch.setenv("PATH", "")

    script["main"]()

    assert capsys.readouterr().out == TABLE
    assert (tmp_path / "table.md").read_text() == TABLE
    assert json.loads((tmp_path / "table.json").read_text()) == [ROW]


def test_row_of_other_settings_is_measured_again(script: dict[str, Any], tmp_path: Path) -> None:
    script["write_json"](tmp_path / "rows" / "a.json", ROW)

    assert script["find_row"](tmp_path, "a", {**ROW["settings"], "steps": 6}) is None
    assert script["find_row"](tmp_path, "b", ROW["settings"]) is None
    assert script["find_row"](tmp_path, "a", ROW["settings"]) == ROW
