# SPDX-License-Identifier: Apache-2.0
"""What a predictor returns, beside what onnxruntime alone and zoo's own rules return."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("onnxruntime")

import cv2  # noqa: E402 (after the skip)
import numpy as np  # noqa: E402
from onnx_models import instance_model, record_of, semantic_model  # noqa: E402
from zoo_runtime import ConfigError, DataError, InstanceResult, Predictor, SemanticResult  # noqa: E402

import zoo  # noqa: E402
from zoo.data import encode_png  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray


CLASSES = ("background", "field", "house")


def _outputs(path: Path, image: NDArray[Any], *names: str) -> list[NDArray[Any]]:
    """Return what onnxruntime alone returns of a file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(list(names), {"image": image[None]}))


def test_labels_are_the_graphs_own(semantic_file: Path, photo: NDArray[Any]) -> None:
    """Labels and probabilities as onnxruntime returns them, areas counted, colours as stated."""
    labels, chances = _outputs(semantic_file, photo, "labels", "probabilities")

    result = Predictor(semantic_file)(photo, probabilities=True)

    assert isinstance(result, SemanticResult)
    assert np.array_equal(labels[0], result.labels)
    assert np.array_equal(chances[0], result.probabilities)
    assert {
        name: int((labels == index).sum()) for index, name in enumerate(CLASSES)
    } == result.areas_px
    assert (result.classes, result.task) == (CLASSES, "semantic")
    assert Predictor(semantic_file)(photo).probabilities is None


def test_fields_have_the_names_of_zoo() -> None:
    """Code that takes zoo's results takes these, apart from what only zoo can know."""
    only_zoo = {"windows", "meta", "georeference", "areas_mm2", "areas_m2"}
    for own, of_zoo in (
        (SemanticResult, zoo.SemanticResult),
        (InstanceResult, zoo.InstanceResult),
    ):
        names, wanted = (
            {name for name in dir(each) if not name.startswith("_")} for each in (own, of_zoo)
        )
        assert wanted - names <= only_zoo
        assert names - wanted <= {"probabilities"}


def test_image_in_any_form_has_the_same_labels(
    semantic_file: Path, photo: NDArray[Any], tmp_path: Path
) -> None:
    """A path as text and as object, an array, bytes, an open file, a stream that was read."""
    data = encode_png(photo)
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    read = io.BytesIO(data)
    read.read(7)
    predictor = Predictor(semantic_file)

    with path.open("rb") as stream:
        found = [predictor(each).labels for each in (photo, path, str(path), data, stream, read)]

    assert all(np.array_equal(found[0], labels) for labels in found)
    assert read.tell() == 7


@pytest.mark.parametrize(
    "given", [None, 3, [], [[1, 2], [3, 4]], np.zeros((4, 4, 7), np.uint8), np.zeros((4, 4)), b""]
)
def test_what_is_no_image_is_refused(semantic_file: Path, given: Any) -> None:
    """One message that says what was given."""
    with pytest.raises(DataError, match=r"cannot (read|decode) ") as caught:
        Predictor(semantic_file)(given)

    assert caught.value.hint


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 1), (17, 64)])
def test_grey_image_is_its_own_three_channels(semantic_file: Path, shape: tuple[int, int]) -> None:
    """As OpenMMLab reads a grey file for a colour model; any size has labels of its own size."""
    grey = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    predictor = Predictor(semantic_file)

    labels = predictor(grey).labels

    assert shape == labels.shape
    assert np.array_equal(predictor(np.dstack([grey] * 3)).labels, labels)


def test_16_bits_are_stretched_or_taken_as_they_are(
    semantic_file: Path, photo: NDArray[Any], tmp_path: Path
) -> None:
    """To 8 bits by zoo's rule for a model of 8 bits; a model of 16 bits gets them unchanged."""
    deep = photo.astype(np.uint16) * 150 + 900
    expected = _outputs(semantic_file, zoo.data.to_uint8(deep), "labels")[0][0]
    own = tmp_path / "deep.onnx"
    own.write_bytes(semantic_model(record_of(CLASSES), bits=16))

    assert np.array_equal(expected, Predictor(semantic_file)(deep).labels)
    assert np.array_equal(_outputs(own, deep, "labels")[0][0], Predictor(own)(deep).labels)


@pytest.mark.parametrize("tiling", [(32, 0), (32, 24), (48, 13), (64, 16), (100, 50), (200, 10)])
def test_windows_of_a_model_that_sees_one_pixel_change_nothing(
    tmp_path: Path, photo: NDArray[Any], tiling: tuple[int, int]
) -> None:
    """What the windows of a pixel blend to is the whole image's value, at every edge."""
    path = tmp_path / "pixels.onnx"
    record = record_of(CLASSES, tiling={"tile_px": tiling[0], "overlap_px": tiling[1]})
    path.write_bytes(semantic_model(record, reach_px=0))
    whole = Predictor(path, tiling=None)(photo, probabilities=True)

    cut = Predictor(path)(photo, probabilities=True)

    assert np.abs(whole.probabilities - cut.probabilities).max() < 1e-6
    certain = np.sort(whole.probabilities, axis=0)
    differ = whole.labels != cut.labels
    assert (certain[-1] - certain[-2])[differ].max(initial=0) < 1e-6


def test_windows_are_blended_as_by_hand(tmp_path: Path, photo: NDArray[Any]) -> None:
    """Of a model that sees neighbours: the weighted logarithms of the windows, by NumPy."""
    path = tmp_path / "neighbours.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES)))
    sums, shown = np.zeros((3, 90, 130)), np.zeros((90, 130))
    for top in (0, 13, 26):
        for left in (0, 16, 33, 49, 66):
            part = np.ascontiguousarray(photo[top : top + 64, left : left + 64])
            weight = np.outer(_rims(top, 90), _rims(left, 130))
            shares = np.log(_outputs(path, part, "probabilities")[0][0])
            sums[:, top : top + 64, left : left + 64] += weight * shares
            shown[top : top + 64, left : left + 64] += weight

    cut = Predictor(path, tiling=(64, 47))(photo, probabilities=True)

    expected = np.exp(sums / shown)
    assert np.abs(expected / expected.sum(axis=0) - cut.probabilities).max() < 1e-6
    assert np.array_equal(cut.probabilities.argmax(axis=0), cut.labels)


def _rims(start: int, length: int) -> NDArray[Any]:
    """Return the weights of a window of 64 px that shares 47: 11 count nothing, 25 are a ramp."""
    ramp = [0.0] * 11 + [(1 - np.cos(np.pi * (step + 0.5) / 25)) / 2 for step in range(25)]
    rim = np.array(ramp + [1.0] * 28)
    inside = np.ones(64)
    return (rim if start else inside) * (rim[::-1] if start + 64 < length else inside)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.3, 0.5, 0.7, 1.0, None])
def test_windows_decide_by_the_threshold_of_the_graph(
    tmp_path: Path, photo: NDArray[Any], threshold: float | None
) -> None:
    """Of two classes, the second one above it: as the graph says of the whole image."""
    path = tmp_path / "pixels.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES[:2], threshold=threshold), reach_px=0))
    whole = Predictor(path)(photo, probabilities=True)

    cut = Predictor(path, tiling=(64, 16))(photo, probabilities=True)

    near = np.abs(whole.probabilities[1] - (0.5 if threshold is None else threshold)) < 1e-6
    assert near.mean() < 0.01 or threshold in (0.0, 1.0)
    assert np.array_equal(whole.labels[~near], cut.labels[~near])
    if threshold not in (0.5, None):
        assert not np.array_equal(cut.probabilities.argmax(axis=0), cut.labels)


def test_instances_are_the_graphs_own(instance_file: Path, photo: NDArray[Any]) -> None:
    """Boxes, scores, ids and masks above the threshold, counts at every threshold."""
    boxes, masks = _outputs(instance_file, photo, "boxes", "masks")

    result = Predictor(instance_file, score_thr=0.5)(photo)

    assert isinstance(result, InstanceResult)
    assert np.array_equal(boxes[:2], result.boxes)
    assert result.class_ids.tolist() == [0, 1]
    assert result.counts == {"tank": 1, "shed": 1}
    assert all(np.array_equal(masks[index] > 0, result.mask(index)) for index in range(2))
    assert list(result.counts_at.values()) == [3, 3, 3, 2, 2, 2, 1, 1, 1]
    assert result.areas_px.tolist() == [int((masks[index] > 0).sum()) for index in range(2)]


def test_masks_as_runs_are_those_of_pycocotools(instance_file: Path, photo: NDArray[Any]) -> None:
    """pycocotools reads them and finds the same pixels."""
    tools = pytest.importorskip("pycocotools.mask")

    result = Predictor(instance_file)(photo)

    for index in range(len(result)):
        assert np.array_equal(result.mask(index), tools.decode(result.rle(index)) > 0)


def test_boxes_alone_are_instances_too(tmp_path: Path, photo: NDArray[Any]) -> None:
    """A file without masks; areas are those of the boxes."""
    path = tmp_path / "boxes.onnx"
    path.write_bytes(instance_model(record_of(("a",), "instance"), has_masks=False))

    result = Predictor(path)(photo)

    assert result.masks is None
    assert result.areas_px.tolist() == [65 * 90, 130 * 45]
    assert result.overlay().shape[1:] == (130, 3)


@pytest.mark.parametrize("style", ["both", "contour", "fill"])
def test_overlay_paints_as_zoo_paints(semantic_file: Path, photo: NDArray[Any], style: str) -> None:
    """The picture is zoo's, pixel by pixel; the legend below has letters of its own."""
    result = Predictor(semantic_file)(photo)
    theirs = zoo.SemanticResult(
        result.labels, result.classes, result.palette, result.areas_px, {}, photo
    )

    own = result.overlay(style=style, opacity=0.5)

    assert np.array_equal(theirs.overlay(style=style, opacity=0.5)[:90, :130], own[:90, :130])
    assert own.shape[0] > 90
    with pytest.raises(ConfigError, match="style"):
        result.overlay(style="dots")


def test_name_in_any_script_is_in_the_legend(tmp_path: Path, photo: NDArray[Any]) -> None:
    """OpenCV's letters are ASCII; others are escaped, and nothing fails."""
    classes = ("background", "肺\x1b[2J", "a" * 200)
    path = tmp_path / "names.onnx"
    path.write_bytes(semantic_model(record_of(classes, notice="Not für Diagnosen.")))

    overlay = Predictor(path)(photo).overlay()

    assert overlay.shape[1] >= 130


@pytest.mark.parametrize(
    "options",
    [
        {"score_thr": 2},
        {"score_thr": "high"},
        {"tiling": (512,)},
        {"tiling": (64, 60)},
        {"tiling": "windows"},
        {"threads": 0},
        {"threads": 2.5},
        {"postprocess": {"keep_largest": {"tree": 1}}},
        {"postprocess": {"keep": 1}},
    ],
)
def test_option_out_of_range_is_refused(semantic_file: Path, options: dict[str, Any]) -> None:
    """One message with the option, what was given, and what fits."""
    with pytest.raises(ConfigError) as caught:
        Predictor(semantic_file, **options)

    assert caught.value.where
    assert caught.value.hint


def test_probabilities_of_instances_are_refused(instance_file: Path, photo: NDArray[Any]) -> None:
    """An instance model has scores."""
    with pytest.raises(ConfigError, match="probabilities"):
        Predictor(instance_file)(photo, probabilities=True)


def test_predictor_in_threads_is_the_same(semantic_file: Path, photo: NDArray[Any]) -> None:
    """Several threads share one predictor, each with an image of its own."""
    from concurrent.futures import ThreadPoolExecutor

    predictor = Predictor(semantic_file, threads=1)
    images = [np.ascontiguousarray(np.roll(photo, shift, axis=1)) for shift in range(0, 120, 10)]
    expected = [predictor(image).labels for image in images]

    with ThreadPoolExecutor(4) as pool:
        found = [result.labels for result in pool.map(predictor, images * 3)]

    assert all(map(np.array_equal, expected * 3, found))
    assert cv2.getNumThreads() == 1
