# SPDX-License-Identifier: Apache-2.0
"""Names of images and masks as other systems and tools write them: paired, or told apart."""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from zoo_folder_data.prepare import prepare  # noqa: E402 (after the skip)

from zoo.data import Shares, read_prepared  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
CLASSES = '[[class]]\nname = "a"\nvalue = 0\n[[class]]\nname = "b"\nvalue = 255\n'


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def write(
    root: Path, image: str, mask: str, folders: tuple[str, str] = ("images", "masks")
) -> Path:
    """Write three pairs; ``{}`` in a name is the number."""
    for number in range(3):
        for folder, name in zip(folders, (image, mask), strict=True):
            path = root / folder / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((9, 7), 255 * (folder == folders[1] and number % 2), np.uint8)
            path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    (root / "classes.toml").write_text(CLASSES)
    return root


PAIRED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    # image, mask, options, stem in the prepared folder
    "composed and not": (nfc("Gefäß{}.png"), nfd("Gefäß{}.png"), {}, nfc("Gefäß{}")),
    "not and composed": (nfd("Gefäß{}.png"), nfc("Gefäß{}.png"), {}, nfd("Gefäß{}")),
    "folders below": (nfc("Süd/ä{}.png"), nfd("Süd/ä{}.png"), {}, nfc("Süd__ä{}")),
    "ending": ("x{}.png", nfd("x{}_größe.png"), {"mask_suffix": nfc("_größe")}, "x{}"),
    "ending of images": (
        nfd("x{}_bild_ä.png"),
        "x{}.png",
        {"image_suffix": nfc("_bild_ä")},
        "x{}",
    ),
    "dots": ("site.v1.{}.png", "site.v1.{}.png", {}, "site.v1.{}"),
    "marks": ("scan #{} (50%) [a].png", "scan #{} (50%) [a].png", {}, "scan #{} (50%) [a]"),
    "korean": ("유조탱크_{}.png", nfd("유조탱크_{}.png"), {}, "유조탱크_{}"),
    "dash": ("-s{}.png", "-s{}.png", {}, "-s{}"),
    "suffix in capitals": ("s{}.PNG", "s{}.png", {}, "s{}"),
    "suffix of the image kept": ("a{}.jpg", "a{}.jpg.png", {"mask_suffix": ".jpg"}, "a{}"),
    "space inside": ("a b {}.png", "a b {}.png", {}, "a b {}"),
}


@pytest.mark.parametrize(("image", "mask", "options", "stem"), PAIRED.values(), ids=PAIRED)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_prepare_when_names_mean_the_same_then_paired(
    tmp_path: Path, kind: str, image: str, mask: str, options: dict[str, Any], stem: str
) -> None:
    """In a folder as in an archive of one, and nothing is dropped."""
    raw = write(tmp_path / "raw", image, mask)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
            for path in sorted(raw.rglob("*")):
                archive.write(path, path.relative_to(raw))
        raw = tmp_path / "raw.zip"

    report = prepare(raw, tmp_path / "out", shares=ALL, **options)

    assert report.dropped == []
    stems = [row.stem for row in read_prepared(tmp_path / "out").files]
    assert stems == [stem.format(number) for number in range(3)]


def test_prepare_when_folders_have_accents_then_found_in_either_form(tmp_path: Path) -> None:
    """A name typed on a command line is composed; a folder copied from macOS is not."""
    folders = (nfd("Bilder_Köln"), nfd("Masken_Köln"))
    raw = write(tmp_path / "raw", "a{}.png", "a{}.png", folders)

    report = prepare(
        raw, tmp_path / "out", shares=ALL, images=nfc(folders[0]), masks=nfc(folders[1])
    )

    assert report.counts["pairs"] == 3


def test_prepare_when_groups_have_accents_then_one_patient_is_one_group(tmp_path: Path) -> None:
    """Two forms of a name would lie in two splits."""
    raw = write(tmp_path / "raw", nfc("Jäger_{}.png"), nfc("Jäger_{}.png"))
    for folder in ("images", "masks"):
        (raw / folder / nfc("Jäger_1.png")).rename(raw / folder / nfd("Jäger_1.png"))

    prepare(raw, tmp_path / "out", shares=ALL, group_by="^([^_]+)_")

    assert {row.group for row in read_prepared(tmp_path / "out").files} == {nfc("Jäger")}


REFUSED: dict[str, tuple[str, str, str, str]] = {
    # image, mask, what is said, the hint
    "case": ("IMG_{}.PNG", "img_{}.png", "as 'IMG_0' and 'img_0'", "also in upper and lower case"),
    "prefix": ("img_{}.png", "mask_{}.png", "as 'img_0' and 'mask_0'", "stems of their images"),
    "suffix of the image": (
        "a{}.jpg",
        "a{}.jpg.png",
        "as 'a0' and 'a0.jpg'",
        "add --mask-suffix=.jpg",
    ),
    "ending": ("a{}.png", "a{}_seg.png", "as 'a0' and 'a0_seg'", "add --mask-suffix=_seg"),
    "other number": ("a1{}.png", "a2{}.png", "as 'a10' and 'a2", "stems of their images"),
    "colon": ("12:30:0{}.png", "12:30:0{}.png", "found ':' in it", "rename the image"),
    "line end": ("a\n{}.png", "a\n{}.png", r"found '\n' in it", "rename the image"),
    "space at the end": ("a{} .png", "a{} .png", "found a space at its end", "rename the image"),
}


@pytest.mark.parametrize(("image", "mask", "says", "hint"), REFUSED.values(), ids=REFUSED)
def test_prepare_when_names_may_mean_something_else_then_refused(
    tmp_path: Path, image: str, mask: str, says: str, hint: str
) -> None:
    """Nearly the same is not the same; what differs is shown."""
    with pytest.raises(DataError) as caught:
        prepare(write(tmp_path / "raw", image, mask), tmp_path / "out", shares=ALL)

    assert says in caught.value.message
    assert hint in str(caught.value.hint)


def test_prepare_when_the_hint_names_an_ending_then_it_leads_out(tmp_path: Path) -> None:
    """The quoted text is what --mask-suffix takes."""
    raw = write(tmp_path / "raw", "a{}.png", "a{}_label_v2.png")
    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)
    ending = str(caught.value.hint).split("'")[1]

    report = prepare(raw, tmp_path / "out", shares=ALL, mask_suffix=ending)

    assert report.counts["pairs"] == 3
