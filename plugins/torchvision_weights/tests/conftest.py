# SPDX-License-Identifier: Apache-2.0
"""torchvision itself as the oracle: its Python files, without its compiled operators."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(sys.prefix) / "oracles" / "torchvision"
# Operators that importing torchvision describes; only nms and roi_align are called here.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
    "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width) -> (Tensor, Tensor)",
    "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, "
    "SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, "
    "SymInt height, SymInt width) -> Tensor",
    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio) -> (Tensor, Tensor)",
    "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, "
    "float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, "
    "SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor",
    "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width) -> (Tensor, Tensor)",
    "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, "
    "float spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, "
    "SymInt channels, SymInt height, SymInt width) -> Tensor",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
    "SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, "
    "SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor",
    "_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, "
    "Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, "
    "SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
# Kept between modules of tests: operators and their descriptions can be registered once only.
_modules: dict[str, Any] = {}
_libraries: list[Any] = []


@pytest.fixture(scope="module")
def torchvision() -> Iterator[Any]:
    """Return torchvision while the tests of a module run; other tests must not find it."""
    pytest.importorskip("torch")
    if not (SOURCES / "torchvision" / "__init__.py").is_file():
        pytest.skip("torchvision's sources are missing: python tools/oracles.py")
    sys.path.insert(0, str(SOURCES))
    sys.modules.update(_modules)
    if not _modules:
        _libraries.append(_declare_operators())
    module = importlib.import_module("torchvision")
    for name in ("models", "models.detection", "models.segmentation", "ops.boxes"):
        importlib.import_module(f"torchvision.{name}")
    module.ops.boxes._assert_has_ops = lambda: None
    operator = importlib.import_module("torchvision.ops.roi_align")
    # Not compiled: for a few boxes that takes longer than the sum, and needs a C++ compiler.
    operator._roi_align = getattr(operator._roi_align, "__wrapped__", operator._roi_align)
    yield module
    sys.path.remove(str(SOURCES))
    for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
        _modules[name] = sys.modules.pop(name)


def _declare_operators() -> Any:
    """Declare torchvision's operators, and give it an nms; roi_align has a formula in Python."""
    import torch
    from mmcv.ops import nms

    import zoo  # noqa: F401  (mmcv's operators)

    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    library.impl("nms", lambda boxes, scores, limit: nms(boxes, scores, limit)[1], "CPU")
    return library


@pytest.fixture
def randomise() -> Callable[..., Any]:
    """Return a function that fills parameters and buffers, so that no zero or one hides a term."""
    import torch

    def fill(model: Any, seed: int = 0) -> Any:
        generator = torch.Generator().manual_seed(seed)
        if any(one.is_meta for one in model.parameters()):
            model.to_empty(device="cpu")

        def normal(tensor: Any) -> Any:
            return torch.randn(tensor.shape, generator=generator)

        with torch.no_grad():
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
                if tensor.ndim > 1:
                    tensor.copy_(normal(tensor) / tensor[0].numel() ** 0.5)
                elif name.endswith("running_var"):
                    tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
                elif name.endswith("weight"):
                    tensor.copy_(1 + 0.2 * normal(tensor))
                elif tensor.is_floating_point():
                    tensor.copy_(0.2 * normal(tensor))
                else:
                    tensor.zero_()
        return model.eval()

    return fill


@pytest.fixture
def build() -> Callable[[str], Any]:
    """Return a function that builds the model of a config of the plugin."""
    pytest.importorskip("mmdet")
    pytest.importorskip("mmseg")

    def build_model(config_name: str) -> Any:
        from mmengine.config import Config
        from mmengine.registry import MODELS, init_default_scope

        import zoo

        plugin = zoo.read_catalog().plugin("torchvision_weights").checked()
        (file,) = (row.file for row in plugin.configs if row.name == config_name)
        config = Config.fromfile(plugin.folder / file)
        init_default_scope(config.default_scope)
        return MODELS.build(config.model).eval()

    return build_model


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the converters to the slow tests: they are run on tensors of whole models."""
    for item in items:
        if item.name.startswith("test_converter_gives_the_model_of_its_rows"):
            item.add_marker(pytest.mark.slow)
