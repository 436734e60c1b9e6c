# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are broken, or declare more than they hold: one message says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile_pickles import (
    BOMB,
    DEEP,
    TORCH_SCRIPT,
    Writer,
    forged_size,
    huge_array,
    pickled,
    save,
    tar,
)

from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm


def _truncated(path: Path, canary: Path) -> None:
    save(path, {})
    path.write_bytes(path.read_bytes()[:-400])


def _truncated_older(path: Path, canary: Path) -> None:
    save(path, {}, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-4])


def _bytes(data: bytes) -> Writer:
    return lambda path, canary: path.write_bytes(data) and None


def _save_object(make: Callable[[], Any]) -> Writer:
    def write(path: Path, canary: Path) -> None:
        import torch

        torch.save(make(), path)

    return write


BROKEN: dict[str, tuple[Writer, str]] = {
    "zero bytes": (_bytes(b""), "it is empty (0 bytes)"),
    "web page": (_bytes(b"\n<!DOCTYPE html><html>404</html>"), "it is a web page"),
    "LFS pointer": (_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"),
    "noise": (_bytes(bytes(range(256)) * 4), "cannot read the checkpoint 'bad.pth'"),
    "text": (_bytes(b"not a checkpoint\n"), "cannot read the checkpoint 'bad.pth'"),
    "word": (_bytes(b"hello"), "it is not a file written by torch, or damaged"),
    "tar": (tar, "cannot read the checkpoint 'bad.pth'"),
    "truncated": (_truncated, "its archive is damaged or truncated"),
    "truncated, older form": (_truncated_older, "cannot read the checkpoint 'bad.pth'"),
    "zip of nothing": (pickled(b""), "cannot read the checkpoint 'bad.pth'"),
    "bomb": (BOMB, "its archive declares 10000000 bytes, the file has"),
    "forged size": (forged_size, "cannot read the checkpoint 'bad.pth'"),
    "TorchScript": (TORCH_SCRIPT, "TorchScript"),
    "nested deep": (DEEP, "its values are nested too deeply"),
    "huge shape": (huge_array, "cannot reshape array of size 1"),
    "number": (_save_object(lambda: 3), "found a int, expected tensors by name"),
    "empty dict": (_save_object(dict), "found an empty dict, expected tensors by name"),
    "no tensors": (_save_object(lambda: {"a": "b"}), "found a str under 'a', expected tensors"),
    "folder": (lambda path, canary: path.mkdir(), "found a folder, expected a file"),
    "absent": (lambda path, canary: None, "found no such file, expected a file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_load_of_a_broken_file_says_what_is_wrong(tmp_path: Path, case: str) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    write, reason = BROKEN[case]
    path, canary = tmp_path / "bad.pth", tmp_path / "canary"
    write(path, canary)

    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)

    assert not canary.exists()
    assert reason in raised.value.message
    assert "weights_only=False" not in str(raised.value)
    assert "\nHINT: " in str(raised.value)
    assert path == raised.value.path


def _views(*shape: int) -> Any:
    import torch

    return torch.zeros(1).as_strided(shape, (0,) * len(shape))


def _sparse() -> Any:
    import torch

    return torch.sparse_coo_tensor([[0]], [1.0], (10,))


def _sparse_rows() -> Any:
    import torch

    return torch.eye(3).to_sparse_csr()


def _without_values() -> Any:
    import torch

    return torch.empty(10, device="meta")


def _nested() -> Any:
    import torch

    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def _quantized() -> Any:
    import torch

    return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)


# Tensors that torch reads without a word: a few bytes that stand for terabytes, or no numbers.
PRETENDING: dict[str, tuple[Callable[[], Any], str]] = {
    "one number, 4 TB": (lambda: _views(10**12), "found 4,000,000,000,000 bytes of tensors"),
    "more than 64 bits count": (lambda: _views(2**40, 2**22), "18,446,744,073,709,551,616 bytes"),
    "sparse": (_sparse, "found no dense, plain tensor under 'w'"),
    "sparse by rows": (_sparse_rows, "found no dense, plain tensor under 'w'"),
    "without values": (_without_values, "found no dense, plain tensor under 'w'"),
    "nested": (_nested, "found no dense, plain tensor under 'w'"),
    "quantized": (_quantized, "found no dense, plain tensor under 'w'"),
}


@pytest.mark.filterwarnings("ignore")  # torch tells that some of these are young, or deprecated
@pytest.mark.parametrize("case", PRETENDING)
def test_load_of_tensors_that_are_not_what_they_seem_is_refused(tmp_path: Path, case: str) -> None:
    """The file itself is right: torch reads it."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    make, reason = PRETENDING[case]
    path = tmp_path / "bad.pth"
    torch.save({"state_dict": {"w": make()}}, path)
    assert torch.load(path, weights_only=True)["state_dict"]["w"] is not None

    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)

    assert reason in raised.value.message
    assert raised.value.message.endswith("expected tensors by name.")
    assert path.stat().st_size < 10_000


def test_load_of_weights_that_are_tied_takes_them(tmp_path: Path) -> None:
    """They are stored once under several names, as often as a model has them."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    shared = torch.arange(1000.0)
    torch.save({f"w{number}": shared for number in range(10)}, tmp_path / "tied.pth")
    assert (tmp_path / "tied.pth").stat().st_size < 2 * 4 * 1000

    loaded = load_checkpoint(tmp_path / "tied.pth").state_dict

    assert [f"w{number}" for number in range(10)] == list(loaded)
    assert all(torch.equal(shared, value) for value in loaded.values())


@pytest.mark.parametrize(
    ("name", "dtype", "reason"),
    [
        ("__metadata__", "float32", "the name '__metadata__'"),
        ("\ud800", "float32", "surrogates not allowed"),
        ("w", "complex128", "torch.complex128"),
    ],
    ids=["name", "half a character", "dtype"],
)
def test_conversion_of_what_safetensors_cannot_hold_leaves_no_file(
    tmp_path: Path, name: str, dtype: str, reason: str
) -> None:
    import torch

    from zoo.engine.checkpoints.convert import convert_checkpoint

    path, target = tmp_path / "a.pth", tmp_path / "a.safetensors"
    torch.save({"state_dict": {name: torch.ones(2, dtype=getattr(torch, dtype))}}, path)

    with pytest.raises(CheckpointError) as raised:
        convert_checkpoint(path, target, facts={})

    assert raised.value.message.startswith("cannot convert 'a.pth': .safetensors cannot store ")
    assert reason in raised.value.message
    assert list(tmp_path.iterdir()) == [path]
