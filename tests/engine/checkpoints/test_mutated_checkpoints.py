# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of mmengine with random bytes changed: one message or values, never a traceback."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm


def _tree() -> dict[str, Any]:
    """Return what mmengine saves, small."""
    import torch
    from mmengine.config import ConfigDict
    from mmengine.logging import HistoryBuffer

    return {
        "state_dict": {
            "w": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)),
            "b": torch.ones(3, dtype=torch.int64),
        },
        "meta": ConfigDict(classes=("a", "b"), epoch=3, x=[np.float32(0.5), np.arange(3)]),
        "message_hub": {"loss": HistoryBuffer([1.0, 2.0], [1, 1])},
        "optimizer": {"state": {0: {"momentum": torch.zeros(2)}}},
    }


def _mutated(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(changed)), rng.randrange(4)
        if kind < 2:
            changed[at] = rng.randrange(256)
        elif kind == 2:
            del changed[at : at + rng.randint(1, 8)]
        else:
            changed[at:at] = changed[at : at + rng.randint(1, 30)]
    return bytes(changed)


def _zipped(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["zip, its pickle", "zip, its bytes", "older form"])
def test_load_of_a_mutated_checkpoint_is_one_message_or_values(tmp_path: Path, form: str) -> None:
    """150 mutants of each; the pickle in a zip of right checksums, so that it is really read."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    stream = io.BytesIO()
    torch.save(_tree(), stream, _use_new_zipfile_serialization=form != "older form")
    rng, path, refused = random.Random(form), tmp_path / "mutant.pth", 0
    entries, told = {}, set()
    if form == "zip, its pickle":
        with zipfile.ZipFile(stream) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    pickle = next((name for name in entries if name.endswith("data.pkl")), "")

    for _ in range(150):
        changed = {name: _mutated(entries[name], rng) for name in entries if name == pickle}
        data = _zipped(entries | changed) if entries else _mutated(stream.getvalue(), rng)
        path.write_bytes(data)
        try:
            found = load_checkpoint(path)
        except CheckpointError as error:
            refused += 1
            told.add(str(error))
            continue
        assert all(type(value) is torch.Tensor for value in found.state_dict.values())

    assert refused > 75
    internals = (
        "codec can't",
        "operand",
        "<class",
        "object at 0x",
        "to unpack",
        "safe_globals",
        "zoo.",
    )
    assert [text for text in told if any(word in text for word in internals)] == []
    assert all(text.replace("\n", "").isprintable() for text in told)
    assert list(tmp_path.iterdir()) == [path]
