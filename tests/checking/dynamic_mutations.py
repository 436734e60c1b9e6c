# SPDX-License-Identifier: Apache-2.0
"""A plugin whose rows do what they must when they are called, and what breaks one rule of it."""

from __future__ import annotations

from typing import NamedTuple

FILES = {
    "zoo_reef/zoo_plugin.toml": """
[plugin]
name = "reef"
version = "0.1.0"
api = 1
summary = "corals"
license = "Apache-2.0"

[[loss]]
name = "EdgeLoss"
target = "zoo_reef.loss:EdgeLoss"

[[loss]]
name = "MaskEdge"
target = "zoo_reef.loss:MaskEdge"

[[hook]]
name = "Counter"
target = "zoo_reef.hook:Counter"

[[metric]]
name = "Hits"
target = "zoo_reef.metric:Hits"
direction = "higher"

[[model]]
name = "Net"
target = "zoo_reef.model:Net"

[[transform]]
name = "Mirror"
target = "zoo_reef.transform:Mirror"

[[command]]
name = "count-corals"
target = "zoo_reef.command:command"
""",
    "zoo_reef/__init__.py": '"""Corals."""\n\nimport zoo as zoo\n',
    "zoo_reef/loss.py": """
import torch
import torch.nn.functional as F


class EdgeLoss(torch.nn.Module):
    loss_name = 'loss_edge'

    def forward(self, pred, target, weight=None, ignore_index=255):
        kept = target != ignore_index
        scores = pred if pred.dtype == torch.float64 else pred.float()
        value = F.cross_entropy(scores, target, ignore_index=ignore_index, reduction='sum')
        return value / kept.sum().clamp(min=1)


class MaskEdge(torch.nn.Module):
    def forward(self, pred, target, labels):
        planes = pred[torch.arange(len(labels)), labels]
        return F.binary_cross_entropy_with_logits(planes, target)
""",
    "pyproject.toml": '[project]\nname = "mmzoo-reef"\nversion = "0.1.0"\n',
    "tests/test_reef.py": """
from zoo.testing import PluginConformance


class TestReef(PluginConformance):
    plugin = "reef"
    mask_settings = {"MaskEdge": [{}]}
""",
    "zoo_reef/hook.py": """
from mmengine.hooks import Hook


class Counter(Hook):
    steps = 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps += 1
""",
    "zoo_reef/model.py": """
import torch
import torch.nn.functional as F


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.down = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.up = torch.nn.Conv2d(7, 2, 1)
        self.register_buffer('scale', torch.ones(1))

    def forward(self, x):
        low = F.interpolate(self.down(x), size=x.shape[2:])
        return (self.scale * self.up(torch.cat([low, x], 1)),)
""",
    "zoo_reef/metric.py": """
from mmengine.evaluator import BaseMetric


class Hits(BaseMetric):
    default_prefix = ''

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            hits = sample['pred_sem_seg']['data'] == sample['gt_sem_seg']['data']
            value = float(hits.float().mean())
            self.results.append({'file': sample['img_path'], 'values': {'hits': value}})

    def compute_metrics(self, results):
        self.images = list(results)
        return {'hits': sum(entry['values']['hits'] for entry in results) / len(results)}

    def per_image_values(self):
        return self.images
""",
    "zoo_reef/transform.py": """
from mmcv.transforms import BaseTransform


class Mirror(BaseTransform):
    def __init__(self):
        self.axis = 1

    def transform(self, results):
        for key in ('img', *results.get('seg_fields', ())):
            results[key] = results[key][:, ::-1].copy()
        return results
""",
    "zoo_reef/command.py": """
import click


@click.command()
def command():
    "Count corals."
""",
}


class Mutation(NamedTuple):
    """What breaks one rule: a text of a module of the plugin, and what takes its place.

    ``row`` is in the names of the rows that the text can touch: by itself, the name of the module.
    """

    rule: str
    module: str
    old: str
    new: str
    told: str
    level: str = "error"
    row: str = ""


MUTATIONS = {
    "module that fails": Mutation(
        "ZP501", "loss", "import torch\n", "import torch\n\n1 / 0\n", "ZeroDivisionError"
    ),
    "metric without its methods": Mutation(
        "ZP502", "metric", "(BaseMetric)", "(object)", "it lacks evaluate"
    ),
    "package without zoo": Mutation(
        "ZP503", "__init__", "import zoo as zoo", "import os", "does not import zoo"
    ),
    "package with torch": Mutation(
        "ZP503", "__init__", "import zoo as zoo", "import torch, zoo", "imports torch"
    ),
    "class that is another each time": Mutation(
        "ZP504",
        "loss",
        "class EdgeLoss(torch.nn.Module):",
        "def __getattr__(name):\n    if name != 'EdgeLoss':\n"
        "        raise AttributeError(name)\n    return type(name, (_Edge,), {})\n\n\n"
        "class _Edge(torch.nn.Module):",
        "in mmengine, expected",
    ),
    "test that cannot be imported": Mutation(
        "ZP506",
        "../tests/test_reef.py",
        "from zoo.testing",
        "import no_such_module\nfrom zoo.testing",
        "no_such_module",
        row="test_reef",
    ),
    "hook that needs an argument": Mutation(
        "ZP700",
        "hook",
        "    steps = 0\n",
        "    steps = 0\n\n    def __init__(self, every):\n        self.every = every\n",
        "Counter needs every",
        "note",
    ),
    "loss of one entry": Mutation(
        "ZP702", "loss", "clamp(min=1)", "clamp(min=1).reshape(1)", "the shape (1,)"
    ),
    "loss of a value for each pixel": Mutation(
        "ZP707",
        "loss",
        "with_logits(planes, target)",
        "with_logits(planes, target, reduction='none')",
        "it returns 100 values in a mask head, expected one",
    ),
    "hook of few arguments": Mutation(
        "ZP722",
        "hook",
        "    def after_train_iter",
        "    def after_test_iter(self, runner):\n        pass\n\n    def after_train_iter",
        "after_test_iter cannot take",
    ),
    "command of a name of zoo's": Mutation(
        "ZP752",
        "zoo_plugin.toml",
        'name = "count-corals"',
        'name = "list"',
        "zoo list is another command",
        row="command",
    ),
    "slow module": Mutation(
        "ZP505",
        "hook",
        "class Counter",
        "import time\ntime.sleep(1.5)\n\n\nclass Counter",
        "takes",
        "warning",
    ),
    "loss without loss in its name": Mutation(
        "ZP701", "loss", "'loss_edge'", "'edge'", "mmengine trains on names with 'loss'"
    ),
    "loss that learns from ignored pixels": Mutation(
        "ZP703",
        "loss",
        "value / kept",
        "(value + 0.01 * scores.square().mean()) / kept",
        "ignored pixels",
    ),
    "loss that divides by nothing": Mutation(
        "ZP704", "loss", ".clamp(min=1)", "", "every pixel 255: it returns nan"
    ),
    "loss in half precision": Mutation(
        "ZP705",
        "loss",
        "        kept =",
        "        if pred.dtype == torch.bfloat16:\n"
        "            return pred.exp().exp().sum()\n        kept =",
        "in bfloat16",
    ),
    "loss without weights": Mutation(
        "ZP706",
        "loss",
        "        kept =",
        "        if weight is not None:\n            raise TypeError('no weights')\n        kept =",
        "no weights",
    ),
    "loss with another gradient": Mutation(
        "ZP708",
        "loss",
        "return value",
        "value = value + value.detach() * (scores.sum() * 0 + 1) * 0 + "
        "(2 * value - 2 * value.detach())\n        return value",
        "not that of its value",
    ),
    "loss that overflows": Mutation(
        "ZP709",
        "loss",
        "return value /",
        "return value / (scores.detach().abs().max() < 5000) /",
        "scores of 10000",
    ),
    "hook with a priority beyond the last": Mutation(
        "ZP721", "hook", "steps = 0", "steps = 0\n    priority = 1000", "priority"
    ),
    "hook that stops validation": Mutation(
        "ZP723",
        "hook",
        "    def after_train_iter",
        "    def before_val(self, runner):\n        raise RuntimeError('no validation')\n\n"
        "    def after_train_iter",
        "no validation",
    ),
    "model that joins maps of two sizes": Mutation(
        "ZP711", "model", "size=x.shape[2:]", "scale_factor=2", "Sizes of tensors must match"
    ),
    "model with a part that does nothing": Mutation(
        "ZP712",
        "model",
        "        self.register",
        "        self.extra = torch.nn.Linear(1, 1)\n        self.register",
        "no gradient reaches extra.weight",
    ),
    "model with a state of its own": Mutation(
        "ZP713",
        "model",
        "self.register_buffer('scale', torch.ones(1))",
        "Net.made = getattr(Net, 'made', 0) + 1\n        self.scale = float(Net.made)",
        "the state dict does not hold",
    ),
    "model that draws in eval mode": Mutation(
        "ZP714", "model", "self.scale *", "F.dropout(self.scale) *", "different outputs"
    ),
    "hook that begins at the first epoch": Mutation(
        "ZP724",
        "hook",
        "    def after_train_iter",
        "    def before_train_epoch(self, runner):\n        if runner.epoch == 0:\n"
        "            self.count = 0\n        self.count += 1\n\n    def after_train_iter",
        "no attribute 'count'",
    ),
    "metric of another direction": Mutation(
        "ZP736",
        "zoo_plugin.toml",
        'direction = "higher"',
        'direction = "lower"',
        "perfect",
        row="metric",
    ),
    "transform that leaves labels": Mutation(
        "ZP744", "transform", "('img', *results.get('seg_fields', ()))", "('img',)", "other pixels"
    ),
    "transform to float64": Mutation(
        "ZP745",
        "transform",
        "        return results",
        "        results['img'] = results['img'] / 1.0\n        return results",
        "the image is float64 after it, expected uint8 or float32",
    ),
    "transform to integers of 32 bits": Mutation(
        "ZP745",
        "transform",
        "        return results",
        "        results['img'] = results['img'].astype('int32')\n        return results",
        "the image is int32 after it, expected uint8 or float32",
    ),
    "metric of texts": Mutation(
        "ZP731",
        "metric",
        "return {'hits': sum",
        "return {'name': 'much', 'hits': sum",
        "name is a str",
    ),
    "metric of batches": Mutation(
        "ZP732",
        "metric",
        "        for sample in",
        "        for sample in data_samples[:1] if len(data_samples) == 3 else",
        "image by image",
    ),
    "metric that forgets images": Mutation(
        "ZP733", "metric", "return self.images", "return self.images[:1]", "it names the images"
    ),
    "transform of the image alone": Mutation(
        "ZP741",
        "transform",
        "        return results",
        "        results['img'] = results['img'][:-1]\n        return results",
        "and the labels",
    ),
    "transform that needs labels": Mutation(
        "ZP742",
        "transform",
        "        return results",
        "        results['gt_seg_map'] = results.get('gt_seg_map', results['img'][..., 0])\n"
        "        return results",
        "adds labels",
    ),
    "transform with a lambda": Mutation(
        "ZP743", "transform", "self.axis = 1", "self.axis = lambda: 1", "pickle"
    ),
    "command that imports numpy": Mutation(
        "ZP751", "command", "import click", "import click\nimport numpy", "imports numpy"
    ),
}
