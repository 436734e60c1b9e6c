# SPDX-License-Identifier: Apache-2.0
"""Predicting: labels that NumPy knows beforehand, at any size, depth and through any reader."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

MakeRun = Callable[..., Path]
RAW = "dict(type='zoo.bright.ReadRaw')"


def write_image(path: Path, image: NDArray[Any]) -> Path:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def read_png(path: Path) -> NDArray[Any]:
    import cv2

    pixels: NDArray[Any] = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return pixels


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def read_json(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "predictions.json").read_text())
    return document


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("size", [(37, 53), (64, 64), (1, 7), (301, 200)])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_labels_equal_the_threshold_in_numpy(
    bright_run: Path, tmp_path: Path, size: tuple[int, int], suffix: str
) -> None:
    from zoo.engine.prediction_files.predict import predict

    image = noise(*size)
    path = write_image(tmp_path / f"in/x{suffix}", image)

    done = predict(str(bright_run), [path], tmp_path / "out")

    expected = (image > 100.5).astype(np.uint8)
    labels = read_png(tmp_path / "out/x_label.png")
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, expected)
    entry = read_json(tmp_path / "out")["images"][0]
    assert entry["areas"] == {
        "background": {
            "px": int((expected == 0).sum()),
            "fraction": pytest.approx((expected == 0).mean()),
        },
        "lung": {"px": int(expected.sum()), "fraction": pytest.approx(expected.mean())},
    }
    assert (done.count, done.failures) == (1, ())
    assert done.path == tmp_path / "out/predictions.json"


def test_json_says_what_was_done_by_which_model(bright_run: Path, tmp_path: Path) -> None:
    import hashlib

    from zoo.engine.prediction_files.predict import predict

    path = write_image(tmp_path / "in/x.png", noise(8, 9))

    predict(str(bright_run), [path], tmp_path / "out")

    document = read_json(tmp_path / "out")
    entry = document["images"][0]
    assert document["schema"] == "zoo.prediction/1"
    assert document["task"] == "semantic"
    assert document["classes"] == ["background", "lung"]
    assert document["palette"] == [[0, 0, 0], [200, 40, 10]]
    assert document["failures"] == []
    assert document["model"] == {
        "name": "bright_run",
        "config": "bright.py",
        "checkpoint": "best_dice_iter_20.pth",
        "sha256": hashlib.sha256((bright_run / "best_dice_iter_20.pth").read_bytes()).hexdigest(),
    }
    assert entry["file"] == path.as_posix()
    assert (entry["label"], entry["overlay"]) == ("x_label.png", "x_overlay.png")
    assert (entry["height_px"], entry["width_px"]) == (8, 9)
    assert entry["meta"] == {}
    assert listing(tmp_path / "out") == ["predictions.json", "x_label.png", "x_overlay.png"]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_image_is_stretched_as_prepare_does(
    bright_run: Path, tmp_path: Path, suffix: str
) -> None:
    from zoo.data import to_uint8
    from zoo.engine.prediction_files.predict import predict

    # Twelve bits in sixteen: cut to the high byte, all of it would be dark.
    image = np.random.default_rng(1).integers(0, 4096, (33, 41)).astype(np.uint16)
    path = write_image(tmp_path / f"in/x{suffix}", image)

    predict(str(bright_run), [path], tmp_path / "out")

    expected = to_uint8(image) > 100.5
    assert 0.4 < expected.mean() < 0.8
    assert np.array_equal(read_png(tmp_path / "out/x_label.png"), expected)


def test_16_bit_image_when_the_config_reads_unchanged_is_not_touched(
    make_bright_run: MakeRun, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run("dict(type='LoadImageFromFile', color_type='unchanged')")
    image = np.array([[0, 100, 101, 4000]], np.uint16)
    path = write_image(tmp_path / "in/x.png", image)

    predict(str(run), [path], tmp_path / "out")

    assert read_png(tmp_path / "out/x_label.png").tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("color_type", ["color", "grayscale"])
def test_colour_image_is_read_as_the_config_says(
    make_bright_run: MakeRun, tmp_path: Path, color_type: str
) -> None:
    import cv2

    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run(f"dict(type='LoadImageFromFile', color_type='{color_type}')")
    image = np.random.default_rng(2).integers(0, 256, (20, 30, 3), np.uint8)
    path = write_image(tmp_path / "in/x.png", image)

    predict(str(run), [path], tmp_path / "out")

    # Codecs round grey by rules of their own, so OpenCV's reading is what grey means here.
    grey = image.mean(2) if color_type == "color" else cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(read_png(tmp_path / "out/x_label.png"), grey > 100.5)


def test_overlay_shows_the_image_its_labels_and_a_legend(bright_run: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    image = np.full((80, 90), 60, np.uint8)
    image[20:60, 20:60] = 200
    path = write_image(tmp_path / "in/x.png", image)

    predict(str(bright_run), [path], tmp_path / "out")

    overlay = read_png(tmp_path / "out/x_overlay.png")[..., ::-1]
    assert overlay[5, 5].tolist() == [60, 60, 60]
    assert overlay[40, 40].tolist() == pytest.approx([200, 144, 134], abs=1)
    assert (overlay[80:] == [200, 40, 10]).all(axis=2).any()


def test_plugins_reader_and_its_metainfo_reach_the_json(
    make_bright_run: MakeRun, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run(RAW, pack=", meta_keys=('ori_shape', 'patient')", suffix=".raw")
    image = noise(5, 7)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/scan.raw").write_bytes(bytes([5, 7]) + image.tobytes())

    predict(str(run), [tmp_path / "in"], tmp_path / "out")

    entry = read_json(tmp_path / "out")["images"][0]
    assert np.array_equal(read_png(tmp_path / "out/scan_label.png"), image > 100.5)
    assert entry["meta"] == {"spacing_mm": [0.5, 0.25], "patient": {"sex": "F", "age": 61}}
    expected = int((image > 100.5).sum())
    assert entry["areas"]["lung"]["px"] == expected
    assert entry["areas"]["lung"]["mm2"] == pytest.approx(expected * 0.5 * 0.25)


def test_folder_gives_what_the_plugins_reader_calls_an_image(
    make_bright_run: MakeRun, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run(RAW)
    for name in ("a.scan", "b.txt"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(bytes([1, 2, 0, 255]))

    predict(str(run), [tmp_path / "in"], tmp_path / "out")

    assert [Path(e["file"]).name for e in read_json(tmp_path / "out")["images"]] == ["a.scan"]


def test_plugins_reader_that_fails_is_reported_with_its_reason(
    make_bright_run: MakeRun, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run(RAW, suffix=".raw")
    (tmp_path / "bad.raw").write_bytes(bytes([5, 7, 1]))

    with pytest.raises(DataError) as caught:
        predict(str(run), [tmp_path / "bad.raw"], tmp_path / "out")

    assert caught.value.message == (
        "cannot read 'bad.raw': ValueError: cannot reshape array of size 1 into shape (5,7)."
    )
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "found an empty file"),
        (b"no image at all", "found a file that starts with b'no image'"),
        ("cut", "found a truncated PNG of"),
    ],
)
def test_bad_image_among_good_ones_is_listed_and_the_others_are_done(
    bright_run: Path, tmp_path: Path, content: bytes | str, reason: str
) -> None:
    from zoo.engine.prediction_files.predict import predict

    whole = write_image(tmp_path / "in/a.png", noise(20, 20)).read_bytes()
    write_image(tmp_path / "in/c.png", noise(20, 20))
    bad = tmp_path / "in/b.png"
    bad.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    told: list[tuple[int, int]] = []

    done = predict(
        str(bright_run),
        [tmp_path / "in"],
        tmp_path / "out",
        progress=lambda *state: told.append(state),
    )

    document = read_json(tmp_path / "out")
    assert [Path(entry["file"]).name for entry in document["images"]] == ["a.png", "c.png"]
    assert [failure["file"] for failure in document["failures"]] == [bad.as_posix()]
    assert reason in document["failures"][0]["error"]
    assert (done.count, [failure.path for failure in done.failures]) == (2, [bad])
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert "b_label.png" not in listing(tmp_path / "out")


@pytest.mark.parametrize("count", [1, 3])
def test_bad_images_alone_leave_nothing(bright_run: Path, tmp_path: Path, count: int) -> None:
    from zoo.engine.prediction_files.predict import predict

    (tmp_path / "in").mkdir()
    for index in range(count):
        (tmp_path / f"in/{index}.png").write_bytes(b"")

    with pytest.raises(DataError) as caught:
        predict(str(bright_run), [tmp_path / "in"], tmp_path / "out")

    assert caught.value.where == str(tmp_path / "in/0.png")
    assert "found an empty file" in caught.value.message
    assert count == 1 or "any of 3 images" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_image_on_which_the_model_fails_does_not_stop_the_others(
    make_bright_run: MakeRun, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run(model=", fails_above=10")
    write_image(tmp_path / "in/big.png", noise(5, 11))
    write_image(tmp_path / "in/small.png", noise(5, 10))

    done = predict(str(run), [tmp_path / "in"], tmp_path / "out")

    assert done.count == 1
    assert done.failures[0].error.message == (
        "cannot predict on 'big.png': the model fails: width 11 is too much"
    )


def test_stems_that_are_equal_get_outputs_of_their_own(bright_run: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    for folder, grey in (("a", 0), ("b", 255)):
        write_image(tmp_path / folder / "x.png", np.full((4, 4), grey, np.uint8))

    predict(str(bright_run), [tmp_path / "a", tmp_path / "b"], tmp_path / "out")

    assert read_png(tmp_path / "out/a_x_label.png").max() == 0
    assert read_png(tmp_path / "out/b_x_label.png").min() == 1


def test_output_that_would_overwrite_an_input_is_refused_before_any_work(
    bright_run: Path, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    write_image(tmp_path / "x.png", noise(4, 4))
    mask = write_image(tmp_path / "x_label.png", noise(4, 4))
    before = mask.read_bytes()

    with pytest.raises(DataError, match=r"cannot write 'x_label.png': it would overwrite an input"):
        predict(str(bright_run), [tmp_path], tmp_path)

    assert mask.read_bytes() == before
    assert not (tmp_path / "predictions.json").exists()


def test_out_may_be_the_inputs_folder_where_no_name_meets_another(
    bright_run: Path, tmp_path: Path
) -> None:
    from zoo.engine.prediction_files.predict import predict

    path = write_image(tmp_path / "in/x.png", noise(4, 4))

    predict(str(bright_run), [path], tmp_path / "in")

    assert "x_label.png" in listing(tmp_path / "in")


def test_out_that_is_a_file_is_refused(bright_run: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    path = write_image(tmp_path / "x.png", noise(4, 4))

    with pytest.raises(DataError, match="it is a file, expected a folder"):
        predict(str(bright_run), [path], path)


def test_predicting_again_replaces_what_was_there(bright_run: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    path = write_image(tmp_path / "in/x.png", np.zeros((4, 4), np.uint8))
    predict(str(bright_run), [path], tmp_path / "out")
    write_image(path, np.full((6, 4), 255, np.uint8))

    predict(str(bright_run), [path], tmp_path / "out")

    assert read_png(tmp_path / "out/x_label.png").tolist() == [[1] * 4] * 6
    assert read_json(tmp_path / "out")["images"][0]["height_px"] == 6


def test_full_disk_in_the_middle_leaves_no_half_file_and_lists_what_is_done(
    bright_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.engine.prediction_files.predict import predict

    for name in ("a", "b"):
        write_image(tmp_path / f"in/{name}.png", noise(4, 4))
    predict(str(bright_run), [tmp_path / "in"], tmp_path / "out")
    old = (tmp_path / "out/b_overlay.png").read_bytes()
    real = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        if "b_overlay" in self.name:
            real(self, data[:10])
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(DataError, match=r"cannot write 'b_overlay.png': No space left on device"):
        predict(str(bright_run), [tmp_path / "in"], tmp_path / "out")

    assert (tmp_path / "out/b_overlay.png").read_bytes() == old
    assert not list((tmp_path / "out").glob("*.tmp"))
    document = read_json(tmp_path / "out")
    assert document["complete"] is False
    assert [entry["label"] for entry in document["images"]] == ["a_label.png"]


def test_labels_and_overlays_can_be_left_out(bright_run: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    path = write_image(tmp_path / "in/x.png", noise(4, 4))

    predict(str(bright_run), [path], tmp_path / "out", labels=False, overlays=False)

    assert listing(tmp_path / "out") == ["predictions.json"]
    entry = read_json(tmp_path / "out")["images"][0]
    assert (entry["label"], entry["overlay"]) == (None, None)


@pytest.mark.parametrize("epsg", [32631, 3857, None])
def test_areas_of_a_georeferenced_image_are_in_square_metres(
    bright_run: Path, tmp_path: Path, epsg: int | None
) -> None:
    """Of 0.5 m pixels in UTM a quarter each; in Web Mercator, less; without coordinates none."""
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("pyproj")
    pytest.importorskip("shapely")
    from affine import Affine

    from zoo.engine.prediction_files.predict import predict

    north = {32631: 5_000_000.0, 3857: 5_621_521.0}.get(epsg or 0, 0.0)
    place = {"crs": f"EPSG:{epsg}", "transform": Affine(0.5, 0, 500_000.0, 0, -0.5, north)}
    image = np.full((64, 80), 60, np.uint8)
    image[:, 40:] = 200
    path = tmp_path / "x.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=80,
        height=64,
        count=1,
        dtype="uint8",
        **(place if epsg else {}),
    ) as raster:
        raster.write(image, 1)

    predict(str(bright_run), [path], tmp_path / "out")

    (entry,) = json.loads((tmp_path / "out/predictions.json").read_text())["images"]
    areas = list(entry["areas"].values())
    assert sum(area["px"] for area in areas) == 64 * 80
    assert all(("m2" in area) == (epsg is not None) for area in areas)
    if epsg is not None:
        # At 45 degrees Web Mercator is too large by 2; UTM by 0.08 % on its own meridian.
        pixel_m2 = 0.25 * (1.0008 if epsg == 32631 else math.cos(math.radians(45)) ** 2)
        for area in areas:
            assert area["m2"] == pytest.approx(area["px"] * pixel_m2, rel=0.005)
