# SPDX-License-Identifier: Apache-2.0
"""The example of the README runs as it stands, with the weights that ship here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from zoo_lung_xray.prepare import prepare
from zoo_lung_xray.sample import write_sample

from zoo.data import Shares
from zoo.errors import DataError

pytestmark = [pytest.mark.mm, pytest.mark.slow]

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.mark.skipif(not README.is_file(), reason="the README is that of the whole checkout")
def test_python_of_the_readme_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a network: names, a verified file, a prediction at the image's own resolution."""
    (block,) = re.findall(r"```python\n(import zoo\n.*?)```", README.read_text("utf-8"), re.S)
    write_sample(tmp_path / "raw", count=2)
    image = next((tmp_path / "raw").rglob("CXR_png/*.png"))
    image.rename(tmp_path / "chest.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    names: dict[str, Any] = {}

    exec(compile(block, str(README), "exec"), names)

    height_px, width_px = cv2.imread("chest.png").shape[:2]
    result = names["result"]
    assert result.labels.shape == (height_px, width_px)
    assert result.areas_px["lung"] == int(np.count_nonzero(result.labels == 1)) > 0
    assert names["path"].is_file()
    assert "'unet_lung_montgomery'" in capsys.readouterr().out


def test_shipped_weights_see_an_array_as_its_file(tmp_path: Path) -> None:
    """Grey of 16 bits, and colour; what is no picture is refused in one message."""
    import zoo

    write_sample(tmp_path / "raw", count=1)
    grey = cv2.imread(str(next((tmp_path / "raw").rglob("CXR_png/*.png"))), cv2.IMREAD_GRAYSCALE)
    predict = zoo.load(zoo.download("unet_lung_montgomery"), device="cpu")
    colour = np.stack([grey, grey // 2, grey // 4], -1)
    for pixels in (grey.astype(np.uint16) * 16, colour):
        stored = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
        assert cv2.imwrite(str(tmp_path / "x.png"), stored)

        from_array, from_file = predict(pixels), predict(tmp_path / "x.png")

        np.testing.assert_array_equal(from_array.labels, from_file.labels)
        np.testing.assert_array_equal(from_array.shown, from_file.shown)
    np.testing.assert_array_equal(predict(grey[..., None]).labels, predict(grey).labels)
    for wrong in (grey / 255, grey > 9, grey[:0], grey[None, None]):
        with pytest.raises(DataError, match=r"expected .*uint8 or uint16"):
            predict(wrong)


def test_shipped_weights_are_measured_by_their_name(tmp_path: Path) -> None:
    """With their config, and no folder for a work dir of that name."""
    write_sample(tmp_path / "raw", count=4)
    prepare(tmp_path / "raw", tmp_path / "data", shares=Shares(0.0, 0.0, 1.0))

    def test(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "zoo", "test", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    done = test("unet_lung_montgomery", "--data", "data", "--json")
    other = test("unet_lung_montgomry")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["dice_lung"] > 0.5
    assert not (tmp_path / "unet_lung_montgomery").exists()
    assert other.returncode == 1
    assert (
        "cannot test 'unet_lung_montgomry': it is not a work dir, and no checkpoint" in other.stderr
    )
    assert "did you mean unet_lung_montgomery or unet_lung_montgomery_augmented?" in other.stderr
