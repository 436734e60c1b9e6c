# SPDX-License-Identifier: Apache-2.0
"""The real scene: one SPOT image of 2560 px, 17 boxes (see the SOURCES.md that lies beside it)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from zoo_oil_storage.prepare import prepare

from zoo.data import Shares, check_prepared

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(("layout", "images"), [("tiles", 49), ("chips", 17), ("whole", 1)])
def test_prepare_when_real_then_17_tanks(
    real_tanks: Path, tmp_path: Path, layout: str, images: int
) -> None:
    """In every layout, each tank whole at least once."""
    out = tmp_path / "out"

    report = prepare(real_tanks, out, shares=Shares(1, 0, 0), layout=layout)

    content = json.loads((out / "annotations/train.json").read_text())
    assert report.instances == {"oil-storage-tank": 17}
    assert (report.dropped, report.repaired) == ([], [])
    assert len(content["images"]) == images
    assert {
        row["object"] for row in content["annotations"] if isinstance(row["segmentation"], list)
    } == set(range(1, 18))
    assert check_prepared(out) == []
