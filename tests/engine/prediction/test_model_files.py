# SPDX-License-Identifier: Apache-2.0
"""A model's files are found before anything of them is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.engine.prediction.model_files import find_model_files, is_weights_name
from zoo.errors import CheckpointError, UnknownNameError

pytestmark = pytest.mark.mm


def test_is_weights_name_when_it_looks_like_a_path_is_false(tmp_path: Path) -> None:
    """Whatever has a folder, a comma or a known ending is no name, whether it exists or not."""
    for spec in ("a/b", "c.py,w.pth", "w.pth", "w.safetensors", "x.py", str(tmp_path)):
        assert not is_weights_name(spec)
    for spec in ("unet_lung", "plugin.unet_lung", "unet-320"):
        assert is_weights_name(spec)


@pytest.mark.parametrize("spec", ["nowhere/model", "missing.safetensors"])
def test_find_model_files_when_a_path_is_not_there_says_what_is_taken(spec: str) -> None:
    with pytest.raises(CheckpointError, match="there is no such file or folder") as caught:
        find_model_files(spec)

    assert "CONFIG,CHECKPOINT" in str(caught.value.hint)
    assert ("'nowhere' is no source" in str(caught.value.hint)) == ("/" in spec)


def test_find_model_files_when_two_are_given_reads_neither(tmp_path: Path) -> None:
    """Finding opens nothing: a config that does not exist is the reader's to refuse."""
    files = find_model_files("unet.py, best.pth")

    assert (files.name, files.config, files.checkpoint) == ("best", "unet.py", Path("best.pth"))
    assert files.sha256 is None


def test_find_model_files_when_no_weights_have_the_name_raises() -> None:
    with pytest.raises(UnknownNameError):
        find_model_files("unet_of_nobody")
