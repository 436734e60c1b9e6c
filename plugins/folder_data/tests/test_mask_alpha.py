# SPDX-License-Identifier: Apache-2.0
"""A mask that lies in its transparency is read from it, or refused; never as one class all over."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pil = pytest.importorskip("PIL.Image")

from zoo_folder_data.prepare import prepare  # noqa: E402 (after the skip)

from zoo.data import Report, Shares, check_prepared  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
CLASSES = """
[[class]]
name = "background"
value = 0
[[class]]
name = "vessel"
value = 255
"""
BY_COLOR = """
[[class]]
name = "background"
color = "#000000"
[[class]]
name = "vessel"
color = "#ffffff"
"""
TAKEN = "mask taken from its alpha: the rest is one colour"
RunZoo = Callable[..., subprocess.CompletedProcess[str]]


def disc(number: int) -> Any:
    y, x = np.mgrid[0:40, 0:50]
    return (((x - 25) ** 2 + (y - 12 - 3 * number) ** 2) < 90).astype(np.uint8) * 255


def save(picture: Any, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def rgba(mask: Any, color: tuple[int, int, int]) -> Any:
    rest = np.empty((*mask.shape, 3), np.uint8)
    rest[:] = color
    return np.dstack([rest, mask])


def exif(orientation: int) -> Any:
    found = pil.Exif()
    found[0x112] = orientation
    return found


def turned(pixels: Any) -> Any:
    """Return a picture as a camera stores it that says: turn me to the right to see me."""
    return pil.fromarray(np.ascontiguousarray(np.rot90(pixels)))


def geotiff(pixels: Any, **options: Any) -> bytes:
    """Return a TIFF of four bands, of which only three have names."""
    rasterio = pytest.importorskip("rasterio")
    with rasterio.io.MemoryFile() as memory:
        height, width, count = pixels.shape
        shape = {"height": height, "width": width, "count": count, "dtype": pixels.dtype}
        alpha = {"photometric": "RGB", "alpha": "unspecified"}
        with memory.open(driver="GTiff", **shape, **alpha, **options) as dataset:
            dataset.write(np.moveaxis(pixels, 2, 0))
        return bytes(memory.read())


def palette_of(mask: Any) -> bytes:
    """Return a palette of one colour, whose first number is transparent."""
    picture = pil.fromarray((mask > 0).astype(np.uint8), "P")
    picture.putpalette([255, 255, 255] * 256)
    return save(picture, "PNG", transparency=bytes([0] + [255] * 255))


Write = Callable[[Any], bytes]
SPELLINGS: dict[str, Write] = {
    "white": lambda mask: save(pil.fromarray(rgba(mask, (255, 255, 255))), "PNG"),
    "black": lambda mask: save(pil.fromarray(rgba(mask, (0, 0, 0))), "PNG"),
    "red": lambda mask: save(pil.fromarray(rgba(mask, (200, 10, 10))), "PNG"),
    "grey and alpha": lambda mask: save(
        pil.fromarray(np.dstack([np.full_like(mask, 255), mask]), "LA"), "PNG"
    ),
    "tiff": lambda mask: save(pil.fromarray(rgba(mask, (255, 255, 255))), "TIFF"),
    "tiff, turned": lambda mask: save(turned(rgba(mask, (9, 9, 9))), "TIFF", exif=exif(6)),
    "png, turned": lambda mask: save(turned(rgba(mask, (9, 9, 9))), "PNG", exif=exif(6)),
    "tiff, fourth band of no name": lambda mask: geotiff(rgba(mask, (9, 9, 9))),
    "tiff, band by band": lambda mask: geotiff(rgba(mask, (9, 9, 9)), interleave="band"),
    "tiff, LZW tiles": lambda mask: geotiff(rgba(mask, (9, 9, 9)), compress="lzw", tiled=True),
    "tiff, grey and alpha": lambda mask: save(
        pil.fromarray(np.dstack([np.full_like(mask, 255), mask]), "LA"), "TIFF"
    ),
}


def write(root: Path, files: dict[str, bytes], classes: str = CLASSES) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for name, data in files.items():
        (root / "masks" / name).write_bytes(data)
        stem = Path(name).stem
        assert cv2.imwrite(str(root / f"images/{stem}.png"), np.full((40, 50, 3), 90, np.uint8))
    (root / "classes.toml").write_text(classes)
    return root


def names(spelling: str, count: int = 4) -> list[str]:
    return [f"s{n}.{'tif' if 'tiff' in spelling else 'png'}" for n in range(count)]


def labels(out: Path, stem: str) -> Any:
    return cv2.imread(str(out / f"masks/{stem}.png"), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("classes", [CLASSES, BY_COLOR], ids=["values", "colors"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_prepare_when_mask_lies_in_its_alpha_then_taken_and_told(
    tmp_path: Path, spelling: str, classes: str
) -> None:
    """Every spelling gives the disc that a grey mask gives."""
    files = {name: SPELLINGS[spelling](disc(n)) for n, name in enumerate(names(spelling))}

    report = prepare(write(tmp_path / "raw", files, classes), tmp_path / "out", shares=ALL)

    for number in range(4):
        assert np.array_equal(labels(tmp_path / "out", f"s{number}"), disc(number) // 255)
    assert [line.text for line in report.repaired] == [TAKEN] * 4
    assert check_prepared(tmp_path / "out") == []


def test_prepare_when_palette_is_one_colour_then_by_number_or_alpha(tmp_path: Path) -> None:
    """By values, the palette's numbers are the mask; by colours, its transparency is."""
    files = {name: palette_of(disc(n)) for n, name in enumerate(names(""))}
    numbers = CLASSES.replace("255", "1")

    prepare(write(tmp_path / "a", files, numbers), tmp_path / "numbers", shares=ALL)
    report = prepare(write(tmp_path / "b", files, BY_COLOR), tmp_path / "colors", shares=ALL)

    for out in (tmp_path / "numbers", tmp_path / "colors"):
        assert np.array_equal(labels(out, "s1"), disc(1) // 255)
    assert [line.text for line in report.repaired] == [TAKEN] * 4


def test_prepare_when_some_masks_lie_in_alpha_then_each_by_its_own(tmp_path: Path) -> None:
    """A folder that two tools wrote."""
    plain = [save(pil.fromarray(disc(n)), "PNG") for n in range(3)]
    opaque = save(
        pil.fromarray(np.dstack([disc(4)] * 3 + [np.full((40, 50), 255, np.uint8)])), "PNG"
    )
    files = dict(zip(names("", 4), [*plain, SPELLINGS["white"](disc(3))], strict=True))

    report = prepare(
        write(tmp_path / "raw", files | {"s4.png": opaque}), tmp_path / "out", shares=ALL
    )

    for number in range(5):
        assert np.array_equal(labels(tmp_path / "out", f"s{number}"), disc(number) // 255)
    assert [line.file for line in report.repaired if line.text == TAKEN] == ["masks/s3.png"]


def test_prepare_when_a_mask_is_wholly_transparent_then_it_is_empty(tmp_path: Path) -> None:
    """What was erased all over shows nothing of the class."""
    files = {"s0.png": SPELLINGS["white"](disc(0)), "s1.png": SPELLINGS["white"](disc(0) * 0)}

    report = prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    assert not labels(tmp_path / "out", "s1").any()
    assert ("masks/s1.png", "empty mask: only 'background'") in [
        (line.file, line.text) for line in report.notes
    ]


def test_prepare_when_a_mask_is_opaque_among_those_in_alpha_then_both_are_named(
    tmp_path: Path,
) -> None:
    """Black and opaque: all of the class by its alpha, nothing by its colour."""
    full = SPELLINGS["black"](np.full((40, 50), 255, np.uint8))
    files = {"s0.png": SPELLINGS["black"](disc(0)), "s1.png": full}

    with pytest.raises(DataError) as caught:
        prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    assert "interpret the mask 'masks/s1.png'" in caught.value.message
    assert "such as 'masks/s0.png', are in the transparency" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_prepare_when_all_masks_are_opaque_then_their_colours_count(tmp_path: Path) -> None:
    """Also where one of them is empty, or full."""
    shown = [disc(0), disc(0) * 0, disc(0) * 0 + 255]
    full = np.full((40, 50), 255, np.uint8)
    files = {
        f"s{n}.png": save(pil.fromarray(np.dstack([mask] * 3 + [full])), "PNG")
        for n, mask in enumerate(shown)
    }

    report = prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    for number, mask in enumerate(shown):
        assert np.array_equal(labels(tmp_path / "out", f"s{number}"), mask // 255)
    assert TAKEN not in [line.text for line in report.repaired]


def test_prepare_when_colours_and_alpha_tell_the_same_then_colours(tmp_path: Path) -> None:
    """White and opaque on black and transparent, as painting tools export a layer."""
    files = {f"s{n}.png": save(pil.fromarray(np.dstack([disc(n)] * 4)), "PNG") for n in range(3)}

    prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    assert np.array_equal(labels(tmp_path / "out", "s2"), disc(2) // 255)


def test_prepare_when_transparent_pixels_hide_values_then_refused(tmp_path: Path) -> None:
    """What is seen and what is stored are two masks."""
    files = {"s0.png": save(pil.fromarray(np.dstack([disc(0)] * 3 + [disc(6)])), "PNG")}

    with pytest.raises(DataError) as caught:
        prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    assert "the mask 's0.png': found several values under transparent pixels" in (
        caught.value.message
    )
    assert str(caught.value.where).endswith("masks/s0.png")


def test_prepare_when_alpha_holds_what_no_class_lists_then_hint_says_whose_values(
    tmp_path: Path,
) -> None:
    files = {"s0.png": SPELLINGS["white"](disc(0) // 2)}

    with pytest.raises(DataError, match=r"no class lists: 127 \(\d+ px\)") as caught:
        prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    assert "values of its transparency" in str(caught.value.hint)


def test_prepare_when_classes_are_missing_then_the_first_file_is_of_the_alpha(
    tmp_path: Path, run_zoo: RunZoo
) -> None:
    """The file that the message holds leads to a prepared folder."""
    raw = write(tmp_path / "raw", {f"s{n}.png": SPELLINGS["red"](disc(n)) for n in range(2)}, "")
    (raw / "classes.toml").unlink()
    args = ("data", "prepare", "folder_data", "--source", raw, "--out", "out", "--shares", "1,0,0")

    refused = run_zoo(*args, plugins="folder_data")
    _, toml = refused.stderr.split("to start with:\n")
    (raw / "classes.toml").write_text(toml)
    done = run_zoo(*args, plugins="folder_data")

    assert done.returncode == 0, done.stderr
    assert f"repaired 2: {TAKEN}" in done.stdout


def test_prepare_when_one_class_alone_is_listed_then_refused(
    tmp_path: Path, run_zoo: RunZoo
) -> None:
    """A softmax over one channel is 1 everywhere: such a run learns nothing."""
    alone = 'ignore = [0]\n[[class]]\nname = "vessel"\nvalue = 255\n'
    files = {f"s{n}.png": save(pil.fromarray(disc(n)), "PNG") for n in range(2)}
    raw = write(tmp_path / "raw", files, alone)
    args = ("data", "prepare", "folder_data", "--source", raw, "--out", "out", "--shares", "1,0,0")

    refused = run_zoo(*args, plugins="folder_data")

    assert refused.returncode == 1
    assert "cannot separate 'vessel' from anything else: found one class" in refused.stderr
    assert f"where: {raw / 'classes.toml'}" in refused.stderr
    assert "background first as its own [[class]]" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_report_when_alpha_is_taken_then_written_beside_the_data(tmp_path: Path) -> None:
    files = {"s0.png": SPELLINGS["white"](disc(0))}

    report = prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)

    assert isinstance(report, Report)
    assert TAKEN in (tmp_path / "out/report.json").read_text()


def test_prepare_when_alpha_has_16_bits_then_all_of_them(tmp_path: Path) -> None:
    """Numbers of classes above 255 are not cut to 8 bits."""
    ids = disc(1).astype(np.uint16) // 255 * 900
    rest = np.full((40, 50, 3), 7, np.uint16)
    classes = CLASSES.replace("255", "900")
    files = {
        "s0.tif": geotiff(np.dstack([rest, ids])),
        "s1.png": cv2.imencode(".png", np.dstack([rest, ids]))[1].tobytes(),
    }

    prepare(write(tmp_path / "raw", files, classes), tmp_path / "out", shares=ALL)

    assert np.array_equal(labels(tmp_path / "out", "s0"), disc(1) // 255)
    assert np.array_equal(labels(tmp_path / "out", "s1"), disc(1) // 255)


@pytest.mark.parametrize("count", [5, 8])
def test_prepare_when_a_mask_has_a_band_a_class_then_refused(tmp_path: Path, count: int) -> None:
    """Of one band for each class, the first three are no colours."""
    files = {"s0.tif": geotiff(np.dstack([disc(n) for n in range(count)]))}

    with pytest.raises(DataError, match=f"found {count} bands, expected one value or one colour"):
        prepare(write(tmp_path / "raw", files), tmp_path / "out", shares=ALL)


def test_prepare_when_rasterio_is_missing_then_the_mask_or_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 bits by Pillow; nothing is read by its colour where its alpha cannot be."""
    deep = np.dstack([np.full((40, 50, 3), 7, np.uint16), disc(0).astype(np.uint16)])
    raw = write(tmp_path / "raw", {"s0.tif": SPELLINGS["tiff"](disc(0))})
    other = write(tmp_path / "other", {"s0.tif": geotiff(deep)})
    monkeypatch.setitem(sys.modules, "rasterio", None)

    prepare(raw, tmp_path / "out", shares=ALL)

    assert np.array_equal(labels(tmp_path / "out", "s0"), disc(0) // 255)
    with pytest.raises(DataError, match="rasterio") as caught:
        prepare(other, tmp_path / "no", shares=ALL)
    assert "pip install" in str(caught.value.hint)
