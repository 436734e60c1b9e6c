# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself: the command that trained it, and a digest that no place changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm


def _config(root: str = "data", work_dir: str = "run", lr: float = 0.1, **more: Any) -> Any:
    from mmengine.config import Config

    dataset = {"type": "BaseSegDataset", "data_root": root, "data_prefix": {"img_path": "images"}}
    loader = {"batch_size": 2, "dataset": {"type": "RepeatDataset", "dataset": dataset}}
    wrapper = {"optimizer": {"type": "SGD", "lr": lr}}
    values = {"train_dataloader": loader, "optim_wrapper": wrapper, "work_dir": work_dir}
    return Config({**values, **more})


def _provenance(config: Any) -> dict[str, Any]:
    from zoo.engine.work_dir.run_facts import RunFacts

    return RunFacts(config, "unet_tiny", Path("a.pth"), Path("run"), {"name": "x"}).provenance()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "zoo train unet_tiny"),
        ({"has_data": True}, "zoo train unet_tiny --data DIR"),
        ({"pretrained": "none", "amp": True}, "zoo train unet_tiny --pretrained none --amp"),
        (
            {"pretrained": "/home/me/r50.pth", "has_data": True},
            "zoo train unet_tiny --data DIR --pretrained r50.pth",
        ),
        (
            {"pretrained": f"https://me:secret@x.org/r50.pth?token=1#sha256={'0' * 64}"},
            f"zoo train unet_tiny --pretrained 'https://x.org/r50.pth#sha256={'0' * 64}'",
        ),
        (
            {"cfg_options": ("a.b=1", "c='x y'")},
            """zoo train unet_tiny --cfg-options a.b=1 'c='"'"'x y'"'"''""",
        ),
        (
            {"cfg_options": ("load_from=/home/me/coco.pth", "m.train=a/b.*", "n=[~/a.pth,/x/b]")},
            "zoo train unet_tiny --cfg-options load_from=coco.pth 'm.train=a/b.*' 'n=[a.pth,b]'",
        ),
        (
            {"cfg_options": ("a=https://me:secret@x.org/r.pth?token=1", "b=s3://me:secret@x")},
            "zoo train unet_tiny --cfg-options a=r.pth b=x",
        ),
    ],
)
def test_command_of_a_run_has_its_options_and_no_folders(
    given: dict[str, Any], expected: str
) -> None:
    from zoo.engine.work_dir.run_facts import note_command

    config = _config()
    note_command(config, "unet_tiny", **given)

    assert expected == _provenance(config)["command"]


def test_command_of_a_config_file_names_it_without_its_folder(tmp_path: Path) -> None:
    """Where it lay says nothing elsewhere."""
    from zoo.engine.work_dir.run_facts import note_command

    (tmp_path / "mine.py").touch()
    config = _config()
    note_command(config, str(tmp_path / "mine.py"))

    assert _provenance(config)["command"] == "zoo train mine.py"


def test_command_of_a_run_that_noted_none_is_the_plain_one() -> None:
    """As of runs that a script of one's own started."""
    assert _provenance(_config())["command"] == "zoo train unet_tiny --data DIR"


def test_digest_of_a_config_is_that_of_what_was_trained_not_of_where() -> None:
    here = _config("/home/me/data", "/home/me/run", resume=True, load_from="/home/me/a.pth")
    there = _config("D/data", "work_dirs/x", zoo_command="zoo train x")
    other = _config("/home/me/data", "/home/me/run", lr=0.2)

    digests = [_provenance(config)["config_sha256"] for config in (here, there, other)]

    assert digests[0] == digests[1] != digests[2]
    assert here.work_dir == "/home/me/run"


def test_digest_of_a_config_with_files_in_its_folders_is_the_same_elsewhere() -> None:
    """An evaluator names a file of the data, and a backbone one of weights."""

    def digest(root: str, weights: str, split: str = "val") -> str:
        evaluator = {"type": "X", "ann_file": f"{root}/annotations/{split}.json"}
        model = {"backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": weights}}}
        config = _config(root, val_evaluator=evaluator, model=model)
        return str(_provenance(config)["config_sha256"])

    long = "/a/folder/of/someone/with/a/name/that/breaks/the/lines/of/a/config/which/is/laid/out"
    expected = digest("data", "/x/r50.pth")

    assert expected == digest(long, f"{long}-weights/r50.pth")
    assert expected != digest("data", "/x/r101.pth")
    assert expected != digest("data", "/x/r50.pth", split="test")
