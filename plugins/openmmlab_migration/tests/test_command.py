# SPDX-License-Identifier: Apache-2.0
"""``zoo migrate`` as a user calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from click.testing import Result

import zoo

Migrate = Callable[..., Result]


@pytest.fixture
def old(old_configs: ModuleType, tmp_path: Path) -> Path:
    """An old config with bases beside it."""
    text = next(each for each in old_configs.sample() if len(each.files) > 1)
    path: Path = text.write(tmp_path)
    return path


@pytest.mark.mm
def test_migrate_writes_a_config_and_a_list(old: Path, tmp_path: Path, migrate: Migrate) -> None:
    """The header says from what it was made; the list has a line for each key."""
    out = tmp_path / "out"

    result = migrate(old, "--out", out)

    assert result.exit_code == 0, result.output
    text = (out / old.name).read_text(encoding="utf-8")
    assert text.startswith(f'"""Migrated by `zoo migrate` from {old.name}')
    assert "model.py, data.py, schedule.py" in text
    listed = (out / f"{old.stem}.md").read_text(encoding="utf-8")
    assert "- `data.train`: train_dataloader.dataset." in listed
    assert "everything was carried" in result.output


@pytest.mark.mm
def test_migrate_as_json_says_the_same(old: Path, tmp_path: Path, migrate: Migrate) -> None:
    """For programs: whether it is whole, what was written, and the three lists."""
    result = migrate(old, "--out", tmp_path / "out", "--json")

    report = json.loads(result.output)
    assert report["whole"] is True
    assert report["lost"] == []
    assert report["family"] in ("mmseg", "mmdet")
    assert all(Path(file).is_file() for file in report["written"])
    assert {"key", "text", "hint"} == report["changed"][0].keys()


@pytest.mark.mm
def test_migrate_twice_gives_equal_bytes(old: Path, tmp_path: Path, migrate: Migrate) -> None:
    """No date, no path, no order of chance."""
    for name in ("a", "b"):
        assert migrate(old, "--out", tmp_path / name).exit_code == 0

    first, second = ((tmp_path / name / old.name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_migrate_checkpoint_writes_safetensors(tmp_path: Path, migrate: Migrate) -> None:
    """The result is what zoo reads without pickles, with classes; copies are apart."""
    state = {"rpn_head.rpn_conv.bias": torch.arange(3.0)}
    state["ema_rpn_head_rpn_conv_bias"] = torch.zeros(3)
    torch.save({"state_dict": state, "meta": {"CLASSES": ("tank",)}}, tmp_path / "rpn.pth")

    result = migrate(tmp_path / "rpn.pth", "--out", tmp_path / "out", "--json")

    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["architectures"] == ["RPN of mmdet 2.x"]
    assert report["names"] == {"rpn_head.rpn_conv.bias": "bbox_head.rpn_conv.bias"}
    read = zoo.load_checkpoint(tmp_path / "out" / "rpn.safetensors")
    assert read.classes == ("tank",)
    assert read.state_dict["bbox_head.rpn_conv.bias"].tolist() == [0, 1, 2]
    copies = zoo.load_checkpoint(tmp_path / "out" / "rpn_ema.safetensors")
    assert copies.state_dict["bbox_head.rpn_conv.bias"].tolist() == [0, 0, 0]


def _new(folder: Path) -> Path:
    file = folder / "new.py"
    file.write_text("model = dict(type='X')\ntrain_dataloader = dict()\n", encoding="utf-8")
    return file


def _no_config(folder: Path) -> Path:
    file = folder / "other.py"
    file.write_text("x = 1\n", encoding="utf-8")
    return file


def _text(folder: Path) -> Path:
    file = folder / "readme.txt"
    file.write_text("hello", encoding="utf-8")
    return file


def _broken(folder: Path) -> Path:
    file = folder / "broken.py"
    file.write_text("model = dict(", encoding="utf-8")
    return file


def _damaged(folder: Path) -> Path:
    file = folder / "damaged.pth"
    file.write_bytes(b"PK\x03\x04 no zip")
    return file


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone.py", "found nothing"),
        (lambda folder: folder, "found a folder"),
        (_new, "it is a config of mmseg 1.x or mmdet 3.x"),
        (_no_config, "expected the keys of an OpenMMLab config"),
        (_text, "it is neither a config"),
        (_broken, "line 1"),
        (_damaged, "damaged.pth"),
    ],
    ids=["gone", "folder", "new", "no-config", "text", "broken", "damaged"],
)
def test_migrate_of_bad_input_says_one_thing_and_writes_nothing(
    make: Callable[[Path], Path], message: str, tmp_path: Path, migrate: Migrate
) -> None:
    """Exit 1, one message with a hint, no traceback."""
    result = migrate(make(tmp_path), "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert message in result.output
    assert "HINT: " in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.mm
def test_migrate_into_a_folder_with_other_files_replaces_none(
    old: Path, tmp_path: Path, migrate: Migrate
) -> None:
    """Other files stay; a file of the same name is refused before any work."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")

    first = migrate(old, "--out", out)
    before = (out / old.name).read_bytes()
    second = migrate(old, "--out", out)

    assert first.exit_code == 0
    assert second.exit_code == 1
    assert "found a file of that name" in second.output
    assert (out / old.name).read_bytes() == before
    assert (out / "mine.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.mm
def test_migrate_beside_the_old_config_does_not_replace_it(old: Path, migrate: Migrate) -> None:
    """`--out` may not be the folder of the old file."""
    before = old.read_bytes()

    result = migrate(old, "--out", old.parent)

    assert result.exit_code == 1
    assert old.read_bytes() == before


def test_migrate_into_a_file_says_so(old: Path, tmp_path: Path, migrate: Migrate) -> None:
    """`--out` names a folder."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    result = migrate(old, "--out", tmp_path / "file")

    assert result.exit_code == 1
    assert "expected a folder" in result.output


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.mm
def test_migrate_into_an_unwritable_folder_says_so(
    old: Path, tmp_path: Path, migrate: Migrate
) -> None:
    """The reason of the system, and what to do."""
    out = tmp_path / "locked"
    out.mkdir(mode=0o500)

    result = migrate(old, "--out", out, "--no-check")

    assert result.exit_code == 1
    assert "cannot write" in result.output


@pytest.mark.slow
@pytest.mark.mm
def test_hint_of_zoo_train_leads_to_a_config_that_it_reads(old: Path, tmp_path: Path) -> None:
    """Following the hint of the refusal ends with a config that `zoo config show` prints."""
    run: dict[str, Any] = {"capture_output": True, "text": True, "check": False, "cwd": tmp_path}
    command = [sys.executable, "-m", "zoo"]

    refused = subprocess.run([*command, "train", str(old)], **run)
    hint = next(line for line in refused.stderr.splitlines() if line.startswith("HINT: "))
    words = hint.split("`")[1].split()[1:]
    followed = subprocess.run([*command, *words], **run)
    shown = subprocess.run([*command, "config", "show", f"DIR/{old.name}"], **run)

    assert refused.returncode == 1
    assert followed.returncode == 0, followed.stderr
    assert shown.returncode == 0, shown.stderr
    assert "train_dataloader" in shown.stdout
