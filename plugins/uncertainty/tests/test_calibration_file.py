# SPDX-License-Identifier: Apache-2.0
"""A damaged ``calibration.json`` gives one message, and a whole one is read as it was written."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_uncertainty.calibration_file import (
    Calibration,
    ClassCalibration,
    read_calibration,
    write_calibration,
)

from zoo.errors import DataError

MEMBER = {
    "name": "run",
    "checkpoint": "best.pth",
    "checkpoint_sha256": "a" * 64,
    "config_sha256": "b" * 64,
}
WHOLE = Calibration(
    [MEMBER],
    "none",
    0.1,
    1.5,
    [
        ClassCalibration("lung", 12, 0.25, 0.08, 12, 0.03),
        ClassCalibration("rib", 2, None, None, 0, None),
    ],
    {"pixels": 12},
)


def test_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_calibration(tmp_path / "c.json", WHOLE)

    assert read_calibration(tmp_path / "c.json") == WHOLE


BROKEN: list[tuple[Any, Any, str]] = [
    ("schema", "zoo.calibration/9", "schema is 'zoo.calibration/9'"),
    ("members", [], "members is"),
    ("members", [{**MEMBER, "checkpoint_sha256": 5}], "checkpoint_sha256 is 5, expected a text"),
    ("tta", None, "tta is None"),
    ("alpha", 1.5, "alpha is 1.5, expected a number from 0 to 1"),
    ("alpha", 0, "alpha and temperature"),
    ("temperature", "2", "temperature is '2'"),
    ("temperature", True, "temperature is True"),
    ("classes", {}, "classes is"),
    ("classes", [{"name": "lung", "groups": -1, "dice_groups": 0}], "classes: groups"),
    ("classes", [{"name": 1, "groups": 1, "dice_groups": 0}], "classes: name"),
    (
        "classes",
        [{"name": "lung", "groups": 1, "dice_groups": 0, "threshold": -0.5}],
        "threshold is -0.5",
    ),
]


@pytest.mark.parametrize(("key", "value", "said"), BROKEN)
def test_damage_is_named(tmp_path: Path, key: str, value: Any, said: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(WHOLE.to_json() | {key: value}))

    with pytest.raises(DataError) as caught:
        read_calibration(path)

    assert caught.value.message.startswith("cannot read 'calibration.json': ")
    assert said in caught.value.message
    assert caught.value.where == str(path)
    assert "zoo calibrate" in str(caught.value.hint)


@given(
    cut=st.integers(0, 700),
    junk=st.binary(max_size=4),
    key=st.sampled_from(sorted(WHOLE.to_json())),
)
def test_no_damage_is_another_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes, key: str
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "c.json"
    text = json.dumps({k: v for k, v in WHOLE.to_json().items() if k != key}).encode()
    for content in (text[:cut] + junk, text[:cut] + junk + text[cut:], b"[]", b""):
        path.write_bytes(content)
        with suppress(DataError):
            read_calibration(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read 'c\.json'"):
        read_calibration(tmp_path / "c.json")
