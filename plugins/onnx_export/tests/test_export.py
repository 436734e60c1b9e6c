# SPDX-License-Identifier: Apache-2.0
"""The shipped lung U-Net as a file: what it predicts, what it states, and how it is verified."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from zoo_onnx_export.exporter import make_graph
from zoo_onnx_export.images import find_images, smooth_noise

import zoo

pytestmark = [pytest.mark.mm, pytest.mark.slow]

NAME = "unet_lung_montgomery"
PLUGINS = "onnx_export,lung_xray,oil_storage,efficientnet_lite"
SIZES = [(1, 1), (31, 47), (512, 512), (513, 700)]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def model() -> zoo.Predictor[zoo.SemanticResult]:
    return zoo.load(NAME, task="semantic", device="cpu", postprocess=None)


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, warm_zoo: Path, env_of_zoo: dict[str, str]
) -> dict[str, Any]:
    """Export as a user does, and return what is printed."""
    out = tmp_path_factory.mktemp("exported")
    words = ["export", NAME, "--to", "onnx", "--out", out, "--json"]
    ran = subprocess.run([warm_zoo, *words], env=env_of_zoo, check=True, capture_output=True)
    printed: dict[str, Any] = json.loads(ran.stdout)
    return printed


@pytest.fixture
def copy(done: dict[str, Any], tmp_path: Path) -> Path:
    """Copy the file, to be changed."""
    path = tmp_path / "copy.onnx"
    path.write_bytes(Path(done["file"]).read_bytes())
    return path


def _metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_file_gives_the_labels_of_the_model_at_any_size(
    batch: int, done: dict[str, Any], model: zoo.Predictor[zoo.SemanticResult]
) -> None:
    """Images of other sizes than any that was traced, alone and together."""
    session = onnxruntime.InferenceSession(done["file"], providers=["CPUExecutionProvider"])
    differing = total = 0
    for height, width in SIZES[: 2 + 2 * (batch == 2)]:
        images = np.stack([smooth_noise(height, width, seed=9 + i) for i in range(batch)])

        labels, shares = session.run(["labels", "probabilities"], {"image": images})

        assert (labels.shape, labels.dtype) == ((batch, height, width), np.uint8)
        assert (shares.shape, shares.dtype) == ((batch, 2, height, width), np.float32)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
        for image, found, share in zip(images, labels, shares, strict=True):
            differing += int((found != model(image).labels).sum())
            total += found.size
            np.testing.assert_allclose(share, model.probabilities(image), atol=1e-3)
    assert differing <= 1e-4 * total


def test_file_gives_the_labels_of_the_model_in_openvino(
    done: dict[str, Any], model: zoo.Predictor[zoo.SemanticResult]
) -> None:
    """The certified tolerance holds there too, in 32 bits."""
    from zoo_runtime import Predictor

    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    predict = Predictor(done["file"], engine="openvino", postprocess=None)

    for height, width in SIZES[1:]:
        image = smooth_noise(height, width, seed=9)
        found = predict(image, probabilities=True)
        assert (found.labels != model(image).labels).mean() <= 1e-4
        np.testing.assert_allclose(found.probabilities, model.probabilities(image), atol=1e-3)


def test_file_says_what_the_model_is(
    done: dict[str, Any], model: zoo.Predictor[zoo.SemanticResult]
) -> None:
    """Format 1: the record, and the digest of the weights."""
    texts = _metadata(Path(done["file"]))
    record = json.loads(texts["zoo.model"])

    assert list(texts) == ["zoo.format", "zoo.model", "zoo.certificate"]
    assert texts["zoo.format"] == "1"
    assert (record["name"], record["task"]) == (NAME, "semantic")
    assert record["classes"] == list(model.model.classes)
    assert record["palette"] == [list(color) for color in model.model.palette]
    assert record["notice"] == model.model.notice == "Not a medical device: not for diagnosis."
    assert record["weights_sha256"] == model.model.identity()["sha256"]
    assert record["input"] == {"channels": 3, "bits": 8}
    assert record["made_with"]["opset"] == 20
    assert onnx.load(done["file"]).ir_version <= 9


def test_certificate_tells_how_far_it_departs(done: dict[str, Any]) -> None:
    """It is about the bytes before it."""
    stated = json.loads(_metadata(Path(done["file"]))["zoo.certificate"])
    entry = onnx.ModelProto()
    for one in onnx.load(done["file"]).metadata_props:
        if one.key == "zoo.certificate":
            entry.metadata_props.append(one)
    data, tail = Path(done["file"]).read_bytes(), entry.SerializeToString()

    assert data.endswith(tail)
    assert stated["graph_sha256"] == hashlib.sha256(data[: -len(tail)]).hexdigest()
    assert {key: stated[key] for key in done["certificate"]} == done["certificate"]
    assert stated["passed"] is True
    assert stated["images"] == 8
    assert stated["labels_differ"] <= stated["tolerance"]["labels_differ"] == 1e-4
    assert abs(stated["metric"]["original"] - stated["metric"]["exported"]) <= 1e-3
    assert stated["data"]["name"] == "lung_xray.LungXrayDataset"
    assert min(stated["speed"].values()) > 0


def test_equal_models_give_equal_bytes_without_notes_on_this_machine(
    done: dict[str, Any], model: zoo.Predictor
) -> None:
    """Two processes, and no path of either in the file."""
    stated = json.loads(_metadata(Path(done["file"]))["zoo.certificate"])

    again = make_graph(model, NAME)

    assert hashlib.sha256(again).hexdigest() == stated["graph_sha256"]
    assert b"stack_trace" not in again
    assert str(Path(zoo.__file__).parent).encode() not in again


def test_verify_compares_again(done: dict[str, Any], run_zoo: Run, tmp_path: Path) -> None:
    """With the original at hand, on images that are given."""
    zoo.sample("lung_xray", tmp_path / "raw", count=8, seed=3)
    zoo.prepare("lung_xray", tmp_path / "raw", tmp_path / "data", shares="0.5,0.25,0.25")

    ran = run_zoo("verify", done["file"], "--data", tmp_path / "data", "--json", plugins=PLUGINS)

    told = json.loads(ran.stdout)
    assert (told["compared_again"], told["passed"]) == (True, True)
    assert told["data"]["kind"] == "prepared folder"
    assert told["images"] < 8  # the test split


def _changed(copy: Path, change: Callable[[bytes], bytes]) -> None:
    copy.write_bytes(change(copy.read_bytes()))


def _flip(data: bytes) -> bytes:
    """Return the file with another bit of a weight."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "weight": (_flip, "it was changed after its certificate was made"),
    "appended": (lambda data: data + b"\x10\x01", "it was changed after its certificate was made"),
    "cut off": (lambda data: data[: len(data) // 2], "it is no ONNX file, or is cut off"),
    "empty": (lambda data: b"", "it states no zoo.format"),
    "text": (lambda data: b"PK\x03\x04" * 99, "it is no ONNX file, or is cut off"),
    "newer": (
        lambda data: data.replace(b"zoo.format\x12\x011", b"zoo.format\x12\x017"),
        "its format is '7', expected '1'",
    ),
    "no JSON": (
        lambda data: data.replace(b'{"name": "unet', b'["name": "unet'),
        "its zoo.model is no JSON",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_verify_refuses_what_is_not_what_was_certified(
    fault: str, copy: Path, run_zoo: Run
) -> None:
    """One message, with what to do."""
    change, said = FAULTS[fault]
    _changed(copy, change)

    ran = run_zoo("verify", copy, plugins=PLUGINS)

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"error: cannot open 'copy.onnx': {said}")
    assert len(ran.stderr.splitlines()) <= 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("runs/gone", "cannot open the model 'runs/gone': there is no such file or folder."),
        ("gone", "no weights named 'gone'"),
    ],
)
def test_original_that_is_absent_is_told_in_one_message(
    name: str, said: str, done: dict[str, Any], run_zoo: Run
) -> None:
    """A work dir that was removed, by its path or by its name."""
    ran = run_zoo("verify", done["file"], "--model", name, plugins=PLUGINS)

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"error: {said}")
    assert ran.stderr.count("HINT: ") == 1


REFUSED = [
    (
        ("export", NAME, "--to", "openvino"),
        "no exporter named 'openvino': there are onnx, onnx_int8, qgis.",
    ),
    (("export", "mask_rcnn_small_tanks", "--to", "onnx_int8"), "in 8 bits: its task is 'instance'"),
    (("export", NAME, "--to", "onnx_int8"), "it is calibrated on images, and there are none."),
    (("export", "unet_lung", "--to", "onnx"), "no weights named 'unet_lung'"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_export_refuses_by_name_and_writes_nothing(
    words: tuple[str, ...], said: str, run_zoo: Run, tmp_path: Path
) -> None:
    """Not even the folder."""
    ran = run_zoo(*words, "--out", tmp_path / "out", plugins=PLUGINS)

    assert ran.returncode == 1
    assert said in ran.stderr
    assert "HINT: " in ran.stderr
    assert not (tmp_path / "out").exists()


def test_exported_file_is_not_exported_again(
    done: dict[str, Any], run_zoo: Run, tmp_path: Path
) -> None:
    """Its network is not at hand; the message says what is."""
    ran = run_zoo("export", done["file"], "--to", "onnx", "--out", tmp_path / "o", plugins=PLUGINS)

    assert ran.returncode == 1
    assert "it is an exported file already.\n" in ran.stderr
    assert not (tmp_path / "o").exists()


def test_sample_is_truth_only_for_the_classes_of_its_masks(
    model: zoo.Predictor[zoo.SemanticResult],
) -> None:
    """Ids of other or exchanged classes mean something else; the digest tells both apart."""
    classes = model.model.classes
    right = find_images(classes, NAME, None)
    assert all(sample.truth is not None for sample in right.samples)

    for others in (classes[::-1], ("background", "heart"), (*classes, "heart")):
        images = find_images(others, NAME, None)

        assert all(sample.truth is None for sample in images.samples)
        assert images.facts["sha256"] != right.facts["sha256"]
