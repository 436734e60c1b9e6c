# SPDX-License-Identifier: Apache-2.0
"""What a published model may take for one image: refused before the machine feels it."""

from __future__ import annotations

import copy
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo.engine.records.budget import Budget, current_budget, within_budget
from zoo.errors import CheckpointError, ZooError

pytestmark = pytest.mark.mm

sys.path.insert(0, str(Path(__file__).parent))
from hostile_records import BASES  # noqa: E402


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, bytes]]:
    """Return the header and the tensors of a published file of each small model."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.records.record import parse_record

    found = {}
    for task, values in BASES.items():
        record = parse_record(json.dumps(values), task)
        init_default_scope(record.scope)
        torch.manual_seed(0)
        weights = MODELS.build(Config(record.config).model).state_dict()
        folder = tmp_path_factory.mktemp(task)
        data = write_published(folder / "a.safetensors", weights, record).read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        del header["__metadata__"]
        found[task] = header, data[end:]
    return found


# A change to a small model that the list allows, what it is asked about, and what is said.
TOO_MUCH = {
    "windows that hardly move": (
        "semantic",
        (("model", "test_cfg"), {"mode": "slide", "crop_size": [4, 4], "stride": [1, 1]}),
        (300, 300),
        "windows of 4 px, at most 68 are run",
    ),
    "a strip of windows": (
        "semantic",
        (("pipeline", 1, "scale"), {"$tuple": [16, 16384]}),
        (70, 50),
        "windows of 48 px, at most 320 are run",
    ),
    "a scene in small tiles": (
        "instance",
        (("tiling",), {"tile_px": 32, "overlap_px": 24}),
        (1200, 1200),
        "windows of 32 px, at most 1,470 are run",
    ),
    "a large scale": (
        "semantic",
        (("pipeline", 1, "scale"), {"$tuple": [8000, 8000]}),
        (70, 50),
        "makes 64,000,000 px of its 3,500 (Resize), at most 8,388,608",
    ),
    "a large factor": (
        "semantic",
        (("pipeline", 1), {"type": "Resize", "scale_factor": 9.5}),
        (700, 500),
        "(Resize), at most 8,388,608",
    ),
    "a large pad": (
        "semantic",
        (("pipeline", 1), {"type": "Pad", "size": {"$tuple": [4096, 4096]}}),
        (70, 50),
        "(Pad), at most 8,388,608",
    ),
    "a large divisor": (
        "semantic",
        (("pipeline", 1), {"type": "Pad", "size_divisor": 4096}),
        (70, 50),
        "(Pad), at most 8,388,608",
    ),
    "each tile made large": (
        "instance",
        (("pipeline", 1, "scale"), {"$tuple": [2800, 2800]}),
        (900, 900),
        "px through the network, at most 268,435,456 are run",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", TOO_MUCH)
def test_record_that_asks_too_much_of_an_image_is_refused_soon(
    case: str, headers: dict[str, tuple[Any, bytes]], tmp_path: Path
) -> None:
    import zoo

    task, (place, value), shape, message = TOO_MUCH[case]
    record = copy.deepcopy(BASES[task])
    node: Any = record
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    header, tensors = headers[task]
    head = json.dumps({"__metadata__": {"zoo": json.dumps(record)}, **header}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + tensors)
    predictor, start_s = zoo.load(str(path), device="cpu"), time.monotonic()

    with pytest.raises(ZooError) as raised:
        predictor(np.zeros(shape, np.uint8))

    assert message in raised.value.message
    assert raised.value.hint
    assert time.monotonic() - start_s < 20


def test_budget_grows_with_the_image() -> None:
    """Sixteen times the image is allowed, however large it is; and 8.4 million px of any."""
    budget = Budget()
    budget.see_image(2000, 2000, "a.png")

    budget.check_step(SimpleNamespace(scale=(8000, 8000)), np.empty((2000, 2000, 3), np.uint8))
    budget.check_step(SimpleNamespace(scale_factor=4.0), np.empty((2000, 2000), np.uint8))
    with pytest.raises(CheckpointError, match=r"makes 64,008,000 px of its 4,000,000"):
        budget.check_step(SimpleNamespace(scale=(8001, 8000)), np.empty((2000, 2000), np.uint8))
    budget.see_image(10, 10, "b.png")
    budget.check_step(SimpleNamespace(scale=(3504, 2336)), np.empty((10, 10), np.uint8))


def test_forward_that_stretches_beyond_memory_is_stopped_before_it_does() -> None:
    import torch
    from torch.nn.functional import interpolate

    budget, image = Budget(), torch.zeros(1, 3, 8, 8)
    budget.see_image(8, 8, "a.png")

    with budget.forward({"inputs": [image[0]]}, {}):
        assert interpolate(image, scale_factor=4).shape[-1] == 32
        assert interpolate(image, size=(16, 16)).shape[-1] == 16
        for how in ({"scale_factor": 10_000.0}, {"size": (100_000, 100_000)}, {"size": 90_000}):
            with pytest.raises(CheckpointError, match="values at once"):
                interpolate(image, **how)


def test_forward_that_takes_memory_or_time_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is read from the kernel after each module, and the clock before each function."""
    import torch

    from zoo.engine.records import budget as module

    layer, image = torch.nn.Identity(), torch.zeros(3, 8, 8)
    monkeypatch.setattr(module, "_LEAST_MEMORY_BYTES", 2**26)

    with Budget().forward({"inputs": [image]}, {}):
        held = np.ones(2**25)  # 256 MB, touched
        with pytest.raises(CheckpointError, match="GB of memory, more than allowed"):
            layer(image)
    assert held.any()
    monkeypatch.setattr(module, "_FORWARD_S", -1)
    with (
        Budget().forward({"inputs": [image]}, {}),
        pytest.raises(CheckpointError, match="takes longer than"),
    ):
        layer(image)
    with (
        Budget().forward({"inputs": [image]}, {}),
        pytest.raises(CheckpointError, match="takes longer than"),
    ):
        image + 1  # as boxes are suppressed, in no module
    layer(image + 1)  # and nothing is left behind


def test_own_config_has_no_budget() -> None:
    assert current_budget() is None
    with within_budget():
        assert current_budget() is not None
    assert current_budget() is None
