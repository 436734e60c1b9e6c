# SPDX-License-Identifier: Apache-2.0
"""The example of the README runs as it stands, with the weights that ship here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from zoo_lung_xray.sample import write_sample

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
