# SPDX-License-Identifier: Apache-2.0
"""Write ``zoo/engine/records/record_types.json``: the types allowed in a published model's record.

    python tools/record_types.py            # writes the file
    python tools/record_types.py --check    # exits with 1 if the file differs
    python tools/record_types.py --count    # counts the shipped configs whose records pass

The list contains the parts of models and the steps of test pipelines that mmcv, mmdet and
mmsegmentation register, except those that `listed_types` leaves out. Allowed values are those of
every shipped config and of this repository's configs, the defaults of the signatures, and the words
that upstream's code compares a parameter with; numbers have bounds a few times wider.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evidence import Evidence
from listed_types import Resolver, compared, family_of, find_types, parameters_of
from shipped_configs import iterate_configs, iterate_records

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "zoo" / "engine" / "records" / "record_types.json"

# Parameters that name a place, a library or a model to download. Never allowed in a record.
_NEVER = re.compile(
    r"init_cfg|pretrained\w*|\w*checkpoint\w*|\w*ckpt\w*|\w*_?(path|file|filename|url|dir|root)"
    r"|(im)?decode_backend|backend_args|file_client_args|resize_type|logger|device|dtype"
    r"|\w*tokenizer\w*|\w*vocab\w*|lang\w*|model_name|name|teacher\w*|dataset_name|data_root"
)
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
    types = find_types()
    resolve = Resolver(types)
    seen = {name: {key: Evidence() for key in parameters_of(cls)} for name, cls in types.items()}
    for name, cls in types.items():
        for key, parameter in parameters_of(cls).items():
            seen[name][key].add_signature(parameter, resolve.in_signature)
            seen[name][key].words |= compared(cls).get(key, set())
    for scope, node in iterate_records():
        _collect(node, resolve.within(scope), seen)
    pools = _pools(types, seen)
    rows = [
        f'  "{name}": {{\n    "family": "{family_of(name, types[name])}",\n    "parameters": {{\n'
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
    family, evidence = family_of(name, cls), Evidence()
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
            if key in _HANDED_ON and family_of(name, cls) == "models":
                _hand_on(evidence, pools.setdefault((_package(cls), "heads", key), Evidence()))
            for pool in ((_package(cls), family_of(name, cls), key), (key,)):
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


def _collect(node: Any, resolve: Resolver, seen: dict[str, dict[str, Evidence]]) -> None:
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
