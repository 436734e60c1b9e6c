# SPDX-License-Identifier: Apache-2.0
"""``zoo calibrate`` on planted models: what it finds, what it writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_uncertainty.calibrate_command import command
from zoo_uncertainty.calibrating import Request, calibrate
from zoo_uncertainty.calibration_file import read_calibration
from zoo_uncertainty.members import open_members

import zoo
from zoo.data import read_picture, read_prepared
from zoo.errors import ConfigError, DataError

pytestmark = [pytest.mark.mm, pytest.mark.slow]

PLANTED = 2.5


def run(*words: str | Path) -> None:
    """Run the command in this process."""
    command.main([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def model(planted_model: Callable[..., str]) -> str:
    return planted_model(PLANTED)


@pytest.fixture(scope="module")
def made(model: str, planted_data: Path) -> dict[str, Any]:
    """Return the content of the file, checked on the test split."""
    found, _ = calibrate(Request([model], planted_data, check_split="test", device="cpu"))
    content = found.to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    return content


def shares_of_split(model: str, data: Path, split: str) -> dict[str, list[tuple[Any, Any]]]:
    """Return probabilities of lung and truth of each image, by patient."""
    prepared, predictor = read_prepared(data), zoo.load(model, task="semantic", device="cpu")
    found: dict[str, list[tuple[Any, Any]]] = {}
    for row in prepared.files:
        if row.split == split:
            shares = predictor.probabilities(prepared.image_path(row.stem))[1]
            truth = read_picture(prepared.mask_path(row.stem)).pixels == 1
            found.setdefault(row.group, []).append((shares, truth))
    return found


def test_planted_temperature_is_found_and_mends_the_error(made: dict[str, Any]) -> None:
    assert made["temperature"] == pytest.approx(PLANTED, rel=0.05)
    for part in (made, made["check"]):
        assert part["after"]["nll"] < part["before"]["nll"] - 0.1
        assert part["before"]["ece"] > 0.1
        assert part["after"]["ece"] < 0.02


def test_missed_shares_are_those_of_whole_patients(
    made: dict[str, Any], model: str, planted_data: Path
) -> None:
    """Worked out patient by patient; one more step of the odds would break the bound."""
    (lung,) = made["classes"]

    def mean_missed(split: str, threshold: float) -> float:
        shares = []
        for images in shares_of_split(model, planted_data, split).values():
            true = np.concatenate([found[truth] for found, truth in images])
            shares.append(float((true < np.float32(threshold)).mean()))
        return sum(shares) / len(shares)

    count = lung["groups"]
    assert lung["name"] == "lung"
    assert count == len(shares_of_split(model, planted_data, "val"))
    assert lung["missed"] == pytest.approx(mean_missed("val", lung["threshold"]), abs=1e-9)
    assert (count * lung["missed"] + 1) / (count + 1) <= 0.1
    above = 1 / (1 + np.exp(-np.log(lung["threshold"] / (1 - lung["threshold"])) - 0.01))
    assert (count * mean_missed("val", float(above) + 1e-6) + 1) / (count + 1) > 0.1
    (checked,) = made["check"]["classes"]
    assert checked["missed"] == pytest.approx(mean_missed("test", lung["threshold"]), abs=1e-9)


def test_interval_of_dice_is_that_of_a_twin(
    made: dict[str, Any], model: str, planted_data: Path
) -> None:
    """From logits in float64, by the formula; the planted model's Dice is as expected."""
    (lung,), (checked,) = made["classes"], made["check"]["classes"]

    def errors(split: str) -> list[float]:
        largest = []
        for images in shares_of_split(model, planted_data, split).values():
            found = []
            for shares, truth in images:
                logits = np.log(shares.astype(float) / (1 - shares)) / made["temperature"]
                sure = 1 / (1 + np.exp(-logits))
                mask = sure > 0.5
                expected = 2 * sure[mask].sum() / (mask.sum() + sure.sum())
                actual = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
                found.append(abs(actual - expected))
            largest.append(max(found))
        return sorted(largest)

    of_val = errors("val")
    assert lung["dice_width"] == pytest.approx(
        of_val[int(np.ceil((len(of_val) + 1) * 0.9)) - 1], abs=1e-4
    )
    within = np.mean([each <= lung["dice_width"] + 1e-9 for each in errors("test")])
    assert checked["dice_within"] == pytest.approx(within, abs=0.051)
    assert lung["dice_width"] < 0.1


def test_file_says_of_what_it_is_and_holds_for_nothing_else(
    model: str, planted_model: Callable[..., str], planted_data: Path, tmp_path: Path
) -> None:
    path, data = tmp_path / "c.json", read_prepared(planted_data)
    run(model, "--data", planted_data, "--device", "cpu", "--out", path)
    first = path.read_bytes()
    run(model, "--data", planted_data, "--device", "cpu", "--out", path)

    found = read_calibration(path)

    assert path.read_bytes() == first
    assert found.facts["data"]["digest"] == data.digest
    assert found.facts["data"]["split_digest"] == data.splits["val"].digest
    assert found.facts["images_known"] == "unknown"
    found.check_members(open_members([model], device="cpu"), path)
    with pytest.raises(DataError, match=r"it is of another checkpoint \(model.pth\)"):
        found.check_members(open_members([planted_model(2.0)], device="cpu"), path)
    with pytest.raises(DataError, match="made with --tta none, found flip"):
        found.check_members(open_members([model], tta="flip", device="cpu"), path)


def test_flips_of_a_model_of_single_pixels_change_nothing(model: str, planted_data: Path) -> None:
    prepared = read_prepared(planted_data)
    path = prepared.image_path(prepared.files[0].stem)

    plain = open_members([model], device="cpu").probabilities(path)
    flipped = open_members([model], tta="flip", device="cpu").probabilities(path)

    np.testing.assert_allclose(flipped, plain, atol=1e-6)


def test_several_models_are_their_mean(
    model: str, planted_model: Callable[..., str], planted_data: Path
) -> None:
    prepared, other = read_prepared(planted_data), planted_model(0.5)
    path = prepared.image_path(prepared.files[0].stem)
    members = open_members([model, other], device="cpu")

    found = members.probabilities(path)

    single = [open_members([one], device="cpu").probabilities(path) for one in (model, other)]
    np.testing.assert_allclose(found, (single[0] + single[1]) / 2, atol=1e-7)
    assert len(members.identity()) == 2


def test_few_patients_have_no_threshold_and_the_command_says_so(
    model: str, planted_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        *(model, "--data", planted_data, "--alpha", "0.01", "--device", "cpu"),
        *("--out", tmp_path / "c.json"),
    )

    said = capsys.readouterr()

    (lung,) = read_calibration(tmp_path / "c.json").classes
    assert lung.threshold is None
    assert lung.dice_width is None
    assert f"no threshold, {lung.groups} groups have it and 99 are needed" in said.out
    assert "does not say what it was trained on" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "cannot let a share of 0 be missed: expected above 0, below 1."),
        ({"alpha": float("nan")}, "cannot let a share of nan be missed"),
        ({"check_split": "val"}, "cannot check on"),
        ({"data": "missing"}, "as a prepared data set: it does not exist"),
    ],
)
def test_what_cannot_be_calibrated_is_one_message(
    model: str, planted_data: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    options = {"data": planted_data, "device": "cpu"} | options
    options["data"] = tmp_path / options["data"]

    with pytest.raises((ConfigError, DataError), match=message) as caught:
        calibrate(Request([model], **options))

    assert caught.value.hint


def test_data_of_other_classes_is_refused(
    planted_model: Callable[..., str], planted_data: Path
) -> None:
    other = planted_model(1.0, classes=("background", "heart"))

    with pytest.raises(DataError, match="its classes are background, lung, the model's"):
        calibrate(Request([other], planted_data, device="cpu"))


def test_several_models_need_a_name_for_the_file(model: str, planted_data: Path) -> None:
    with pytest.raises(ConfigError, match="calibration of 2 models together"):
        run(model, model, "--data", planted_data)
