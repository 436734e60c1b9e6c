# SPDX-License-Identifier: Apache-2.0
"""Small valid documents of each kind, for tools that mutate them."""

from __future__ import annotations

__all__ = [
    "CLASSES",
    "COCO",
    "ENTRY_POINTS",
    "HEADER",
    "INDEX",
    "LOCK",
    "LOG",
    "MANIFEST",
    "TEST_FILE",
]

HEADER = {
    "name": "hostile",
    "version": "0.1.0",
    "api": 1,
    "summary": "a summary",
    "license": "MIT",
    "homepage": "https://example.org",
}
WEIGHTS = {
    "name": "w",
    "task": "semantic",
    "config": "c",
    "urls": ["https://example.org/w.safetensors", "package:w.safetensors"],
    "sha256": "ab" * 32,
    "size_bytes": 10,
    "format": "safetensors",
    "licence": "MIT",
    "data_licence": "MIT",
    "parameters": 20,
    "metrics": [
        {
            "name": "dice",
            "value": 0.5,
            "dataset": "x",
            "split": "test",
            "labels": "true",
            "protocol": "p",
        }
    ],
}
OPTIONS = [
    {"name": "o", "type": "choice", "choices": ["a", "b"], "default": "a", "help": "h"},
    {"name": "p", "type": "int", "default": 3, "multiple": False, "help": "h"},
]
DATASET = {
    "name": "D",
    "task": "semantic",
    "target": "zoo_hostile.d:D",
    "licence": "MIT",
    "prepare": "zoo_hostile.d:prepare",
    "classes": ["a", "b"],
    "labels": "derived",
    "shares": "0.9,0.1,0",
    "option": OPTIONS,
}
MANIFEST = {
    "plugin": HEADER,
    "requires": {"distributions": ["mmsegmentation>=1.2,<2", "pytest; os_name == 'posix'"]},
    "dataset": [DATASET],
    "loss": [{"name": "L", "target": "zoo_hostile.d:L", "summary": "s"}],
    "weight_initializer": [{"name": "I", "target": "zoo_hostile.d:I", "pretrained": True}],
    "config": [{"name": "c", "file": "c.py", "summary": "s"}],
    "weights": [WEIGHTS],
    "legacy_index": [{"file": "old.json"}],
}
COLUMNS = "name task tasks config architecture datasets metrics memory_gb url sha256_prefix note"
ROW = [
    *("old", "semantic", ["semantic"], "mmseg::unet/x.py", ["UNet"], ["d"], [["mIoU", 70.5, "d"]]),
    *(3.5, "https://example.org/old-5daf6d3b.pth", "5daf6d3b", None),
]
INDEX = {
    "format": 1,
    "sources": ["mmseg"],
    "licence": "MIT",
    "data_licence": "MIT",
    "columns": COLUMNS.split(),
    "rows": [ROW, ["older", *ROW[1:]]],
}
PIN = {
    "name": "old",
    "plugin": "hostile",
    "sha256": "ab" * 32,
    "size_bytes": 8,
    "source_sha256": "cd" * 32,
    "source_size_bytes": 16,
    "parameters": 2,
}
LOCK = {"format": 1, "weights": [PIN]}
TEST_FILE = {
    "schema": "zoo.test/1",
    "checkpoint": "best.pth",
    "checkpoint_sha256": "ef" * 32,
    "split": "test",
    "tta": False,
    "cfg_options": [],
    "evaluator": "IoUMetric",
    "data": {"name": "x", "labels": "true", "splits": {"test": {"count": 2, "digest": "ab" * 32}}},
    "metrics": {"dice": 0.5, "iou": 0.25},
    "images": {"count": 2, "digest": "ab" * 32, "contents": {"a": ["ab"], "b": ["cd"]}},
    "per_image": [
        {"file": "a.png", "values": {"dice": 0.5}},
        {"file": "b.png", "values": {"dice": 0.6}},
    ],
}
LOG = [
    {"lr": 0.1, "loss": 1.5, "iter": 1, "step": 1, "epoch": 1, "memory": 3},
    {"lr": 0.1, "loss": 0.5, "iter": 2, "step": 2, "epoch": 1},
    {"val/dice": 0.5, "mIoU": 60.0, "step": 1},
]
CLASSES = {
    "class": [
        {"name": "ground", "value": 0, "color": "#000000"},
        {"name": "pond", "value": [1, 2], "color": [0, 100, 200]},
    ],
    "ignore": [255],
}
COCO = {
    "info": {"labels": "true"},
    "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
    "categories": [{"id": 1, "name": "tank"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "area": 8,
            "bbox": [1, 1, 4, 4],
            "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]],
        },
        {
            "id": 2,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 1,
            "area": 200,
            "bbox": [0, 0, 20, 10],
            "segmentation": {"counts": [0, 200], "size": [10, 20]},
        },
    ],
}
ENTRY_POINTS = "[console_scripts]\nx = y:z\n\n[zoo.plugins]\nwheel = zoo_wheel\n"
