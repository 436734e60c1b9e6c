# SPDX-License-Identifier: Apache-2.0
"""Exported files as models: ``zoo predict`` and ``zoo.load``, beside the runtime without zoo."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.usefixtures("checkout_plugins")]
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402 (after the skip)
import onnx  # noqa: E402
from click.testing import CliRunner  # noqa: E402

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))
from onnx_models import (  # noqa: E402
    CERTIFICATE,
    PASSED,
    PASSED_INSTANCES,
    given_outputs,
    record_of,
    semantic_model,
    with_metadata,
)
from zoo_runtime import Predictor as RuntimePredictor  # noqa: E402

import zoo  # noqa: E402
from zoo.cli import main  # noqa: E402
from zoo.data import decode_image, encode_png  # noqa: E402
from zoo.engine.prediction.model import open_model  # noqa: E402
from zoo.engine.prediction.model_files import find_model_files  # noqa: E402

CLASSES = ("background", "field", "house")
CLEANED = {"keep_largest": {"field": 1}, "fill_holes": ["house"]}


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A file of three classes whose record cleans labels and has a notice."""
    record = record_of(CLASSES, postprocess=CLEANED, notice="Not for maps.")
    path = tmp_path / "fields.onnx"
    path.write_bytes(semantic_model(record, certificate=PASSED))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of a colour, a grey and a 16-bit PNG, and one that is cut off."""
    folder = tmp_path / "images"
    folder.mkdir()
    color = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    kinds = {"color": color, "grey": color[..., 0], "deep": color.astype(np.uint16) * 137}
    for name, pixels in kinds.items():
        (folder / f"{name}.png").write_bytes(encode_png(np.ascontiguousarray(pixels)))
    (folder / "cut.png").write_bytes(encode_png(color)[:300])
    return folder


def _zoo(*words: Any) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_predict_writes_what_the_runtime_finds(exported: Path, images: Path) -> None:
    """Labels of each kind of image, overlays, areas, notice and postprocessing in the JSON."""
    out = images.parent / "out"

    done = _zoo("predict", exported, images, "--out", out, "--json")

    assert done.exit_code == 1
    assert "cut.png" in done.stderr
    runtime = RuntimePredictor(exported)
    document = json.loads((out / "predictions.json").read_text())
    assert document["complete"] is True
    assert (document["postprocess"], document["notice"]) == (CLEANED, "Not for maps.")
    assert runtime.sha256 == document["model"]["sha256"]
    assert [Path(each["file"]).name for each in document["failures"]] == ["cut.png"]
    for entry in document["images"]:
        result = runtime(entry["file"])
        label = decode_image((out / entry["label"]).read_bytes(), "label")
        assert np.array_equal(result.labels, label)
        assert result.areas_px == {name: each["px"] for name, each in entry["areas"].items()}
        assert (out / entry["overlay"]).is_file()


def test_predict_resumes_a_batch(exported: Path, images: Path) -> None:
    """After the bad image is mended, it alone is predicted, and the batch is whole."""
    out = images.parent / "out"
    assert _zoo("predict", exported, images, "--out", out).exit_code == 1
    before = (out / "color_label.png").stat().st_mtime_ns
    (images / "cut.png").write_bytes((images / "grey.png").read_bytes())

    done = _zoo("predict", exported, images, "--out", out, "--resume")

    assert done.exit_code == 0, done.output
    assert before == (out / "color_label.png").stat().st_mtime_ns
    assert (out / "cut_label.png").read_bytes() == (out / "grey_label.png").read_bytes()
    assert not json.loads((out / "predictions.json").read_text())["failures"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "cuda"], "runs on the CPU"),
        (["--device", "cuda:1"], "runs on the CPU"),
        (["--score-thr", "0.5"], "--score-thr"),
        (["--tile-size", "16"], "--tile-size"),
        (["--keep-largest", "tree=1"], "--keep-largest"),
    ],
)
def test_option_that_cannot_apply_is_refused(
    exported: Path, images: Path, words: list[str], said: str
) -> None:
    """By its name, before anything is written."""
    done = _zoo("predict", exported, images / "grey.png", "--out", images.parent / "out", *words)

    assert done.exit_code in (1, 2)
    assert said in done.output
    assert not (images.parent / "out").exists()


def test_load_returns_a_predictor(exported: Path, images: Path) -> None:
    """With licence, classes and results as for weights; a task that is not its own is refused."""
    predictor = zoo.load(exported, task="semantic")
    color = images / "color.png"

    result = predictor(color)

    runtime = RuntimePredictor(exported)
    assert np.array_equal(runtime(color).labels, result.labels)
    pixels = decode_image(color.read_bytes(), "x")
    for given in (pixels, color.read_bytes()):
        assert np.array_equal(result.labels, predictor(given).labels)
        assert np.array_equal(predictor.shown(given), pixels)
    raw = RuntimePredictor(exported, postprocess=None)(color).labels
    assert np.array_equal(raw, zoo.load(exported, postprocess=None)(color).labels)
    assert str(predictor.licence) == "CC0-1.0; data: CC0-1.0"
    assert predictor.model.classes == CLASSES
    with pytest.raises(zoo.ZooError, match="'instance'"):
        zoo.load(exported, task="instance")
    with pytest.raises(zoo.ZooError, match="probabilities"):
        predictor.probabilities(color)


def test_file_when_changed_is_refused(exported: Path, images: Path) -> None:
    """One byte of the weights: no label is written."""
    data = bytearray(exported.read_bytes())
    data[len(data) // 4] ^= 1
    exported.write_bytes(data)

    done = _zoo("predict", exported, images / "grey.png", "--out", images.parent / "out")

    assert done.exit_code == 1
    assert "HINT" in done.output
    assert "Traceback" not in done.output
    assert not (images.parent / "out").exists()


def test_files_of_an_export_reach_other_processes(exported: Path) -> None:
    """What `zoo predict --ray` sends to each process opens there again."""
    files = pickle.loads(pickle.dumps(find_model_files(str(exported))))

    assert open_model(files).classes == CLASSES


def _write(path: Path, record: dict[str, Any]) -> Path:
    """Write a file with this record, whatever it is, and a certificate with the right digest."""
    right = semantic_model(record_of(CLASSES))
    bare = with_metadata(right, {"zoo.model": json.dumps(record)})
    stated = json.dumps({**PASSED, "graph_sha256": hashlib.sha256(bare).hexdigest()})
    entry = onnx.ModelProto()
    onnx.helper.set_model_props(entry, {CERTIFICATE: stated})
    path.write_bytes(bare + entry.SerializeToString())
    return path


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in record_of(CLASSES).items() if name != key}


WRONG: dict[str, dict[str, Any]] = {
    **{f"no {key}": _without(key) for key in ("name", "task", "classes", "palette")},
    **{
        f"{key}: {value!r:.30}": record_of(CLASSES) | {key: value}
        for key, values in {
            "name": ["", 3, None],
            "task": ["semantics", ["semantic"], 1],
            "classes": [5, [], [1, 2, 3], "abc", ["a", "a", "b"], {"a": 1}],
            "palette": [
                [[1, 2]] * 3,
                [[1, 2, 3]],
                [[1, 2, 3]] * 4,
                [[300, 0, 0]] * 3,
                [[-4, 0, 0]] * 3,
                [[1.0, 2, 3]] * 3,
                5,
            ],
            "licence": ["MIT", {"weights": "MIT"}, {"weights": 1, "data": 2}, []],
            "notice": [3, [], ""],
            "postprocess": ["holes", 1, {"other": 1}],
            "tiling": ["256", {"tile_px": 256}, {"tile_px": 256, "overlap_px": 0.5}],
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_record_of_the_wrong_shape_is_refused(wrong: str, tmp_path: Path) -> None:
    """One message that names the file or the key; also the windows that only the runtime cuts."""
    path = _write(tmp_path / "wrong.onnx", WRONG[wrong])

    with pytest.raises(zoo.ZooError) as caught:
        zoo.load(path)

    key = wrong.removeprefix("no ").partition(":")[0]
    assert key in caught.value.message or "windows" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("key", ["name", "classes", "palette"])
def test_verify_reads_no_record_of_the_wrong_shape(key: str, tmp_path: Path) -> None:
    """It reads the record before the file says anything of its own."""
    path = _write(tmp_path / "wrong.onnx", record_of(CLASSES) | {key: 5})

    done = _zoo("verify", path)

    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: cannot open 'wrong.onnx': of its record, '{key}' is 5,")


FOUND: dict[str, Any] = {
    "boxes": np.array([[5, 5, 25, 30]], np.float32),
    "scores": np.array([0.9], np.float32),
    "labels": np.array([1], np.int64),
    "masks": np.ones((1, 4, 4), np.float32),
}


def _write_instances(path: Path, **others: Any) -> Path:
    """Write a file that finds the same instances in each image."""
    record = record_of(CLASSES, task="instance", mask_threshold=0.5)
    path.write_bytes(given_outputs(record, {**FOUND, **others}, PASSED_INSTANCES))
    return path


def test_box_without_an_extent_is_that_of_its_mask(tmp_path: Path) -> None:
    """As of the model itself, and in the runtime."""
    path = _write_instances(tmp_path / "flat.onnx", boxes=np.array([[40, 5, 40, 30]], np.float32))
    image = np.zeros((50, 60, 3), np.uint8)

    found = zoo.load(path, task="instance")(image)

    assert found.boxes.tolist() == [list(found.masks[0].box)]
    assert found.boxes.tolist() == RuntimePredictor(path)(image).boxes.tolist()


@pytest.mark.parametrize(
    "others",
    [
        {"boxes": np.zeros((1, 3), np.float32)},
        {"boxes": np.zeros((2, 4), np.float32)},
        {"scores": np.array([np.inf], np.float32)},
        {"scores": np.float32(0.9)},
        {"labels": np.array([1], np.float32)},
        {"labels": np.array([3], np.int64)},
        {"masks": np.ones((2, 4, 4), np.float32)},
        {"masks": np.ones((1, 16), np.float32)},
        {"masks": np.ones((1, 4, 4), np.uint8)},
    ],
    ids=lambda one: "{} {}".format(*(f"{k} {v.dtype}{v.shape}" for k, v in one.items()), ""),
)
def test_outputs_that_are_no_instances_are_refused(others: dict[str, Any], tmp_path: Path) -> None:
    """Anyone may have made the file."""
    path = _write_instances(tmp_path / "wrong.onnx", **others)

    with pytest.raises(zoo.ZooError, match="cannot use the model's instances"):
        zoo.load(path, task="instance")(np.zeros((50, 60, 3), np.uint8))


def test_instances_without_a_mask_threshold_are_refused(tmp_path: Path) -> None:
    """Their masks would be pixels, which only the runtime takes."""
    path = tmp_path / "pixels.onnx"
    record = record_of(CLASSES, task="instance")
    path.write_bytes(given_outputs(record, FOUND, PASSED_INSTANCES))

    with pytest.raises(zoo.ZooError, match="states no mask_threshold"):
        zoo.load(path)


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (np.zeros((1, 50, 60), np.float32), "they are float32"),
        (np.zeros((1, 50, 61), np.uint8), r"\[1, 50, 61\], expected uint8 \[1, 50, 60\]"),
        (np.uint8(1), "expected uint8"),
        (np.full((1, 50, 60), 3, np.uint8), "not among its 3 classes"),
    ],
)
def test_outputs_that_are_no_labels_are_refused(labels: Any, fault: str, tmp_path: Path) -> None:
    """Nor are those of classes that the file does not name."""
    path = tmp_path / "wrong.onnx"
    path.write_bytes(given_outputs(record_of(CLASSES), {"labels": labels}, PASSED))

    with pytest.raises(zoo.ZooError, match=fault):
        zoo.load(path)(np.zeros((50, 60, 3), np.uint8))


def test_name_with_half_a_character_is_refused(tmp_path: Path) -> None:
    """JSON can say it, no file can hold it."""
    path = _write(tmp_path / "half.onnx", record_of(("a", "b", "\ud800")))

    with pytest.raises(zoo.ZooError, match="'classes' is "):
        zoo.load(path)


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_windows_of_an_export_are_blended_as_the_runtime_does(
    tmp_path: Path, threshold: float | None
) -> None:
    """Stated by the file, asked for, or switched off; of label maps, by their probabilities."""
    classes = CLASSES if threshold is None else CLASSES[:2]
    record = record_of(
        classes, tiling={"tile_px": 48, "overlap_px": 20}, threshold=threshold, postprocess=None
    )
    path, image = tmp_path / "fields.onnx", tmp_path / "scene.png"
    path.write_bytes(semantic_model(record, certificate=PASSED))
    image.write_bytes(encode_png(np.random.default_rng(2).integers(0, 256, (101, 67, 3), np.uint8)))
    for words, tiling, windows in (
        ([], "model", 6),
        (["--tile-size", "64", "--overlap", "16"], (64, 16), 4),
        (["--tile-size", "0"], None, None),
    ):
        done = _zoo("predict", path, image, "--out", tmp_path / "out", *words)

        assert done.exit_code == 0, done.output
        (entry,) = json.loads((tmp_path / "out/predictions.json").read_text())["images"]
        label = decode_image((tmp_path / "out" / entry["label"]).read_bytes(), "label")
        expected = RuntimePredictor(path, tiling=tiling)(image)
        assert np.array_equal(expected.labels, label)
        assert entry.get("windows") == windows
