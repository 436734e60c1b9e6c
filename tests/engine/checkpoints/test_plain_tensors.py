# SPDX-License-Identifier: Apache-2.0
"""Of a checkpoint's objects only values survive: no subclass, attribute, hook or gradient."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pickle_attacks as opcodes
import pytest

pytestmark = pytest.mark.mm

HIDDEN = ("numel", "detach", "clone", "cpu", "to", "contiguous", "size", "dim", "copy_", "is_meta")


def _parameter(*hidden: str) -> Any:
    """Return a parameter whose state hides its methods, as its pickle may set it."""
    import torch

    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    for name in hidden:
        parameter.__dict__[name] = "a text that cannot be called"
    return parameter


def _buffer() -> Any:
    import torch

    return torch.nn.Buffer(torch.tensor([1.0, -2.0]))


def _with_attributes() -> Any:
    import torch

    tensor = torch.tensor([1.0, -2.0])
    for name in ("numel", "detach", "clone", "copy_"):  # torch.save itself needs the others
        tensor.__dict__[name] = "hidden"
    return tensor


def _with_gradient() -> Any:
    import torch

    return torch.tensor([1.0, -2.0], requires_grad=True)


def _negated() -> Any:
    """Return a view whose values are the negatives of what is stored."""
    import torch

    tensor = torch._neg_view(torch.tensor([-1.0, 2.0]))
    assert tensor.is_neg()
    return tensor


def _strided() -> Any:
    import torch

    return torch.tensor([[1.0, 9.0], [-2.0, 9.0]])[:, 0]


TENSORS: dict[str, Callable[[], Any]] = {
    **{f"a parameter that hides {name}": (lambda n=name: _parameter(n)) for name in HIDDEN},
    "a parameter that hides all": lambda: _parameter(*HIDDEN),
    "a parameter": _parameter,
    "a buffer": _buffer,
    "a tensor with attributes": _with_attributes,
    "a tensor with a gradient": _with_gradient,
    "a negated view": _negated,
    "a strided view": _strided,
}


@pytest.mark.parametrize("new_form", [True, False], ids=["zip", "older form"])
@pytest.mark.parametrize("case", TENSORS)
def test_load_of_a_tensor_returns_a_plain_one_of_equal_values(
    tmp_path: Path, case: str, new_form: bool
) -> None:
    """It can be counted, copied, published and loaded into a model, whatever its state says."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    torch.save(
        {"state_dict": {"w": TENSORS[case]()}},
        tmp_path / "a.pth",
        _use_new_zipfile_serialization=new_form,
    )

    found = load_checkpoint(tmp_path / "a.pth").state_dict["w"]

    assert type(found) is torch.Tensor
    assert found.tolist() == [1.0, -2.0]
    assert vars(found) == {}
    assert (found.requires_grad, found.grad, found.is_neg()) == (False, None, False)
    assert (found._backward_hooks or None) is None
    assert found.numel() == found.detach().clone().numel() == 2


def test_load_of_a_conjugate_returns_its_values(tmp_path: Path) -> None:
    import torch

    from zoo.engine.checkpoints.pickles import read_pickled

    torch.save({"w": torch.tensor([1 + 2j]).conj()}, tmp_path / "a.pth")

    found = read_pickled(tmp_path / "a.pth")["w"]

    assert found.tolist() == [1 - 2j]
    assert not found.is_conj()


def test_load_of_tied_weights_keeps_them_tied(tmp_path: Path) -> None:
    """What is stored once is not copied: a checkpoint takes no more memory than its file."""
    import torch

    from zoo.engine.checkpoints.pickles import read_pickled

    weight = torch.arange(6.0)
    torch.save({"a": weight, "b": weight.view(2, 3), "c": weight}, tmp_path / "a.pth")

    found = read_pickled(tmp_path / "a.pth")

    assert found["a"].data_ptr() == found["b"].data_ptr()
    assert found["a"] is found["c"]


def test_load_of_a_dict_with_a_state_keeps_its_metadata_alone(tmp_path: Path) -> None:
    """Versions of modules decide how weights are read; ``items`` would hide the method."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    text = opcodes.text
    hidden = b"".join(text(one) + text("hidden") for one in ("items", "keys", "copy", "update"))
    versions = b"}" + text("") + b"}" + text("version") + opcodes.number(2) + b"ss"
    weight = text("weight") + opcodes.tensor() + b"s"
    weights = opcodes.name("collections.OrderedDict") + b")R" + weight
    state = b"}(" + hidden + text("_metadata") + versions + b"u"
    pickled = b"\x80\x02" + weights + state + b"b."
    (tmp_path / "a.pth").write_bytes(opcodes.archive(pickled))

    found: Any = load_checkpoint(tmp_path / "a.pth").state_dict

    assert vars(found) == {"_metadata": {"": {"version": 2}}}
    assert {one: value.tolist() for one, value in found.items()} == {"weight": [1.0, 2.0]}
    norm = torch.nn.BatchNorm2d(2)
    norm.load_state_dict({**norm.state_dict(), **found})


def test_load_builds_every_container_anew(tmp_path: Path) -> None:
    """Of each kind that holds others; a tensor that two of them share stays one."""
    import torch

    from zoo.engine.checkpoints.pickles import read_pickled

    shared = [_parameter("numel")]
    tree = {
        "counter": Counter({2: 3}),
        "ordered": OrderedDict(a=_parameter("detach")),
        "set": {1, 2},
        "shared": [shared, {"again": shared}],
        "plain": [None, True, 1, 2.5, 1j, "a", b"b", bytearray(b"c"), slice(1, 2), torch.float32],
    }
    torch.save(tree, tmp_path / "a.pth")

    found = read_pickled(tmp_path / "a.pth")

    assert (found["counter"], type(found["counter"])) == (Counter({2: 3}), Counter)
    assert type(found["ordered"]["a"]) is torch.Tensor
    assert found["set"] == {1, 2}
    assert found["shared"][1]["again"] is found["shared"][0]
    assert type(found["shared"][0][0]) is torch.Tensor
    assert tree["plain"] == found["plain"]


@pytest.mark.parametrize("what", ["publish", "predict"])
def test_shadowed_weights_are_used_as_they_are(bright_run: Path, tmp_path: Path, what: str) -> None:
    """A checkpoint whose parameters hide their methods predicts and publishes as any other."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.prediction.model import open_model

    path = next(bright_run.glob("best_*.pth"))
    tree = torch.load(path, weights_only=True)
    values = {name: value.clone() for name, value in tree["state_dict"].items()}
    for name, value in values.items():
        tree["state_dict"][name] = torch.nn.Parameter(value)
        tree["state_dict"][name].__dict__.update(dict.fromkeys(HIDDEN, "hidden"))
    torch.save(tree, path)

    if what == "predict":
        module = open_model(str(bright_run), device="cpu").module
        found = module.state_dict()
    else:
        from safetensors.torch import load, save

        stored = load_checkpoint(path).state_dict
        found = load(save({name: value.contiguous() for name, value in stored.items()}))

    for name, value in values.items():
        assert torch.equal(value, found[name])


DTYPES = [
    *("float64", "float32", "float16", "bfloat16", "complex64", "complex128", "bool"),
    *("int64", "int32", "int16", "int8", "uint8"),
]
NEWER_DTYPES = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]
FORMS = [(dtype, is_new) for dtype in DTYPES for is_new in (True, False)]
FORMS += [(dtype, True) for dtype in NEWER_DTYPES]  # torch reads none of them in its older form


@pytest.mark.parametrize(("dtype", "new_form"), FORMS)
def test_load_of_each_dtype_is_as_torch_reads_it(
    tmp_path: Path, dtype: str, new_form: bool
) -> None:
    """torch's own reader, without our names, is the oracle: bytes, shape, strides and type."""
    import torch

    from zoo.engine.checkpoints.pickles import read_pickled

    values = torch.arange(24).to(getattr(torch, dtype)).reshape(2, 3, 4).transpose(0, 2)
    path = tmp_path / "a.pth"
    torch.save({"w": values, "p": [values[1:]]}, path, _use_new_zipfile_serialization=new_form)

    found, expected = read_pickled(path), torch.load(path, weights_only=True)

    for one, other in ((found["w"], expected["w"]), (found["p"][0], expected["p"][0])):
        assert (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        raw = [each.contiguous().view(torch.uint8).tolist() for each in (one, other)]
        assert raw[0] == raw[1]
