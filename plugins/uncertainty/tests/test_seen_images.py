# SPDX-License-Identifier: Apache-2.0
"""A model is not calibrated on images that it was trained on, under whatever name they are."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from zoo_uncertainty.calibrate_command import command
from zoo_uncertainty.calibrating import Request, calibrate

import zoo
from zoo.data import read_prepared
from zoo.errors import DataError

pytestmark = [pytest.mark.mm, pytest.mark.slow]


class Lab(NamedTuple):
    """A run, its data, and the same images prepared with other splits."""

    run: Path
    data: Path
    shuffled: Path


@pytest.fixture(scope="module")
def lab(
    tmp_path_factory: pytest.TempPathFactory, warm_zoo: Path, env_of_zoo: dict[str, str]
) -> Lab:
    """Train for a step, as a user does."""
    folder = tmp_path_factory.mktemp("lab")
    zoo.sample("lung_xray", folder / "raw", count=24, seed=0, size_px=64)
    made = Lab(folder / "run", folder / "data", folder / "shuffled")
    zoo.prepare("lung_xray", folder / "raw", made.data, shares="0.6,0.2,0.2")
    zoo.prepare("lung_xray", folder / "raw", made.shuffled, shares="0.2,0.2,0.6")
    words = ["train", "unet_small_lung-128", "--data", made.data, "--work-dir", made.run]
    subprocess.run(
        [warm_zoo, *words, "--max-steps", "1"], env=env_of_zoo, check=True, capture_output=True
    )
    return made


def of_trained(lab: Lab) -> list[str]:
    """Return the stems of the test images of the other folder that the run was trained on."""
    trained = {row.source_sha256 for row in read_prepared(lab.data).files if row.split == "train"}
    return sorted(
        row.stem
        for row in read_prepared(lab.shuffled).files
        if row.split == "test" and row.source_sha256 in trained
    )


def test_split_of_the_run_that_it_was_not_trained_on_is_taken(lab: Lab) -> None:
    """The one that chose the checkpoint is named as such."""
    known = {
        split: calibrate(Request([str(lab.run)], lab.data, split=split, device="cpu"))[0].facts
        for split in ("val", "test")
    }

    assert known["val"]["images_known"] == "selected"
    assert known["test"]["images_known"] == "unseen"


def test_trained_images_are_refused_in_another_folder_and_split(lab: Lab) -> None:
    shared = of_trained(lab)
    assert shared
    before = sorted(lab.run.rglob("*"))

    with pytest.raises(DataError) as caught:
        calibrate(Request([str(lab.run)], lab.shuffled, split="test", device="cpu"))

    assert f"it was trained on {len(shared)} of them, such as {shared[0]!r}" in caught.value.message
    assert caught.value.hint
    assert sorted(lab.run.rglob("*")) == before


def test_run_says_which_images_it_has_seen(lab: Lab) -> None:
    """By either digest; it chose its checkpoint by others."""
    rows = {row.split: row for row in read_prepared(lab.data).files}
    digests = {each.image_sha256 for each in rows.values()} | {rows["train"].source_sha256}
    run = zoo.read_run(lab.run)

    assert run.images_seen(digests) == {rows["train"].image_sha256, rows["train"].source_sha256}
    assert run.images_seen(digests, ("val",)) == {rows["val"].image_sha256}
    assert run.images_seen([]) == frozenset()


def write_pair(lab: Lab, folder: Path, *, data: Path | None = None, bare: bool = False) -> str:
    """Write config and checkpoint elsewhere; bare, the checkpoint says nothing of its data."""
    import torch

    (config,) = lab.run.glob("*.py")
    text = config.read_text(encoding="utf-8")
    assert str(lab.data) in text
    (folder / "model.py").write_text(text.replace(str(lab.data), str(data or lab.data)))
    found = zoo.read_run(lab.run).checkpoint()
    assert found is not None
    content = torch.load(found, map_location="cpu", weights_only=False)
    if bare:
        classes = content["meta"]["dataset_meta"]
        content = {"state_dict": content["state_dict"], "meta": {"dataset_meta": classes}}
    torch.save(content, folder / "model.pth")
    return f"{folder / 'model.py'},{folder / 'model.pth'}"


def test_pair_is_checked_by_its_checkpoint(lab: Lab, tmp_path: Path) -> None:
    """Also where its config names another folder, in which the same images are of other splits."""
    pair, shared = write_pair(lab, tmp_path, data=lab.shuffled), of_trained(lab)

    with pytest.raises(DataError) as caught:
        calibrate(Request([pair], lab.shuffled, split="test", device="cpu"))
    known = {
        split: calibrate(Request([pair], lab.data, split=split, device="cpu"))[0].facts
        for split in ("val", "test")
    }

    assert f"it was trained on {len(shared)} of them, such as {shared[0]!r}" in caught.value.message
    assert known["val"]["images_known"] == "selected"
    assert known["test"]["images_known"] == "unseen"


def test_pair_of_a_checkpoint_that_says_nothing_is_checked_by_its_config(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair, shared = write_pair(lab, tmp_path, bare=True), of_trained(lab)

    with pytest.raises(DataError) as caught:
        calibrate(Request([pair], lab.shuffled, split="test", device="cpu"))
    words = [pair, "--data", str(lab.data), "--split", "test", "--device", "cpu"]
    command.main(words, standalone_mode=False)

    told = f"its config trains on {len(shared)} of them, such as {shared[0]!r}"
    assert told in caught.value.message
    assert '"images_known": "configured"' in (tmp_path / "calibration.json").read_text()
    assert "not among the training images that its config names" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["gone", "prepared anew"])
def test_pair_that_nothing_can_be_checked_of_says_so(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    """Its folder is gone, or is not the one that its config notes; no image is refused then."""
    folder = tmp_path / "gone" if data == "gone" else lab.shuffled
    pair = write_pair(lab, tmp_path, data=folder, bare=True)

    words = [pair, "--data", str(lab.shuffled), "--split", "test", "--device", "cpu"]
    command.main(words, standalone_mode=False)

    assert '"images_known": "unknown"' in (tmp_path / "calibration.json").read_text()
    assert "not checked whether these images were trained on" in capsys.readouterr().err
