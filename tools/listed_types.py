# SPDX-License-Identifier: Apache-2.0
"""Which types of OpenMMLab a published model's record may name, and what their code takes."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Mapping
from typing import Any

__all__ = ["Resolver", "compared", "family_of", "find_types", "parameters_of"]

_SCOPES = ("mmengine", "mmseg", "mmdet")
_REGISTRIES = ("MODELS", "TASK_UTILS", "TRANSFORMS")

# Part of the module's path -> family; the first that fits.
_FAMILIES = (
    (r"\.backbones\.unet$", "backbones"),
    (
        r"mmengine\.model\.base_model\.data_preprocessor|\.data_preprocessors?\b",
        "data_preprocessors",
    ),
    (r"\.backbones\b", "backbones"),
    (r"\.necks\b", "necks"),
    (r"\.losses\b", "losses"),
    (r"\.(dense|roi|seg|decode)_heads\b", "heads"),
    (r"\.(detectors|segmentors)\b", "models"),
    (r"\.(task_modules|assigners|sampler)\b", "task_utils"),
    (r"^torch\.nn\.|^mmcv\.(cnn\.bricks|ops)\b|parrots_wrapper|^mmdet\.models\.layers\b", "layers"),
    (r"\.transforms\b", "transforms"),
)
_LAYERS = ("InterpConv", "DeconvModule")  # of mmseg's U-Net, defined beside the backbone
# Types that are not on the list, and why.
_LEFT_OUT = (
    r"mmdet\.models\.(mot|reid|trackers|tracking_heads|vis|language_models)\.",  # no task of zoo's
    r"task_modules\.tracking",  # evaluates warp_mode; loads a checkpoint
    r"(reid|track)_data_preprocessor",
    r"(kd_one_stage|lad|semi_base|soft_teacher)$",  # read a teacher's config, which is code
    r"(d2_wrapper|timm_backbone)$",  # other libraries, which download by name
    r"(glip|grounding_dino|grounding_dino_head|atss_vlfusion_head)$",  # BERT by name
    r"(vpd|vpd_depth_head|clip_text_encoder|san_head|multimodal_encoder_decoder)$",  # the same
    r"(seg_tta|test_time_aug|averaged_model)$",  # wrappers of whole models
    r"mmcv\.ops\.sparse_conv$",  # no kernel, and 3D
)
# The steps of test pipelines, without augmentations that compose others, and without loaders that
# read more than the image or use a library given by name.
_STEPS = frozenset(
    [
        *("LoadImageFromFile", "LoadImageFromNDArray", "LoadBiomedicalImageFromFile"),
        *("LoadAnnotations", "LoadPanopticAnnotations", "LoadDepthAnnotation", "LoadProposals"),
        *("LoadBiomedicalAnnotation", "LoadEmptyAnnotations", "FilterAnnotations"),
        *("Resize", "FixScaleResize", "FixShapeResize", "ResizeShortestEdge", "ResizeToMultiple"),
        *("Pad", "CenterCrop", "RandomFlip", "RandomCenterCropPad", "BioMedical3DPad"),
        *("Normalize", "Rerange", "CLAHE", "RGB2Gray", "AdjustGamma", "SegRescale", "GenerateEdge"),
        *("ToTensor", "ImageToTensor", "Transpose", "ConcatCDInput"),
        *("PackSegInputs", "PackDetInputs", "ProposalBroadcaster"),
    ]
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .+-]{0,63}")


def find_types() -> dict[str, type]:
    """Return the allowed types: ``scope.Name`` -> class."""
    return {
        full: cls
        for full, cls in _registered_classes()
        if family_of(full, cls) and not _is_left_out(full.rpartition(".")[2], cls)
    }


@functools.cache
def _registered() -> frozenset[str]:
    return frozenset(full.rpartition(".")[2] for full, _ in _registered_classes())


@functools.cache
def _registered_classes() -> tuple[tuple[str, type], ...]:
    import zoo  # noqa: F401  mmcv's ops

    for package in ("mmcv.cnn", "mmcv.ops", "mmcv.transforms"):
        importlib.import_module(package)
    found = []
    for scope in _SCOPES:
        module = importlib.import_module(f"{scope}.registry")
        for attribute in _REGISTRIES:
            registry = getattr(module, attribute)
            registry.import_from_location()
            rows = registry.module_dict.items()
            found += [(f"{scope}.{name}", cls) for name, cls in rows if isinstance(cls, type)]
    return tuple(found)


def family_of(name: str, cls: type) -> str:
    """Return what a type is a part of, such as ``heads``; empty for anything else.

    Args:
        name: Its name, with or without a scope.
        cls: Its class.
    """
    if name.rpartition(".")[2] in _LAYERS:
        return "layers"
    families = (family for pattern, family in _FAMILIES if re.search(pattern, cls.__module__))
    return next(families, "")


def _is_left_out(name: str, cls: type) -> bool:
    if family_of(name, cls) == "transforms":
        return name not in _STEPS
    return any(re.search(pattern, cls.__module__) for pattern in _LEFT_OUT)


class Resolver:
    """Resolve the name of a type in a record's scope.

    Args:
        types: The allowed types: ``scope.Name`` -> class.
        scope: The default scope of the config that names it.
    """

    def __init__(self, types: Mapping[str, type], scope: str = "") -> None:
        self._types, self._scope = types, scope

    def within(self, scope: str) -> Resolver:
        """Return the same for a config of another default scope.

        Args:
            scope: That scope.
        """
        return Resolver(self._types, scope)

    def find(self, name: Any) -> str | None:
        """Return the full name of a type on the list.

        Args:
            name: The name in a config, or anything else, which is none.
        """
        if not isinstance(name, str):
            return None
        prefix, _, last = name.rpartition(".")
        scopes = (prefix,) if prefix else (self._scope, "mmengine")
        return next((f"{one}.{last}" for one in scopes if f"{one}.{last}" in self._types), None)

    def __call__(self, name: Any) -> str | None:
        """Return a type's family, ``""`` if it is left out, None if no registry has it."""
        found = self.find(name)
        if found is not None:
            return family_of(found, self._types[found])
        return "" if str(name).rpartition(".")[2] in _registered() else None

    def in_signature(self, name: Any) -> str:
        """Return the same for a default; unregistered names are errors of upstream.

        Args:
            name: The name in a signature.
        """
        families = {
            family_of(full, cls) for full, cls in self._types.items() if full.endswith(f".{name}")
        }
        return min(families, default="")


@functools.cache
def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor, including those of its parents via ``**kwargs``.

    Args:
        cls: A registered class.
    """
    found: dict[str, inspect.Parameter] = {}
    for one in cls.__mro__:
        if "__init__" not in vars(one):
            continue
        parameters = list(inspect.signature(vars(one)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


@functools.cache
def compared(cls: type) -> dict[str, set[str]]:
    """Return the words that a class's source compares its parameters with or uses as keys.

    Args:
        cls: A registered class.
    """
    found: dict[str, set[str]] = {}
    for one in cls.__mro__:
        if not one.__module__.startswith(("mmcv.", "mmdet.", "mmseg.")):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(one)))):
            if isinstance(node, ast.Compare):
                pair = (node.left, node.comparators[0])
            elif isinstance(node, ast.Subscript):
                pair = (node.slice, node.value)
            else:
                continue
            name = getattr(pair[0], "id", getattr(pair[0], "attr", None))
            if name is not None:
                found.setdefault(name, set()).update(_literals(pair[1], one))
    return found


def _literals(node: ast.expr, cls: type) -> set[str]:
    nodes = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    words = [one.value for one in nodes if isinstance(one, ast.Constant)]
    if isinstance(node, ast.Attribute) and isinstance(getattr(cls, node.attr, None), (dict, list)):
        words = list(getattr(cls, node.attr))
    return {word for word in words if isinstance(word, str) and _WORD.fullmatch(word)}
