# SPDX-License-Identifier: Apache-2.0
"""What a run started from is kept in its checkpoints, and read back from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmengine")

from zoo.engine.dataset.origins import Origin, OriginNote, find_origins, read_origins

pytestmark = pytest.mark.mm
HELD = Origin("held", "CC-BY-NC-4.0", "see the data", non_commercial=True)


def test_origins_in_a_checkpoint_are_read_back(tmp_path: Path) -> None:
    """Also where the next run starts from that checkpoint."""
    import torch

    checkpoint: dict[str, Any] = {"meta": {}, "state_dict": {"a.weight": torch.zeros(1)}}
    runner: Any = None

    OriginNote([HELD]).before_save_checkpoint(runner, checkpoint)
    torch.save(checkpoint, tmp_path / "iter_1.pth")

    assert read_origins(checkpoint["meta"]) == (HELD,)
    assert find_origins(tmp_path / "iter_1.pth") == (HELD,)
    assert find_origins(None) == find_origins(tmp_path / "absent.pth") == ()


@pytest.mark.parametrize(
    "rows", [None, "held", [1], [{"name": "x"}], [{"name": 1, "licence": "", "data_licence": ""}]]
)
def test_what_is_no_origin_is_passed_over(rows: Any) -> None:
    assert read_origins({"zoo_origins": rows}) == ()
