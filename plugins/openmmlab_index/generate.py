# SPDX-License-Identifier: Apache-2.0
"""Write the index of the checkpoints of the installed mmdet and mmsegmentation.

    python plugins/openmmlab_index/generate.py [--out FILE] [--check]

Reads ``.mim/model-index.yml`` of both packages and the metafiles that it imports; takes facts, no
texts. The output is reproducible. ``--check`` writes nothing and exits with 1 if the file differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PACKAGES = {"mmdet": "mmdet", "mmseg": "mmsegmentation"}
COLUMNS = (
    "name",
    "task",
    "tasks",
    "config",
    "architecture",
    "datasets",
    "metrics",
    "memory_gb",
    "url",
    "sha256_prefix",
    "note",
)
# Upstream's names of tasks -> ours; a model is listed under the first of its tasks.
TASKS = {
    "Semantic Segmentation": "semantic",
    "Instance Segmentation": "instance",
    "Panoptic Segmentation": "panoptic",
    "Video Instance Segmentation": "video",
    "Multiple Object Tracking": "tracking",
    "Multi-object Tracking": "tracking",
    "Object Detection": "detection",
    "Semi-Supervised Object Detection": "detection",
    "Region Proposal": "proposal",
    "Depth Estimation": "depth",
}
MEMORY = ("Training Memory (GB)", "Memory (GB)")
# Config names in upstream's index that its wheel spells differently.
RESPELLED = {
    "configs/deeplabv3plus/ddeeplabv3plus_r101-d16-mg124_4xb2-40k_cityscapes-512x1024.py": (
        "configs/deeplabv3plus/deeplabv3plus_r101-d16-mg124_4xb2-40k_cityscapes-512x1024.py"
    ),
    "configs/emanet/eemanet_r50-d8_4xb2-80k_cityscapes-512x1024.py": (
        "configs/emanet/emanet_r50-d8_4xb2-80k_cityscapes-512x1024.py"
    ),
    "configs/poolformer/fpn_poolformer_s36_8xb4-40k_ade20k-512x512.py": (
        "configs/poolformer/fpn_poolformer_s36_8x4_512x512_40k_ade20k.py"
    ),
}
HOST = "download.openmmlab.com"
OTHER_HOSTS = ("github.com",)
# Every other metric of the index is percent.
PLAIN_NUMBERS = ("RMSE",)
DIGITS = re.compile(r"-([0-9a-f]{8})\.pth$")


@dataclass(frozen=True)
class Row:
    """One file of one model, in the order of ``COLUMNS``."""

    name: str
    task: str
    tasks: tuple[str, ...]
    config: str | None
    architecture: tuple[str, ...]
    datasets: tuple[str, ...]
    metrics: tuple[tuple[str, float, str], ...]
    memory_gb: float | None
    url: str
    sha256_prefix: str | None
    note: str | None


def read_rows(package: str) -> Iterator[Row]:
    """Yield a package's rows, in the order of its index.

    Args:
        package: Name of the installed package, ``mmdet`` or ``mmseg``.
    """
    import yaml  # installed with mmengine; zoo itself reads no YAML

    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"{package} is not installed"
        raise SystemExit(message)
    root = Path(spec.submodule_search_locations[0]) / ".mim"
    index = yaml.safe_load((root / "model-index.yml").read_text("utf-8"))
    for name in index["Import"]:
        document = yaml.safe_load((root / name).read_text("utf-8"))
        models = document if isinstance(document, list) else document.get("Models") or []
        for model in models:
            if model.get("Weights"):
                yield from rows_of(package, root, Path(name).parent.as_posix(), model)


def rows_of(package: str, root: Path, folder: str, model: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row for each file of a model; trackers have several.

    Args:
        package: Name of the package.
        root: Its folder ``.mim``.
        folder: Folder of the metafile, relative to ``root``.
        model: Entry of the metafile.
    """
    results = model["Results"] if isinstance(model["Results"], list) else [model["Results"]]
    tasks = {TASKS[result["Task"]] for result in results}
    ordered = tuple(task for task in dict.fromkeys(TASKS.values()) if task in tasks)
    config, notes = config_of(package, root, folder, model["Config"])
    datasets, more = datasets_of(results, model["Config"])
    facts = model.get("Metadata") or {}
    urls = model["Weights"] if isinstance(model["Weights"], list) else [model["Weights"]]
    for number, url in enumerate(urls, 1):
        digits = DIGITS.search(url)
        said = [*notes, *more, *url_notes(url)]
        if len(urls) > 1:
            said.append(f"part {number} of {len(urls)} of {model['Name']}")
        yield Row(
            name=model["Name"] if len(urls) == 1 else f"{model['Name']}-part{number}",
            task=ordered[0],
            tasks=ordered,
            config=config,
            architecture=tuple(
                dict.fromkeys([model["In Collection"], *(facts.get("Architecture") or ())])
            ),
            datasets=tuple(dict.fromkeys(datasets)),
            metrics=tuple(
                (str(name), float(value), dataset)
                for result, dataset in zip(results, datasets, strict=True)
                for name, value in (result.get("Metrics") or {}).items()
            ),
            memory_gb=next((float(facts[key]) for key in MEMORY if key in facts), None),
            url=url,
            sha256_prefix=digits[1] if digits else None,
            note="; ".join(said) or None,
        )


def config_of(package: str, root: Path, folder: str, stated: str) -> tuple[str | None, list[str]]:
    """Return zoo's name of a config, ``mmseg::unet/x.py``, and notes on what was corrected.

    The index writes 12 configs as URLs (``gn%2Bws``), two without their folder, three with a
    folder that has moved, and three misspelled.

    Args:
        package: Name of the package.
        root: Its folder ``.mim``.
        folder: Folder of the metafile, relative to ``root``.
        stated: The config in the metafile.

    Returns:
        The name, or None if the wheel has no such config; and the notes.
    """
    candidates = [stated, unquote(stated), f"{folder}/{stated}", RESPELLED.get(stated, stated)]
    candidates += [f"{folder}/{Path(stated).name}"]
    for candidate in candidates:
        if (root / candidate).is_file():
            notes = [] if candidate == stated else [f"upstream's index names the config {stated}"]
            return f"{package}::{candidate.removeprefix('configs/')}", notes
    return None, [f"upstream's index names the config {stated}, which its wheel lacks"]


def datasets_of(results: list[Mapping[str, Any]], config: str) -> tuple[list[str], list[str]]:
    """Return the data set of each result, and notes; 12 of HRNet's rows have a heading instead.

    Args:
        results: ``Results`` of a model in the metafile.
        config: Name of its config.
    """
    names, notes = [], []
    for result in results:
        name = str(result["Dataset"])
        if name.startswith("#"):
            if "_cityscapes-" not in config:
                message = f"no data set is known for {config}: the index says {name!r}"
                raise SystemExit(message)
            notes.append(f"upstream's index names the data set {name!r}; this is its config's")
            name = "Cityscapes"
        names.append(name)
    return names, notes


def url_notes(url: str) -> list[str]:
    """Return notes on what is wrong with a URL.

    Args:
        url: URL of a checkpoint.
    """
    notes = []
    host = urlsplit(url).hostname or ""
    if host not in (HOST, *OTHER_HOSTS):
        notes.append(f"the address is corrupt in upstream's index: no such host as {host}")
    if DIGITS.search(url) is None:
        notes.append("published without digits of its sha256: no copy can be verified by its name")
    return notes


def unique(rows: list[Row]) -> list[Row]:
    """Drop repeated rows, and add the hash digits to the names of files that share a name.

    Args:
        rows: All rows, in order.
    """
    kept = list({(row.name, row.url): row for row in rows}.values())
    counts = Counter(row.name for row in kept)
    told = [
        replace(
            row,
            name=f"{row.name}-{row.sha256_prefix}",
            note="; ".join(filter(None, [row.note, "upstream gives this name to two files"])),
        )
        if counts[row.name] > 1
        else row
        for row in kept
    ]
    return sorted(told, key=lambda row: row.name)


def index_text() -> str:
    """Return the index, one row per line, so that a new release is a readable diff."""
    rows = unique([row for package in PACKAGES for row in read_rows(package)])
    names = {name for row in rows for name, _, _ in row.metrics}
    head = {
        "format": 1,
        "sources": [f"{name} {version(name)}" for name in PACKAGES.values()],
        "licence": "Apache-2.0, as upstream's code",
        "data_licence": "not stated upstream",
        "units": dict.fromkeys(sorted(names - set(PLAIN_NUMBERS)), "percent"),
        "columns": list(COLUMNS),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    cells = [[getattr(row, column) for column in COLUMNS] for row in rows]
    texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in cells]
    return "\n".join(["{", *lines, '"rows": [', ",\n".join(texts), "]", "}", ""])


def main() -> int:
    """Write the file, or compare it with ``--check``."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "zoo_openmmlab_index" / "openmmlab.json"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    text = index_text()
    if args.check:
        same = args.out.is_file() and args.out.read_text("utf-8") == text
        sys.stdout.write("the index is that of the wheels\n" if same else f"{args.out} differs\n")
        return 0 if same else 1
    args.out.write_text(text, "utf-8")
    rows = len(json.loads(text)["rows"])
    sys.stdout.write(f"{args.out}: {rows} rows, {len(text.encode())} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
