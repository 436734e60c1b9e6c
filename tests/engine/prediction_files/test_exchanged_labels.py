# SPDX-License-Identifier: Apache-2.0
"""Label maps that go out as labels of a tool come back as they were, in the split they were in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("mmseg")
pytest.importorskip("pycocotools")

from hypothesis import HealthCheck, given, settings  # noqa: E402 (after the skips)
from hypothesis import strategies as st  # noqa: E402

import zoo  # noqa: E402
from zoo.data import Report, read_prepared  # noqa: E402
from zoo.engine.exchanges import open_writer  # noqa: E402
from zoo.engine.prediction_files.exchanged import write_exchanged  # noqa: E402
from zoo.interfaces import Labels  # noqa: E402

pytestmark = [pytest.mark.mm, pytest.mark.usefixtures("checkout_plugins")]

CLASSES = ("background", "tank", "pond")
LISTED = "".join(
    f'[[class]]\nname = "{name}"\nvalue = {number}\n' for number, name in enumerate(CLASSES)
)
Pixels = Any


def _mask(out: Path, stem: str) -> Pixels:
    mask = cv2.imread(str(out / "masks" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return mask


@st.composite
def _label_map(draw: st.DrawFn) -> Pixels:
    """Draw discs, rings and rectangles of two classes, and single pixels, on a few odd sizes."""
    height, width = draw(st.integers(5, 40)), draw(st.integers(5, 40))
    labels = np.zeros((height, width), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(draw(st.integers(0, 5))):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        size, inner = draw(st.integers(0, 12)), draw(st.integers(0, 6))
        far = np.hypot(rows - y, columns - x)
        if draw(st.booleans()):
            far = np.maximum(abs(rows - y), abs(columns - x))
        labels[(far <= size) & (far >= min(inner, size))] = draw(st.integers(0, 2))
    return labels


def _predicted(folder: Path, maps: Sequence[Pixels]) -> Path:
    """Write a batch as ``zoo predict`` leaves it: label maps and their JSON."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, labels in enumerate(maps):
        picture = np.random.default_rng(number).integers(0, 255, labels.shape, np.uint8)
        cv2.imwrite(str(folder / "images" / f"scan {number}.png"), picture)
        cv2.imwrite(str(folder / f"scan {number}_label.png"), labels)
        file = str(folder / "images" / f"scan {number}.png")
        rows.append({"file": file, "label": f"scan {number}_label.png"})
    document = folder / "predictions.json"
    palette = [[0, 0, 0], [0, 158, 115], [230, 159, 0]]
    content = {"classes": [*CLASSES], "palette": palette, "images": rows}
    document.write_text(json.dumps(content))
    return document


def _accept(path: Path) -> None:
    """Turn predictions into annotations, as Label Studio does when a person accepts them."""
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    path.write_text(json.dumps(tasks))


@pytest.mark.parametrize("name", ["coco", "cvat", "label_studio"])
# The fixture sets where plugins are found, which no example changes.
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(maps=st.lists(_label_map(), min_size=1, max_size=3))
def test_predicted_label_maps_come_back_pixel_by_pixel(
    name: str, maps: list[Pixels], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Through the writer of ``zoo predict --format``, and the same classes in the same order."""
    folder = tmp_path_factory.mktemp("round")
    document = _predicted(folder / "source", maps)
    (folder / "classes.toml").write_text(LISTED)

    written = write_exchanged(document, open_writer(name), "semantic", CLASSES)
    if name == "label_studio":
        _accept(written.path)
    document.unlink()
    if not any(labels.any() for labels in maps) and name == "label_studio":
        return  # its files have no list of classes: labels of nothing are refused
    report = zoo.prepare(
        "folder_data",
        folder / "source",
        folder / "out",
        task="semantic",
        shares="1,0,0",
        format=name,
        annotations=written.path.name,
        classes=folder / "classes.toml",
    )

    assert (written.report.dropped, report.repaired) == ([], [])
    assert read_prepared(folder / "out").classes == CLASSES
    for number, labels in enumerate(maps):
        np.testing.assert_array_equal(_mask(folder / "out", f"scan {number}"), labels)


def test_corrected_files_keep_their_split(tmp_path: Path) -> None:
    """Masks, then the labels of a tool for half of the images: each is where it was."""
    rng = np.random.default_rng(0)
    maps = [np.asarray(rng.integers(0, 3, (8, 8)), np.uint8) for _ in range(40)]
    document = _predicted(tmp_path / "source", maps)
    (tmp_path / "source" / "masks").mkdir()
    for number, labels in enumerate(maps):
        cv2.imwrite(str(tmp_path / "source" / "masks" / f"scan {number}.png"), labels)
    (tmp_path / "source" / "classes.toml").write_text(LISTED)
    shares = "0.5,0.25,0.25"
    zoo.prepare("folder_data", tmp_path / "source", tmp_path / "first", shares=shares)
    content = json.loads(document.read_text())
    content["images"] = content["images"][::2]
    document.write_text(json.dumps(content))

    written = write_exchanged(document, open_writer("cvat"), "semantic", CLASSES)
    document.unlink()
    second = tmp_path / "second"
    zoo.prepare("folder_data", tmp_path / "source", second, format="cvat", shares=shares)

    assert written.path.is_file()
    before, after = _splits(tmp_path / "first"), _splits(second)
    assert len(after) == 20
    assert {stem: before[stem] for stem in after} == after
    assert len(set(after.values())) == 3


def _splits(folder: Path) -> dict[str, str]:
    return {
        stem: path.stem
        for path in (folder / "splits").glob("*.txt")
        for stem in path.read_text("utf-8").splitlines()
    }


class _Receiver:
    """A format that keeps what it is given."""

    name, suffix = "kept", ".json"

    def __call__(self, labels: Labels, path: Path) -> Report:
        self.labels = labels
        return Report()


def test_threshold_of_instances_goes_out_with_them(tmp_path: Path) -> None:
    """That of the batch; label maps have none."""
    entry = {"file": "a.png", "score_thr": 0.3}
    content = {"classes": ["tank"], "palette": [[1, 2, 3]], "coco": "coco.json", "images": [entry]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    image = {"id": 1, "file_name": "a.png", "width": 4, "height": 3}
    (tmp_path / "coco.json").write_text(json.dumps({"images": [image], "annotations": []}))
    maps = _predicted(tmp_path / "maps", [np.zeros((4, 4), np.uint8)])
    of_instances, of_maps = _Receiver(), _Receiver()

    write_exchanged(tmp_path / "instances.json", cast("Any", of_instances), "instance", ["tank"])
    write_exchanged(maps, cast("Any", of_maps), "semantic", CLASSES)

    assert of_instances.labels.score_thr == 0.3
    assert of_maps.labels.score_thr is None
