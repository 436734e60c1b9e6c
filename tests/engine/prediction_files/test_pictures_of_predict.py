# SPDX-License-Identifier: Apache-2.0
"""Pictures on their way to a model: one reader for prepare and both kinds of predict."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
rasterio = pytest.importorskip("rasterio")

import numpy as np  # noqa: E402 (after the skip)
from rasterio.enums import ColorInterp as Color  # noqa: E402

from zoo.data import (  # noqa: E402
    DatasetIdentity,
    Pair,
    Report,
    Shares,
    decode_image,
    encode_png,
    open_source,
    prepare_semantic,
    to_uint8,
)
from zoo.data.pictures import picture  # noqa: E402
from zoo.engine.prediction.image_reader import ImageReader  # noqa: E402
from zoo.engine.prediction.predictor import Predictor  # noqa: E402
from zoo.engine.prediction_files.predict import predict  # noqa: E402
from zoo.engine.scenes.opening import open_scene  # noqa: E402
from zoo.errors import DataError  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

MakeRun = Callable[..., Path]
HEIGHT, WIDTH = 96, 128


def cube(dtype: str) -> NDArray[Any]:
    """Return five bands: red, green, blue, and two of infrared that are 0 in places."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    near = (x + y) % 40 * 200
    bands = np.stack([x * 300, y * 400, 60_000 - x * 200, near, near]).astype(np.uint16)
    return bands if dtype == "uint16" else (bands >> 8).astype(np.uint8)


def write(path: Path, bands: NDArray[Any], **profile: Any) -> Path:
    colors, names = profile.pop("colors", None), profile.pop("names", None)
    mask = profile.pop("mask", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": len(bands), "height": HEIGHT, "width": WIDTH, "dtype": bands.dtype}
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
    ):
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", **size, **profile) as dataset:
            if colors:
                dataset.colorinterp = colors
            dataset.write(bands)
            for number, name in enumerate(names or (), start=1):
                dataset.set_band_description(number, name)
            if mask is not None:
                dataset.write_mask(mask)
    return path


def prepared(folder: Path, **options: Any) -> tuple[NDArray[np.uint8], list[str]]:
    """Return what prepare makes of ``images/s.tif``, and what it notes."""
    (folder / "masks").mkdir()
    (folder / "masks/s.png").write_bytes(encode_png(np.zeros((HEIGHT, WIDTH), np.uint8)))
    with open_source(folder) as source:
        report = prepare_semantic(
            source,
            folder.parent / "prepared",
            dataset=DatasetIdentity("x", "X", "1"),
            pairs=[Pair("s", "s", "images/s.tif", ("masks/s.png",))],
            classes=("ground",),
            palette=((1, 2, 3),),
            encode_mask=lambda masks, pair: (masks[0].astype(np.uint8), []),
            shares=Shares(1, 0, 0),
            report=Report(),
            **options,
        )
    data = (folder.parent / "prepared/images/s.png").read_bytes()
    notes = [line.text for line in report.notes if line.file.startswith("images")]
    return decode_image(data, "s.png").astype(np.uint8), notes


def semantic(path: Path, bands: tuple[int, int, int] | None = None) -> NDArray[np.uint8]:
    """Return what a semantic model sees of a file."""
    from mmengine.config import Config

    pipeline = [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}]
    config = Config({"default_scope": "mmseg", "test_pipeline": pipeline})
    return ImageReader(config, bands=bands).read(path).shown


def instance(path: Path, bands: tuple[int, int, int] | None = None) -> NDArray[np.uint8]:
    """Return what an instance model sees of a file."""
    with open_scene(path, bands=bands) as scene:
        return scene.shown()


_UNNAMED = "bands 1, 2 and 3 of {} read as red, green and blue, because the file does not label "
_UNNAMED += "them (--bands 3,2,1 chooses others)"
_KINDS: dict[str, tuple[int, str, dict[str, Any], list[str]]] = {
    "planar16": (3, "uint16", {"photometric": "RGB", "interleave": "band"}, []),
    "planar8": (3, "uint8", {"photometric": "RGB", "interleave": "band"}, []),
    "default16": (3, "uint16", {}, [_UNNAMED.format(3)]),
    "default8": (3, "uint8", {}, []),
    "minisblack8": (3, "uint8", {"photometric": "MINISBLACK"}, [_UNNAMED.format(3)]),
    "rgba8": (4, "uint8", {}, ["band 4 dropped"]),
    "rgba8 planar": (4, "uint8", {"interleave": "band"}, ["band 4 dropped"]),
    "alpha16": (4, "uint16", {"photometric": "RGB", "alpha": "YES"}, ["band 4 dropped"]),
    "default4x16": (4, "uint16", {}, [_UNNAMED.format(4)]),
    "two": (2, "uint16", {}, ["band 2 dropped"]),
    "white8": (1, "uint8", {"photometric": "MINISWHITE"}, []),
    "white16": (1, "uint16", {"photometric": "MINISWHITE"}, []),
    "five": (5, "uint16", {}, [_UNNAMED.format(5)]),
    "five8": (5, "uint8", {}, [_UNNAMED.format(5)]),
    "zstd": (3, "uint8", {"photometric": "RGB", "compress": "zstd"}, []),
    "lerc": (1, "uint8", {"compress": "lerc"}, []),
    "lzma": (1, "uint16", {"compress": "lzma"}, []),
    "small tiles": (3, "uint8", {"tiled": True, "blockxsize": 16, "blockysize": 16}, []),
    "mask": (3, "uint8", {"photometric": "RGB", "mask": True}, []),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_tiff_when_read_by_prepare_and_predict_then_the_same(tmp_path: Path, kind: str) -> None:
    """Against the bands that were written, by the rules of docs/guide/data.md."""
    count, dtype, profile, noted = _KINDS[kind]
    bands = cube(dtype)[:count]
    if profile.get("mask"):
        profile = profile | {"mask": np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) % 5 > 0}
    path = write(tmp_path / "raw/images/s.tif", bands, **profile)

    kept = np.moveaxis(bands[:3], 0, 2) if count >= 3 else bands[0]
    if profile.get("photometric") == "MINISWHITE":
        kept = np.iinfo(dtype).max - kept
    expected = to_uint8(kept)
    stored, notes = prepared(tmp_path / "raw")
    assert notes == noted
    for shown in (stored, instance(path)):
        assert np.array_equal(expected, shown)
    repeated = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, axis=2)
    assert np.array_equal(repeated, semantic(path))


@pytest.mark.parametrize("how", ["nodata", "mask"])
def test_16_bit_tiff_when_data_is_missing_then_stretched_by_the_rest_everywhere(
    tmp_path: Path, how: str
) -> None:
    """A collar of 65535 would squeeze the scene; its own values stay as they are, cut."""
    bands = (cube("uint16")[:1] // 40 + 500).astype(np.uint16)
    is_there = np.ones((HEIGHT, WIDTH), bool)
    is_there[:, :40] = False
    bands[:, ~is_there] = 65535
    profile: dict[str, Any] = {"nodata": 65535} if how == "nodata" else {"mask": is_there}
    path = write(tmp_path / "raw/images/s.tif", bands, **profile)

    counted = np.sort(bands[0][is_there])
    low, high = (int(counted[int(np.ceil(counted.size * q)) - 1]) for q in (0.001, 0.999))
    expected = np.rint(np.clip((bands[0].astype(float) - low) * 255 / (high - low), 0, 255))
    stored, _ = prepared(tmp_path / "raw")
    for shown in (stored, semantic(path)[..., 0], instance(path)):
        assert np.array_equal(expected, shown)


def test_16_bit_scene_when_large_then_stretched_by_every_value(tmp_path: Path) -> None:
    """A sample of its rows would miss what few of them hold."""
    path = tmp_path / "a.tif"
    bands = np.full((1, 5000, 300), 1000, np.uint16)
    bands[:, 2501:2509] = 3000  # 0.16 % of the samples
    size = {"count": 1, "height": 5000, "width": 300, "dtype": "uint16"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", compress="zstd", **size) as dataset:
            dataset.write(bands)

    with open_scene(path) as scene:
        shown = scene.shown()

    assert shown.max() == 255
    assert np.array_equal(to_uint8(bands[0]), shown)


BLUE_FIRST = [Color.blue, Color.green, Color.red, Color.undefined]


@pytest.mark.parametrize(
    ("profile", "asked", "expected"),
    [
        ({}, (3, 2, 1), (3, 2, 1)),
        ({}, (4, 3, 2), (4, 3, 2)),
        ({"photometric": "RGB"}, (3, 2, 1), (3, 2, 1)),
        ({"colors": BLUE_FIRST}, None, (3, 2, 1)),
        ({"colors": BLUE_FIRST}, (4, 1, 2), (3, 2, 1)),
        ({"names": ["Blue", "Green", "Red", "NIR"]}, None, (3, 2, 1)),
        ({"names": ["Blue", "Green", "Red", "NIR"], "photometric": "RGB"}, None, (3, 2, 1)),
        ({"names": ["B02", "B03", "B04", "B08"]}, (3, 2, 1), (3, 2, 1)),
    ],
)
def test_bands_when_asked_or_named_then_those_are_red_green_and_blue(
    tmp_path: Path,
    profile: dict[str, Any],
    asked: tuple[int, int, int] | None,
    expected: tuple[int, int, int],
) -> None:
    """Names in the file go before --bands, which goes before GDAL's default of RGB."""
    bands = cube("uint8")[:4]
    path = write(tmp_path / "raw/images/s.tif", bands, **profile)

    kept = np.moveaxis(bands[[number - 1 for number in expected]], 0, 2)
    assert np.array_equal(kept, prepared(tmp_path / "raw", bands=asked)[0])
    assert np.array_equal(kept, semantic(path, asked))
    assert np.array_equal(kept, instance(path, asked))


def test_bands_when_the_file_has_fewer_then_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", cube("uint8")[:3])

    for read in (semantic, instance):
        with pytest.raises(DataError, match="found 3 bands, expected band 4 of --bands") as caught:
            read(path, (4, 3, 2))
        assert caught.value.hint == "choose from 1 to 3, or remove the file."


def test_bands_when_unnamed_then_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder of a thousand, the first; with what chooses others."""
    monkeypatch.setattr(picture, "_TOLD", set())
    paths = [write(tmp_path / f"{name}.tif", cube("uint16")[:4]) for name in "abc"]

    with caplog.at_level(logging.WARNING, "zoo"):
        for path in paths:
            semantic(path)
            instance(path)

    assert [record.getMessage() for record in caplog.records] == [
        f"a.tif and files like it: {_UNNAMED.format(4)}"
    ]


@pytest.mark.timeout(60)
def test_batch_when_files_are_hostile_then_the_others_are_done(
    bright_run: Path, tmp_path: Path
) -> None:
    """A pipe, a device, 10 GB, a bomb, a text and a whole picture: one is predicted."""
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "a.png")
    (folder / "b.png").symlink_to("/dev/zero")
    with (folder / "c.jpg").open("wb") as stream:
        stream.truncate(10 * 10**9)
    head = encode_png(np.zeros((4, 4), np.uint8))
    (folder / "d.png").write_bytes(head[:16] + b"\0\0\x75\x30\0\0\x75\x30" + head[24:])
    (folder / "e.tif").write_bytes(b"II*\0\xff\xff\xff\xff")
    (folder / "f.bmp").write_bytes(b"BM")
    (folder / "g.png").write_bytes(b"text")
    (folder / "h.png").symlink_to(folder / "nothing")
    (folder / "z.png").write_bytes(encode_png(np.full((9, 7), 200, np.uint8)))

    done = predict(str(bright_run), [folder], tmp_path / "out")

    assert done.count == 1
    document = json.loads((tmp_path / "out/predictions.json").read_text())
    assert [entry["file"] for entry in document["images"]] == [(folder / "z.png").as_posix()]
    assert [Path(entry["file"]).name[0] for entry in document["failures"]] == list("abcdefgh")
    for entry in document["failures"]:
        name = Path(entry["file"]).name
        assert entry["error"].startswith((f"cannot read '{name}': ", f"cannot decode '{name}': "))
        assert "Error" not in entry["error"]


def test_window_of_a_scene_when_it_fails_then_its_file_is_named(
    make_blobs_run: MakeRun, tmp_path: Path
) -> None:
    """And not called an array, as which the window goes to the model."""
    broken = "dict(type='LoadImageFromFile'), dict(type='Normalize', mean=[1, 2], std=[1, 1])"
    predictor = Predictor(str(make_blobs_run(loader=broken)))
    path = write(tmp_path / "scene.tif", cube("uint8")[:3])

    with pytest.raises(DataError, match=r"^cannot read 'scene\.tif': ") as caught:
        predictor(path)

    assert caught.value.where == str(path)
