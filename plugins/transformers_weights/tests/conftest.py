# SPDX-License-Identifier: Apache-2.0
"""Models of both libraries, small or whole, with random weights that hide nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location(
    "hub_models", Path(__file__).with_name("hub_models.py")
)
assert _spec is not None
assert _spec.loader is not None
sys.modules["hub_models"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["hub_models"])

_DRAWN = 1_000_003
"""Most values that are drawn for a tensor: a prime, so that no two rows of a larger one agree."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute small networks on one thread: on a busy machine, more of them wait for each other."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def randomised() -> Callable[..., Any]:
    """Return a function that fills a model so that no term hides behind a zero or a one."""
    import torch

    def fill(model: Any, seed: int = 0) -> Any:
        generator = torch.Generator().manual_seed(seed)

        def noise(like: Any) -> Any:
            drawn = torch.randn(min(like.numel(), _DRAWN), generator=generator, dtype=like.dtype)
            repeated = drawn.repeat(-(-like.numel() // max(drawn.numel(), 1)))
            return repeated[: like.numel()].reshape(like.shape)

        with torch.no_grad():
            for name, value in model.named_parameters():
                if value.ndim > 1:
                    value.copy_(noise(value) / value[0].numel() ** 0.5)
                else:
                    value.copy_(noise(value) / 5 + (1 if name.endswith("weight") else 0))
            for name, value in model.named_buffers():
                if name.endswith("running_mean"):
                    value.copy_(noise(value) / 5)
                elif name.endswith("running_var"):
                    value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        return model.eval()

    return fill


@pytest.fixture
def build_model() -> Callable[..., Any]:
    """Return a function that builds the model of one of the plugin's configs, with changes."""
    from mmengine.config import Config
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import MODELS, init_default_scope
    from transformers.modeling_utils import no_init_weights

    import zoo

    plugin = zoo.read_catalog().plugin("transformers_weights").checked()
    files = {row.name: plugin.folder / row.file for row in plugin.configs}

    def build(name: str, changes: dict[str, Any] | None = None) -> Any:
        config = Config.fromfile(files[name])
        config.merge_from_dict({"model": changes or {}})
        init_default_scope(config.default_scope)
        with no_init_weights():  # every tensor is loaded afterwards
            return revert_sync_batchnorm(MODELS.build(config.model)).eval()

    return build
