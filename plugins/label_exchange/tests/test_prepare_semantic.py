# SPDX-License-Identifier: Apache-2.0
"""Labels of other tools, prepared as label maps by folder_data: painted, and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_label_exchange.coco import Coco
from zoo_label_exchange.masks import from_pixels

import zoo
from zoo.data import Report, check_prepared, read_prepared
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

CLASSES = ("background", "tank", "pond")
CLIPPED = "reaches beyond the image: clipped at its edge"
EMPTY = "covers no pixel of the image: left out"
UNDER = "lies partly under a smaller object of another class"
HIDDEN = "lies wholly under smaller objects of other classes: left out"
Pixels = np.ndarray[Any, Any]


def _square(left: float, top: float, side: float) -> tuple[float, ...]:
    right, bottom = left + side, top + side
    return (left, top, right, top, right, bottom, left, bottom)


def _write_source(folder: Path, images: Sequence[LabelledImage], **more: Any) -> Path:
    """Write grey pictures and a COCO JSON of their labels."""
    (folder / "images").mkdir(parents=True)
    for number, image in enumerate(images):
        width, height = image.size or (1, 1)
        picture = np.random.default_rng(number).integers(0, 255, (height, width), np.uint8)
        cv2.imwrite(str(folder / "images" / Path(image.name).name), picture)
    labels = Labels(**{"classes": ("tank", "pond"), **more, "images": images})
    Coco().write(labels, folder / "labels.json", Report())
    return folder


def _prepare(source: Path, out: Path, **options: Any) -> Report:
    settled = {"task": "semantic", "shares": "1,0,0", "format": "coco", **options}
    return zoo.prepare("folder_data", source, out, **settled)


def _mask(out: Path, stem: str) -> Pixels:
    mask = cv2.imread(str(out / "masks" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return mask


def test_smaller_objects_lie_on_top_and_losses_are_counted(tmp_path: Path) -> None:
    """Areas in px: 64 less a hole of 4, under 16; 4 under 4 of the other class; one beyond."""
    ring = LabelledPolygon(outline=_square(2, 2, 8), holes=(_square(3, 3, 2),))
    objects = (
        LabelledObject(label="pond", polygons=(LabelledPolygon(outline=_square(6, 6, 4)),)),
        LabelledObject(label="tank", polygons=(ring,)),
        LabelledObject(label="tank", polygons=(LabelledPolygon(outline=_square(14, 2, 2)),)),
        LabelledObject(label="pond", polygons=(LabelledPolygon(outline=_square(14, 2, 2)),)),
        LabelledObject(label="pond", polygons=(LabelledPolygon(outline=_square(18, 14, 6)),)),
        LabelledObject(label="tank", polygons=(LabelledPolygon(outline=_square(30, 2, 3)),)),
    )
    images = [
        LabelledImage(name="a.png", size=(20, 16), objects=objects, tags=("night",)),
        LabelledImage(name="b.png", size=(5, 7)),
    ]
    source = _write_source(tmp_path / "source", images)
    cv2.imwrite(str(source / "images" / "stranger.png"), np.zeros((4, 4), np.uint8))

    report = _prepare(source, tmp_path / "out")

    wanted = np.zeros((16, 20), np.uint8)
    wanted[2:10, 2:10] = 1
    wanted[3:5, 3:5] = 0
    wanted[6:10, 6:10] = 2
    wanted[2:4, 14:16] = 2
    wanted[14:, 18:] = 2
    np.testing.assert_array_equal(_mask(tmp_path / "out", "a"), wanted)
    assert not _mask(tmp_path / "out", "b").any()
    assert read_prepared(tmp_path / "out").classes == CLASSES
    assert check_prepared(tmp_path / "out") == []
    assert [(line.file, line.text) for line in report.repaired] == [
        ("images/a.png:labels", f"'labels.json:annotation {number}' {text}")
        for number, text in ((5, CLIPPED), (6, CLIPPED), (6, EMPTY), (2, UNDER), (3, HIDDEN))
    ]
    assert [line.file for line in report.dropped] == ["images/stranger.png"]
    assert [line.text for line in report.notes] == ["empty mask: only 'background'"]
    assert report.class_px["pond"] == int((wanted == 2).sum())


@pytest.mark.parametrize(("masks", "area_px"), [("ellipse", 52), ("box", 64)])
def test_boxes_alone_are_painted_as_masks_says(tmp_path: Path, masks: str, area_px: int) -> None:
    """An ellipse in 8 x 8 px has 16 pi = 50.3 px^2; the labels are then derived."""
    box = LabelledObject(label="tank", box=(2.0, 2.0, 10.0, 10.0))
    image = LabelledImage(name="a.png", size=(16, 16), objects=(box,))
    source = _write_source(tmp_path / "source", [image])

    report = _prepare(source, tmp_path / "out", masks=masks)

    assert int(_mask(tmp_path / "out", "a").sum()) == pytest.approx(area_px, abs=2)
    prepared = read_prepared(tmp_path / "out")
    assert (prepared.labels, prepared.options["masks"]) == ("derived", masks)
    assert report.counts["masks made from boxes"] == 1
    assert len(report.repaired) == 1


def test_crowds_are_painted_as_their_class(tmp_path: Path) -> None:
    """Tools mark every brush as a crowd; a label map tells no objects apart."""
    pixels = np.eye(9, 12, dtype=np.uint8)
    crowd = LabelledObject(label="pond", rle=from_pixels(pixels), is_crowd=True)
    image = LabelledImage(name="a.png", size=(12, 9), objects=(crowd,))
    source = _write_source(tmp_path / "source", [image])

    _prepare(source, tmp_path / "out")

    np.testing.assert_array_equal(_mask(tmp_path / "out", "a"), 2 * pixels)


def test_background_of_the_labels_has_the_id_0(tmp_path: Path) -> None:
    """It is put first, and its objects are painted."""
    objects = (
        LabelledObject(label="tank", polygons=(LabelledPolygon(outline=_square(0, 0, 8)),)),
        LabelledObject(label="Background", polygons=(LabelledPolygon(outline=_square(2, 2, 3)),)),
    )
    image = LabelledImage(name="a.png", size=(8, 8), objects=objects)
    source = _write_source(tmp_path / "source", [image], classes=("tank", "Background"))

    _prepare(source, tmp_path / "out")

    assert read_prepared(tmp_path / "out").classes == ("Background", "tank")
    assert int((_mask(tmp_path / "out", "a") == 0).sum()) == 9


@pytest.mark.parametrize(
    ("listed", "options", "said"),
    [
        ('"tank", "pond"', {}, "found 'tank' as the first class, expected 'background'"),
        ('"background", "tank"', {}, "found objects of 'pond', expected 'background', 'tank'"),
        ("", {"masks": "labels"}, "'labels'"),
        ("", {"mask_suffix": "_m"}, "cannot use --mask-suffix with --format"),
        ("", {"format": None, "annotations": "labels.json"}, "its format is not known"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, listed: str, options: dict[str, Any], said: str
) -> None:
    square = LabelledPolygon(outline=_square(0, 0, 8))
    image = LabelledImage(
        name="a.png", size=(8, 8), objects=(LabelledObject(label="pond", polygons=(square,)),)
    )
    source = _write_source(tmp_path / "source", [image])
    if listed:
        rows = enumerate(listed.split(", "))
        text = "".join(f"[[class]]\nname = {name}\nvalue = {number}\n" for number, name in rows)
        (tmp_path / "classes.toml").write_text(text)
        options = {"classes": tmp_path / "classes.toml", **options}

    with pytest.raises(DataError) as refused:
        _prepare(source, tmp_path / "out", **options)

    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_command_line_lists_classes_and_prepares(
    tmp_path: Path, run_zoo: Callable[..., Any]
) -> None:
    """``--init`` writes nothing. A second run finds the folder as it was, changed labels do not."""
    square = LabelledPolygon(outline=_square(0, 0, 8))
    one = LabelledObject(label="pond", polygons=(square,))
    image = LabelledImage(name="a.png", size=(9, 8), objects=(one,))
    source = _write_source(tmp_path / "source", [image])
    words = ["data", "prepare", "folder_data", "--source", str(source), "--format", "coco"]
    plugins = "folder_data,label_exchange"

    listed = run_zoo(*words, "--init", plugins=plugins)
    done = run_zoo(*words, "--shares", "1,0,0", "--out", "out", plugins=plugins)

    assert "pond (1)" in listed.stdout + listed.stderr
    assert sorted(path.name for path in source.iterdir()) == ["images", "labels.json"]
    assert done.returncode == 0, done.stderr
    assert _prepare(source, tmp_path / "out").unchanged
    empty = LabelledImage(name="a.png", size=(9, 8))
    Coco().write(Labels(classes=("tank", "pond"), images=[empty]), source / "labels.json", Report())
    with pytest.raises(DataError):
        _prepare(source, tmp_path / "out")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_painting_is_the_smallest_object_of_each_pixel(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    pixels_of: Callable[..., Pixels],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Pixel by pixel: of the objects that cover it, the smallest, and of equals the last."""
    kinds = ("polygon", "holes", "parts", "touching", "mask", "crowd")
    labels = data.draw(drawn_labels(kinds))
    folder = tmp_path_factory.mktemp("paint")
    images = tuple(labels.images)
    source = _write_source(folder / "source", images, classes=labels.classes)

    _prepare(source, folder / "out")

    names = read_prepared(folder / "out").classes
    assert names == ("background", *labels.classes)
    for image in images:
        assert image.size is not None
        covers = [pixels_of(each, image.size) for each in image.objects]
        wanted = np.zeros(image.size[::-1], np.uint8)
        for place in np.ndindex(wanted.shape):
            over = [
                (int(cover.sum()), -number) for number, cover in enumerate(covers) if cover[place]
            ]
            if over:
                wanted[place] = names.index(image.objects[-min(over)[1]].label)
        np.testing.assert_array_equal(_mask(folder / "out", Path(image.name).stem), wanted)
