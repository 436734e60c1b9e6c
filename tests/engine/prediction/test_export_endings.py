# SPDX-License-Identifier: Apache-2.0
"""Which exporter opens a file, by its ending of one suffix or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.engine.prediction.exports import find_runner

pytestmark = pytest.mark.mm

RUNNER = 'runner = "zoo_endings.parts:open_file"\n'
ROWS = "".join(
    f'[[exporter]]\nname = "{name}"\ntarget = "zoo_endings.parts:export"\n'
    f'suffix = "{suffix}"\n{runner}'
    for name, suffix, runner in (
        ("plain", ".onnx", RUNNER),
        ("maps", ".map.onnx", ""),
        ("cells", ".cells.onnx", RUNNER),
    )
)


def test_longest_ending_finds_the_runner(write_plugin: Callable[..., Path]) -> None:
    """Nothing opens the files of `maps`, so they are what their last suffix says."""
    write_plugin("endings", ROWS, parts="")
    wanted = {
        "a.onnx": "plain",
        "a.map.onnx": "plain",
        "a.Cells.ONNX": "cells",
        "cells.onnx": "plain",
        ".onnx": None,
        "onnx": None,
        "a.html": None,
    }

    found = {path: find_runner(path) for path in wanted}

    names = {path: None if one is None else one.row.name for path, one in found.items()}
    assert names == wanted
