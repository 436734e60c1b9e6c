# SPDX-License-Identifier: Apache-2.0
"""Write the shelf of OpenMMLab files of which a living host lists a copy.

    python plugins/openmmlab_index/generate_living.py [--out FILE] [--check]

Backbones are those of mmengine's tables of ``open-mmlab://`` and ``mmcls://`` names; the copies
are those of one repository on the Hugging Face hub, whose list of files names them. That each file
is there was not tried; the digits in its name are the judge of what comes. Whole checkpoints were
seen with their full digests. ``--check`` writes nothing and exits with 1 if the file differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

PACKAGE = Path(__file__).parent / "zoo_openmmlab_index"
HUB = "https://huggingface.co/GeorgePearse/visdet-weights/resolve/main"
LIST = (
    "the list of files in visdet/engine/hub/huggingface.json of BinItAI/visdet at f72e8d1c; "
    "that each file is there was not tried"
)
# Table of mmengine -> folder of the copies, and the scheme of its names.
TABLES = {"openmmlab": "open-mmlab", "mmcls": "mmcls"}
NOT_LISTED = ("jhu/resnext101_32x4d_gn_ws",)
DIGITS = re.compile(r"-([0-9a-f]{8})\.pth$")
UNKNOWN = "not stated (Apache-2.0 if OpenMMLab trained it, otherwise a third party's)"
ADE20K, CITYSCAPES, COCO = "ADE20K", "Cityscapes", "COCO"

# Whole checkpoints: former address, living address, full digest, size, and parameters as counted
# in the model that the config builds.
WHOLE: tuple[dict[str, Any], ...] = (
    {
        "name": "beit-large_upernet_8xb1-amp-160k_ade20k-640x640",
        "task": "semantic",
        "config": "mmseg::beit/beit-large_upernet_8xb1-amp-160k_ade20k-640x640.py",
        "urls": [
            "hf://TopCoderTv/corn@110c89fdc819c44123aa8bfa9547603b74ee450e/"
            "upernet_beit-large_fp16_8x1_640x640_160k_ade20k-8fc0dd5d-001.pth"
        ],
        "sha256": "8fc0dd5dda481360103d0add43f087f7b821bdb3e569fa78862738b10215079c",
        "size_bytes": 2257545063,
        "parameters": 441271084,
        "metrics": [("mIoU", 56.33, ADE20K)],
        "data_licence": "not stated upstream",
    },
    {
        "name": "fcn_hr48_4xb2-40k_cityscapes-512x1024",
        "task": "semantic",
        "config": "mmseg::hrnet/fcn_hr48_4xb2-40k_cityscapes-512x1024.py",
        "urls": [
            "hf://ndkhanh95/HRNetCollection@6aa574f62466946f9dfb85151aa366ccd572d377/"
            "fcn_hr48_512x1024_40k_cityscapes_20200601_014240-a989b146.pth"
        ],
        "sha256": "a989b1460f37e37aa64c8b133b92778870c7fdff78f0f91c6bcf61c0292eb825",
        "size_bytes": 264102996,
        "parameters": 65858659,
        "metrics": [("mIoU", 78.48, CITYSCAPES)],
        "data_licence": "Cityscapes: non-commercial",
    },
    {
        "name": "faster-rcnn_r50_fpn_1x_coco",
        "task": "detection",
        "config": "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
        "urls": [
            "hf://spaces/Source4/yuan@31cd0e61b924168e34de014896891e9399a6f69c/"
            "faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth"
        ],
        "sha256": "047c8118fc5ca88ba5ae1fab72f2cd6b070501fe3af2f3cba5cfa9a89b44b03e",
        "size_bytes": 167287506,
        "parameters": 41753056,
        "metrics": [("box AP", 37.4, COCO)],
        "data_licence": "not stated upstream",
    },
)


def backbones() -> list[dict[str, Any]]:
    """Return a row for each name of mmengine's tables that the list has and whose digits help."""
    spec = find_spec("mmengine")
    if spec is None or spec.origin is None:
        message = "mmengine is not installed"
        raise SystemExit(message)
    rows: dict[str, dict[str, Any]] = {}
    for table, scheme in TABLES.items():
        path = Path(spec.origin).parent / "hub" / f"{table}.json"
        for name, url in json.loads(path.read_text("utf-8")).items():
            file = PurePosixPath(url).name
            digits = DIGITS.search(file)
            if digits is None or name in NOT_LISTED:
                continue
            slug = f"{scheme.replace('-', '')}_{name.replace('/', '_')}"
            rows[slug] = {
                "name": slug,
                "task": "backbone",
                "urls": [f"{HUB}/{table}/{file}"],
                "sha256_prefix": digits[1],
                "format": "pth",
                "licence": UNKNOWN,
                "data_licence": "not stated upstream",
                "replaces": [f"{scheme}://{name}", url],
                "source": LIST,
            }
    return [rows[name] for name in sorted(rows)]


def whole_checkpoints() -> list[dict[str, Any]]:
    """Return the rows of whole checkpoints, each with its former address from the legacy index."""
    index = json.loads((PACKAGE / "openmmlab.json").read_text("utf-8"))
    columns = index["columns"]
    former = {row[columns.index("name")]: row[columns.index("url")] for row in index["rows"]}
    return [
        {
            **row,
            "format": "pth",
            "licence": "Apache-2.0",
            "non_commercial": False,
            "metrics": [published(*metric) for metric in row["metrics"]],
            "replaces": [former[row["name"]]],
            "source": "the page of its commit, which states the digest",
        }
        for row in WHOLE
    ]


def published(name: str, value: float, dataset: str) -> dict[str, Any]:
    """Return a metric as a row states it.

    Args:
        name: Name of the metric.
        value: Percent.
        dataset: Data set.
    """
    return {
        "name": name,
        "value": value,
        "dataset": dataset,
        "split": "val",
        "labels": "true",
        "protocol": "as upstream states it",
        "unit": "percent",
        "published": "the model index of mmdetection and mmsegmentation",
    }


def shelf_text() -> str:
    """Return the shelf, one row per line, so that a change is a readable diff."""
    rows = [*whole_checkpoints(), *backbones()]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{{"format": 1, "weights": [\n{lines}\n]}}\n'


def main() -> int:
    """Write the file, or compare it with ``--check``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PACKAGE / "living.json")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    text = shelf_text()
    if args.check:
        same = args.out.is_file() and args.out.read_text("utf-8") == text
        sys.stdout.write("the shelf is up to date\n" if same else f"{args.out} differs\n")
        return 0 if same else 1
    args.out.write_text(text, "utf-8")
    sys.stdout.write(f"{args.out}: {text.count(chr(10)) - 2} rows\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
