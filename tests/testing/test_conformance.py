# SPDX-License-Identifier: Apache-2.0
"""The kit is worth what it catches: a plugin that holds passes, and each fault is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import weights_rows
from weights_rows import weights_row

from zoo.errors import DownloadError, LoadError, ManifestError
from zoo.manifest.reading import read_manifest
from zoo.testing import PluginConformance, check_pyproject, check_targets

Write = Callable[..., Path]

ROWS = """
[[loss]]
name = "EdgeLoss"
target = "zoo_cells.loss:EdgeLoss"

[[hook]]
name = "Counter"
target = "zoo_cells.hook:Counter"
"""
LOSS = """
import torch
import torch.nn.functional as F


class EdgeLoss(torch.nn.Module):
    loss_name = 'loss_edge'

    def forward(self, pred, target, weight=None, ignore_index=255):
        kept = target != ignore_index
        value = F.cross_entropy(pred.float(), target, ignore_index=ignore_index, reduction='sum')
        return value / kept.sum().clamp(min=1)
"""
HOOK = """
from mmengine.hooks import Hook


class Counter(Hook):
    steps = 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps += 1
"""


@pytest.fixture
def make_case(
    write_plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., PluginConformance]:
    """Return a function that writes a plugin and gives an instance of its conformance test."""

    def make(rows: str = ROWS, loss: str = LOSS, hook: str = HOOK, **more: Any) -> Any:
        package = write_plugin("cells", rows, loss=loss, hook=hook)
        monkeypatch.syspath_prepend(package.parent)
        return type("TestCells", (PluginConformance,), {"plugin": "cells", **more})()

    return make


def checks_of(case: object) -> list[str]:
    return [name for name in dir(case) if name.startswith("test_") and getattr(case, name)]


@pytest.mark.mm
def test_plugin_that_holds_passes_every_check(
    make_case: Callable[..., Any], tmp_path: Path
) -> None:
    case = make_case()

    for name in checks_of(case):
        check = getattr(case, name)
        check(tmp_path) if "in_a_run" in name else check()


def test_checks_of_kinds_that_a_plugin_lacks_are_left_out(make_case: Callable[..., Any]) -> None:
    names = checks_of(make_case(rows=ROWS.split("[[hook]]")[0]))

    assert [name for name in names if "hook" in name or "dataset" in name] == []
    assert [name for name in names if "loss" in name] != []


def test_plugin_with_a_broken_manifest_still_has_the_check_that_tells(
    make_case: Callable[..., Any],
) -> None:
    case = make_case(rows="[[los]]\n")

    with pytest.raises(ManifestError, match="unknown key 'los'"):
        case.test_manifest_holds()


@pytest.mark.mm
@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        (", ignore_index=255):", "):", "is_a_finite_scalar"),
        ("loss_name = 'loss_edge'", "loss_name = 'edge'", "trains_beside"),
        ("ignore_index=ignore_index, ", "ignore_index=-1, ", "no_say"),
        (".clamp(min=1)", "", "all_is_ignored"),
        ("return value / kept.sum().clamp(min=1)", "return value.detach()", "finite_scalar"),
        ("pred.float()", "pred.float().exp().exp()", "bfloat16"),
        ("weight=None, ", "", "pixel_weights"),
    ],
)
def test_loss_with_a_fault_fails_the_check_that_is_meant(
    make_case: Callable[..., Any], old: str, new: str, check: str
) -> None:
    assert old in LOSS
    case = make_case(loss=LOSS.replace(old, new))
    (name,) = [name for name in checks_of(case) if check in name]

    with pytest.raises((AssertionError, TypeError, RuntimeError, IndexError)):
        getattr(case, name)()


@pytest.mark.mm
def test_hook_that_cannot_take_an_argument_is_told(make_case: Callable[..., Any]) -> None:
    case = make_case(hook=HOOK.replace(", outputs=None", ""))

    with pytest.raises(pytest.fail.Exception, match="after_train_iter cannot take"):
        case.test_hook_takes_the_arguments_of_each_point()


@pytest.mark.mm
def test_hook_that_is_no_hook_of_mmengine_is_told(make_case: Callable[..., Any]) -> None:
    code = HOOK.replace("(Hook)", "").replace("steps = 0", "priority = 50")
    case = make_case(hook=code)

    with pytest.raises(ManifestError) as caught:
        case.test_targets_fit_their_protocols()

    assert caught.value.message == (
        "cannot accept 'zoo_cells.hook:Counter' of plugin 'cells': it lacks before_run, "
        "before_train, before_train_iter, after_val_epoch, before_save_checkpoint, after_run, "
        "expected what interfaces.Hook has."
    )


def test_check_targets_when_one_cannot_be_imported_raises_its_error(
    make_case: Callable[..., Any],
) -> None:
    case = make_case(loss="import no_such_thing\n")

    with pytest.raises(LoadError, match="no_such_thing"):
        check_targets(case.record())


def test_check_targets_when_prepare_lacks_an_option_names_it(write_plugin: Write) -> None:
    rows = """
[[dataset]]
name = "Cells"
task = "semantic"
target = "zoo_cells.data:Cells"
prepare = "zoo_cells.data:prepare"
classes = ["a"]
licence = "MIT"
[[dataset.option]]
name = "mask-suffix"
type = "str"
help = "ending"
"""
    code = "class Cells:\n    metainfo = {}\n    def full_init(self): pass\n"
    code += "    __len__ = __getitem__ = get_data_info = full_init\n"
    code += "def prepare(source, out, *, shares, progress=None): pass\n"
    package = write_plugin("cells", rows, data=code)
    manifest = read_manifest(package / "zoo_plugin.toml")
    from zoo.catalog import PluginRecord

    with pytest.raises(ManifestError) as caught:
        check_targets(PluginRecord("cells", manifest, manifest.path, "ZOO_PLUGIN_PATH"))

    assert caught.value.message == (
        "cannot accept 'zoo_cells.data:prepare' of plugin 'cells': it cannot be called: got an "
        "unexpected keyword argument 'mask_suffix', expected interfaces.PrepareTarget."
    )


@pytest.mark.parametrize(
    ("version", "entry", "key"),
    [
        ("0.2.0", 'cells = "zoo_cells"', "version is '0.2.0', expected '0.1.0'"),
        ("0.1.0", 'cells = "zoo_cell"', "is 'zoo_cell', expected 'zoo_cells'"),
        ("0.1.0", "", "is None, expected 'zoo_cells'"),
    ],
)
def test_check_pyproject_when_it_disagrees_names_the_key(
    write_plugin: Write, version: str, entry: str, key: str
) -> None:
    package = write_plugin("cells")
    text = f'[project]\nversion = "{version}"\n[project.entry-points."zoo.plugins"]\n{entry}\n'
    (package.parent / "pyproject.toml").write_text(text)

    with pytest.raises(ManifestError) as caught:
        check_pyproject(read_manifest(package / "zoo_plugin.toml"))

    assert key in caught.value.message
    assert caught.value.where == str(package.parent / "pyproject.toml")


METRIC_ROWS = '[[metric]]\nname = "Hits"\ntarget = "zoo_cells.loss:Hits"\n'
METRIC = """
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
"""


@pytest.mark.mm
def test_metric_that_holds_passes_every_check(make_case: Callable[..., Any]) -> None:
    case = make_case(rows=METRIC_ROWS, loss=METRIC)

    for name in checks_of(case):
        getattr(case, name)()


@pytest.mark.mm
@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("self.images = list(results)", "self.images = list(results) * 2", "names_each"),
        ("for sample in data_samples:", "for sample in data_samples[:1]:", "the_batches"),
        ("sample['img_path']", "'x.png'", "names_each"),
        ("{'hits': value}", "{'hits': float('nan')}", "names_each"),
        ("return {'hits': sum", "return {'hits': 'much'} if True else {'hits': sum", "two_batches"),
    ],
)
def test_metric_with_a_fault_fails_the_check_that_is_meant(
    make_case: Callable[..., Any], old: str, new: str, check: str
) -> None:
    assert old in METRIC
    case = make_case(rows=METRIC_ROWS, loss=METRIC.replace(old, new))
    (name,) = [name for name in checks_of(case) if check in name]

    with pytest.raises((AssertionError, TypeError)):
        getattr(case, name)()


def _published(**more: Any) -> bytes:
    record = {"task": "semantic", "trained_with": "unet_small", "licence": "Apache-2.0"}
    record |= {"data_licence": "CC0-1.0", "parameters": 4}  # type: ignore[dict-item]
    record |= {"metrics": {"$tuple": [weights_rows.METRIC]}, **more}
    header = json.dumps({"__metadata__": {"zoo": json.dumps(record)}}).encode()
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    ("data", "error", "told"),
    [
        (_published(), None, ""),
        (_published(licence="MIT"), ManifestError, "licence: the row says 'Apache-2.0', the file"),
        (_published(parameters=5), ManifestError, "parameters: the row says 4, the file 5"),
        (_published(metrics={"$tuple": []}), ManifestError, "metrics: the row says 'dice' 0.9 "),
        (None, DownloadError, "the package lacks one.safetensors"),
    ],
    ids=["as published", "licence", "parameters", "metrics", "no file"],
)
def test_plugin_whose_row_of_weights_differs_from_its_file_fails_the_check(
    make_case: Callable[..., Any],
    data: bytes | None,
    error: type[Exception] | None,
    told: str,
) -> None:
    """What users would be refused, the author is told in the plugin's own tests."""
    wanted = data or b"x"
    case = make_case(rows=weights_row("one", wanted, urls=["package:one.safetensors"]))
    if data is not None:
        (case.manifest_path.parent / "one.safetensors").write_bytes(data)

    if error is None:
        case.test_weights_rows_agree_with_their_files()
        return
    with pytest.raises(error, match=re.escape(told)):
        case.test_weights_rows_agree_with_their_files()
