# SPDX-License-Identifier: Apache-2.0
"""The original of an exported file: weights of its name and digest, and nothing else unasked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.usefixtures("checkout_plugins")]
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import torch  # noqa: E402 (after the skip)
from click.testing import CliRunner, Result  # noqa: E402

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
from onnx_models import PASSED, record_of, semantic_model  # noqa: E402

import zoo  # noqa: E402
from zoo.cli import main  # noqa: E402
from zoo.weights import find_weights  # noqa: E402
from zoo.weights.files import weights_row  # noqa: E402

NAME = "unet_lung_montgomery"


@pytest.fixture
def write_export(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file whose record names shipped weights and a digest."""

    def write(sha256: str, name: str = NAME) -> Path:
        record = record_of(("background", "house"), name=name, weights_sha256=sha256)
        path = tmp_path / "made.onnx"
        path.write_bytes(semantic_model(record, certificate=PASSED))
        return path

    return write


@pytest.fixture
def trace_of_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that a work dir of that name, in the current folder, writes if it is read."""
    trace, folder = tmp_path / "trace", tmp_path / NAME
    folder.mkdir()
    (folder / "config.py").write_text(f"open({str(trace)!r}, 'w').close()\n", encoding="utf-8")
    torch.save({"state_dict": {"w": torch.zeros(1)}, "meta": {}}, folder / "epoch_1.pth")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(zoo.ZooError):
        zoo.load(NAME)
    assert trace.exists()  # a path comes first where a user gives it
    trace.unlink()
    return trace


def _verify(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, words)])


def test_verify_compares_with_weights_and_no_folder_of_their_name(
    write_export: Callable[..., Path], trace_of_config: Path
) -> None:
    """The weights are opened, and found to have another record than the file."""
    done = _verify(write_export(weights_row(find_weights(NAME)).sha256))

    assert done.exit_code == 1
    assert f"its record is not that of '{NAME}': 'classes' is" in done.stderr
    assert not trace_of_config.exists()


@pytest.mark.parametrize("name", [NAME, f"./{NAME}", "no_weights"])
def test_verify_of_a_file_from_elsewhere_reads_no_folder(
    name: str, write_export: Callable[..., Path], trace_of_config: Path
) -> None:
    """No weights here have its name and digest, so nothing is compared again."""
    done = _verify(write_export("0" * 64, name))

    assert done.exit_code == 0, done.output
    assert "as certified" in done.stdout
    assert not trace_of_config.exists()


def test_verify_opens_the_folder_that_a_user_names(
    write_export: Callable[..., Path], trace_of_config: Path
) -> None:
    """By ``--model``, as everywhere."""
    done = _verify(write_export("0" * 64), "--model", NAME)

    assert done.exit_code == 1
    assert trace_of_config.exists()
