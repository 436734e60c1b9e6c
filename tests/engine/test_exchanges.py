# SPDX-License-Identifier: Apache-2.0
"""Formats of labels that plugins bring: found by name, given to ``prepare``, written by predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.engine.exchanges import open_reader, open_writer
from zoo.engine.preparation import prepare
from zoo.errors import DataError, PluginCodeError, PluginError, UnknownNameError

ROWS = """
[[exchange]]
name = "lines"
target = "zoo_notes.lines:Lines"
suffixes = [".lines", ".txt"]
reads = true
writes = true

[[exchange]]
name = "mute"
target = "zoo_notes.lines:Mute"
suffixes = [".mute"]
writes = true

[[exchange]]
name = "placed"
target = "zoo_notes.lines:Placed"
suffixes = [".json"]
writes = true

[[exchange.option]]
name = "least-area"
type = "float"
default = 2.0
help = "smallest area"

[[exchange.option]]
name = "classes"
type = "str"
multiple = true
help = "classes to write"

[[exchange.option]]
name = "flat"
type = "bool"
default = false
help = "without heights"

[[dataset]]
name = "Notes"
task = "instance"
target = "zoo_notes.lines:Lines"
prepare = "zoo_notes.lines:prepare"
classes = "from data"
licence = "CC0-1.0"

[[dataset.option]]
name = "format"
type = "exchange"
help = "format of the labels"
"""
LINES = """
import json
from zoo.data import open_source
from zoo.data import Report
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels


class Lines:
    def read(self, source, files, report):
        images = []
        for path in files:
            words = source.read(path).decode().split()
            if "boom" in words:
                raise KeyError("boom")
            for word in words[2:]:
                report.drop(path, f"not read: {word!r}")
            box = (0.0, 0.0, 4.0, 4.0)
            objects = (LabelledObject(label=words[1], box=box),) if words[1] != "none" else ()
            wrong = {
                "shapeless": {},
                "nowhere": {"box": (float("nan"), 0.0, 4.0, 4.0)},
                "torn": {"rle": {"size": [4, 4], "counts": "1"}},
                "line": {"polygons": (LabelledPolygon(outline=(0.0, 0.0, 4.0, 4.0)),)},
            }
            for word in {*words} & {*wrong}:
                objects = (LabelledObject(label=words[1], **wrong[word]),)
            images.append(LabelledImage(name=words[0], objects=objects))
        return Labels(classes=("dot",), images=images)

    def write(self, labels, out, report):
        lines = [json.dumps(labels.classes)]
        for image in labels.images:
            for each in image.objects:
                row = [image.name, image.size, each.label, each.rle, each.score, each.box]
                lines.append(json.dumps(row))
            if not image.objects:
                report.drop(image.name, "an image without objects has no line")
        out.write_text("\\n".join(lines), encoding="utf-8")


class Placed:
    def __init__(self, **options):
        self.options = options

    def write(self, labels, out, report):
        images = [
            [image.name, image.crs, image.transform, [each.id for each in image.objects]]
            for image in labels.images
        ]
        content = {"options": self.options, "palette": labels.palette, "images": images}
        out.write_text(json.dumps(content), encoding="utf-8")


class Mute:
    def write(self, labels, out, report):
        pass


def prepare(source, out, *, shares, progress=None, format=None):
    report = Report()
    if format is not None:
        with open_source(source) as opened:
            labels = format(opened, report)
        report.count(format.name, sum(len(image.objects) for image in labels.images))
    return report
"""


@pytest.fixture
def notes(write_plugin: Callable[..., Path], tmp_path: Path) -> Path:
    """Write a plugin with two formats and a data set that takes one, and an empty source."""
    write_plugin("notes", ROWS, lines=LINES)
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("notes")
def test_prepare_receives_the_reader_of_the_named_format(notes: Path, tmp_path: Path) -> None:
    """What the reader leaves out is in the report; without the option there is no reader."""
    (notes / "a.lines").write_text("a.png dot odd")
    (notes / "b.TXT").write_text("b.png dot")

    report = prepare("notes", notes, tmp_path / "out", format="lines")

    assert report.counts == {"lines": 2}
    assert [(line.file, line.text) for line in report.dropped] == [("a.lines", "not read: 'odd'")]
    assert prepare("notes", notes, tmp_path / "out").counts == {}


@pytest.mark.usefixtures("notes")
def test_unknown_format_names_those_that_read(notes: Path, tmp_path: Path) -> None:
    """One that only writes is no answer to a reader, and is told apart from an unknown one."""
    with pytest.raises(UnknownNameError, match=r"no format named 'liens' reads labels: .* lines"):
        prepare("notes", notes, tmp_path / "out", format="liens")
    with pytest.raises(UnknownNameError, match="'mute': it only writes labels") as caught:
        open_reader("mute")
    assert caught.value.hint == "one that reads: lines."
    assert open_writer("notes.mute").suffix == ".mute"


@pytest.mark.usefixtures("notes")
def test_source_without_a_file_of_the_format_is_refused(notes: Path, tmp_path: Path) -> None:
    (notes / "a.json").write_text("{}")

    with pytest.raises(DataError, match=r"found no file, expected \.lines or \.txt") as caught:
        prepare("notes", notes, tmp_path / "out", format="lines")

    assert caught.value.hint == "formats that read files of this source: none."


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("a.png pond", PluginError, "an object of 'pond', which its classes lack"),
        ("a.png dot shapeless", PluginError, "an object with 0 shapes, expected one"),
        ("a.png dot nowhere", PluginError, r"with the box \(nan, .*expected four finite numbers"),
        ("a.png dot torn", PluginError, "an object of 'a.png' with its RLE has runs that"),
        ("a.png dot line", PluginError, "expected x and y of three points or more"),
        ("a.png boom", PluginCodeError, "of plugin 'notes' raises KeyError: 'boom'"),
    ],
)
def test_fault_of_a_plugin_is_told_as_its_own(
    notes: Path, tmp_path: Path, line: str, error: type[Exception], said: str
) -> None:
    (notes / "a.txt").write_text(line)

    with pytest.raises(error, match=said):
        prepare("notes", notes, tmp_path / "out", format="lines")


@pytest.mark.usefixtures("notes")
def test_writer_that_writes_nothing_is_refused(tmp_path: Path) -> None:
    from zoo.interfaces import Labels

    with pytest.raises(PluginError, match="'mute' returned without a file"):
        open_writer("mute")(Labels(classes=(), images=()), tmp_path / "a.mute")


@pytest.mark.mm
def test_label_maps_become_one_mask_a_class(
    notes: Path,
    tmp_path: Path,
    make_bright_run: Callable[..., Path],
    bright_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The masks are the label map; the background is none; names are below the inputs' folder."""
    import os

    import cv2
    import numpy as np
    from pycocotools import mask as tools

    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run()
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{tmp_path}")
    image = np.zeros((20, 30), np.uint8)
    image[4:9, 5:25] = 200
    images = [tmp_path / "in" / "x" / "a.png", tmp_path / "in" / "b.png"]
    images[0].parent.mkdir(parents=True)
    for path, pixels in zip(images, (image, image * 0), strict=True):
        cv2.imwrite(str(path), pixels)

    done = predict(str(run), images, tmp_path / "out", format="lines")

    assert done.exchanged is not None
    assert done.exchanged.path == tmp_path / "out" / "lines_labels.lines"
    classes, *rows = map(json.loads, done.exchanged.path.read_text().splitlines())
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    expected = {}
    for entry in entries["images"]:
        labels = cv2.imread(str(tmp_path / "out" / entry["label"]), cv2.IMREAD_UNCHANGED)
        for index in set(labels.ravel().tolist()) - {0}:
            name = Path(entry["file"]).relative_to(tmp_path / "in").as_posix()
            expected[name, entries["classes"][index]] = labels == index
    assert classes == entries["classes"][1:]
    found = {(name, label): tools.decode(rle) for name, _, label, rle, _, _ in rows}
    assert found.keys() == expected.keys()
    assert expected
    for key, mask in expected.items():
        np.testing.assert_array_equal(found[key], mask)
    assert all(size == [30, 20] and score is None for _, size, _, _, score, _ in rows)
    dropped = done.to_json()["labels"]["dropped"]
    assert [row["file"] for row in dropped] == ["b.png"]


@pytest.mark.mm
def test_command_says_where_the_labels_are_and_what_they_lack(
    notes: Path,
    tmp_path: Path,
    make_bright_run: Callable[..., Path],
    bright_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In words, and as JSON; without label maps there is nothing to write."""
    import os

    import cv2
    import numpy as np
    from click.testing import CliRunner

    from zoo.cli import main

    run = make_bright_run()
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{tmp_path}")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 9), np.uint8))
    out = str(tmp_path / "out")
    words = ["predict", str(run), str(tmp_path / "a.png"), "--out", out, "--format", "lines"]

    told = CliRunner().invoke(main, words)
    listed = CliRunner().invoke(main, [*words, "--json"])
    refused = CliRunner().invoke(main, [*words, "--no-labels"])

    labels = f"{out}/lines_labels.lines"
    assert told.stdout.splitlines()[1:] == [
        "dropped 1: an image without objects has no line (a.png)",
        f"written as well: {labels}",
    ]
    assert json.loads(listed.stdout)["labels"] == {
        "file": labels,
        "counts": {},
        "dropped": [{"file": "a.png", "reason": "an image without objects has no line"}],
        "repaired": [],
    }
    assert refused.exit_code == 1
    assert "leave out --no-labels" in refused.stderr


@pytest.mark.mm
def test_instances_keep_scores_boxes_and_masks_after_a_resumed_batch(
    notes: Path,
    tmp_path: Path,
    make_blobs_run: Callable[..., Path],
    blobs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are those of coco.json, also where nothing is predicted again."""
    import os

    import cv2
    import numpy as np

    from zoo.engine.prediction_files.predict import predict

    run = make_blobs_run()
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{blobs_folder}{os.pathsep}{tmp_path}")
    image = np.full((60, 80), 20, np.uint8)
    image[10:18, 20:28] = image[40:48, 60:68] = 150
    cv2.imwrite(str(tmp_path / "a.png"), image)
    predict(str(run), [tmp_path / "a.png"], tmp_path / "out")

    done = predict(str(run), [tmp_path / "a.png"], tmp_path / "out", resume=True, format="lines")

    assert done.exchanged is not None
    _, *rows = map(json.loads, done.exchanged.path.read_text().splitlines())
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert len(rows) == len(coco["annotations"]) > 0
    for (name, size, label, rle, score, box), row in zip(rows, coco["annotations"], strict=True):
        left, top, width, height = row["bbox"]
        assert (name, size) == ("a.png", [80, 60])
        assert label == coco["categories"][row["category_id"] - 1]["name"]
        assert (rle, score) == (row["segmentation"], row["score"])
        assert box == [left, top, left + width, top + height]


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ({"least_aera": 1.0}, "found the option 'least_aera'", "did you mean least_area?"),
        ({"least_area": "much"}, "least-area is 'much', expected float", "smallest area"),
        ({"least_area": [1.0, 2.0]}, "least-area is .*, expected float", "smallest area"),
        ({"flat": 1}, "flat is 1, expected bool", "without heights"),
    ],
)
def test_option_that_the_format_has_not_is_refused(
    given: dict[str, object], said: str, hint: str
) -> None:
    with pytest.raises(DataError, match=rf"cannot write labels as 'placed': {said}") as caught:
        open_writer("placed", given)

    assert hint in str(caught.value.hint)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Write a GeoTIFF with two bright squares, and the same pixels without coordinates."""
    import numpy as np

    rasterio = pytest.importorskip("rasterio")
    image = np.full((60, 80), 20, np.uint8)
    image[10:18, 20:28] = image[40:48, 60:68] = 150
    for name, place in (
        ("a.tif", {"crs": "EPSG:32631", "transform": rasterio.Affine(2, 0, 5e5, 0, -2, 5e6)}),
        ("b.png", {}),
    ):
        shape = {"width": 80, "height": 60, "count": 1, "dtype": "uint8"}
        driver = {".tif": "GTiff", ".png": "PNG"}[name[-4:]]
        with rasterio.open(tmp_path / name, "w", driver=driver, **shape, **place) as raster:
            raster.write(image, 1)
    return tmp_path / "a.tif"


@pytest.mark.mm
@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_writer_learns_where_an_image_lies_and_which_instance_is_which(
    notes: Path,
    tmp_path: Path,
    scene: Path,
    make_bright_run: Callable[..., Path],
    make_blobs_run: Callable[..., Path],
    bright_folder: Path,
    blobs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    """Also from a batch that is done; ids are those of ``coco.json``; options have defaults."""
    import os

    from click.testing import CliRunner

    from zoo.cli import main

    run = str(make_bright_run() if task == "semantic" else make_blobs_run())
    folder = bright_folder if task == "semantic" else blobs_folder
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{folder}{os.pathsep}{tmp_path}")
    out = tmp_path / "out"
    words = ["predict", run, str(scene), str(scene.with_name("b.png")), "--out", str(out)]
    assert CliRunner().invoke(main, words).exit_code == 0
    words += ["--resume", "--format", "placed"]

    done = CliRunner().invoke(
        main, [*words, *("--format-option", "classes=a"), *("--format-option", "classes=b = c")]
    )
    refused = CliRunner().invoke(main, [*words, "--format-option", "flat"])

    assert done.exit_code == 0, done.stderr
    written = json.loads((out / "placed_labels.json").read_text())
    assert written["options"] == {"least_area": 2.0, "classes": ["a", "b = c"], "flat": False}
    place = {"crs": "urn:ogc:def:crs:EPSG::32631", "transform": [2, 0, 5e5, 0, -2, 5e6]}
    entries = json.loads((out / "predictions.json").read_text())["images"]
    assert [entry.get("georeference") for entry in entries] == [place, None]
    assert [each[:3] for each in written["images"]] == [
        ["a.tif", place["crs"], place["transform"]],
        ["b.png", None, None],
    ]
    ids = [id_ for *_, several in written["images"] for id_ in several]
    if task == "instance":
        coco = json.loads((out / "coco.json").read_text())
        assert ids == [row["id"] for row in coco["annotations"]] == [1, 2, 3, 4]
        assert written["palette"] == [[220, 20, 60], [0, 114, 178]]
    else:
        assert set(ids) == {None}
        assert written["palette"] == [[200, 40, 10]]
    assert refused.exit_code == 2
    assert "'flat' is no NAME=VALUE" in refused.stderr
