# SPDX-License-Identifier: Apache-2.0
"""The manifest's notice against diagnosis is in every overlay of the plugin's models."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

NOTICE = "Not a medical device: not for diagnosis."
NAME = "unet_lung_montgomery"


@pytest.mark.slow
@pytest.mark.parametrize("is_file", [False, True])
def test_overlay_of_the_shipped_weights_carries_the_notice(tmp_path: Path, is_file: bool) -> None:
    """By name and by file: the JSON has it, and the strip of the overlay has room for its line."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    path = files("zoo_lung_xray") / "weights" / f"{NAME}.safetensors"
    cv2.imwrite(str(tmp_path / "x.png"), np.full((512, 512), 120, np.uint8))
    model = str(path) if is_file else NAME
    command = ("predict", model, str(tmp_path / "x.png"), "--out", str(tmp_path / "o"))

    subprocess.run([sys.executable, "-m", "zoo", *command, "--device", "cpu"], check=True)

    document = json.loads((tmp_path / "o" / "predictions.json").read_text())
    assert document["notice"] == NOTICE
    strip = cv2.imread(str(tmp_path / "o" / "x_overlay.png"))[512:].astype(int)
    font = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    picture = Image.new("L", (512, 40))
    ImageDraw.Draw(picture).text((0, 5), NOTICE, 255, ImageFont.truetype(font, 14))
    letters = np.asarray(picture)
    rows, columns = (np.flatnonzero(letters.any(axis=axis)) for axis in (1, 0))
    ink = letters[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    found = cv2.matchTemplate(strip.max(axis=2).astype(np.float32), ink, cv2.TM_CCOEFF_NORMED)
    assert found.max() > 0.99
