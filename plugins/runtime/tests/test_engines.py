# SPDX-License-Identifier: Apache-2.0
"""Engines: OpenVINO gives the labels of onnxruntime and reports to nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402 (after the skip)
from onnx_models import instance_model, record_of, semantic_model  # noqa: E402
from zoo_runtime import ConfigError, ModelError, Predictor  # noqa: E402

from zoo.data import encode_png  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
CLASSES = ("background", "field", "house")
MODELS: dict[str, bytes] = {
    "8 bits": semantic_model(record_of(CLASSES)),
    "16 bits": semantic_model(record_of(CLASSES), bits=16),
    "threshold": semantic_model(record_of(CLASSES[:2], threshold=0.4)),
    "windows": semantic_model(record_of(CLASSES, tiling={"tile_px": 64, "overlap_px": 16})),
}


@pytest.fixture
def has_openvino() -> None:
    """Skip where OpenVINO is not installed; an import here would report itself."""
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")


@pytest.mark.usefixtures("has_openvino")
@pytest.mark.parametrize("name", MODELS)
def test_openvino_gives_the_labels_of_onnxruntime(
    name: str, photo: NDArray[Any], tmp_path: Path
) -> None:
    """And the probabilities; of whole images of several sizes, and through windows."""
    path = tmp_path / "model.onnx"
    path.write_bytes(MODELS[name])
    both = [Predictor(path, engine=engine) for engine in ("onnxruntime", "openvino")]

    for image in (photo, photo[:31, :47], photo[5:6]):
        given = image.astype(np.uint16) * 257 if name == "16 bits" else image
        one, other = (each(given, probabilities=True) for each in both)
        assert (one.labels != other.labels).mean() <= 1e-3
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
        assert np.array_equal(other.labels, both[1](given).labels)


@pytest.mark.usefixtures("has_openvino")
@pytest.mark.parametrize("has_masks", [True, False])
def test_openvino_finds_the_instances_of_onnxruntime(
    has_masks: bool, photo: NDArray[Any], tmp_path: Path
) -> None:
    """Boxes, scores, classes and masks."""
    path = tmp_path / "model.onnx"
    path.write_bytes(instance_model(record_of(CLASSES, "instance"), has_masks=has_masks))

    one, other = (
        Predictor(path, engine=engine, score_thr=0.2)(photo)
        for engine in ("onnxruntime", "openvino")
    )

    assert len(one.scores) == 3
    for name in ("boxes", "scores", "class_ids"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for first, second in zip(one.masks or [], other.masks or [], strict=True):
        assert np.array_equal(first.pixels, second.pixels)


@pytest.mark.usefixtures("has_openvino")
def test_openvino_serves_several_threads(semantic_file: Path, photo: NDArray[Any]) -> None:
    """Each gets the labels of its own image, of which no two are equal."""
    predictor = Predictor(semantic_file, engine="openvino", threads=1)
    images = [np.ascontiguousarray(photo[: 40 + 7 * index]) for index in range(8)]
    expected = [predictor(image).labels for image in images]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: predictor(image).labels, images * 3))

    for one, other in zip(expected * 3, found, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.usefixtures("has_openvino")
@pytest.mark.parametrize("kind", ["Convolve", "Det"])
def test_graph_that_openvino_lacks_is_refused(kind: str, tmp_path: Path) -> None:
    """By one clause, without the places of its code."""
    model = onnx.load_from_string(MODELS["8 bits"])
    model.graph.node[3].op_type = kind
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())

    with pytest.raises(ModelError, match=r"openvino \d[\d.]* cannot run it: ") as caught:
        Predictor(path, engine="openvino")

    assert kind in caught.value.message
    assert "Exception from" not in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("has_openvino")
def test_openvino_reports_to_nobody_and_leaves_nothing(
    semantic_file: Path, photo: NDArray[Any], tmp_path: Path
) -> None:
    """Its own package sends an event when it is imported, and writes into the home folder."""
    (tmp_path / "photo.png").write_bytes(encode_png(photo))
    home = tmp_path / "home"
    home.mkdir()
    code = """if True:
        import json, socket, sys
        asked = []
        sys.addaudithook(lambda name, given: name.startswith("socket.") and asked.append(name))
        from zoo_runtime.command import main
        code = main(sys.argv[1:])
        tops = {name.partition(".")[0] for name, found in sys.modules.items() if found}
        print(json.dumps({"code": code, "asked": asked, "tops": sorted(tops)}))
    """
    words = [str(semantic_file), "photo.png", "--out", "found", "--engine", "openvino"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "plugins" / "runtime"), "HOME": str(home)}
    command = [sys.executable, "-c", code, *words]

    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["code"], told["asked"]) == (0, [])
    assert "openvino" in told["tops"]
    assert not {"openvino_telemetry", "torch", "zoo", "onnx"} & set(told["tops"])
    assert list(home.iterdir()) == []
    labels = (tmp_path / "found" / "photo_label.png").read_bytes()
    assert labels == encode_png(Predictor(semantic_file)(photo).labels)


@pytest.mark.parametrize("name", ["tensorrt", "", None, 3])
def test_unknown_engine_is_refused(semantic_file: Path, name: Any) -> None:
    """With the names that there are."""
    with pytest.raises(ConfigError, match="expected onnxruntime or openvino") as caught:
        Predictor(semantic_file, engine=name)

    assert caught.value.hint


def test_engine_that_is_not_installed_is_refused(
    semantic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install, before the file is read."""
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(ConfigError, match="'openvino': openvino is not installed") as caught:
        Predictor(semantic_file, engine="openvino")

    assert caught.value.hint == 'pip install "mmzoo-runtime[openvino]"'
