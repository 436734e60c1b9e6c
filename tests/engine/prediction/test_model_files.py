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


@pytest.mark.parametrize(
    ("folder", "config"),
    [
        ("a,b", "a,b/c.py"),
        (",", ",/c.py"),
        ("a, b,", "a, b,/c.py"),
        ("a,b", "c,d.py"),
        ("a", "some_name"),
        ("a,b", "some_name"),
        ("a,b", "absent/c.py"),
    ],
)
def test_pair_is_cut_at_the_comma_between_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, config: str
) -> None:
    """Folders' names may hold commas; a config may be a name, or may not be there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    checkpoint = Path(folder, "iter_2,5.pth")
    checkpoint.write_bytes(b"")
    if config.endswith(".py") and not config.startswith("absent"):
        Path(config).write_text("")

    for space in ("", " "):
        found = find_model_files(f"{config},{space}{checkpoint}")

        assert (found.config, found.checkpoint) == (config, checkpoint)


def test_path_with_a_comma_that_is_there_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A published file, and whatever else exists as it stands."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.safetensors", "a.py,b.safetensors"):
        Path(name).write_bytes(b"")

    assert find_model_files("a.py,b.safetensors").checkpoint == Path("a.py,b.safetensors")
