# SPDX-License-Identifier: Apache-2.0
"""``--cfg-options``: OpenMMLab's syntax, and messages where it gives tracebacks."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.engine.config.options import merge_cfg_options, parse_cfg_options
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("a=1", {"a": 1}),
        ("a.b=1e-3", {"a.b": 1e-3}),
        ("a=true", {"a": True}),
        ("a=None", {"a": None}),
        ("a=x=y", {"a": "x=y"}),
        ("a=1,2", {"a": [1, 2]}),
        ("a=[1]", {"a": [1]}),
        ("a=[(1,2),(3,4)]", {"a": [(1, 2), (3, 4)]}),
        ("a='[b,c]'", {"a": ["b", "c"]}),
        ("-a=-1", {"-a": -1}),
    ],
)
def test_parse_cfg_options_reads_as_mmengine_does(pair: str, expected: dict[str, Any]) -> None:
    assert parse_cfg_options([pair]) == expected


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("a", "expected key=value."),
        ("=1", "expected key=value."),
        ("a=[1,(2]", "unbalanced brackets."),
        ("a=dict(b=1,c=2)", "expected numbers, words, and lists or tuples of them."),
        ("a=[dict(b=1,c=[2])]", "expected numbers, words, and lists or tuples of them."),
    ],
)
def test_parse_cfg_options_that_cannot_be_read_raises(pair: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_cfg_options([pair])

    assert caught.value.message == f"cannot read --cfg-options {pair!r}: {reason}"


def test_merge_cfg_options_sets_nested_list_and_new_keys() -> None:
    from mmengine.config import Config

    config = Config({"model": {"head": [{"k": 1}, {"k": 2}]}})

    merge_cfg_options(config, {"model.head.1.k": 5, "new.key": "x"})

    assert config.model.head[1].k == 5
    assert config.new.key == "x"


@pytest.mark.parametrize("key", ["model.depth.x", "model.head.7.k"])
def test_merge_cfg_options_through_a_leaf_names_the_key(key: str) -> None:
    from mmengine.config import Config

    config = Config({"model": {"depth": 50, "head": [{"k": 1}]}})

    with pytest.raises(ConfigError) as caught:
        merge_cfg_options(config, {key: 1})

    assert caught.value.message.startswith(f"cannot set --cfg-options {key}=1: ")
    assert "depth, head" in str(caught.value.hint) or "are 0." in str(caught.value.hint)
