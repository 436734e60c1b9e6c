# SPDX-License-Identifier: Apache-2.0
"""``zoo rank`` and ``zoo assess`` with a planted model, and with a run that knows its images."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_uncertainty.calibrate_command import command as calibrate_command
from zoo_uncertainty.rank_command import assess_command, rank_command

import zoo
from zoo.data import encode_png, read_picture, read_prepared
from zoo.errors import DataError

pytestmark = [pytest.mark.mm, pytest.mark.slow]

PLANTED = 2.0


def run(command: Any, *words: str | Path) -> None:
    """Run a command in this process."""
    command.main([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def model(planted_model: Callable[..., str], planted_data: Path) -> str:
    """Return a planted model with its calibration beside it."""
    found = planted_model(PLANTED)
    run(calibrate_command, found, "--data", planted_data, "--device", "cpu")
    return found


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of images from sure to unsure; the last one is a copy in a folder below."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    (folder / "more").mkdir()
    for name, offset in (("a_sure", 110), ("b_middle", 60), ("c_unsure", 0), ("more/c_unsure", 0)):
        signs = np.where(generator.random((20, 30)) < 0.5, -1, 1)
        pixels = np.clip(127.5 + signs * (offset + 5), 0, 255).astype(np.uint8)
        (folder / f"{name}.png").write_bytes(encode_png(pixels))
    (folder / "notes.txt").write_text("no image")
    return folder


def test_ranking_has_the_unsure_first_and_every_image_once(
    model: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its uncertainty is the entropy of ``sigmoid(a)``, by the formula."""
    run(rank_command, model, images, images / "a_sure.png", "--out", tmp_path, "--device", "cpu")
    said = capsys.readouterr()

    with (tmp_path / "ranking.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    content = json.loads((tmp_path / "ranking.json").read_text("utf-8"))

    assert [int(row["place"]) for row in rows] == [1, 2, 3, 4]
    assert "c_unsure" in rows[0]["file"]
    assert sorted(row["file"] for row in rows) == sorted(map(str, images.rglob("*.png")))
    temperature = content["temperature"]
    assert temperature == pytest.approx(PLANTED, rel=0.06)
    for row in rows:
        logits = (read_picture(Path(row["file"])).pixels - 127.5) / 32 * PLANTED / temperature
        share = 1 / (1 + np.exp(-logits))
        entropy = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
        assert float(row["uncertainty"]) == pytest.approx(entropy.mean(), abs=1e-4)
        assert row["unlike"] == ""
    assert [row["file"] for row in rows] == [each["file"] for each in content["images"]]
    sheet = read_picture(tmp_path / "ranking.png").pixels
    assert sheet.ndim == 3
    assert np.unique(sheet.reshape(-1, 3), axis=0).shape[0] > 50
    assert "the training images were not found" in said.err
    assert "not calibrated" not in said.err


def test_assessment_has_dice_interval_and_map(
    model: str, planted_data: Path, tmp_path: Path
) -> None:
    """Nine of ten test patients or more are within the interval; the map is the entropy."""
    prepared = read_prepared(planted_data)
    rows = [row for row in prepared.files if row.split == "test"]
    paths = [prepared.image_path(row.stem) for row in rows]

    run(assess_command, model, *paths, "--out", tmp_path, "--device", "cpu")

    content = json.loads((tmp_path / "assessment.json").read_text("utf-8"))
    outside = set()
    for row, found in zip(rows, content["images"], strict=True):
        shares = zoo.load(model, task="semantic", device="cpu").probabilities(Path(found["file"]))
        truth = read_picture(prepared.mask_path(row.stem)).pixels == 1
        mask = shares[1] > shares[0]
        dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
        (lung,) = found["classes"]
        low, high = lung["interval"]
        assert low <= lung["expected_dice"] <= high
        if not low <= dice <= high:
            outside.add(row.group)
        drawn = read_picture(tmp_path / found["uncertainty_map"]).pixels
        assert drawn.shape == truth.shape
        assert abs(drawn.mean() / 255 - found["uncertainty"]) < 0.003
        assert found["unlike"] is None
    assert len(outside) <= 0.1 * len({row.group for row in rows}) + 2


def test_equal_names_have_maps_of_their_own(model: str, images: Path, tmp_path: Path) -> None:
    run(assess_command, model, images, "--out", tmp_path, "--device", "cpu")

    content = json.loads((tmp_path / "assessment.json").read_text("utf-8"))
    names = [row["uncertainty_map"] for row in content["images"]]

    assert len(set(names)) == len(names) == 4
    assert all((tmp_path / name).is_file() for name in names)


def test_name_has_no_calibration_beside_its_weights(
    planted_data: Path, images: Path, run_zoo: Callable[..., Any]
) -> None:
    """They lie in a plugin or in the cache, together with those of other models."""
    plugins = "uncertainty,lung_xray,folder_data"
    name, data = "unet_lung_montgomery", str(planted_data)

    calibrated = run_zoo("calibrate", name, "--data", data, plugins=plugins)
    assessed = run_zoo("assess", name, str(images), "--out", "out", plugins=plugins)

    assert (calibrated.returncode, assessed.returncode) == (1, 1)
    assert f"cannot choose where to write the calibration of '{name}'" in calibrated.stderr
    assert "HINT: name a file: --out calibration.json" in calibrated.stderr
    assert f"cannot assess with '{name}': no calibration is given" in assessed.stderr


def test_other_models_and_damage_are_one_message(
    model: str,
    planted_model: Callable[..., str],
    images: Path,
    tmp_path: Path,
) -> None:
    other, calibration = planted_model(1.0), Path(model.split(",")[1]).with_name("calibration.json")
    out = ("--out", tmp_path / "out", "--device", "cpu")

    with pytest.raises(DataError, match="of another checkpoint"):
        run(rank_command, other, images, *out, "--calibration", calibration)
    with pytest.raises(DataError, match="of another checkpoint"):
        run(rank_command, model, images, *out, "--with", other)
    with pytest.raises(DataError, match=r"cannot read 'calibration\.json'") as caught:
        run(assess_command, other, images, *out)
    with pytest.raises(DataError, match="no such file or folder"):
        run(rank_command, model, tmp_path / "missing.png", *out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it has none"):
        run(rank_command, model, tmp_path / "empty", *out)
    assert "zoo calibrate" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_run_knows_what_is_unlike_its_training_images(
    tmp_path: Path, warm_zoo: Path, env_of_zoo: dict[str, str]
) -> None:
    """Negatives of X-rays are; the run is not calibrated, which is told."""
    zoo.sample("lung_xray", tmp_path / "raw", count=30, seed=0, size_px=64)
    zoo.prepare("lung_xray", tmp_path / "raw", tmp_path / "data", shares="0.7,0.1,0.2")
    words = ["train", "unet_small_lung-128", "--data", tmp_path / "data", "--work-dir"]
    subprocess.run(
        [warm_zoo, *words, tmp_path / "run", "--max-steps", "1"],
        env=env_of_zoo,
        check=True,
        capture_output=True,
    )
    prepared = read_prepared(tmp_path / "data")
    usual = [prepared.image_path(row.stem) for row in prepared.files if row.split == "test"]
    negative = tmp_path / "negative.png"
    negative.write_bytes(encode_png(255 - read_picture(usual[0]).to_uint8()))

    out = ("--out", tmp_path / "out", "--device", "cpu")
    run(rank_command, tmp_path / "run", *usual, negative, *out)

    content = json.loads((tmp_path / "out" / "ranking.json").read_text("utf-8"))
    found = {Path(row["file"]).name: row for row in content["images"]}
    trained = [row for row in prepared.files if row.split == "train"]
    assert content["training_images"] == len(trained)
    assert content["temperature"] is None
    assert found["negative.png"]["unlike"]
    assert found["negative.png"]["p_like"] == pytest.approx(1 / (1 + len(trained)), abs=1e-6)
    assert max(row["unlikeness"] for row in found.values()) == found["negative.png"]["unlikeness"]
    assert sum(bool(row["unlike"]) for row in found.values()) <= 3
