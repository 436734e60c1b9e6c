# SPDX-License-Identifier: Apache-2.0
"""Sources of other libraries: every form gives equal tensors, and no damage runs or escapes."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.engine.checkpoints.source_file import read_source
from zoo.engine.checkpoints.tensor_file import write_tensors
from zoo.errors import CheckpointError, UnsafeCheckpointError, ZooError


def arrays() -> dict[str, Any]:
    """Return arrays of every number type, order and shape that files have."""
    rng = np.random.default_rng(0)
    kinds = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?", ">f4", "<i8")
    made = {f"of.{kind}": (rng.random((3, 4)) * 9).astype(kind) for kind in kinds}
    made["scalar"] = np.array(3, np.int64)
    made["empty"] = np.zeros((0, 3), np.float32)
    made["fortran"] = np.asfortranarray(rng.random((3, 5)))
    made["big"] = rng.random((64, 1024), dtype=np.float32)
    return made


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nest", ["bare", "model", "model in state_dict"])
def test_pickle_of_arrays_is_read_in_every_protocol(
    tmp_path: Path, protocol: int, nest: str
) -> None:
    """detectron2's own files are of protocols 2 to 4; the values are NumPy's own."""
    tree: dict[str, Any] = arrays()
    if nest != "bare":
        tree = {"model": tree, "__author__": "somebody", "matching_heuristics": True}
    if nest == "model in state_dict":
        tree = {"iteration": 3, "state_dict": OrderedDict(tree)}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(tree, protocol))

    found = read_source(path, "pkl")

    assert found.keys() == arrays().keys()
    for name, expected in arrays().items():
        assert found[name].numpy().dtype == expected.dtype.newbyteorder("=")
        assert found[name].shape == expected.shape
        assert np.array_equal(found[name].numpy(), expected)


def test_pickle_of_python_2_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Its texts are bytes there; these opcodes are what NumPy wrote under Python 2."""
    data = np.arange(6, dtype="<f4").tobytes()
    written = (
        b"\x80\x02}U\x05modelq\x00}U\x03abc"
        b"cnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([len(data)]) + data + b"tbss."
    )
    path = tmp_path / "model.pkl"
    path.write_bytes(written)

    found = read_source(path, "pkl")

    assert found["abc"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("nest", [(), ("state_dict",), ("model",), ("model", "state_dict")])
def test_torch_file_is_read_in_every_nest(
    tmp_path: Path, older: bool, nest: tuple[str, ...]
) -> None:
    weights = {f"module.{name}": torch.randn(3, 4) for name in "abc"}
    tree: Any = weights
    for key in nest:
        tree = {key: tree, "epoch": 3}
    path = tmp_path / "pytorch_model.bin"
    torch.save(tree, path, _use_new_zipfile_serialization=not older)

    found = read_source(path, "pth")

    assert {f"module.{name}" for name in found} == weights.keys()
    assert all(found[name].equal(weights[f"module.{name}"]) for name in found)


class Calls:
    """Calls a function where it is unpickled."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


HOSTILE = {
    "a function": Calls(print, "ran"),
    "eval": Calls(eval, "1"),
    "getattr": Calls(getattr, "", "upper"),
    "a path": Path("x"),
    "objects in an array": np.array([Calls(print, "ran")], object),
    "a record array": np.zeros(2, [("a", "i4")]),
    "load": Calls(np.load, "x.npy"),
    "partial": Calls(__import__("functools").partial, print, "ran"),
    "a class of torch": torch.nn.Linear(2, 2),
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("case", HOSTILE)
def test_pickle_that_asks_for_more_than_arrays_is_refused(
    tmp_path: Path, case: str, protocol: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": {"a": HOSTILE[case]}}, protocol))

    with pytest.raises(UnsafeCheckpointError, match="Nothing in it was run") as caught:
        read_source(path, "pkl")

    assert caught.value.global_name
    assert capsys.readouterr().out == ""


OPCODES = {
    "an instance of a class": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "state of a class": b"\x80\x02cnumpy\nndarray\n}b.",
    "slots of a class": b"\x80\x02cnumpy\ndtype\nN}U\x01aK\x01s\x86b.",
    "INST": b"\x80\x02(inumpy\nndarray\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"\x80\x02U\x01aQ.",
    "a call of a text": b"\x80\x02U\x01a)R.",
    "a call of a result": b"\x80\x02cnumpy\ndtype\nU\x02f4\x85R)R.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
    "a value in itself": b"\x80\x02]q\x00h\x00a.",
}


@pytest.mark.parametrize("case", OPCODES)
def test_opcode_that_arrays_do_not_need_is_refused(tmp_path: Path, case: str) -> None:
    """What reads the next file is as it was: a file cannot change the stand-ins."""
    path = tmp_path / "model.pkl"
    path.write_bytes(OPCODES[case])

    with pytest.raises(CheckpointError):
        read_source(path, "pkl")

    path.write_bytes(pickle.dumps({"a": np.ones(2)}, 2))
    assert read_source(path, "pkl")["a"].tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_pickle_is_an_error_of_zoo(tmp_path: Path, seed: int) -> None:
    """300 random changes to the bytes: read, or refused in words, and nothing else."""
    generator = random.Random(seed)
    whole = pickle.dumps({"model": {"a": np.ones((2, 3)), "b": np.array("x")}}, seed + 1)
    path = tmp_path / "model.pkl"
    refusals = []

    for _ in range(300):
        data = bytearray(whole)
        for _ in range(generator.choice([1, 2, 4])):
            place = generator.randrange(len(data))
            data[place : place + generator.choice([0, 1, 1, 3])] = generator.randbytes(
                generator.choice([0, 1, 1, 2])
            )
        path.write_bytes(data or b".")
        try:
            read_source(path, "pkl")
        except ZooError as error:
            refusals.append(str(error))

    assert len(refusals) > 100
    assert all("where: " in text for text in refusals)


@pytest.mark.parametrize("tree", [{"model": 3}, [1], {"a": np.array("text")}, {}])
def test_source_without_tensors_is_told(tmp_path: Path, tree: Any) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(tree, 2))

    with pytest.raises(CheckpointError, match="expected tensors by name"):
        read_source(path, "pkl")


def test_tensors_are_written_as_the_library_reads_them(tmp_path: Path) -> None:
    """safetensors itself is the oracle: every type, views, tied and empty tensors, notes."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    types = [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
        *(torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2),
    ]
    torch.manual_seed(0)
    tensors = {f"of.{kind}": (torch.rand(3, 5) * 9).to(kind) for kind in types}
    tensors |= {"view": torch.rand(4, 6).T[1:, ::2], "empty": torch.zeros(0, 3)}
    tensors |= {"tied.a": tensors["of.torch.float32"], "tied.b": tensors["of.torch.float32"]}
    tensors |= {"scalar": torch.tensor(3), "ünïcödé": torch.ones(1)}
    path = tmp_path / "all.safetensors"

    written = write_tensors(path, tensors, {"zoo": '{"a": "é"}'})

    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, expected in tensors.items():
        assert found[name].dtype == expected.dtype
        assert found[name].shape == expected.shape
        as_bytes = [
            each.contiguous().reshape(-1).view(torch.uint8) for each in (found[name], expected)
        ]
        assert as_bytes[0].equal(as_bytes[1])
    with safe_open(path, framework="pt") as opened:
        assert opened.metadata() == {"zoo": '{"a": "é"}'}
    assert written.size_bytes == path.stat().st_size
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({"__metadata__": torch.ones(1)}, "the name '__metadata__'"),
        ({"a": torch.ones(1, dtype=torch.complex128)}, r"the type torch\.complex128"),
    ],
)
def test_tensors_that_the_format_lacks_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], what: str
) -> None:
    with pytest.raises(CheckpointError, match=f"cannot store {what}"):
        write_tensors(tmp_path / "a.safetensors", tensors, {})

    assert list(tmp_path.iterdir()) == []


def test_compressed_records_are_not_mapped_but_read(tmp_path: Path) -> None:
    """A file that another tool packed again: its records are not in the file as they are."""
    import zipfile

    stream = io.BytesIO()
    torch.save({"a": torch.arange(5000.0)}, stream)
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            kind = zipfile.ZIP_DEFLATED if "data/" in entry.filename else zipfile.ZIP_STORED
            target.writestr(entry.filename, source.read(entry), kind)

    try:
        found = read_source(path, "pth")["a"]
    except CheckpointError:  # torch refuses it, or the archive declares more than it is
        return
    assert found.equal(torch.arange(5000.0))
