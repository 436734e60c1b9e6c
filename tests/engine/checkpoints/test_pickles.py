# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that ask for what they may not have are refused by name; mmengine's own are read."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_pickles import Calls, Writer, code, history_buffer, pickled, save, saved, shell

from zoo.errors import UnsafeCheckpointError

pytestmark = pytest.mark.mm


def _import_module(canary: Path) -> Any:
    import importlib

    return Calls(importlib.import_module, "antigravity")


def _partial(canary: Path) -> Any:
    import functools

    return functools.partial(print, "x")


def _whole_module(canary: Path) -> Any:
    import torch

    return torch.nn.Linear(1, 1)


def _torch_load(canary: Path) -> Any:
    import torch

    return Calls(torch.load, str(canary))


def _config(canary: Path) -> Any:
    from mmengine.config import Config

    return Config({"a": 1})


def _defaultdict(canary: Path) -> Any:
    import collections

    return collections.defaultdict(list)


def _record_array(canary: Path) -> Any:
    return np.zeros(2, dtype=[("a", "i4"), ("b", "O")])


def _plain_pickle(path: Path, canary: Path) -> None:
    path.write_bytes(pickle.dumps({"a": Calls(os.system, shell(canary))}, protocol=5))


FOREIGN: dict[str, tuple[Writer, str]] = {
    "os.system": (saved(lambda c: Calls(os.system, shell(c))), "posix.system"),
    "eval": (saved(lambda c: Calls(eval, code(c))), "builtins.eval"),
    "exec": (saved(lambda c: Calls(exec, code(c))), "builtins.exec"),
    "open": (saved(lambda c: Calls(open, str(c), "w")), "io.open"),
    "__import__": (saved(lambda c: Calls(__import__, "antigravity")), "builtins.__import__"),
    "import_module": (saved(_import_module), "importlib.import_module"),
    "popen, nested": (
        saved(lambda c: [{"a": ({"b": Calls(subprocess.Popen, ["touch", str(c)])},)}]),
        "subprocess.Popen",
    ),
    "partial": (saved(_partial), "functools.partial"),
    "getattr of a class": (
        saved(lambda c: Calls(getattr, history_buffer(), "__init__")),
        "builtins.getattr(mmengine.logging.history_buffer.HistoryBuffer, '__init__')",
    ),
    "getattr of getattr": (
        saved(lambda c: Calls(getattr, Calls(getattr, history_buffer(), "mean"), "__globals__")),
        "builtins.getattr('mean', '__globals__')",
    ),
    "getattr of a string": (
        saved(lambda c: Calls(getattr, "{0.__class__}", "format")),
        "builtins.getattr('{0.__class__}', 'format')",
    ),
    "call of a result": (
        pickled(
            b"\x80\x02c__builtin__\ngetattr\ncmmengine.logging.history_buffer\nHistoryBuffer\n"
            b"X\x04\x00\x00\x00mean\x86R)R."
        ),
        "mean",
    ),
    "older form": (
        saved(lambda c: Calls(os.system, shell(c)), _use_new_zipfile_serialization=False),
        "posix.system",
    ),
    "protocol 4": (
        saved(lambda c: Calls(os.system, shell(c)), pickle_protocol=4),
        "posix.system",
    ),
    "older form, protocol 5": (
        saved(
            lambda c: Calls(os.system, shell(c)),
            pickle_protocol=5,
            _use_new_zipfile_serialization=False,
        ),
        "posix.system",
    ),
    "no torch file": (_plain_pickle, "posix.system"),
    "INST opcode": (pickled(b"(S'touch CANARY'\nios\nsystem\n."), "os.system"),
    "config object": (saved(_config), "mmengine.config.config.Config"),
    "whole module": (saved(_whole_module), "torch.nn.modules.linear.Linear"),
    "torch.load": (saved(_torch_load), "torch.serialization.load"),
    "defaultdict": (saved(_defaultdict), "collections.defaultdict"),
    "object array": (saved(lambda c: np.array([Calls(eval, code(c))])), "numpy.dtype('O8')"),
    "record array": (saved(_record_array), "numpy.dtype('V12')"),
    "history of nothing": (
        saved(lambda c: Calls(history_buffer(), state={"_log_history": "x"})),
        "mmengine.logging.history_buffer.HistoryBuffer.__setstate__",
    ),
    "array of a foreign type": (
        saved(lambda c: Calls(np.zeros(1).__reduce__()[0], OrderedDict, (0,), b"b")),
        "numpy._core.multiarray._reconstruct of a foreign type",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_load_of_a_foreign_pickle_is_refused_by_name(tmp_path: Path, case: str) -> None:
    """The class is named, the file too, and nothing of it ran."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    write, name = FOREIGN[case]
    path, canary = tmp_path / "evil.pth", tmp_path / "canary"
    write(path, canary)

    with pytest.raises(UnsafeCheckpointError) as raised:
        load_checkpoint(path)

    assert not canary.exists()
    assert name in raised.value.global_name
    assert raised.value.message.startswith("cannot load the checkpoint 'evil.pth': it asks for ")
    assert raised.value.message.endswith("Nothing in it was run.")
    assert f"where: {path}\nHINT: do not load it; ask" in str(raised.value)
    assert "weights_only=False" not in str(raised.value)


def test_load_with_forged_dtype_flags_ignores_them(tmp_path: Path) -> None:
    """NumPy would take the eight bytes of a float for a pointer to an object."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    forged = Calls(np.dtype, "f8", False, True, state=(3, "<", None, None, None, -1, -1, 63))
    reconstruct = np.zeros(1).__reduce__()[0]
    state = (1, (1,), forged, False, np.float64(2.5).tobytes())
    save(tmp_path / "a.pth", Calls(reconstruct, np.ndarray, (0,), b"b", state=state))

    array = load_checkpoint(tmp_path / "a.pth").meta

    assert array == {}  # the meta is no dict, and is left out
    from zoo.engine.checkpoints.pickles import read_pickled

    array = read_pickled(tmp_path / "a.pth")["meta"]
    assert array.tolist() == [2.5]
    assert not array.dtype.hasobject


def test_load_when_others_allowed_more_still_refuses(tmp_path: Path) -> None:
    """onedl-mmengine puts the real getattr on torch's list; here it does not count."""
    from torch import serialization

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    canary = tmp_path / "canary"
    save(tmp_path / "evil.pth", Calls(eval, code(canary)))
    save(tmp_path / "chain.pth", Calls(getattr, history_buffer(), "__init__"))

    with serialization.safe_globals([eval, getattr, history_buffer()]):
        before = set(serialization.get_safe_globals())
        for name in ("evil.pth", "chain.pth"):
            with pytest.raises(UnsafeCheckpointError):
                load_checkpoint(tmp_path / name)
        after = set(serialization.get_safe_globals())

    assert before == after
    assert not canary.exists()


def test_load_when_torch_is_told_to_be_unsafe_still_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    canary = tmp_path / "canary"
    save(tmp_path / "evil.pth", Calls(eval, code(canary)))
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

    with pytest.raises(UnsafeCheckpointError, match=r"builtins\.eval"):
        load_checkpoint(tmp_path / "evil.pth")

    assert not canary.exists()


@pytest.mark.parametrize("new_form", [True, False])
def test_load_of_what_mmengine_writes_returns_equal_values(tmp_path: Path, new_form: bool) -> None:
    """Histories, NumPy values, ConfigDicts and schedulers come back as they were."""
    import torch
    from mmengine.config import ConfigDict
    from mmengine.logging import HistoryBuffer
    from mmengine.optim import OneCycleLR

    from zoo.engine.checkpoints.pickles import read_pickled

    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    buffer.update(4.0)
    weights = [torch.nn.Parameter(torch.ones(1))]
    schedule = OneCycleLR(torch.optim.SGD(weights, 0.1), eta_max=0.1, total_steps=5).state_dict()
    tree = {
        "state_dict": {"w": torch.arange(3.0)},
        "buffer": buffer,
        "same": buffer,
        "schedule": schedule,
        "meta": ConfigDict(classes=("a", "b"), inner=ConfigDict(x=[np.float32(0.5)])),
        "arrays": [np.arange(6).reshape(2, 3).T, np.array(["a", "bc"]), np.zeros((0, 2), ">f4")],
        "scalars": (np.float64(0.1), np.int64(-3), np.bool_(True), np.str_("x"), slice(1, 2)),
    }
    torch.save(tree, tmp_path / "a.pth", _use_new_zipfile_serialization=new_form)

    read = read_pickled(tmp_path / "a.pth")

    assert torch.equal(tree["state_dict"]["w"], read["state_dict"]["w"])
    assert type(read["buffer"]) is HistoryBuffer
    assert read["same"] is read["buffer"]
    assert buffer.data[0].tolist() == read["buffer"].data[0].tolist()
    assert float(buffer.statistics("mean")) == float(read["buffer"].statistics("mean"))
    assert schedule == read["schedule"]
    assert {"classes": ("a", "b"), "inner": {"x": [np.float32(0.5)]}} == read["meta"]
    for expected, found in zip(tree["arrays"], read["arrays"], strict=True):
        assert expected.dtype == found.dtype
        assert np.array_equal(expected, found)
        assert found.flags.writeable
    assert tree["scalars"] == read["scalars"]


def test_load_of_names_that_numpy_1_wrote_reads_them(tmp_path: Path) -> None:
    """NumPy 1 called its module numpy.core, NumPy 2 numpy._core."""
    from zoo.engine.checkpoints.pickles import read_pickled

    data = pickle.dumps({"a": np.arange(3), "b": np.float64(2)}, protocol=2)
    assert b"numpy._core" in data or b"numpy.core" in data
    for core in (b"numpy.core", b"numpy._core"):
        path = tmp_path / f"{core.decode()}.pth"
        renamed = data.replace(b"numpy._core", core).replace(b"numpy.core", core)
        pickled(renamed)(path, tmp_path / "canary")

        read = read_pickled(path)

        assert read["a"].tolist() == [0, 1, 2]
        assert read["b"] == 2.0


def test_load_of_a_config_text_returns_it_as_text(tmp_path: Path) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    canary = tmp_path / "canary"
    save(tmp_path / "a.pth", {"cfg": code(canary), "config": code(canary), "epoch": 3})

    checkpoint = load_checkpoint(tmp_path / "a.pth")

    assert not canary.exists()
    assert code(canary) == checkpoint.meta["cfg"]
    assert checkpoint.meta["epoch"] == 3


def test_reading_does_not_import_what_a_file_names(tmp_path: Path) -> None:
    """The names are only compared, so even a module's import has no effect."""
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    (tmp_path / "canary_module.py").write_text("raise SystemExit('imported')\n")
    pickled(b"\x80\x02ccanary_module\nThing\n)R.")(tmp_path / "a.pth", tmp_path)

    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(UnsafeCheckpointError, match=r"canary_module\.Thing"):
            load_checkpoint(tmp_path / "a.pth")
    finally:
        sys.path.remove(str(tmp_path))

    assert "canary_module" not in sys.modules
