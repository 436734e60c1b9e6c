# SPDX-License-Identifier: Apache-2.0
"""Names that no file can have, wherever a path is taken: an error of zoo, never another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ZooError

pytestmark = pytest.mark.mm


def _find_config(text: str) -> Any:
    from zoo.engine.config_files.files import find_config_file

    return find_config_file(text)


def _open_model(text: str) -> Any:
    from zoo.engine.prediction.model import open_model

    return open_model(text)


def _read_run(text: str) -> Any:
    from zoo import read_run

    return read_run(text)


def _read_test(text: str) -> Any:
    from zoo import read_test

    return read_test(text)


def _find_run(text: str) -> Any:
    from zoo.engine.work_dir.run_facts import find_run

    return find_run(Path(text))


def _load(text: str) -> Any:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    return load_checkpoint(text)


def _prepared(text: str) -> Any:
    from zoo.data import check_prepared

    return check_prepared(Path(text))


@pytest.mark.parametrize("text", ["x" * 300, "x/" * 3_000, "a\0b", "~nosuchuser/x", "\ud800"])
@pytest.mark.parametrize("suffix", ["", ".py", ".pth", ".safetensors", ".json"])
@pytest.mark.parametrize(
    "use", [_find_config, _open_model, _read_run, _read_test, _find_run, _load, _prepared]
)
def test_name_that_no_file_can_have_is_an_error_of_zoo(
    text: str, suffix: str, use: Callable[[str], Any]
) -> None:
    """Whoever calls zoo from Python catches ``ZooError`` alone."""
    with pytest.raises(ZooError) as caught:
        use(f"{text}{suffix}")

    assert all(line.isprintable() for line in str(caught.value).split("\n"))
