# SPDX-License-Identifier: Apache-2.0
"""Postprocessing that configs, records and the command line state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

import zoo
from zoo.cli import main
from zoo.engine.cleaning.postprocess import Postprocess, is_postprocess, parse_postprocess
from zoo.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.mm

CLASSES = ("background", "lung", "heart")
LUNGS = "postprocess = dict(keep_largest=dict(lung=2), fill_holes=True)\n"


def cleaned_by_scipy(labels: Any, *, fills: bool = True) -> Any:
    """Return labels of 0 and 1 with the two largest parts of 1, and their holes filled."""
    parts, number = ndimage.label(labels == 1, np.ones((3, 3)))
    areas = ndimage.sum_labels(labels == 1, parts, np.arange(1, number + 1))
    kept = np.isin(parts, np.argsort(-areas, kind="stable")[:2] + 1)
    return (ndimage.binary_fill_holes(kept) if fills else kept).astype(np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Write four bright parts, the larger two of them with holes."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    for left, top, right, bottom in (
        (2, 2, 20, 40),
        (30, 4, 52, 30),
        (56, 2, 60, 6),
        (1, 44, 3, 47),
    ):
        pixels[top:bottom, left:right] = 200
    pixels[10:14, 6:10] = pixels[8:12, 34:38] = pixels[0, 0] = 0
    path = tmp_path / "chest.png"
    cv2.imwrite(str(path), pixels)
    return path


def labels_of(folder: Path) -> Any:
    return cv2.imread(str(folder / "chest_label.png"), cv2.IMREAD_UNCHANGED)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def predict(model: object, image: Path, out: Path, *options: str) -> Any:
    done = run("predict", model, image, "--out", out, "--device", "cpu", *options)
    assert done.exit_code == 0, done.output
    return labels_of(out)


@pytest.mark.parametrize(
    ("stated", "kept", "filled"),
    [
        (None, {}, ()),
        ({}, {}, ()),
        ({"keep_largest": 3}, {"lung": 3, "heart": 3}, ()),
        ({"keep_largest": {"lung": 2}}, {"lung": 2}, ()),
        ({"fill_holes": True}, {}, ("lung", "heart")),
        ({"keep_largest": {"heart": 1}, "fill_holes": ["lung"]}, {"heart": 1}, ("lung",)),
        ({"keep_largest": None, "fill_holes": False}, {}, ()),
    ],
)
def test_what_is_stated_is_read(stated: Any, kept: Any, filled: Any) -> None:
    """One number and True are of every class but the background."""
    found = parse_postprocess(stated, CLASSES)

    assert found == Postprocess(kept, filled)
    assert bool(found) == bool(kept or filled)
    assert is_postprocess(found.to_json())
    assert parse_postprocess(found.to_json(), CLASSES) == found


@pytest.mark.parametrize(
    "stated",
    [
        2,
        "lung",
        {"keep": 2},
        {"keep_largest": 0},
        {"keep_largest": -1},
        {"keep_largest": True},
        {"keep_largest": 1001},
        {"keep_largest": "2"},
        {"keep_largest": {"lung": 0}},
        {"keep_largest": {"lung": 1.5}},
        {"keep_largest": {"lung": 10**20}},
        {"keep_largest": {"liver": 2}},
        {"keep_largest": {"background": 1}},
        {"keep_largest": {3: 2}},
        {"keep_largest": ["lung"]},
        {"fill_holes": "lung"},
        {"fill_holes": ["liver"]},
        {"fill_holes": [["lung"]]},
        {"fill_holes": ["lung", "lung"]},
        {"fill_holes": 1},
    ],
)
def test_what_cannot_be_stated_is_refused(stated: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_postprocess(stated, CLASSES)

    assert caught.value.message.startswith("cannot postprocess labels: ")
    assert caught.value.where == "postprocess"
    assert caught.value.hint


def test_model_without_a_background_or_labels_has_no_postprocess() -> None:
    """Pixels that are taken away have to become something."""
    for classes, task in ((("a", "b"), "semantic"), (CLASSES, "instance")):
        with pytest.raises(ConfigError, match=r"none is called background|finds instances"):
            parse_postprocess({"keep_largest": 1}, classes, task=task)


@pytest.mark.parametrize("seed", range(4))
def test_other_classes_and_ignored_pixels_stay(seed: int) -> None:
    """A heart inside a lung is no hole, and 255 is no background."""
    labels = np.random.default_rng(seed).choice([0, 1, 2, 255], (40, 30)).astype(np.uint8)
    before = labels.copy()

    found = Postprocess({"lung": 1}, ("lung",)).apply(labels, CLASSES)

    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(found == 2, labels == 2)
    np.testing.assert_array_equal(found == 255, labels == 255)
    kept = labels == 1
    parts, number = ndimage.label(kept, np.ones((3, 3)))
    areas = ndimage.sum_labels(kept, parts, np.arange(1, number + 1))
    kept = parts == np.argmax(areas) + 1
    holes = ndimage.binary_fill_holes(kept) & ~kept
    ground = np.isin(labels, (0, 1)) & ~kept
    np.testing.assert_array_equal(found == 1, kept | (holes & ground))


def test_predict_cleans_labels_as_the_options_say(
    bright_run: Path, image: Path, tmp_path: Path
) -> None:
    """The JSON says what was done; the areas are those of the cleaned map."""
    plain = predict(bright_run, image, tmp_path / "plain")
    kept = predict(bright_run, image, tmp_path / "kept", "--keep-largest", "lung=2")
    both = predict(bright_run, image, tmp_path / "both", "--keep-largest", "2", "--fill-holes")

    assert ndimage.label(plain)[1] == 4
    np.testing.assert_array_equal(kept, cleaned_by_scipy(plain, fills=False))
    np.testing.assert_array_equal(both, cleaned_by_scipy(plain))
    document = json.loads((tmp_path / "both" / "predictions.json").read_text())
    assert document["postprocess"] == {"keep_largest": {"lung": 2}, "fill_holes": ["lung"]}
    assert document["images"][0]["areas"]["lung"]["px"] == int(both.sum())
    assert json.loads((tmp_path / "plain/predictions.json").read_text())["postprocess"] is None


@pytest.mark.parametrize(
    "options",
    [
        ("--keep-largest", "0"),
        ("--keep-largest", "lung"),
        ("--keep-largest", "lung=-1"),
        ("--keep-largest", "lung=²"),
        ("--keep-largest", "liver=1"),
        ("--keep-largest", "background=1"),
        ("--keep-largest", "1001"),
        ("--keep-largest", "2", "--keep-largest", "lung=1"),
    ],
)
def test_option_that_means_nothing_is_wrong_usage(
    bright_run: Path, image: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = run("predict", bright_run, image, "--out", tmp_path / "out", *options)

    assert done.exit_code == 2
    assert "--keep-largest" in done.output
    assert "Traceback" not in done.output


@pytest.fixture
def stating_run(bright_run: Path) -> Path:
    """Return a work dir whose config states postprocessing."""
    config = bright_run / "bright.py"
    config.write_text(config.read_text() + LUNGS)
    return bright_run


def publish(work_dir: Path, out: Path) -> Path:
    from zoo.engine.config.reading import read_config
    from zoo.engine.publishing.publish import ModelCard, publish

    metric = {"name": "dice", "value": 1.0, "dataset": "d", "split": "test"}
    card = ModelCard(
        name="lungs",
        config_name="bright",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        metrics=[{**metric, "labels": "true", "protocol": "README"}],
    )
    config = read_config(work_dir / "bright.py", pretrained="none")
    return publish(config, work_dir / "best_dice_iter_20.pth", out, card).path


def test_what_a_config_states_is_done_and_published(
    stating_run: Path, image: Path, tmp_path: Path
) -> None:
    """By `zoo predict`, `zoo.load`, and of the file too, whose card and facts say so."""
    plain = predict(stating_run, image, tmp_path / "plain", "--no-postprocess")
    expected = cleaned_by_scipy(plain)
    file = publish(stating_run, tmp_path / "published")

    for model in (stating_run, file):
        out = tmp_path / f"out_{model.name}"
        np.testing.assert_array_equal(predict(model, image, out), expected)
        np.testing.assert_array_equal(zoo.load(model, device="cpu")(image).labels, expected)
        without = zoo.load(model, device="cpu", postprocess=None)
        np.testing.assert_array_equal(without(image).labels, plain)
        kept = predict(model, image, out, "--no-fill-holes")
        np.testing.assert_array_equal(kept, cleaned_by_scipy(plain, fills=False))
    assert (
        "the 2 largest parts of lung, holes of lung filled" in file.with_suffix(".md").read_text()
    )
    info = run("info", file, "--json")
    assert json.loads(info.stdout)[0]["postprocess"] == {
        "keep_largest": {"lung": 2},
        "fill_holes": ["lung"],
    }


def test_a_batch_is_resumed_with_its_postprocessing_alone(
    bright_run: Path, image: Path, tmp_path: Path
) -> None:
    """Labels of one folder are all made in one way."""
    predict(bright_run, image, tmp_path / "out", "--keep-largest", "1")

    done = run("predict", bright_run, image, "--out", tmp_path / "out", "--resume")

    assert done.exit_code == 1
    assert "options" in done.output


@pytest.mark.parametrize(
    "stated",
    [
        {"keep_largest": 2, "fill_holes": []},
        {"keep_largest": {"lung": 0}, "fill_holes": {"$tuple": []}},
        {"keep_largest": {"lung": 10**9}, "fill_holes": {"$tuple": []}},
        {"keep_largest": {"liver": 1}, "fill_holes": {"$tuple": []}},
        {"keep_largest": {}, "fill_holes": {"$tuple": ["os.system"]}},
        {"keep_largest": {}, "fill_holes": {"$tuple": [{"type": "os.system"}]}},
        {"keep_largest": {}, "fill_holes": True},
        {"keep_largest": {f"c{n}": 1 for n in range(17)}, "fill_holes": {"$tuple": []}},
        {"type": "subprocess.Popen"},
        "lung",
    ],
)
def test_record_that_states_anything_else_is_refused(
    stating_run: Path, image: Path, tmp_path: Path, stated: Any
) -> None:
    """A record may be anybody's."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    file = publish(stating_run, tmp_path / "published")
    with safe_open(file, framework="pt") as opened:
        record = json.loads(opened.metadata()["zoo"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    record["postprocess"] = stated
    save_file(tensors, file, {"zoo": json.dumps(record)})

    with pytest.raises(CheckpointError, match="record") as caught:
        zoo.load(file, device="cpu")

    assert "postprocess" in caught.value.message
