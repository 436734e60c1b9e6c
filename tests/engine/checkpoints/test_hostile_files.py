# SPDX-License-Identifier: Apache-2.0
"""One table of hostile files, each opened as a user would: nothing runs, and a message says why.

A payload that ran would leave a canary. `test_payload_is_live` proves that the canaries sing when
the same files are loaded without care.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import operator
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_pickles import (
    BOMB,
    DEEP,
    DOUBLED,
    TORCH_SCRIPT,
    Calls,
    Writer,
    code,
    forged_size,
    history_buffer,
    huge_array,
    pickled,
    saved,
    shell,
    tar,
    zipped,
)

from zoo.errors import ZooError

pytestmark = pytest.mark.mm


def _nested_zip(path: Path, canary: Path) -> None:
    inner = path.with_suffix(".inner")
    saved(lambda c: Calls(os.system, shell(c)))(inner, canary)
    zipped(("archive/data.pkl", inner.read_bytes()), ("archive/inner.pth", inner.read_bytes()))(
        path, canary
    )
    inner.unlink()


def _two_pickles(path: Path, canary: Path) -> None:
    """Write an archive with two entries of one name: readers differ in which one they take."""
    hostile = pickle.dumps(Calls(os.system, shell(canary)), protocol=2)
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(("archive/data.pkl", hostile), ("archive/data.pkl", hostile))(path, canary)


# What runs when it is loaded without care: each makes the canary then.
LIVE: dict[str, Writer] = {
    "reduce: os.system": saved(lambda c: Calls(os.system, shell(c))),
    "reduce: eval": saved(lambda c: Calls(eval, code(c))),
    "reduce: exec": saved(lambda c: Calls(exec, code(c))),
    "reduce: open": saved(lambda c: Calls(open, str(c), "w")),
    "reduce: subprocess, nested": saved(
        lambda c: [({"b": Calls(subprocess.call, ["touch", str(c)])},)]
    ),
    "reduce: partial, called": saved(
        lambda c: Calls(operator.call, functools.partial(os.system, shell(c)))
    ),
    "reduce: pickle in a pickle": saved(
        lambda c: Calls(pickle.loads, pickle.dumps(Calls(os.system, shell(c))))
    ),
    "reduce: compiled code": saved(lambda c: Calls(exec, Calls(compile, code(c), "x", "exec"), {})),
    "reduce: map": saved(lambda c: Calls(list, Calls(map, os.system, [shell(c)]))),
    "getattr chain: module": saved(
        lambda c: Calls(
            operator.call,
            Calls(getattr, Calls(importlib.import_module, "os"), "system"),
            shell(c),
        )
    ),
    "getattr chain: history": saved(
        lambda c: Calls(
            operator.call,
            Calls(
                operator.getitem,
                Calls(getattr, Calls(getattr, history_buffer(), "__init__"), "__builtins__"),
                "exec",
            ),
            code(c),
        )
    ),
    "older form": saved(lambda c: Calls(os.system, shell(c)), _use_new_zipfile_serialization=False),
    "older form, protocol 5": saved(
        lambda c: Calls(os.system, shell(c)),
        pickle_protocol=5,
        _use_new_zipfile_serialization=False,
    ),
    "protocol 4": saved(lambda c: Calls(os.system, shell(c)), pickle_protocol=4),
    "object array": saved(lambda c: np.array([Calls(eval, code(c))])),
    "INST opcode": pickled(b"(S'touch CANARY'\nios\nsystem\n."),
    "OBJ opcode": pickled(b"(cos\nsystem\nS'touch CANARY'\no."),
}

PICKLES: dict[str, Writer] = {
    **LIVE,
    "tar": tar,
    "two pickles of one name": _two_pickles,
    "nested zip": _nested_zip,
    "bare pickle": lambda path, c: path.write_bytes(pickle.dumps(Calls(eval, code(c)))) and None,
    "getattr of a string": saved(lambda c: Calls(getattr, "{0.__class__}", "format")),
    "getattr of getattr": saved(
        lambda c: Calls(getattr, Calls(getattr, history_buffer(), "mean"), "__globals__")
    ),
    "history of nothing": saved(lambda c: Calls(history_buffer(), state={"_log_history": "x"})),
    "record array": saved(lambda c: np.zeros(2, dtype=[("a", "i4"), ("b", "O")])),
    "array of a huge shape": huge_array,
    "forged size": forged_size,
    "bomb": BOMB,
    "nested deep": DEEP,
    "memo of nothing": pickled(b"\x80\x02h\xff."),
    "BUILD of a dict": pickled(b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\0\0\0aK\x01sb."),
    "TorchScript": TORCH_SCRIPT,
    **DOUBLED,
}


def _safetensors(header: Any, data: bytes = b"", *, length: int | None = None) -> Writer:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(raw) if length is None else length
    return lambda path, c: path.write_bytes(size.to_bytes(8, "little") + raw + data) and None


def _tensor(start: int, end: int, *shape: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape or (2,)), "data_offsets": [start, end]}


HEADERS: dict[str, Writer] = {
    "header of 2**60": _safetensors({}, length=2**60),
    "header of 9 MB": _safetensors(b" " * (9 * 2**20)),
    "header past the end": _safetensors({}, length=50),
    "header nested deep": _safetensors(b"[" * 50_000),
    "header a list": _safetensors([]),
    "tensors overlap": _safetensors({"a": _tensor(0, 8), "b": _tensor(4, 12)}, b"\0" * 12),
    "tensor past the end": _safetensors({"a": _tensor(0, 8)}, b"\0" * 4),
    "tensor backwards": _safetensors({"a": _tensor(8, 0)}, b"\0" * 8),
    "shape beyond its bytes": _safetensors({"a": _tensor(0, 8, 10**9)}, b"\0" * 8),
    "shape that overflows": _safetensors({"a": _tensor(0, 8, 2**62, 2**62)}, b"\0" * 8),
    "objects for numbers": _safetensors({"a": _tensor(0, 8, 1, dtype="OBJ")}, b"\0" * 8),
    "hidden bytes": _safetensors({"a": _tensor(0, 8)}, b"\0" * 80),
    "pickle called safetensors": LIVE["reduce: os.system"],
}

RECORD: dict[str, Any] = {
    "schema": 1,
    "name": "tiny",
    "task": "semantic",
    "scope": "mmseg",
    "model": {
        "type": "EncoderDecoder",
        "backbone": {"type": "UNet", "base_channels": 2},
        "decode_head": {"type": "FCNHead", "in_channels": 2, "channels": 2, "num_classes": 2},
        "test_cfg": {"mode": "whole"},
    },
    "pipeline": [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}],
    "classes": {"$tuple": ["background", "lung"]},
    "palette": {"$tuple": [{"$tuple": [0, 0, 0]}, {"$tuple": [255, 0, 0]}]},
    "labels": "true",
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "trained_with": "unet_tiny",
    "parameters": 4,
    "metrics": {"$tuple": []},
    "provenance": {},
}


def _record(*place: Any, value: Any) -> Writer:
    """Return a writer of a published file whose record is good but for one value."""

    def write(path: Path, canary: Path) -> None:
        record = json.loads(json.dumps(RECORD))
        node = record
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = value
        text = json.dumps(record).replace("CANARY", str(canary))
        header = {"__metadata__": {"zoo": text}, "a": _tensor(0, 8)}
        _safetensors(header, b"\0" * 8)(path, canary)

    return write


HEAD = ("model", "decode_head")
RECORDS: dict[str, Writer] = {
    "type: Popen": _record(
        "model", value={"type": "subprocess.Popen", "args": ["touch", "CANARY"]}
    ),
    "type: os.system": _record("pipeline", 0, value={"type": "os.system", "command": "touch"}),
    "type: builtins.exec": _record(*HEAD, "type", value="builtins.exec"),
    "type: path of a real class": _record(
        "model", "type", value="mmseg.models.segmentors.EncoderDecoder"
    ),
    "type: rmtree": _record("pipeline", 0, value={"type": "mmengine.fileio.rmtree"}),
    "type: a module": _record("pipeline", 0, "type", value="antigravity"),
    "type: code": _record(
        "model", "test_cfg", "nms", value={"type": "__import__('os').system('touch CANARY')"}
    ),
    "type: list": _record("model", "type", value=["EncoderDecoder"]),
    "type: plugin that is not here": _record(*HEAD, "type", value="zoo.nowhere.Head"),
    "type: transform as a model": _record("model", "backbone", "type", value="LoadImageFromFile"),
    "evaluated text": _record(
        "model", "backbone", value={"type": "mmdet.CameraMotionCompensation", "warp_mode": "f()"}
    ),
    "custom_imports": _record("model", "custom_imports", value={"imports": ["antigravity"]}),
    "init_cfg": _record("model", "init_cfg", value={"type": "Pretrained", "checkpoint": "CANARY"}),
    "pretrained": _record("model", "pretrained", value="https://example.org/a.pth"),
    "_delete_": _record(*HEAD, "_delete_", value=True),
    "_base_": _record("model", "_base_", value="CANARY.py"),
    "_scope_": _record("model", "_scope_", value="os"),
    "backend_args": _record("pipeline", 0, "backend_args", value={"backend": "petrel"}),
    "path of a file": _record("model", "backbone", "weights", value="/etc/passwd"),
    "dunder": _record("model", "backbone", "weights", value="a.__class__"),
    "huge number": _record("model", "backbone", "base_channels", value=10**12),
    "size below nothing": _record("model", "backbone", "base_channels", value=-4),
    "text for a size": _record("model", "backbone", "base_channels", value="many"),
    "giant": _record("model", "backbone", "base_channels", value=128),
    "layers without end": _record(*HEAD, "num_convs", value=10**9),
    "step without a type": _record("pipeline", 0, value={"kind": "LoadImageFromFile"}),
    "step that is a text": _record("pipeline", 0, value="LoadImageFromFile"),
    "colour beyond a byte": _record("palette", "$tuple", 0, value={"$tuple": [0, 0, 256]}),
    "colour below nothing": _record("palette", "$tuple", 0, value={"$tuple": [-1, 0, 0]}),
    "many values": _record("model", "backbone", "a", value=list(range(30_000))),
    "scope": _record("scope", value="subprocess"),
    "no JSON": _record("schema", value=float("nan")),
}

FILES: dict[str, tuple[str, Writer]] = {
    **{f"pickle, {name}": (".pth", write) for name, write in PICKLES.items()},
    **{f"header, {name}": (".safetensors", write) for name, write in HEADERS.items()},
    **{f"record, {name}": (".safetensors", write) for name, write in RECORDS.items()},
}


def test_table_is_long_enough() -> None:
    """At least 40 hostile files, of every kind."""
    assert len(FILES) >= 65
    assert min(len(PICKLES), len(HEADERS), len(RECORDS)) >= 13


@pytest.mark.parametrize("case", FILES)
def test_hostile_file_is_refused_and_runs_nothing(tmp_path: Path, case: str) -> None:
    """One error with the file, a reason and a hint; no canary, no file left behind."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.prediction.model import open_model

    suffix, write = FILES[case]
    path, canary = tmp_path / f"hostile{suffix}", tmp_path / "canary"
    write(path, canary)
    read = load_checkpoint if suffix == ".pth" else open_model

    with pytest.raises(ZooError) as raised:
        read(str(path))

    assert not canary.exists()
    assert list(tmp_path.iterdir()) == [path]
    assert raised.value.message.startswith("cannot ")
    assert str(path) in str(raised.value.where)
    assert raised.value.hint
    assert "weights_only" not in str(raised.value)


@pytest.mark.parametrize("case", LIVE)
def test_payload_is_live(tmp_path: Path, case: str) -> None:
    """Loaded without care, the same file does make the canary: the table proves something."""
    import torch

    path, canary = tmp_path / "hostile.pth", tmp_path / "canary"
    LIVE[case](path, canary)

    with contextlib.suppress(Exception):  # what it returns, if anything, is of no interest
        torch.load(path, weights_only=False)

    assert canary.exists()


def test_record_without_the_change_is_accepted(tmp_path: Path) -> None:
    """So each row of the table is refused for its one change."""
    from zoo.engine.checkpoints.published import read_published

    path = tmp_path / "good.safetensors"
    _record("name", value="tiny")(path, tmp_path / "canary")

    record, tensors = read_published(path)

    assert record.name == "tiny"
    assert list(tensors) == ["a"]


@pytest.mark.parametrize(
    ("case", "start", "end"),
    [
        ("giant", "cannot build the model: it asks for ", "its file has 2 values in 1."),
        (
            "layers without end",
            "cannot use the model's record: mmseg.FCNHead: model.decode_head.num_convs",
            "expected a whole number from 0 to 16.",
        ),
    ],
)
def test_record_that_asks_for_a_giant_is_refused_before_it_is_built(
    tmp_path: Path, case: str, start: str, end: str
) -> None:
    """Its file holds two numbers; what it asks for would take the memory, or hours."""
    from zoo.engine.prediction.model import open_model

    path = tmp_path / "hostile.safetensors"
    RECORDS[case](path, tmp_path / "canary")

    with pytest.raises(ZooError) as raised:
        open_model(str(path))

    assert raised.value.message.startswith(start)
    assert raised.value.message.endswith(end)


def test_config_text_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    """mmengine's own files hold one, so it is no reason to refuse; it stays a text."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.resuming.safe_loading import load_for_mmengine

    path, canary = tmp_path / "a.pth", tmp_path / "canary"
    saved(lambda c: {"cfg": code(c), "config": code(c)})(path, canary)

    checkpoint, tree = load_checkpoint(path), load_for_mmengine(str(path))

    assert checkpoint.meta["cfg"] == code(canary)
    assert "config" not in tree["meta"]
    assert not canary.exists()
