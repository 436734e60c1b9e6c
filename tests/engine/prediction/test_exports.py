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
        (["--tile-size", "512"], "--tile-size"),
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
            "tiling": ["256", {"tile_px": 256}, {"tile_px": 256, "overlap_px": 0}],
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
