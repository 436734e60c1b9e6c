# SPDX-License-Identifier: Apache-2.0
"""``--trust SHA256``: one file by its digest, and no other by any way."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, UnsafeCheckpointError

pytestmark = pytest.mark.mm


class Canary:
    """Pickles as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.code = f"open({str(path)!r}, 'a').close()"

    def __reduce__(self) -> Any:
        return eval, (self.code,)


def _checkpoint(path: Path, canary: Path) -> str:
    import torch

    torch.save({"state_dict": {"w": torch.ones(2)}, "meta": {"x": Canary(canary)}}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_trusted_file_runs_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.pickles import trusting

    digest = _checkpoint(tmp_path / "a.pth", tmp_path / "canary")

    with trusting([digest]):
        checkpoint = load_checkpoint(tmp_path / "a.pth")

    assert (tmp_path / "canary").exists()
    assert list(checkpoint.state_dict) == ["w"]
    assert "running the code that" in caplog.text
    assert "builtins.eval" in caplog.text
    assert str(tmp_path / "a.pth") in caplog.text


def test_other_files_are_refused_with_their_digest(tmp_path: Path) -> None:
    """Beside a trusted one, after it, and one that differs by a byte."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.pickles import trusting

    trusted = _checkpoint(tmp_path / "a.pth", tmp_path / "first")
    other = _checkpoint(tmp_path / "b.pth", tmp_path / "other")
    (tmp_path / "c.pth").write_bytes((tmp_path / "a.pth").read_bytes() + b" ")

    with trusting([trusted]):
        for name in ("b.pth", "c.pth"):
            with pytest.raises(UnsafeCheckpointError) as raised:
                load_checkpoint(tmp_path / name)
    with pytest.raises(UnsafeCheckpointError):
        load_checkpoint(tmp_path / "a.pth")

    assert not any((tmp_path / name).exists() for name in ("first", "other"))
    digest = hashlib.sha256((tmp_path / "c.pth").read_bytes()).hexdigest()
    assert f"HINT: --trust names another file: the sha256 of this one is {digest}." in str(
        raised.value
    )
    assert digest not in (trusted, other)


def test_trusted_file_that_needs_none_is_read_as_any(tmp_path: Path) -> None:
    """The open reader is used only where the restricted one refuses."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.pickles import trusting

    torch.save({"w": torch.ones(2)}, tmp_path / "a.pth")
    digest = hashlib.sha256((tmp_path / "a.pth").read_bytes()).hexdigest()

    with trusting([digest]), pytest.MonkeyPatch.context() as patched:
        patched.setattr("zoo.engine.checkpoints.pickles._read_trusted", None)
        checkpoint = load_checkpoint(tmp_path / "a.pth")

    assert list(checkpoint.state_dict) == ["w"]


def test_trusted_file_that_is_broken_is_one_message(tmp_path: Path) -> None:
    """What it needs is not installed: its class, in a module of its author's."""
    import zipfile

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.pickles import trusting

    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02cno_such_module\nThing\n)R.")
        archive.writestr("archive/version", "3\n")
    digest = hashlib.sha256((tmp_path / "a.pth").read_bytes()).hexdigest()

    with trusting([digest]), pytest.raises(CheckpointError) as raised:
        load_checkpoint(tmp_path / "a.pth")

    assert "cannot read the checkpoint 'a.pth': No module named 'no_such_module'." in str(
        raised.value
    )


@pytest.mark.slow
def test_command_takes_the_option_and_only_whole_digests(
    tmp_path: Path, run_zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`zoo predict` refuses without it, runs with it, and a short digest is wrong usage."""
    digest = _checkpoint(tmp_path / "a.pth", tmp_path / "canary")
    model = f"mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py,{tmp_path / 'a.pth'}"
    words = ["predict", model, "image.png", "--out", "out"]

    short = run_zoo(*words, "--trust", digest[:8], plugins="")
    without = run_zoo(*words, plugins="")
    ran_before = (tmp_path / "canary").exists()
    trusted = run_zoo(*words, "--trust", digest, plugins="")

    assert short.returncode == 2
    assert "expected 64 hex digits" in short.stderr
    assert without.returncode == 1
    assert "it asks for 'builtins.eval'" in without.stderr
    assert not ran_before
    assert (tmp_path / "canary").exists()
    assert "weights do not fit the model" in trusted.stderr


@pytest.mark.parametrize("value", ["1", "yes"])
def test_trust_is_refused_where_foreign_code_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Whoever runs the machine has the last word; nothing of the file is run."""
    from zoo.engine.checkpoints.pickles import trusting

    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", value)
    digest = _checkpoint(tmp_path / "a.pth", tmp_path / "canary")

    with pytest.raises(CheckpointError, match="ZOO_NO_FOREIGN_CODE refuses"), trusting([digest]):
        pytest.fail("it was let in")

    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "a.pth", "x.png", "--out", "o"],
        ["test", "c.py", "a.pth"],
        ["train", "c.py"],
        ["publish", "a.pth", "--name", "n", "--out", "o"],
        ["rescue", "a.pth"],
    ],
    ids=lambda words: words[0],
)
def test_option_is_refused_by_every_command_where_foreign_code_is(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """With one message, before anything is read; set to 0 or empty the variable refuses nothing."""
    from click.testing import CliRunner

    from zoo.cli import main

    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "1")
    refused = CliRunner().invoke(main, [*words, "--trust", "ab" * 32])
    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "0")
    taken = CliRunner().invoke(main, [*words, "--trust", "ab" * 32])

    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: cannot trust a checkpoint: ZOO_NO_FOREIGN_CODE refuses the code of others.\n"
        "where: --trust\n"
        "HINT: leave --trust out, or set ZOO_NO_FOREIGN_CODE=0 for this run.\n"
    )
    assert "ZOO_NO_FOREIGN_CODE" not in taken.stderr
