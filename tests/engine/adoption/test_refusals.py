# SPDX-License-Identifier: Apache-2.0
"""Sources that must not be adopted: nothing runs, nothing stays under a final name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import zoo
from zoo.cli import main
from zoo.errors import (
    CheckpointError,
    ConfigError,
    ConversionError,
    DownloadError,
    HashMismatchError,
    ManifestError,
    ZooError,
)
from zoo.weights.lock import read_pins


def leftovers(folder: Path) -> list[str]:
    """Return the files in the cache besides sources that were verified by a full digest."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(p.name for p in files if not p.name.endswith((".lock", ".adopting")))


DIGESTS = {
    "sha256_prefix": {"sha256_prefix": "0123456789"},
    "md5_prefix": {"md5_prefix": "abcdef"},
    "size": {"sha256_prefix": None},
}


@pytest.mark.parametrize("kind", DIGESTS)
def test_source_that_its_row_contradicts_is_refused_and_not_kept(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, kind: str
) -> None:
    """Served by a hub that states a digest, as large files, and none, as small ones."""
    data = source_bytes("pth")
    known = dict(DIGESTS[kind])
    if kind == "size":
        known = {"sha256_prefix": hashlib.sha256(data).hexdigest()[:8]}
    size_bytes = len(data) + 1 if kind == "size" else None
    for lfs_bytes in (1000, 10**9):
        foreign.hub.lfs_bytes = lfs_bytes
        foreign.list(foreign.row(data, sha256=None, size_bytes=size_bytes, **known))

        result = CliRunner().invoke(main, ["download", "tiny_other", "--pin"])

        assert result.exit_code == 1, result.output
        assert "cannot accept model.pth" in result.output or "expected" in result.output
        assert leftovers(tmp_path / "cache") == []
        assert read_pins() == {}


_ATTACK = """
import sys
ran = []
sys.addaudithook(lambda event, args: ran.append(event) if event in BAD else None)
import zoo
try:
    zoo.download("tiny_other")
except zoo.ZooError as error:
    print(type(error).__name__, ran)
"""


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.pth", "model.bin", "model.pkl", "old.pth"])
def test_source_with_code_in_it_is_refused_and_runs_nothing(
    foreign: Any, tmp_path: Path, file: str
) -> None:
    """A process of its own listens to Python's audit events while it adopts."""
    import torch

    tree = {"model": {"net.a": torch.zeros(2) if file != "model.pkl" else None}}
    tree["model"]["net.b"] = Evil(tmp_path / "ran")
    stream = io.BytesIO()
    if file == "model.pkl":
        pickle.dump(tree, stream, 2)
    else:
        torch.save(tree, stream, _use_new_zipfile_serialization=not file.startswith("old"))
    foreign.list(foreign.row(stream.getvalue(), file))
    code = _ATTACK.replace("BAD", repr({"os.system", "subprocess.Popen", "os.exec", "os.fork"}))

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert run.stdout.strip() == "UnsafeCheckpointError []", run.stderr
    assert not (tmp_path / "ran").exists()
    assert read_pins() == {}


CONVERTERS: dict[str, tuple[str, type[ZooError], str]] = {
    "missing keys": (
        "def convert(s):\n    return {k[4:]: v for k, v in s.items() if 'conv_seg' not in k}\n",
        ConversionError,
        "2 missing of 38 entries.\nmissing: decode_head.conv_seg.weight",
    ),
    "unexpected keys": (
        "def convert(s):\n    r = {k[4:]: v for k, v in s.items()}\n"
        "    return {**r, 'extra': r['decode_head.conv_seg.bias']}\n",
        ConversionError,
        "unexpected: extra",
    ),
    "other shapes": (
        "def convert(s):\n    r = {k[4:]: v for k, v in s.items()}\n"
        "    return {**r, 'decode_head.conv_seg.bias': r['decode_head.conv_seg.bias'][:2]}\n",
        ConversionError,
        "mis-shaped: decode_head.conv_seg.bias (2,), expected (3,)",
    ),
    "no tensors": ("def convert(s):\n    return {'a': 1}\n", ConversionError, "returned a int"),
    "nothing": ("def convert(s):\n    return None\n", ConversionError, "returned no tensors"),
    "a fault": ("def convert(s):\n    return s['gone']\n", ConversionError, "failed: KeyError"),
    "an own refusal": (
        "from zoo.errors import ConversionError\n"
        "def convert(s):\n    raise ConversionError('cannot convert: not a U-Net.')\n",
        ConversionError,
        "cannot convert: not a U-Net.",
    ),
}


@pytest.mark.mm
@pytest.mark.parametrize("case", CONVERTERS)
def test_converter_whose_result_is_not_the_model_gives_one_error(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, case: str
) -> None:
    code, kind, message = CONVERTERS[case]
    foreign.write_converter(code)
    foreign.list(foreign.row(source_bytes("pth")))

    with pytest.raises(kind) as caught:
        zoo.download("tiny_other")

    assert message in str(caught.value)
    assert "HINT" in str(caught.value) or case == "an own refusal"
    assert read_pins() == {}
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.mark.mm
def test_row_that_counts_other_parameters_is_refused(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    foreign.list(foreign.row(source_bytes("pth"), parameters=5))

    with pytest.raises(ManifestError, match="the row states 5 parameters, the converted model has"):
        zoo.download("tiny_other")


@pytest.mark.mm
def test_row_of_other_classes_than_its_config_is_refused(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    foreign.list(foreign.row(source_bytes("pth"), classes=["sky", "car", "road"]))

    with pytest.raises(CheckpointError, match="class 1 is 'car' and 'road'"):
        zoo.download("tiny_other")


@pytest.mark.mm
def test_row_whose_config_reads_no_images_is_refused(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    """The message is about the config, and not about publishing."""
    config = foreign.package / "tiny_unet.py"
    config.write_text(config.read_text().partition("test_pipeline")[0])
    foreign.list(foreign.row(source_bytes("pth"), classes=["sky", "road", "car"]))

    with pytest.raises(ConfigError, match="cannot adopt 'tiny_other': the config has no") as caught:
        zoo.download("tiny_other")

    assert "of the config tiny_unet" in str(caught.value)
    assert "give the config a test_dataloader." in str(caught.value.hint)


@pytest.mark.mm
@pytest.mark.parametrize("content", [b"<html>gone</html>", b"version https://git-lfs", b"x"])
@pytest.mark.parametrize("file", ["model.pth", "model.pkl", "model.safetensors"])
def test_source_that_is_no_checkpoint_is_told(foreign: Any, content: bytes, file: str) -> None:
    """Even where the row has the digest of just that: its author saved a web page."""
    foreign.list(foreign.row(content, file))

    with pytest.raises((CheckpointError, DownloadError)) as caught:
        zoo.download("tiny_other")

    assert "Traceback" not in str(caught.value)
    assert read_pins() == {}


@pytest.mark.mm
def test_unknown_converter_is_told_before_any_byte_comes(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    foreign.list(foreign.row(source_bytes("pth"), converter="other_unt"))

    with pytest.raises(ZooError, match="no converter named") as caught:
        zoo.download("tiny_other")

    assert "other_unet" in str(caught.value.hint)
    assert foreign.hub.asked == []


@pytest.mark.mm
def test_other_bytes_than_the_pin_are_refused_and_say_which_converter(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    import shutil

    foreign.list(foreign.row(source_bytes("pth")))
    zoo.download("tiny_other")
    foreign.write_converter(
        "def convert(s):\n    return {k[4:]: v * 2 for k, v in s.items()}\n", version=2
    )
    zoo.catalog.forget_catalog()
    sys.modules.pop(f"zoo_{foreign.name}.converters")
    shutil.rmtree(tmp_path / "cache")

    with pytest.raises(HashMismatchError) as caught:
        zoo.download("tiny_other")
    repinned = CliRunner().invoke(main, ["download", "tiny_other", "--pin"])

    assert "The converter is version 2 now, the pin was made with 1." in caught.value.message
    assert caught.value.hint == "zoo download tiny_other --pin pins the new file."
    assert repinned.exit_code == 0, repinned.output
    assert read_pins()["tiny_other"].converter_version == 2
    assert json.loads((tmp_path / "zoo.lock").read_text())["format"] == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("torch.zeros(2, dtype=torch.complex64)", "returned no parameters"),
        ("torch.zeros(0)", "returned no parameters"),
        ("torch.zeros(2, 2).to_sparse()", "not plain and dense"),
        ("torch.zeros(2, device='meta')", "not plain and dense"),
    ],
)
def test_backbone_of_odd_tensors_is_refused_and_the_lock_stays_readable(
    foreign: Any, source_bytes: Callable[[str], bytes], value: str, reason: str
) -> None:
    foreign.write_converter(f"import torch\n\n\ndef convert(state):\n    return {{'a': {value}}}\n")
    facts = {"task": "backbone", "config": None, "parameters": None}
    foreign.list(foreign.row(source_bytes("pth"), **facts))

    with pytest.raises(ConversionError, match=reason):
        zoo.download("tiny_other")

    assert read_pins() == {}


def test_backbone_of_buffers_alone_leaves_the_lock_readable(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    made = "{'bn.running_mean': torch.zeros(2)}"
    foreign.write_converter(f"import torch\n\n\ndef convert(state):\n    return {made}\n")
    facts = {"task": "backbone", "config": None, "parameters": None}
    foreign.list(foreign.row(source_bytes("pth"), **facts))

    assert zoo.download("tiny_other").is_file()
    assert read_pins()["tiny_other"].parameters is None


BASES = {
    "_base_ = 'zoo::gone'\n": "no config named 'gone'",
    "_base_ = 'zoo::absent/unet'\n": "no plugin 'absent' is installed",
    "_base_ = './gone.py'\n": "its base './gone.py' is not a file",
    "_base_ = './tiny_unet.py'\n": "it names itself in _base_",
    "_base_ = 'mmseg::_base_/models/gone.py'\n": "no config '_base_/models/gone.py' in the package",
    "_base_ = './converters.py'\nmodel = (\n": "'(' was never closed",
    "_base_ = './converters.py'\n": "it has no model",
}


@pytest.mark.parametrize(("text", "says"), BASES.items(), ids=range(len(BASES)))
def test_config_whose_base_fails_is_one_message_before_anything_is_fetched(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, text: str, says: str
) -> None:
    """No byte of the source is asked for, and nothing is pinned."""
    foreign.list(foreign.row(source_bytes("pth")))
    (foreign.package / "converters.py").write_text("def convert(state_dict): ...\n")
    (foreign.package / "tiny_unet.py").write_text(text)
    before = len(foreign.hub.asked)

    result = CliRunner().invoke(main, ["download", "tiny_other", "--pin"])

    assert result.exit_code == 1
    assert says in result.output
    assert "HINT: " in result.output
    assert "Traceback" not in result.output
    assert before == len(foreign.hub.asked)
    assert leftovers(tmp_path / "cache") == []
    assert read_pins() == {}


def test_source_in_the_package_is_adopted_without_network(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    """``package:`` is a file of this machine, for living rows as for others."""
    data = source_bytes("pth")
    (foreign.package / "model.pth").write_bytes(data)
    foreign.list(foreign.row(data, urls=["package:model.pth"]))

    result = CliRunner().invoke(main, ["download", "tiny_other", "--offline"])

    assert result.exit_code == 0, result.output
    assert set(read_pins()) != set()
