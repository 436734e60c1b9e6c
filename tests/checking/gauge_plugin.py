# SPDX-License-Identifier: Apache-2.0
"""A plugin with weights whose score NumPy knows: one threshold, on grey noise that it labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["LEVEL", "mean_iou", "published", "write_gauge"]

LEVEL = 100.5
SEED, COUNT, SIDE_PX = 7, 4, 24
SAMPLE = f"""
import cv2
import numpy as np


def draw(seed, number):
    return np.random.default_rng([seed, number]).integers(0, 256, ({SIDE_PX}, {SIDE_PX}), np.uint8)


def write_sample(out, *, seed=0, count=None, progress=None):
    for number in range(count or 6):
        grey = draw(seed, number)
        for name, array in (("images", grey), ("masks", np.where(grey > 127, 1, 0))):
            (out / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(out / name / f"{{number}}.png"), array.astype(np.uint8))
"""
FILES = {
    "zoo_gauge/__init__.py": '"""Gauges."""\n\nimport zoo as zoo\n',
    "zoo_gauge/sample.py": SAMPLE,
    "zoo_gauge/prepare.py": """
from zoo.data import DatasetIdentity, Pair, Report, open_source, prepare_semantic


def prepare(source, out, *, shares, progress=None):
    with open_source(source) as opened:
        images = [file for file in opened.files() if file.folder.endswith("images")]
        return prepare_semantic(
            opened,
            out,
            dataset=DatasetIdentity("gauge", "GaugeDataset", "0.1.0"),
            pairs=[
                Pair(file.stem, file.stem, file.path, (file.path.replace("images", "masks"),))
                for file in images
            ],
            classes=["low", "high"],
            palette=[(0, 0, 0), (250, 200, 0)],
            encode_mask=lambda masks, _: (masks[0], []),
            shares=shares,
            report=Report(),
        )
""",
    "zoo_gauge/parts.py": """
import torch
from mmseg.datasets import BaseSegDataset
from mmseg.models import BaseSegmentor


class GaugeDataset(BaseSegDataset):
    METAINFO = dict(classes=('low', 'high'), palette=[[0, 0, 0], [250, 200, 0]])

    def __init__(self, **kwargs):
        kwargs = dict(img_suffix='.png', seg_map_suffix='.png') | kwargs
        super().__init__(**kwargs)


class Threshold(BaseSegmentor):
    align_corners = False

    def __init__(self):
        super().__init__(data_preprocessor=dict(type='SegDataPreProcessor'))
        self.level = torch.nn.Parameter(torch.tensor(127.5))

    def predict(self, inputs, data_samples=None):
        above = inputs.mean(1, keepdim=True) - self.level
        return self.postprocess_result(torch.cat([-above, above], 1), data_samples)

    def extract_feat(self, inputs): raise NotImplementedError
    def encode_decode(self, inputs, data_samples): raise NotImplementedError
    def loss(self, inputs, data_samples): raise NotImplementedError
    def _forward(self, inputs, data_samples=None): raise NotImplementedError
""",
    "zoo_gauge/convert.py": """
def old_gauge(state_dict):
    return {"level": state_dict["cut"]}
""",
    "zoo_gauge/configs/gauge-24.py": f"""
default_scope = 'mmseg'
model = dict(type='zoo.gauge.Threshold')
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='zoo.gauge.GaugeDataset',
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        ann_file='splits/test.txt',
        pipeline=test_pipeline))
test_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_cfg = dict(type='TestLoop')
crop_size = ({SIDE_PX}, {SIDE_PX})
""",
    "tests/test_gauge.py": """
import torch
from zoo.testing import PluginConformance


class TestGauge(PluginConformance):
    plugin = "gauge"

    def make_state_dict(self, name):
        return {"cut": torch.tensor(3.0)}
""",
    "pyproject.toml": '[project]\nname = "mmzoo-gauge"\nversion = "0.1.0"\n',
}
MANIFEST = """
[plugin]
name = "gauge"
version = "0.1.0"
api = 1
summary = "gauges"
license = "Apache-2.0"

[[dataset]]
name = "GaugeDataset"
task = "semantic"
target = "zoo_gauge.parts:GaugeDataset"
prepare = "zoo_gauge.prepare:prepare"
sample = "zoo_gauge.sample:write_sample"
classes = ["low", "high"]
licence = "CC0-1.0"

[[model]]
name = "Threshold"
target = "zoo_gauge.parts:Threshold"

[[converter]]
name = "old_gauge"
target = "zoo_gauge.convert:old_gauge"
version = 1

[[config]]
name = "gauge-24"
file = "configs/gauge-24.py"

[[weights]]
name = "gauge_of_old"
task = "semantic"
config = "gauge-24"
urls = ["https://example.org/gauge.pth"]
sha256_prefix = "0123456789"
format = "pth"
licence = "Apache-2.0"
data_licence = "CC0-1.0"
parameters = 1
converter = "old_gauge"
classes = ["low", "high"]

"""
RECIPE = """
[[recipe]]
weights = "gauge"
dataset = "drawn gauges"
split = "test"
tolerance = 0.01

[recipe.sample]
dataset = "gauge"
seed = {seed}
count = {count}

[recipe.prepare]
dataset = "gauge.GaugeDataset"
shares = "0,0,1"
digest = "{digest}"
"""


def mean_iou() -> float:
    """Return the mIoU in percent of the threshold on the sample, worked out in NumPy."""
    import numpy as np

    grey = np.stack(
        [
            np.random.default_rng([SEED, number]).integers(0, 256, (SIDE_PX, SIDE_PX), np.uint8)
            for number in range(COUNT)
        ]
    )
    found, truth = grey > LEVEL, grey > 127
    shares = [
        (found & truth).sum() / (found | truth).sum() for found, truth in _sides(found, truth)
    ]
    return float(100 * sum(shares) / 2)


def _sides(found: Any, truth: Any) -> list[tuple[Any, Any]]:
    return [(found, truth), (~found, ~truth)]


def metric(name: str, value: float, **more: str) -> dict[str, Any]:
    """Return one value of the row."""
    known = {"dataset": "drawn gauges", "split": "test", "labels": "synthetic"}
    return {"name": name, "value": value, "unit": "percent", "protocol": "zoo test"} | known | more


def published(path: Path, metrics: Sequence[Mapping[str, Any]], **record: Any) -> str:
    """Write the file of the weights, and return its row.

    Args:
        path: The file.
        metrics: Values that file and row state.
        record: What the record of the file states otherwise.
    """
    import torch

    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.publishing.row import Published
    from zoo.engine.records.record import ModelRecord

    made = ModelRecord(
        **{
            "name": "gauge",
            "task": "semantic",
            "scope": "mmseg",
            "model": {"type": "zoo.gauge.Threshold"},
            "pipeline": [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}],
            "classes": ("low", "high"),
            "palette": ((0, 0, 0), (250, 200, 0)),
            "labels": "synthetic",
            "licence": "Apache-2.0",
            "data_licence": "CC0-1.0",
            "trained_with": "gauge-24",
            "parameters": 1,
            "metrics": tuple(metrics),
            "provenance": {},
            **record,
        }
    )
    write_published(path, {"level": torch.tensor(LEVEL)}, made)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    urls = (f"package:{path.name}",)
    return Published(path, digest, len(data), made, urls).manifest_row()


def write_gauge(
    folder: Path,
    metrics: Sequence[Mapping[str, Any]],
    *,
    record: Mapping[str, Any] | None = None,
    manifest: tuple[str, str] = ("", ""),
    **files: tuple[str, str],
) -> Path:
    """Write the plugin, and return its project.

    Args:
        folder: A new folder, which ``ZOO_PLUGIN_PATH`` names.
        metrics: Values that the file of the weights and its row state.
        record: What the record in the file states otherwise.
        manifest: A text of the manifest, and what takes its place.
        files: Module -> a text of it, and what takes its place.
    """
    from zoo.catalog import forget_catalog
    from zoo.data.layout.splits import digest_of

    for name, text in FILES.items():
        old, new = files.get(Path(name).stem, ("", ""))
        assert old in text
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    package = folder / "zoo_gauge"
    (package / "zoo_plugin.toml").write_text(MANIFEST, encoding="utf-8")
    forget_catalog()  # which must know the types of the record
    text = MANIFEST + published(package / "gauge.safetensors", metrics, **(record or {}))
    assert manifest[0] in text
    text = text.replace(*manifest) if manifest[0] else text
    (package / "zoo_plugin.toml").write_text(text, encoding="utf-8")
    digest = digest_of([str(number) for number in range(COUNT)])
    recipe = RECIPE.format(seed=SEED, count=COUNT, digest=digest)
    (package / "reproduce.toml").write_text(recipe, encoding="utf-8")
    return folder
