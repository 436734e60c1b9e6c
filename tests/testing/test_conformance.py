# SPDX-License-Identifier: Apache-2.0
"""The kit is worth what it catches: a plugin that holds passes, and each fault is told."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import weights_rows
from weights_rows import weights_row

from zoo.checking.kinds.rows import cases_of
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


def check(case: Any, name: str, folder: Path | None = None) -> None:
    """Run one rule on each of its rows, as pytest does; it must have one."""
    rule = getattr(case, name)
    cases = cases_of(case, rule)
    assert cases
    for _, arguments in cases:
        more = {"tmp_path": folder} if "tmp_path" in inspect.signature(rule).parameters else {}
        rule(**arguments, **more)


@pytest.mark.mm
def test_plugin_that_holds_passes_every_check(
    make_case: Callable[..., Any], tmp_path: Path
) -> None:
    case = make_case()

    for name in checks_of(case):
        check(case, name, tmp_path)


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
    ("old", "new", "rule"),
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
    make_case: Callable[..., Any], old: str, new: str, rule: str
) -> None:
    assert old in LOSS
    case = make_case(loss=LOSS.replace(old, new))
    (name,) = [name for name in checks_of(case) if rule in name]

    with pytest.raises((AssertionError, TypeError, RuntimeError, IndexError)):
        check(case, name)


@pytest.mark.mm
def test_hook_that_cannot_take_an_argument_is_told(make_case: Callable[..., Any]) -> None:
    case = make_case(hook=HOOK.replace(", outputs=None", ""))

    with pytest.raises(pytest.fail.Exception, match="after_train_iter cannot take"):
        check(case, "test_hook_takes_the_arguments_of_each_point")


@pytest.mark.mm
def test_hook_that_is_no_hook_of_mmengine_is_told(make_case: Callable[..., Any]) -> None:
    code = HOOK.replace("(Hook)", "").replace("steps = 0", "priority = 50")
    case = make_case(hook=code)

    with pytest.raises(ManifestError) as caught:
        check(case, "test_targets_fit_their_protocols")

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


SETUP = """import tomllib
from pathlib import Path
from setuptools import setup
MANIFEST = Path(__file__).with_name("zoo_cells") / "zoo_plugin.toml"
setup(version=tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["plugin"]["version"])
"""
DYNAMIC = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "mmzoo-cells"
dynamic = ["version"]
[project.entry-points."zoo.plugins"]
cells = "zoo_cells"
[tool.setuptools]
packages = ["zoo_cells"]
[tool.setuptools.package-data]
zoo_cells = ["zoo_plugin.toml"]
"""


@pytest.mark.parametrize(
    ("addition", "setup", "is_accepted"),
    [
        ("", SETUP, True),
        ('[tool.hatch.version]\npath = "zoo_cells/zoo_plugin.toml"\n', None, True),
        ('[tool.setuptools.dynamic]\nversion = {attr = "zoo_cells.VERSION"}\n', None, False),
        ("", None, False),
        ("", "from setuptools import setup\nsetup(version='0.1.0')\n", False),
    ],
)
def test_check_pyproject_when_the_version_is_dynamic_asks_for_the_manifest(
    write_plugin: Write, addition: str, setup: str | None, is_accepted: bool
) -> None:
    """A manifest among the package data is no proof that the version is read from it."""
    package = write_plugin("cells")
    (package.parent / "pyproject.toml").write_text(DYNAMIC + addition)
    if setup is not None:
        (package.parent / "setup.py").write_text(setup)
    manifest = read_manifest(package / "zoo_plugin.toml")

    if is_accepted:
        check_pyproject(manifest)
        return
    with pytest.raises(ManifestError) as caught:
        check_pyproject(manifest)

    assert "pyproject.toml version is 'dynamic'" in caught.value.message
    assert "setup.py" in str(caught.value.hint)


@pytest.mark.slow
def test_wheel_and_sdist_when_setup_reads_the_manifest_have_its_version(
    write_plugin: Write, tmp_path: Path
) -> None:
    """A build has no zoo, and needs none."""
    package = write_plugin("cells")
    (package / "zoo_plugin.toml").write_text(
        (package / "zoo_plugin.toml").read_text().replace('"0.1.0"', '"7.8.9"')
    )
    project = package.parent
    (project / "pyproject.toml").write_text(DYNAMIC)
    (project / "setup.py").write_text(SETUP)
    code = (
        "import os, sys; sys.modules['zoo'] = None; os.chdir(sys.argv[1])\n"
        "from setuptools import build_meta\n"
        "print(build_meta.build_sdist(sys.argv[2])); print(build_meta.build_wheel(sys.argv[2]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, project, tmp_path], capture_output=True, text=True, check=True
    )

    names = done.stdout.split()
    assert "mmzoo_cells-7.8.9.tar.gz" in names
    assert "mmzoo_cells-7.8.9-py3-none-any.whl" in names
    with tarfile.open(tmp_path / "mmzoo_cells-7.8.9.tar.gz") as archive:
        assert "mmzoo_cells-7.8.9/zoo_cells/zoo_plugin.toml" in archive.getnames()


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
        check(case, name)


@pytest.mark.mm
@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("self.images = list(results)", "self.images = list(results) * 2", "names_each"),
        ("for sample in data_samples:", "for sample in data_samples[:1]:", "the_batches"),
        ("sample['img_path']", "'x.png'", "names_each"),
        ("{'hits': value}", "{'hits': float('nan')}", "names_each"),
        ("return {'hits': sum", "return {'hits': 'much'} if True else {'hits': sum", "two_batches"),
    ],
)
def test_metric_with_a_fault_fails_the_check_that_is_meant(
    make_case: Callable[..., Any], old: str, new: str, rule: str
) -> None:
    assert old in METRIC
    case = make_case(rows=METRIC_ROWS, loss=METRIC.replace(old, new))
    (name,) = [name for name in checks_of(case) if rule in name]

    with pytest.raises((AssertionError, TypeError)):
        check(case, name)


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
        check(case, "test_weights_rows_agree_with_their_files")
        return
    with pytest.raises(error, match=re.escape(told)):
        check(case, "test_weights_rows_agree_with_their_files")


MANY_ROWS = """
[[loss]]
name = "EdgeLoss"
target = "zoo_cells.loss:EdgeLoss"

[[loss]]
name = "SquareLoss"
target = "zoo_cells.loss:SquareLoss"

[[hook]]
name = "Counter"
target = "zoo_cells.hook:Counter"
"""
MANY_LOSSES = (
    LOSS
    + """

class SquareLoss(EdgeLoss):
    loss_name = 'square'
"""
)
AUTHOR = """
import pytest

from zoo.testing import PluginConformance


class TestCells(PluginConformance):
    plugin = "cells"
    settings = {"EdgeLoss": [{}, {}]}

    @pytest.fixture
    def each_thing(self):
        return 1

    def test_of_the_author(self, each_thing):
        assert each_thing == 1

    def test_loss_when_in_bfloat16_stays_finite(self):
        "An author may put a rule of his own in place of one of the kit."
"""


def run_pytest(
    folder: Path, package: Path, *options: str, test: str = AUTHOR
) -> subprocess.CompletedProcess[str]:
    """Run an author's test file as he does, beside the package."""
    file = package.parent / "tests" / "test_cells.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(test)
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    return subprocess.run(
        [*command, f"--rootdir={folder}", *options, str(file)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def collected(output: str) -> dict[str, list[str]]:
    """Return rule -> the names of its rows, empty for a rule of the whole plugin."""
    found: dict[str, list[str]] = {}
    for rule, row in re.findall(r"::(test_\w+)(?:\[(.*)\])?$", output, re.MULTILINE):
        found.setdefault(rule, []).extend([row] if row else [])
    return found


def test_rule_is_a_test_for_each_row_and_named_by_it(write_plugin: Write, tmp_path: Path) -> None:
    """Rows of a kind, variants numbered; rules without rows are not collected, others stay."""
    package = write_plugin("cells", MANY_ROWS, loss=MANY_LOSSES, hook=HOOK)

    found = collected(run_pytest(tmp_path, package, "--collect-only").stdout)

    losses = ["EdgeLoss-1", "EdgeLoss-2", "SquareLoss"]
    assert found["test_loss_when_given_pixel_weights_takes_them"] == losses
    assert found["test_hook_is_mmengines_with_a_priority"] == ["Counter"]
    rows = ["loss-EdgeLoss", "loss-SquareLoss", "hook-Counter"]
    assert sorted(found["test_types_resolve_in_mmengine"]) == sorted(rows)
    assert found["test_manifest_holds"] == []
    assert found["test_of_the_author"] == []
    assert found["test_loss_when_in_bfloat16_stays_finite"] == []
    absent = ("dataset", "metric", "transform", "prepare", "sample", "weights", "mask_head")
    assert [name for name in found if any(word in name for word in absent)] == [
        "test_loss_when_given_pixel_weights_takes_them"
    ]


@pytest.mark.parametrize(
    "rows",
    ["", '[[dataset]]\nname = "C"\ntask = "detection"\n', "[[los]]\n", "[[loss]]\nname = 3\n"],
    ids=["no rows", "an unknown task", "an unknown kind", "a broken row"],
)
def test_plugin_without_usable_rows_shows_no_empty_test(
    write_plugin: Write, tmp_path: Path, rows: str
) -> None:
    """What is left is about the whole plugin, and of no test the parameters are empty."""
    package = write_plugin("cells", rows)
    test = AUTHOR.split("    settings")[0]

    done = run_pytest(tmp_path, package, "--collect-only", test=test)

    found = collected(done.stdout)
    assert "NOTSET" not in done.stdout
    assert "test_manifest_holds" in found
    assert [name for name in found if "loss" in name or "hook" in name or "types" in name] == []


@pytest.mark.mm
@pytest.mark.slow
def test_fault_of_one_row_fails_the_test_of_that_row_alone(
    write_plugin: Write, tmp_path: Path
) -> None:
    """The author reads the name of the row; the other rows pass."""
    package = write_plugin("cells", MANY_ROWS, loss=MANY_LOSSES, hook=HOOK)

    done = run_pytest(tmp_path, package, "-k", "beside_cross_entropy", "-rA")

    rule = "test_loss_in_mmseg_head_trains_beside_cross_entropy"
    verdicts = re.findall(rf"^(PASSED|FAILED) .*::{rule}\[(.*?)\]", done.stdout, re.MULTILINE)
    assert sorted(verdicts) == [
        ("FAILED", "SquareLoss"),
        ("PASSED", "EdgeLoss-1"),
        ("PASSED", "EdgeLoss-2"),
    ]
    assert "mmengine trains on names with 'loss', not 'square'" in done.stdout


COMMAND = """
import click


@click.group()
def command():
    '''Cells.'''


@command.command()
def count():
    '''Count cells.'''
"""


@pytest.mark.parametrize(
    ("name", "code", "fault"),
    [
        ("count-cells", COMMAND, None),
        ("count-cells", f"import numpy\n{COMMAND}", "imports numpy"),
        ("count-cells", COMMAND.replace("import click", "import nothing_at_all"), "nothing_at_all"),
        ("list", COMMAND, "zoo list is another command"),
    ],
)
def test_command_is_held_to_its_rules(
    write_plugin: Write, name: str, code: str, fault: str | None
) -> None:
    """Its help works and imports nothing heavy, and its name is no command of zoo."""
    rows = f'[[command]]\nname = "{name}"\ntarget = "zoo_cells.command:command"\n'
    package = write_plugin("cells", rows, command=code)
    tests = package.parent / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(
        "from zoo.testing import PluginConformance\n\n\n"
        "class TestIt(PluginConformance):\n    plugin = 'cells'\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "command", tests],
        capture_output=True,
        text=True,
        cwd=package.parent,
    )

    assert (done.returncode == 0) is (fault is None), done.stdout
    assert fault is None or fault in done.stdout
    assert "no tests ran" not in done.stdout
