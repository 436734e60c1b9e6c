# SPDX-License-Identifier: Apache-2.0
"""Files of label maps that were made window by window: rasters, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.mm,
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]
rasterio = pytest.importorskip("rasterio")

from click.testing import CliRunner  # noqa: E402 (after the skip)

from zoo.cli import main  # noqa: E402
from zoo.data import decode_image, encode_png  # noqa: E402
from zoo.engine.prediction.predictor import Predictor  # noqa: E402
from zoo.engine.prediction_files.predict import predict  # noqa: E402
from zoo.engine.scenes import label_rows  # noqa: E402
from zoo.engine.scenes.label_journal import LabelJournal  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACE = {"crs": "EPSG:32631", "transform": rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 5e6)}
TILES = ["--tile-size", "64", "--overlap", "16"]


def _grey(height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Return soft noise in 1..255: 0 is missing data in a raster."""
    import cv2

    noise = np.random.default_rng(height_px).integers(
        1, 256, (height_px // 8 + 1, width_px // 8 + 1)
    )
    return cv2.resize(noise.astype(np.uint8), (width_px, height_px)).clip(1, 255)


def _write(path: Path, grey: NDArray[np.uint8], **others: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    size = {"width": grey.shape[1], "height": grey.shape[0], "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **size, **others) as dataset:
        dataset.write(grey, 1)
    return path


def _zoo(*words: Any) -> Any:
    return CliRunner().invoke(main, ["predict", *map(str, words)])


def _entry(out: Path) -> dict[str, Any]:
    (entry,) = json.loads((out / "predictions.json").read_text())["images"]
    return dict(entry)


def test_scene_with_coordinates_gets_a_cloud_optimized_geotiff(
    bright_run: Path, tmp_path: Path
) -> None:
    """As rasterio reads it: labels, layout, overviews, location, nodata, colours; and areas."""
    grey = _grey(1100, 1300)
    grey[:, :300] = 0
    grey[700:720, 900:] = 0
    path = _write(tmp_path / "in/scene.tif", grey, nodata=0, **PLACE)
    expected = np.where(grey == 0, 255, grey > 100.5).astype(np.uint8)
    out = tmp_path / "out"

    done = _zoo(bright_run, path, "--out", out, "--tile-size", "256")

    assert done.exit_code == 0, done.output
    entry = _entry(out)
    assert entry["label"] == "scene_label.tif"
    assert sorted(each.name for each in out.iterdir()) == [
        "predictions.json",
        "scene_label.tif",
        "scene_overlay.png",
    ]
    with rasterio.open(out / "scene_label.tif") as found:
        assert np.array_equal(expected, found.read(1))
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert found.block_shapes == [(512, 512)]
        assert found.overviews(1) == [2, 4]
        assert found.compression.name == "deflate"
        assert (found.crs, found.transform, found.nodata) == (*PLACE.values(), 255)
        colors = found.colormap(1)
        assert (colors[0], colors[1]) == ((0, 0, 0, 255), (200, 40, 10, 255))
        assert colors[255][3] == 0
        assert set(np.unique(found.read(1, out_shape=(275, 325)))) == {0, 1, 255}
    assert {name: each["px"] for name, each in entry["areas"].items()} == {
        "background": (expected == 0).sum(),
        "lung": (expected == 1).sum(),
    }
    fraction = (expected == 1).sum() / expected.size
    assert entry["areas"]["lung"]["fraction"] == pytest.approx(fraction)
    assert 0 < entry["windows"] < 49  # those of the left are left out


def test_labels_of_a_raster_are_exchanged(bright_run: Path, tmp_path: Path) -> None:
    """The ids of the file, and not the colours that they stand for."""
    from zoo.engine.prediction_files.exchanged import _of_label_maps

    grey = _grey(70, 90)
    path = _write(tmp_path / "in/scene.tif", grey, **PLACE)

    assert _zoo(bright_run, path, "--out", tmp_path / "out", *TILES).exit_code == 0

    entries = [_entry(tmp_path / "out")]
    (image,) = _of_label_maps(tmp_path / "out", entries, ["background", "lung"])
    assert [each.label for each in image.objects] == ["lung"]
    assert image.size == (90, 70)


@pytest.mark.parametrize("words", [TILES, []])
def test_image_without_coordinates_or_windows_gets_a_png(
    bright_run: Path, tmp_path: Path, words: list[str]
) -> None:
    """As ever; of windows, a raster without a location."""
    grey = _grey(70, 90)
    place = {} if words else PLACE
    path = _write(tmp_path / "in/scene.tif", grey, **place)

    assert _zoo(bright_run, path, "--out", tmp_path / "out", *words).exit_code == 0

    entry = _entry(tmp_path / "out")
    assert entry["label"] == "scene_label.png"
    label = decode_image((tmp_path / "out/scene_label.png").read_bytes(), "label")
    assert np.array_equal(label, grey > 100.5)
    assert ("windows" in entry) == bool(words)


def test_raster_would_overwrite_no_input(bright_run: Path, tmp_path: Path) -> None:
    path = _write(tmp_path / "in/scene.tif", _grey(70, 90), **PLACE)
    other = _write(tmp_path / "in/scene_label.tif", _grey(70, 90), **PLACE)

    done = _zoo(bright_run, path, other, "--out", tmp_path / "in", *TILES)

    assert done.exit_code == 1
    assert "would overwrite an input" in done.stderr


# Dies by SIGKILL, as of the kernel's killer, when it has put some rows of the second scene.
_KILLED = """
import os, signal, sys
from zoo.engine.scenes import label_rows
from zoo.engine.scenes.label_journal import LabelJournal
from zoo.cli import main

label_rows.MOST_HELD_PX = 1000
put = LabelJournal.put

def put_and_die(self, rows, facts):
    put(self, rows, facts)
    if "b_label" in str(self._path) and self._path.stat().st_size >= 200 * 90:
        os.kill(os.getpid(), signal.SIGKILL)

LabelJournal.put = put_and_die
main(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="of POSIX")
def test_killed_scene_continues_at_its_finished_rows(
    bright_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are those of an uninterrupted batch, and of the second scene few rows are new."""
    scenes = [
        _write(tmp_path / f"in/{name}.tif", _grey(400 + i, 90), **PLACE)
        for i, name in enumerate("abc")
    ]
    words = ["predict", str(bright_run), *map(str, scenes), *TILES, "--out"]
    out = tmp_path / "out"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", _KILLED, *words, str(out)], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (out / ".b_label.rows").is_file()
    assert not (out / "b_label.tif").exists()
    before = (out / "a_label.tif").stat().st_mtime_ns
    monkeypatch.setattr(label_rows, "MOST_HELD_PX", 1000)
    put, added = LabelJournal.put, dict[str, int]()

    def count(self: LabelJournal, rows: NDArray[np.uint8], facts: Any) -> None:
        added[self._path.name] = added.get(self._path.name, 0) + len(rows)
        put(self, rows, facts)

    monkeypatch.setattr(LabelJournal, "put", count)

    done = CliRunner().invoke(main, [*words, str(out), "--resume"])

    assert done.exit_code == 0, done.output
    assert set(added) == {".b_label.rows", ".c_label.rows"}
    assert added[".b_label.rows"] <= 401 - 200
    assert added[".c_label.rows"] == 402
    assert (out / "a_label.tif").stat().st_mtime_ns == before
    plain = tmp_path / "plain"
    assert CliRunner().invoke(main, [*words, str(plain)]).exit_code == 0
    names = sorted(each.name for each in plain.iterdir())
    assert names == sorted(each.name for each in out.iterdir())
    assert all((out / name).read_bytes() == (plain / name).read_bytes() for name in names)


def test_batch_from_the_start_uses_no_old_rows(
    bright_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does --resume, if something else decides the labels."""
    monkeypatch.setattr(label_rows, "MOST_HELD_PX", 1000)
    path = _write(tmp_path / "in/a.tif", _grey(200, 90), **PLACE)
    cut = Predictor(Predictor(str(bright_run)).model, tiling=_tiles())
    for resume, key in ((False, cut._key(path)), (True, "another key")):
        out = tmp_path / f"out-{resume}"
        out.mkdir()
        kept = out / ".a_label.rows"
        journal = LabelJournal(kept, key, 90, 200)
        journal.put(np.full((200, 90), 1, np.uint8), {"windows": 1, "meta": {}})
        journal.close()

        predict(cut, [str(path)], out, overlays=False, resume=resume)

        with rasterio.open(out / "a_label.tif") as found:
            assert np.array_equal(found.read(1), _grey(200, 90) > 100.5)
        assert not kept.exists()


def test_image_of_the_same_name_in_another_folder_uses_no_rows(
    bright_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although size and time are the same, as of files from one archive."""
    monkeypatch.setattr(label_rows, "MOST_HELD_PX", 1000)
    grey = _grey(200, 90)
    images = [
        _write(tmp_path / name / "a.tif", pixels, **PLACE)
        for name, pixels in (("one", grey), ("other", 255 - grey))
    ]
    for image in images:
        os.utime(image, ns=(10**18, 10**18))
    cut = Predictor(Predictor(str(bright_run)).model, tiling=_tiles())
    out = tmp_path / "out"
    out.mkdir()
    journal = LabelJournal(out / ".a_label.rows", cut._key(images[0]), 90, 200)
    journal.put((grey > 100.5).astype(np.uint8)[:90], {"windows": 4, "meta": {}})
    journal.close()

    predict(cut, [str(images[1])], out, overlays=False, resume=True)

    assert len({each.stat().st_size for each in images}) == 1
    with rasterio.open(out / "a_label.tif") as found:
        assert np.array_equal(found.read(1), 255 - grey > 100.5)


def _tiles() -> Any:
    from zoo.data import parse_tiling

    return parse_tiling("tiles", 64, 16)


def test_failed_scene_leaves_nothing(
    make_bright_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its rows nor the folder that was made for them."""
    monkeypatch.setattr(label_rows, "MOST_HELD_PX", 1000)
    run = make_bright_run(model=", fails_above=63")
    path = tmp_path / "in/a.png"
    path.parent.mkdir()
    path.write_bytes(encode_png(_grey(200, 90)))

    done = _zoo(run, path, "--out", tmp_path / "out", *TILES)

    assert done.exit_code == 1
    assert "width 64 is too much" in done.stderr
    assert not (tmp_path / "out").exists()


# Writes a raster, then again while no file may grow beyond a share of it.
_LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
import rasterio
from zoo.engine.prediction_files.label_raster import write_label_raster
from zoo.engine.scenes.scene import Georeference
from zoo.errors import DataError

labels = np.random.default_rng(0).integers(0, 3, (700, 700), np.uint8)
wkt = rasterio.CRS.from_epsg(32631).to_wkt()
place = Georeference("EPSG:32631", (0.5, 0, 5e5, 0, -0.5, 5e6), wkt)
colors = [(0, 0, 0), (90, 0, 0), (0, 90, 0)]
path = Path(sys.argv[1])
write_label_raster(path, labels, colors, place)
before = path.read_bytes()
for share in (0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * len(before)), -1))
    try:
        write_label_raster(path, labels, colors, place)
        print("written")
    except DataError as error:
        print(error.message[:20], "TMPDIR" in error.hint, path.read_bytes() == before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_raster_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """GDAL does not report every write that fails, as on a full disk; the old file stays."""
    words = [sys.executable, "-c", _LIMITED, str(tmp_path / "a.tif")]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["cannot write 'a.tif' True True"] * 7, done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]
