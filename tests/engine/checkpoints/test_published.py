# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, UnsafeCheckpointError

pytestmark = pytest.mark.mm


@pytest.fixture
def record() -> Any:
    from zoo.engine.records.record import ModelRecord

    return ModelRecord(
        name="tiny",
        task="semantic",
        scope="mmseg",
        model={"type": "EncoderDecoder", "backbone": {"type": "UNet", "strides": (1, 2)}},
        pipeline=[{"type": "LoadImageFromFile"}],
        classes=("background", "lung"),
        palette=((0, 0, 0), (255, 0, 0)),
        labels="true",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        trained_with="unet_tiny",
        parameters=4,
        metrics=({"name": "dice", "value": 0.5},),
        provenance={"seed": 3},
    )


def _tensors() -> dict[str, Any]:
    import torch

    base = torch.arange(6.0).reshape(2, 3)
    return {"b": base.T, "a": base, "tied": base, "n": torch.tensor(3), "h": base.bfloat16()}


def test_published_written_and_read_returns_equal_values(tmp_path: Path, record: Any) -> None:
    import torch

    from zoo.engine.checkpoints.published import read_published, write_published

    path = write_published(tmp_path / "tiny.safetensors", _tensors(), record)
    read, state_dict = read_published(path)

    assert record == read
    assert set(_tensors()) == set(state_dict)
    for name, value in _tensors().items():
        assert torch.equal(value, state_dict[name])
        assert value.dtype == state_dict[name].dtype
    assert [path] == list(tmp_path.iterdir())


def test_published_written_twice_has_one_digest(tmp_path: Path, record: Any) -> None:
    """The order of the names does not matter, and safetensors' random hashing neither."""
    from zoo.engine.checkpoints.published import write_published

    tensors = _tensors()
    digests = set()
    for number in range(8):
        names = list(tensors) if number % 2 else list(reversed(tensors))
        ordered = {name: tensors[name] for name in names}
        path = write_published(tmp_path / f"{number}.safetensors", ordered, record)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())

    assert len(digests) == 1


def test_load_checkpoint_of_a_published_file_knows_its_classes(tmp_path: Path, record: Any) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.published import write_published

    path = write_published(tmp_path / "tiny.safetensors", _tensors(), record)

    checkpoint = load_checkpoint(path)

    assert checkpoint.classes == ("background", "lung")
    assert not checkpoint.resumable


def _file(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def _tensor(start: int, end: int, shape: int = 2) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [shape], "data_offsets": [start, end]}


BROKEN = {
    "zero bytes": (b"", "it is truncated, or not a .safetensors file (0 bytes)"),
    "web page": (b"<!DOCTYPE html><html>404 not found</html>", "it is truncated, or not a"),
    "header of 2**60": (_file({}, length=2**60), "it is truncated, or not a"),
    "header beyond the limit": (
        _file(b" " * (9 * 2**20)),
        "its header declares 9437184 bytes, at most 8388608 are read",
    ),
    "header no JSON": (_file(b"{nonsense"), "its header cannot be read: it is not JSON: "),
    "header nested deep": (
        _file(b"[" * 50_000),
        "its header cannot be read: it is nested too deeply",
    ),
    "header with a key twice": (_file(b'{"a": 1, "a": 2}'), "it has the key 'a' twice"),
    "header a list": (_file([]), "its header is not a table"),
    "overlapping": (
        _file({"a": _tensor(0, 8), "b": _tensor(4, 12)}, b"\0" * 12),
        "cannot read the weights 'a.safetensors'",
    ),
    "beyond the end": (_file({"a": _tensor(0, 8)}, b"\0" * 4), "cannot read the weights"),
    "size and shape differ": (
        _file({"a": _tensor(0, 8, shape=10**9)}, b"\0" * 8),
        "cannot read the weights",
    ),
    "backwards": (_file({"a": _tensor(8, 0)}, b"\0" * 8), "cannot read the weights"),
    "unknown dtype": (
        _file({"a": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8),
        "cannot read the weights",
    ),
    "hidden bytes": (_file({"a": _tensor(0, 8)}, b"\0" * 80), "cannot read the weights"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_read_of_a_broken_file_says_what_is_wrong(tmp_path: Path, case: str) -> None:
    from zoo.engine.checkpoints.published import read_tensors

    data, message = BROKEN[case]
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)

    with pytest.raises(CheckpointError) as raised:
        read_tensors(path)

    assert message in raised.value.message
    assert f"where: {path}\nHINT: " in str(raised.value)


def test_read_of_a_file_without_a_record_says_so(tmp_path: Path) -> None:
    from zoo.engine.checkpoints.published import read_published

    path = tmp_path / "a.safetensors"
    path.write_bytes(_file({"__metadata__": {"format": "pt"}, "a": _tensor(0, 8)}, b"\0" * 8))

    with pytest.raises(CheckpointError, match="it has weights but no record") as raised:
        read_published(path)

    assert "HINT: publish it with `zoo publish`" in str(raised.value)


def test_read_of_a_hostile_record_reads_no_tensor(tmp_path: Path, record: Any) -> None:
    """The record is checked first, and building never begins."""
    from zoo.engine.checkpoints.published import read_published

    text = record.to_json().replace("EncoderDecoder", "subprocess.Popen")
    path = tmp_path / "a.safetensors"
    path.write_bytes(_file({"__metadata__": {"zoo": text}, "a": _tensor(0, 8)}, b"\0" * 8))

    with pytest.raises(UnsafeCheckpointError) as raised:
        read_published(path)

    assert raised.value.global_name == "subprocess.Popen"
    assert "Nothing in it was run." in raised.value.message


def test_write_of_what_could_not_be_read_leaves_no_file(tmp_path: Path, record: Any) -> None:
    import dataclasses

    from zoo.engine.checkpoints.published import write_published

    bad = dataclasses.replace(record, model={"type": "os.system"})
    with pytest.raises(UnsafeCheckpointError):
        write_published(tmp_path / "a.safetensors", _tensors(), bad)
    with pytest.raises(CheckpointError, match=r"expected a name that ends in \.safetensors"):
        write_published(tmp_path / "a.pth", _tensors(), record)

    assert list(tmp_path.iterdir()) == []
