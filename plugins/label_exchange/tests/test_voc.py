# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: its own folders, with pictures of objects and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_label_exchange.shapes import NO_NUMBER
from zoo_label_exchange.voc import NO_NAME, NO_OBJECT, NO_PIXEL, Voc

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import Labels

Read = Callable[..., tuple[Labels, Report]]


def _object(name: str, corners: tuple[Any, ...] = (1, 1, 2, 2)) -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True))
    head = f"<name>{escape(name)}</name><difficult>0</difficult>"
    return f"<object>{head}<bndbox>{box}</bndbox></object>"


def _write(folder: Path, stem: str, size: tuple[int, int], *objects: str) -> None:
    path = folder / "Annotations" / f"{stem}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    head = f"<folder>VOC2012</folder><filename>{escape(stem)}.jpg</filename>{sides}"
    text = f"<annotation>{head}<segmented>1</segmented>{''.join(objects)}</annotation>"
    path.write_text(text, encoding="utf-8")


def _picture(folder: Path, stem: str, numbers: np.ndarray[Any, Any]) -> None:
    """Write numbers as VOC does: as indices of a palette."""
    path = folder / "SegmentationObject" / f"{stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(numbers.astype(np.uint8), mode="P")
    picture.putpalette([value for number in range(256) for value in (number, 255 - number, 7)])
    picture.save(path)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_drawn_objects_are_read_as_they_are_seen(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    read_folder: Read,
    pixels_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Later objects cover earlier ones; one that is covered wholly has its box, and is noted."""
    labels = data.draw(drawn_labels(("polygon", "holes", "parts", "touching", "mask")))
    folder = tmp_path_factory.mktemp("voc")
    seen = {}
    for image in labels.images:
        stem, (width, height) = image.name.removesuffix(".png"), image.size or (0, 0)
        numbers = np.zeros((height, width), int)
        for number, each in enumerate(image.objects, 1):
            numbers[pixels_of(each, image.size)] = number
        _picture(folder, stem, numbers)
        _write(folder, stem, (width, height), *(_object(each.label) for each in image.objects))
        seen[f"{stem}.jpg"] = image, numbers

    found, report = read_folder(Voc(), folder, ".xml")

    hidden = 0
    assert {image.name for image in found.images} == seen.keys()
    for image in found.images:
        wanted, numbers = seen[image.name]
        assert image.size == wanted.size
        for number, (before, after) in enumerate(
            zip(wanted.objects, image.objects, strict=True), 1
        ):
            assert after.label == before.label
            if (numbers == number).any():
                np.testing.assert_array_equal(pixels_of(after, image.size), numbers == number)
            else:
                hidden += 1
                assert after.box == (0, 0, 2, 2)
    assert [line.text for line in report.notes] == [NO_PIXEL] * hidden
    assert report.dropped == []


def test_folder_of_voc_is_read(tmp_path: Path, read_folder: Read) -> None:
    """The border of 255 belongs to nothing; numbers without an object are counted."""
    numbers = np.zeros((6, 8), int)
    numbers[1:3, 1:4], numbers[3, 1:4], numbers[5, 5], numbers[0, 7] = 1, 255, 2, 9
    _picture(tmp_path, "a", numbers)
    _write(tmp_path, "a", (8, 6), _object("tank"), _object("Öltank & Co"))
    _write(
        tmp_path, "b", (8, 6), _object("tank", (2, 3, 5, 6)), _object(""), _object("x", ("a",) * 4)
    )

    labels, report = read_folder(Voc(), tmp_path, ".xml")

    assert labels.classes == ("tank", "Öltank & Co")
    first, second = labels.images
    assert [each.rle is not None for each in first.objects] == [True, True]
    assert [each.box for each in second.objects] == [(1.0, 2.0, 5.0, 6.0)]
    assert [(line.file, line.text) for line in report.dropped] == [
        ("SegmentationObject/a.png:number 9", NO_OBJECT),
        ("Annotations/b.xml:object 2", NO_NAME),
        ("Annotations/b.xml:object 3", NO_NUMBER),
    ]


def test_picture_of_another_size_is_refused(tmp_path: Path, read_folder: Read) -> None:
    _picture(tmp_path, "a", np.zeros((6, 8), int))
    _write(tmp_path, "a", (8, 7), _object("tank"))

    with pytest.raises(DataError, match=r"'a\.png' as Pascal VOC: it has 8 x 6 px"):
        read_folder(Voc(), tmp_path, ".xml")


@pytest.mark.parametrize("text", ["<annotations><meta/></annotations>", "<annotation/>", "no"])
def test_other_xml_is_refused_by_its_name(tmp_path: Path, read_folder: Read, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)

    with pytest.raises(DataError, match=r"'a\.xml' as Pascal VOC: it"):
        read_folder(Voc(), tmp_path, ".xml")
