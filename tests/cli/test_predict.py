# SPDX-License-Identifier: Apache-2.0
"""``zoo predict`` as a user meets it: what it prints, where, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from zoo.cli import main

pytestmark = pytest.mark.mm


def predict(*args: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, args)])


def write_image(path: Path, grey: int = 200) -> Path:
    import cv2

    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), np.full((5, 6), grey, np.uint8))
    return path


def test_predict_says_where_the_json_lies(bright_run: Path, tmp_path: Path) -> None:
    path = write_image(tmp_path / "in/x.png")

    result = predict(bright_run, path, "--out", tmp_path / "out", "--device", "cpu")

    assert result.exit_code == 0
    assert result.stdout == f"predicted 1 image: {tmp_path / 'out/predictions.json'}\n"


def test_predict_prints_one_json_object_and_fails_all_the_same(
    bright_run: Path, tmp_path: Path
) -> None:
    """What failed stands in it and on stderr; nothing else is on stdout."""
    write_image(tmp_path / "in/a.png")
    bad = write_image(tmp_path / "in/b.png")
    bad.write_bytes(b"")
    out = tmp_path / "out"

    one = predict(bright_run, tmp_path / "in/a.png", "--out", out, "--json")
    two = predict(bright_run, tmp_path / "in", "--out", out, "--json")

    path = str(out / "predictions.json")
    assert (one.exit_code, two.exit_code) == (0, 1)
    assert json.loads(one.stdout) == {"predictions": path, "count": 1, "failures": []}
    document = json.loads(two.stdout)
    (failure,) = document.pop("failures")
    assert document == {"predictions": path, "count": 1}
    assert failure["file"] == bad.as_posix()
    assert failure["error"] in two.stderr
    assert f"HINT: {failure['hint']}" in two.stderr


def test_predict_when_one_of_many_fails_names_it_and_exits_1(
    bright_run: Path, tmp_path: Path
) -> None:
    write_image(tmp_path / "in/a.png")
    write_image(tmp_path / "in/b.png").write_bytes(b"")

    result = predict(bright_run, tmp_path / "in", "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert result.stdout == f"predicted 1 image: {tmp_path / 'out/predictions.json'}\n"
    assert result.stderr.splitlines()[-3:] == [
        f"failed: {tmp_path / 'in/b.png'}: cannot decode 'b.png': found an empty file, "
        "expected PNG, JPEG, TIFF or BMP.",
        "error: 1 of 2 images failed.",
        "HINT: replace the file with an intact copy, or remove it from the source.",
    ]
    assert len(json.loads((tmp_path / "out/predictions.json").read_text())["images"]) == 1


def test_predict_when_all_fail_leaves_nothing(bright_run: Path, tmp_path: Path) -> None:
    path = write_image(tmp_path / "in/x.png")
    path.write_bytes(path.read_bytes()[:40])

    result = predict(bright_run, path, "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert "error: cannot decode 'x.png': found a truncated PNG of 40 bytes" in result.stderr
    assert f"where: {path}\nHINT: " in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spec", ["no.png", "*.gif"])
def test_predict_without_such_an_input_exits_1(bright_run: Path, tmp_path: Path, spec: str) -> None:
    result = predict(bright_run, tmp_path / spec, "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert str(tmp_path / spec) in result.stderr
    assert "HINT: " in result.stderr


def test_predict_with_an_unknown_model_offers_what_there_is(tmp_path: Path) -> None:
    result = predict("unet_lugn", write_image(tmp_path / "x.png"), "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: no weights named 'unet_lugn'.\n")


def test_predict_without_out_is_wrong_usage(tmp_path: Path) -> None:
    assert predict("m", "x.png").exit_code == 2


def test_predict_can_leave_pictures_out(bright_run: Path, tmp_path: Path) -> None:
    path = write_image(tmp_path / "in/x.png")

    predict(bright_run, path, "--out", tmp_path / "out", "--no-labels", "--no-overlays")

    assert [found.name for found in (tmp_path / "out").iterdir()] == ["predictions.json"]


@pytest.mark.parametrize(
    ("options", "is_filled", "has_edge"),
    [
        ([], True, True),
        (["--overlay-style", "contour"], False, True),
        (["--overlay-style", "fill", "--overlay-opacity", "1"], True, False),
        (["--overlay-opacity", "0"], False, True),
    ],
)
def test_predict_draws_overlays_as_it_is_told(
    bright_run: Path, tmp_path: Path, options: list[str], is_filled: bool, has_edge: bool
) -> None:
    """Inside an object and on its edge; the ground stays as it was."""
    import cv2

    image = np.full((80, 80), 60, np.uint8)
    image[20:60, 20:60] = 200
    cv2.imwrite(str(tmp_path / "x.png"), image)

    result = predict(bright_run, tmp_path / "x.png", "--out", tmp_path / "out", *options)

    assert result.exit_code == 0
    overlay = cv2.imread(str(tmp_path / "out/x_overlay.png")).astype(int)
    assert overlay[5, 5].tolist() == [60, 60, 60]
    inside, edge = overlay[40, 40].tolist(), overlay[40, 20].tolist()
    assert (inside != [200, 200, 200]) == is_filled
    assert (edge != inside) == has_edge


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overlay-style", "edges"], "'edges' is not one of"),
        (["--overlay-opacity", "1.5"], "1.5 is not in the range 0<=x<=1"),
        (["--score-thr", "0.3"], "'bright_run' labels pixels and has no scores"),
        (["--score-thr", "1.3"], "1.3 is not in the range 0<=x<=1"),
        (["--overlap", "16"], "Invalid value for --overlap: give --tile-size too"),
    ],
)
def test_predict_when_an_option_means_nothing_exits_2(
    bright_run: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    path = write_image(tmp_path / "in/x.png")

    result = predict(bright_run, path, "--out", tmp_path / "out", *options)

    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tile-size", "31"], "cannot cut images into windows of 31 px"),
        (["--tile-size", "64", "--overlap", "64"], "cannot overlap tiles of 64 px by 64 px"),
    ],
)
def test_predict_when_tiles_cannot_be_exits_1(
    bright_run: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    path = write_image(tmp_path / "in/x.png")

    result = predict(bright_run, path, "--out", tmp_path / "out", *options)

    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_predict_when_bands_are_chosen_then_those_are_seen(
    bright_run: Path, tmp_path: Path
) -> None:
    """Three dark bands and a bright one; and what is no choice is one message."""
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "in/x.tif"
    path.parent.mkdir()
    size = {"count": 4, "height": 5, "width": 6, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **size) as dataset:
        dataset.write(np.array([0, 0, 0, 255], np.uint8)[:, None, None].repeat(5, 1).repeat(6, 2))

    def areas(*options: str) -> dict[str, dict[str, float]]:
        result = predict(bright_run, path, "--out", tmp_path / "out", *options)
        assert result.exit_code == 0, result.output
        text = (tmp_path / "out/predictions.json").read_text()
        found: dict[str, dict[str, float]] = json.loads(text)["images"][0]["areas"]
        return found

    bright = list(areas())[-1]
    assert areas()[bright]["px"] == 0
    assert areas("--bands", "4,4,4")[bright]["px"] == 30
    for bands, message in (("4", "three numbers"), ("5,4,3", "expected band 5 of --bands")):
        refused = predict(bright_run, path, "--out", tmp_path / "out", "--bands", bands)
        assert refused.exit_code == 1
        assert message in refused.stderr
        assert "HINT: " in refused.stderr
