# SPDX-License-Identifier: Apache-2.0
"""Write ``zoo/engine/records/record_types.json``: the types allowed in a published model's record.

    python tools/record_types.py            # writes the file
    python tools/record_types.py --check    # exits with 1 if the file differs
    python tools/record_types.py --count    # counts the shipped configs whose records pass

The list contains the parts of models and the steps of test pipelines that mmcv, mmdet and
mmsegmentation register, except those in `_LEFT_OUT`. Allowed values are those of every shipped
config and of this repository's configs, the defaults of the signatures, and the words that
upstream's code compares a parameter with; numbers have bounds a few times wider.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import inspect
import json
import os
import re
import sys
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evidence import Evidence

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "zoo" / "engine" / "records" / "record_types.json"
SCOPES = ("mmengine", "mmseg", "mmdet")
REGISTRIES = ("MODELS", "TASK_UTILS", "TRANSFORMS")

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
# Parameters that name a place, a library or a model to download. Never allowed in a record.
_NEVER = re.compile(
    r"init_cfg|pretrained\w*|\w*checkpoint\w*|\w*ckpt\w*|\w*_?(path|file|filename|url|dir|root)"
    r"|(im)?decode_backend|backend_args|file_client_args|resize_type|logger|device|dtype"
    r"|\w*tokenizer\w*|\w*vocab\w*|lang\w*|model_name|name|teacher\w*|dataset_name|data_root"
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .+-]{0,63}")
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area", "lanczos")
# Values that upstream's documentation lists but its code does not compare.
_WORDS = {
    "color_type": (
        *("color", "grayscale", "unchanged"),
        *("color_ignore_orientation", "grayscale_ignore_orientation"),
    ),
    "interpolation": _INTERPOLATIONS,
    "mode": ("nearest", "bilinear", "bicubic"),
    "reduction": ("none", "mean", "sum"),
    "channel_order": ("rgb", "bgr"),
    "backend": ("cv2", "pillow"),
    "position": ("after_conv1", "after_conv2", "after_conv3"),
    "kernel": ("gaussian", "linear"),
    "method": ("naive", "linear", "gaussian"),
    "block": ("BASIC", "BOTTLENECK"),
    "type": ("nms", "soft_nms"),  # of a table of boxes' suppression, no registry's
}
_CHANNELS = 4096
_HANDED_ON = ("train_cfg", "test_cfg")
# Parameters of mmcv's NMS; no shipped config sets all of them.
_SUPPRESSION = {
    "class_agnostic": {"bool": True},
    "max_num": {"int": [-1, 65536]},
    "method": {"words": ["gaussian", "linear", "naive"]},
    "min_score": {"float": [0.0, 1.0]},
    "sigma": {"float": [0.0, 10.0]},
    "split_thr": {"int": [0, 1000000]},
}
_PADDING_MODES = {
    "layers": ("zeros", "reflect", "replicate", "circular"),
    "transforms": ("constant", "edge", "reflect", "symmetric"),
}
# Pixels, colours and class weights depend on the data; shipped configs do not show their range.
_PIXEL = {"float": [-100000.0, 100000.0]}
_GIVEN: dict[str, dict[str, Any]] = {
    "mean": {"none": True, "list": _PIXEL, "most": 64},
    "std": {"none": True, "list": _PIXEL, "most": 64},
    "class_weight": {
        "none": True,
        "float": [0.0, 1000000.0],
        "list": {"float": [0.0, 1000000.0]},
        "most": 10000,
    },
    "meta_keys": {"list": {"name": True}, "most": 64},
    "num_classes": {"none": True, "int": [1, 65536]},
    # OpenCV divides by it, and 0 crashes the process.
    "tile_grid_size": {"list": {"int": [1, 32]}, "most": 8},
}
_PARTS_OF_PIXELS = ("pad_val", "seg_pad_val", "mask_pad_value", "img_pad_value")


def main() -> None:
    """Write the list, or compare it with the committed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--count", action="store_true", help="check the record of every config")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    if args.count:
        count()
        return
    text = generate()
    if not args.check:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        print(f"{TARGET} is not what tools/record_types.py writes.", file=sys.stderr)
        sys.exit(1)


def generate() -> str:
    """Return the file's text, one parameter per line."""
    types = _find_types()
    resolve = _Resolver(types)
    seen = {name: {key: Evidence() for key in _parameters(cls)} for name, cls in types.items()}
    for name, cls in types.items():
        for key, parameter in _parameters(cls).items():
            seen[name][key].add_signature(parameter, resolve.in_signature)
            seen[name][key].words |= _compared(cls).get(key, set())
    for scope, node in _iterate_records():
        _collect(node, resolve.within(scope), seen)
    pools = _pools(types, seen)
    rows = [
        f'  "{name}": {{\n    "family": "{_family(name, types[name])}",\n    "parameters": {{\n'
        + ",\n".join(_lines(name, types[name], seen[name], pools))
        + "\n    }\n  }"
        for name in sorted(types)
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def count() -> None:
    """Print how many configs of each package have a valid record, and why others do not."""
    from zoo.engine.records.config_values import record_parts
    from zoo.engine.records.forms import check_forms
    from zoo.errors import ZooError

    passed: Counter[str] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for name, config in iterate_configs():
        scope, model, pipeline = record_parts(config)
        package = name.partition("/")[0] if "/" in name else "zoo"
        try:
            check_forms(model, "model", "model", scope, name)
            for number, step in enumerate(pipeline):
                check_forms(step, "pipeline", f"pipeline.{number}", scope, name)
        except ZooError as error:
            refused[package, error.message] += 1
        else:
            passed[package] += 1
    for package, number in sorted(passed.items()):
        total = number + sum(n for (one, _), n in refused.items() if one == package)
        print(f"{package}: {number} of {total} pass")
    for (package, message), number in refused.most_common():
        print(f"{number:4} {package}: {message}")


def _lines(
    name: str, cls: type, seen: Mapping[str, Evidence], pools: Mapping[Any, Evidence]
) -> Iterator[str]:
    for key in sorted(seen):
        if _NEVER.fullmatch(key):
            continue
        form = _GIVEN.get(key) or _form(key, name, cls, seen[key], pools)
        if form:
            yield f'      "{key}": {json.dumps(form)}'


def _form(
    key: str, name: str, cls: type, own: Evidence, pools: Mapping[Any, Evidence]
) -> dict[str, Any]:
    """Return the form of a parameter, from its own evidence and that of its namesakes."""
    family, evidence = _family(name, cls), Evidence()
    evidence.merge(own)
    words = set(own.words)
    evidence.merge(pools.get((_package(cls), family, key), Evidence()))
    evidence.words = words or evidence.words
    if own.takes_types or not own.is_known:
        evidence.families |= pools.get((key,), Evidence()).families
    if not evidence.is_known and own.told is not None:
        evidence.merge(own.told)
    if evidence.whole and own.told is not None and own.told.number:
        evidence.number = evidence.number or [float(bound) for bound in evidence.whole]
    if key in _PARTS_OF_PIXELS:
        evidence.add(-1e4, None)
    if key == "padding_mode":
        evidence.words = set(_PADDING_MODES.get(family, ()))
    form = evidence.form()
    _add_words(key, form)
    return form


def _add_words(key: str, form: dict[str, Any]) -> None:
    """Add the words of the documentation, and wide bounds for channels, which weights limit."""
    if not set(_WORDS.get(key, ())).isdisjoint(form.get("words", ())):
        form["words"] = sorted({*form["words"], *_WORDS[key]})
    if "int" in form and key == "min_bbox_size":  # whole in shipped configs, 1e-3 in torchvision
        form["float"] = [float(bound) for bound in form.pop("int")]
    if "int" in form and key.endswith("channels"):
        form["int"] = [form["int"][0], max(form["int"][1], _CHANNELS)]
    if "list" in form:
        _add_words(key, form["list"])
    for inner, one in form.get("table", {}).items():
        _add_words(inner, one)
    if "nms" in form.get("table", {}).get("type", {}).get("words", ()):
        form["table"] = dict(sorted({**_SUPPRESSION, **form["table"]}.items()))


def _pools(
    types: Mapping[str, type], seen: Mapping[str, Mapping[str, Evidence]]
) -> dict[tuple[str, ...], Evidence]:
    """Return the evidence by package, family and parameter, and by parameter alone."""
    pools: dict[tuple[str, ...], Evidence] = {}
    for name, parameters in seen.items():
        cls = types[name]
        for key, evidence in parameters.items():
            if key in _HANDED_ON and _family(name, cls) == "models":
                _hand_on(evidence, pools.setdefault((_package(cls), "heads", key), Evidence()))
            for pool in ((_package(cls), _family(name, cls), key), (key,)):
                pools.setdefault(pool, Evidence()).merge(evidence)
    return pools


def _hand_on(evidence: Evidence, heads: Evidence) -> None:
    """Add what a detector passes to its heads: its table or those in it, even of several stages."""
    heads.is_none = True
    tables = [evidence, *(evidence.table or {}).values()]
    for one in (*tables, *(table.items for table in tables if table.items is not None)):
        if one is not None and one.table is not None:
            heads.merge(Evidence(table=one.table))
    for one in tables:
        if one.items is not None and one.items.table is not None:
            heads.merge(Evidence(items=one.items, most=one.most))


def _package(cls: type) -> str:
    package = cls.__module__.partition(".")[0]
    return package if package in ("mmdet", "mmseg") else "mmcv"


def _find_types() -> dict[str, type]:
    """Return the allowed types: ``scope.Name`` -> class."""
    return {
        full: cls
        for full, cls in _registered_classes()
        if _family(full, cls) and not _is_left_out(full.rpartition(".")[2], cls)
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
    for scope in SCOPES:
        module = importlib.import_module(f"{scope}.registry")
        for attribute in REGISTRIES:
            registry = getattr(module, attribute)
            registry.import_from_location()
            rows = registry.module_dict.items()
            found += [(f"{scope}.{name}", cls) for name, cls in rows if isinstance(cls, type)]
    return tuple(found)


def _family(name: str, cls: type) -> str:
    if name.rpartition(".")[2] in _LAYERS:
        return "layers"
    families = (family for pattern, family in _FAMILIES if re.search(pattern, cls.__module__))
    return next(families, "")


def _is_left_out(name: str, cls: type) -> bool:
    if _family(name, cls) == "transforms":
        return name not in _STEPS
    return any(re.search(pattern, cls.__module__) for pattern in _LEFT_OUT)


class _Resolver:
    """Resolve the name of a type in a record's scope."""

    def __init__(self, types: Mapping[str, type], scope: str = "") -> None:
        self._types, self._scope = types, scope

    def within(self, scope: str) -> _Resolver:
        """Return the same for a config of another default scope."""
        return _Resolver(self._types, scope)

    def find(self, name: Any) -> str | None:
        """Return the full name of a type on the list."""
        if not isinstance(name, str):
            return None
        prefix, _, last = name.rpartition(".")
        scopes = (prefix,) if prefix else (self._scope, "mmengine")
        return next((f"{one}.{last}" for one in scopes if f"{one}.{last}" in self._types), None)

    def __call__(self, name: Any) -> str | None:
        """Return a type's family, ``""`` if it is left out, None if no registry has it."""
        found = self.find(name)
        if found is not None:
            return _family(found, self._types[found])
        return "" if str(name).rpartition(".")[2] in _registered() else None

    def in_signature(self, name: Any) -> str:
        """Return the same for a default; unregistered names are errors of upstream."""
        families = {
            _family(full, cls) for full, cls in self._types.items() if full.endswith(f".{name}")
        }
        return min(families, default="")


@functools.cache
def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor, including those of its parents via ``**kwargs``."""
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
def _compared(cls: type) -> dict[str, set[str]]:
    """Return the words that a class's source compares its parameters with or uses as keys."""
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


def _iterate_records() -> Iterator[tuple[str, Any]]:
    """Yield ``(scope, config)`` of every shipped config: the model, then the pipeline."""
    from zoo.engine.records.config_values import plain_parts, record_parts

    for _, config in iterate_configs():
        scope, model, pipeline = record_parts(config)
        yield from ((scope, part) for part in (model, pipeline))
        # A record has no train_cfg, but a detector passes its parts to its heads when built.
        trained = {"type": model["type"], "train_cfg": config.model.get("train_cfg")}
        yield scope, plain_parts(trained, scope)


def iterate_configs() -> Iterator[tuple[str, Any]]:
    """Yield name and config of all readable configs with a model and a test pipeline."""
    from mmengine.config import Config

    from zoo.catalog import read_catalog
    from zoo.engine.config.reading import read_config

    sys.path.insert(0, str(ROOT / "benchmarks"))
    sweep_upstream = importlib.import_module("sweep_upstream")

    before = Path.cwd()
    for name, path in sweep_upstream.find_configs():
        # Configs of distillation name the teacher's config relative to the checkout.
        os.chdir(path.parents[len(path.parts) - path.parts.index(".mim") - 2])
        try:
            config = Config.fromfile(path)
        except (ImportError, OSError):  # a missing package or base
            continue
        config.setdefault("default_scope", name.partition("/")[0])
        if "model" in config and config.get("test_dataloader"):
            yield name, config
    os.chdir(before)
    for found in read_catalog().rows("config"):
        yield found.row.name, read_config(found.row.name, pretrained="none")


def _collect(node: Any, resolve: _Resolver, seen: dict[str, dict[str, Evidence]]) -> None:
    """Add the values of each type in a config."""
    if isinstance(node, Mapping):
        found = resolve.find(node.get("type"))
        for key, value in node.items():
            if found is not None and key != "type":
                seen[found].setdefault(key, Evidence()).add(value, resolve)
            _collect(value, resolve, seen)
    elif isinstance(node, (list, tuple)):
        for value in node:
            _collect(value, resolve, seen)


if __name__ == "__main__":
    main()
