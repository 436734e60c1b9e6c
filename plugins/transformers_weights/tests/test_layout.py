# SPDX-License-Identifier: Apache-2.0
"""Whole models: as large as the hub's files, and exactly what the configs build."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hub_models import beit, dpt, mask2former, segformer, upernet

import zoo

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ROWS: dict[str, Any] = {
    row.name: row for row in zoo.read_catalog().plugin("transformers_weights").checked().weights
}
B0 = {"hidden_sizes": [32, 64, 160, 256], "depths": [2, 2, 2, 2], "decoder_hidden_size": 256}
WIDE = {"hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
SOURCES: dict[str, Callable[[], Any]] = {
    "segformer_b0_ade20k": lambda: segformer(150, **B0),
    "segformer_b0_cityscapes": lambda: segformer(19, **B0),
    "segformer_b2_cityscapes": lambda: segformer(19, **WIDE, depths=[3, 4, 6, 3]),
    "segformer_b5_cityscapes": lambda: segformer(19, **WIDE, depths=[3, 6, 40, 3]),
    "upernet_swin_t_ade20k": lambda: upernet("t"),
    "mask2former_swin_t_coco": lambda: mask2former("t", 80),
    "mask2former_swin_l_ade20k": lambda: mask2former("l", 150),
    "dpt_l_ade20k": dpt,
    "beit_b_upernet_ade20k": beit,
    "beit_l_upernet_ade20k": lambda: beit(**LARGE, intermediate_size=4096),
}
"""Row -> its model in transformers, without memory when it is built on the device meta."""


def safetensors_size(state_dict: dict[str, Any]) -> int:
    """Return the size of the file that safetensors writes: wide types first, then by name."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key, value in sorted(
        state_dict.items(), key=lambda each: (-each[1].element_size(), each[0])
    ):
        start, end = end, end + value.numel() * value.element_size()
        kind = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        offsets = [start, end]
        header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":"))
    return 8 + -(-len(text) // 8) * 8 + end


@pytest.mark.parametrize("name", ["segformer_b0_ade20k", "mask2former_swin_l_ade20k"])
def test_file_of_the_hub_has_the_size_of_the_model_to_the_byte(name: str) -> None:
    """Names, types and shapes of all tensors are in the header, so the hub's are these."""
    row = ROWS[name]
    with torch.device("meta"):
        state_dict = SOURCES[name]().state_dict()

    assert row.urls[0].endswith(".safetensors")
    assert safetensors_size(state_dict) == row.size_bytes


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("segformer_b0_cityscapes", 0), ("segformer_b2_cityscapes", 0), ("beit_b_upernet_ade20k", 12)],
)
def test_pickle_of_the_hub_has_room_for_the_tensors_and_little_else(name: str, blocks: int) -> None:
    """A pickle adds some hundred bytes a tensor; BEiT's, an index of 1,601 tokens a block."""
    with torch.device("meta"):
        tensors = SOURCES[name]().state_dict().values()
    sizes = [value.numel() * value.element_size() for value in tensors] + [8 * 1601**2] * blocks

    rest = ROWS[name].size_bytes - sum(sizes)

    assert 200 * len(sizes) < rest < 500 * len(sizes)


@pytest.mark.parametrize("name", SOURCES)
def test_converted_file_is_all_of_the_rows_model(
    build_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every name and shape, and the stated number of parameters."""
    monkeypatch.setattr(torch, "linspace", functools.partial(torch.linspace, device="cpu"))
    with torch.device("meta"):
        source, model = SOURCES[name]().state_dict(), build_model(ROWS[name].config)
    # The values of these are looked into; what a file may lack is computed.
    source = {key: value for key, value in source.items() if not key.endswith("position_index")}

    converted = find_converter(ROWS[name].converter)(source)

    found = {key: tuple(value.shape) for key, value in converted.items()}
    assert found == {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert sum(each.numel() for each in model.parameters()) == ROWS[name].parameters


def find_converter(name: str) -> Any:
    """Return the function that the manifest names."""
    plugin = zoo.read_catalog().plugin("transformers_weights").checked()
    (target,) = (row.target for row in plugin.contributions if row.name == name)
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)
