# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin import``, from outside: what it carries over, what it lists, and that it runs none.

The folders are drawn here, in the layouts of mmsegmentation's projects and of MONAI's bundles.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ZOO = Path(sys.executable).with_name("zoo")
Run = Callable[..., subprocess.CompletedProcess[str]]

TRAP = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
HEAD = '''from mmseg.registry import MODELS
from torch import nn

from projects.ReedBeds.losses import ReedLoss  # own


# above
@MODELS.register_module()  # beside
class ReedHead(nn.Module):
    """A head, with an ümlaut before what is replaced."""

    def __init__(self, loss=dict(type='ReedLoss'), norm=dict(type='BN')):
        super().__init__()
        self.loss = MODELS.build(loss)


@MODELS.register_module(name=["Reed", "Reed2"], force=True)
class Other(nn.Module):
    pass


@MODELS.register_module(name="reed-net")
class Dashed(nn.Module):
    pass
'''
LOSS = """from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class ReedLoss(nn.Module):
    pass
"""
DATASET = """from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class ReedDataset(BaseSegDataset):
    METAINFO = dict(classes=('water', 'reed'), palette=[[0, 0, 0], [0, 255, 0]])
"""
BASE = "# a base\nmodel = dict(type='EncoderDecoder', decode_head=dict(type='mmseg.ReedHead'))\n"
CONFIG = """_base_ = ['../_base_/reed.py', '../../../../configs/_base_/default_runtime.py']
custom_imports = dict(  # gone
    imports=['projects.ReedBeds.heads', 'projects.ReedBeds.losses'])
dataset_type = 'ReedDataset'  # kept
train_dataloader = dict(dataset=dict(type=dataset_type, note='ReedDataset'))
model = dict(decode_head=dict(loss_decode={'type': 'ReedLoss'}))
"""
METAFILE = """Collections:
- Name: Reed
  License: Apache License 2.0
Models:
- Name: reed_dead
  Config: configs/reed/reed_a.py
  Weights: https://download.openmmlab.com/reed/a-12345678.pth
  Results:
    Task: Semantic Segmentation
    Dataset: Reeds
    Metrics:
      mIoU: 61.5
- Name: reed_short
  Weights: https://example.org/b-12345678.pth
- Name: reed_whole
  Config: configs/reed/reed_a.py
  SHA256: {digest}
  Weights: https://example.org/c.pth
"""


def write(folder: Path, texts: dict[str, str]) -> Path:
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def project(folder: Path, **more: str) -> Path:
    """Write a project; names of ``more`` have ``__`` for ``/`` and end in ``_py`` or ``_yml``."""
    texts = {
        "README.md": "# Reed beds\n\nHeads for reeds.\n",
        "heads/__init__.py": "from .reed_head import ReedHead\n",
        "heads/reed_head.py": TRAP + HEAD,
        "losses/__init__.py": LOSS,
        "datasets/reed.py": DATASET,
        "tools/convert.py": TRAP,
        "configs/_base_/reed.py": BASE,
        "configs/reed/reed_a.py": CONFIG,
        "metafile.yml": METAFILE.format(digest="ab" * 32),
    }
    return write(folder / "ReedBeds", texts | more)


def bundle(folder: Path, **changed: Any) -> Path:
    channels = {"1": "spleen", "0": "background"}
    outputs = {"pred": {"type": "image", "num_channels": 2, "channel_def": channels}}
    metadata = {
        "version": "0.2.1",
        "monai_version": "1.3.0",
        "required_packages_version": {"nibabel": "5.2.0"},
        "name": "Organ",
        "task": "Segmentation of organs",
        "description": 'A "model" of organs',
        "authors": "Somebody",
        "intended_use": "An example, not for diagnosis",
        "references": ["A paper"],
        "eval_metrics": {"mean_dice": 0.9},
        "network_data_format": {"inputs": {}, "outputs": outputs},
    }
    texts = {
        "configs/metadata.json": json.dumps(metadata | changed),
        "configs/inference.json": json.dumps({"network_def": {"_target_": "monai.networks.UNet"}}),
        "LICENSE": "Apache License\nVersion 2.0, January 2004\n",
        "scripts/net.py": TRAP,
    }
    made = write(folder / "organ_ct", texts)
    (made / "models").mkdir()
    (made / "models" / "model.pt").write_bytes(b"\x80\x04.")
    return made


@pytest.fixture
def zoo(tmp_path: Path) -> Run:
    """Return a function that runs ``zoo plugin`` in an empty folder."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.run(
            [ZOO, "plugin", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path)},
            timeout=60,
        )

    return run


def manifest(folder: Path, plugin: str) -> dict[str, Any]:
    return tomllib.loads((folder / f"zoo_{plugin}" / "zoo_plugin.toml").read_text())


def test_project_becomes_a_plugin_that_passes_the_static_rules(zoo: Run, tmp_path: Path) -> None:
    """Rows of each kind, types and imports renamed, comments kept, and nothing of it is run."""
    source = project(tmp_path / "from")

    done = zoo("import", source, "--out", "out")

    assert done.returncode == 0, done.stderr
    rows = manifest(tmp_path / "out", "reed_beds")
    assert {each["name"]: each["target"] for each in rows["model"]} == {
        "ReedHead": "zoo_reed_beds.heads.reed_head:ReedHead",
        "Reed": "zoo_reed_beds.heads.reed_head:Other",
        "Reed2": "zoo_reed_beds.heads.reed_head:Other",
    }
    assert [each["name"] for each in rows["loss"]] == ["ReedLoss"]
    assert rows["dataset"][0]["classes"] == ["water", "reed"]
    assert [each["file"] for each in rows["config"]] == ["configs/reed/reed_a.py"]
    assert rows["plugin"]["license"] == "Apache-2.0"
    checked = zoo("check", "out", "--static")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not list(tmp_path.rglob("ran"))


def test_code_and_configs_change_only_where_they_must(zoo: Run, tmp_path: Path) -> None:
    """The texts are compared whole: what is not named here is the same to the byte."""
    zoo("import", project(tmp_path), "--out", "out")

    package = tmp_path / "out" / "zoo_reed_beds"
    head = (TRAP + HEAD).replace("projects.ReedBeds.losses", "zoo_reed_beds.losses")
    head = head.replace("@MODELS.register_module()  # beside", "# beside")
    head = head.replace('@MODELS.register_module(name=["Reed", "Reed2"], force=True)\n', "")
    head = head.replace("'ReedLoss'", "'zoo.reed_beds.ReedLoss'")
    assert (package / "heads" / "reed_head.py").read_text() == head
    config = CONFIG.split("\n")
    del config[1:3]
    wanted = "\n".join(config).replace("../../../../configs/", "mmseg::")
    wanted = wanted.replace("= 'ReedDataset'", "= 'zoo.reed_beds.ReedDataset'")
    wanted = wanted.replace("'ReedLoss'", "'zoo.reed_beds.ReedLoss'")
    assert (package / "configs" / "reed" / "reed_a.py").read_text() == wanted
    base = BASE.replace("mmseg.ReedHead", "zoo.reed_beds.ReedHead")
    assert (package / "configs" / "_base_" / "reed.py").read_text() == base


def test_what_cannot_be_carried_over_is_listed(zoo: Run, tmp_path: Path) -> None:
    """A line each on stdout, and in the README: names, tools, dead hosts, digests, results."""
    source = project(tmp_path)
    (source / "link.py").symlink_to("/etc/hostname")
    (source / "big.py").write_text("#" * (2**20 + 1))
    (source / "broken.py").write_text("class (:\n")
    (source / "my-net.py").write_text("")

    done = zoo("import", source, "--out", "out")

    lines = [line for line in done.stdout.splitlines() if line.startswith("not carried over: ")]
    readme = (tmp_path / "out" / "README.md").read_text()
    for words in (
        "'reed-net' is no name of Python",
        "tools/convert.py: it is a tool",
        "weights reed_dead: download.openmmlab.com serves files no longer",
        "weights reed_short: no whole sha256",
        "weights reed_whole: a comment in the manifest",
        "metrics: published values",
        "link.py: it is a link",
        "big.py: it has 1,048,577 bytes",
        "broken.py: it is not Python: line 1",
        "my-net.py: its name is no name of a module",
    ):
        assert sum(words in line for line in lines) == 1, (words, lines)
        assert words in readme
    assert "weights" not in manifest(tmp_path / "out", "reed_beds")
    assert (
        f'# sha256 = "{"ab" * 32}"'
        in (tmp_path / "out" / "zoo_reed_beds" / "zoo_plugin.toml").read_text()
    )
    assert "| reed_dead | Reeds | mIoU | 61.5 |" in readme


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [1]\nb: *x\n", "it holds an alias in line 2"),
        ("a: !!python/object/apply:os.system ['touch ran']\n", "it holds the tag"),
        ("a: [\n", "it is not YAML: line"),
        ("[" * 5000, "nested more than 20 deep"),
        ("just text\n", None),
        (None, "there is none"),
    ],
)
def test_metafile_that_is_hostile_or_missing_is_a_line(
    zoo: Run, tmp_path: Path, text: str | None, says: str | None
) -> None:
    """Classes and configs are carried over all the same."""
    source = project(tmp_path)
    (source / "metafile.yml").unlink() if text is None else (source / "metafile.yml").write_text(
        text
    )

    done = zoo("import", source, "--out", "out")

    assert done.returncode == 0, done.stderr
    assert says is None or f"not carried over: metafile.yml: {says}" in done.stdout.replace(
        "it is nested", "nested"
    )
    assert manifest(tmp_path / "out", "reed_beds")["loss"]
    assert not list(tmp_path.rglob("ran"))


MISSING, LEFT = "missing base: configs/a.py:", "not carried over: configs/a.py:"
MISSING_BASES = {
    "_base_ = './gone.py'\n": f"{MISSING}1: its base 'configs/gone.py' is not there",
    "\nx = 1\n_base_ = [\n    'ok.py',\n    '_base_/gone.py',\n]\n": (
        f"{MISSING}5: its base 'configs/_base_/gone.py' is not there"
    ),
    "_base_ = ('../../other/base.py',)\n": (
        f"{MISSING}1: its base '../other/base.py' is outside the folder"
    ),
    "_base_ = '/srv/base.py'\n": f"{MISSING}1: its base '/srv/base.py' is not there",
    "name = 'ok.py'\n_base_ = [name]\n": f"{LEFT}2: its base is computed, expected a name",
    "_base_ = 'lazy.py'\n": (f"{LEFT}1: it is built on configs/lazy.py, which is not carried over"),
}


@pytest.mark.parametrize(("text", "line"), MISSING_BASES.items(), ids=range(len(MISSING_BASES)))
def test_base_that_is_not_there_is_told_as_missing_with_its_line_and_what_to_do(
    zoo: Run, tmp_path: Path, text: str, line: str
) -> None:
    """What is built on it is left out, and what stays names no file that is not there."""
    more = {
        "configs/a.py": text,
        "configs/b.py": "_base_ = ['a.py']\n",
        "configs/lazy.py": "from mmengine.config import read_base\n",
        "configs/ok.py": "x = 1\n",
    }
    done = zoo("import", project(tmp_path, **more), "--out", "out")

    assert line in done.stdout
    assert ("then import again" in done.stdout) == line.startswith("missing")
    built_on = "not carried over: configs/b.py:1: it is built on configs/a.py, which is not carried"
    assert built_on in done.stdout
    assert "configs/lazy.py:1: it imports" in done.stdout
    kept = {path.name for path in (tmp_path / "out/zoo_reed_beds/configs").iterdir()}
    assert "ok.py" in kept
    assert not kept & {"a.py", "b.py", "lazy.py"}


def test_missing_base_once_added_is_carried_over(zoo: Run, tmp_path: Path) -> None:
    """The message leads out."""
    source = project(tmp_path, **{"configs/a.py": "_base_ = './gone.py'\n"})
    assert "missing base" in zoo("import", source, "--out", "first").stdout
    (source / "configs" / "gone.py").write_text("x = 1\n")

    done = zoo("import", source, "--out", "out")

    assert "missing base" not in done.stdout
    assert (tmp_path / "out/zoo_reed_beds/configs/a.py").exists()


def test_bundle_becomes_a_plugin_that_passes_the_static_rules(zoo: Run, tmp_path: Path) -> None:
    """Version, licence, notice, classes in their order and the card; MONAI's network is listed."""
    done = zoo("import", bundle(tmp_path), "--out", "out")

    assert done.returncode == 0, done.stderr
    plugin = manifest(tmp_path / "out", "organ_ct")["plugin"]
    assert plugin["version"] == "0.2.1"
    assert plugin["license"] == "Apache-2.0"
    assert plugin["notice"] == "An example, not for diagnosis"
    assert plugin["summary"] == "A 'model' of organs"
    readme = (tmp_path / "out" / "README.md").read_text()
    for words in ("| 0 | background |\n| 1 | spleen |", "- A paper", "| mean_dice | 0.9 |"):
        assert words in readme
    for words in ("monai.networks.UNet is no model of OpenMMLab", "models/model.pt: ", "nibabel"):
        assert words in done.stdout
    checked = zoo("check", "out", "--static")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize("key", ["version", "name", "network_data_format", "references", "task"])
@pytest.mark.parametrize("value", [None, 7, ["x", {}], {"pred": [1]}, 'q"\n\x1b[2J\\'])
def test_metadata_of_any_form_is_no_traceback(
    zoo: Run, tmp_path: Path, key: str, value: object
) -> None:
    """What is written is a manifest that reads."""
    done = zoo("import", bundle(tmp_path, **{key: value}), "--out", "out")

    assert done.returncode == 0, done.stderr
    assert manifest(tmp_path / "out", "organ_ct")["plugin"]["api"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("nowhere", "found nothing, expected a folder"),
        ("file", "found a file, expected a folder"),
        ("empty", "found no code and no configs/metadata.json"),
        ("bad", "cannot read the metadata of the bundle"),
        ("ReedBeds --name dice_loss", "cannot make plugin 'dice_loss'"),
        ("ReedBeds --name No-Name", "cannot call a plugin 'No-Name'"),
        ("ReedBeds --out bad", "found a folder that holds files"),
    ],
)
def test_what_cannot_be_imported_is_one_message_and_writes_nothing(
    zoo: Run, tmp_path: Path, words: str, says: str
) -> None:
    """Places, names and metadata that do not fit."""
    project(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "bad", {"configs/metadata.json": '{"version": '})
    before = set(tmp_path.rglob("*"))

    done = zoo("import", *words.split())

    assert done.returncode == 1
    assert says in done.stderr
    assert "HINT: " in done.stderr
    assert "Traceback" not in done.stderr
    assert set(tmp_path.rglob("*")) == before


def test_names_of_any_characters_become_a_manifest_that_is_read(zoo: Run, tmp_path: Path) -> None:
    """Beyond 16 bits, DEL, quotes and ends of lines; half a pair of UTF-16 is no character."""
    names = ["\U00020bb7", "\x7f", 'a "b"\\', "\n[x]\n", "{{ 1 }}", "é", "\ud800"]
    classes = ascii(tuple(names))
    code = DATASET.replace("('water', 'reed')", classes)
    source = project(tmp_path / "from", **{"datasets/reed.py": code})

    done = zoo("import", source, "--out", "out")

    assert done.returncode == 0, done.stderr
    (row,) = manifest(tmp_path / "out", "reed_beds")["dataset"]
    assert row["classes"] == [*names[:-1], "?"]


def test_folder_that_is_imported_is_neither_written_nor_to_be_removed(
    zoo: Run, tmp_path: Path
) -> None:
    """As the guide types it: the bundle lies here, under the name that its plugin would have."""
    source = bundle(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}

    done, given = zoo("import", "organ_ct"), zoo("import", "organ_ct", "--out", "./organ_ct")

    assert done.returncode == 0, done.stderr
    assert manifest(tmp_path / "organ_ct_plugin", "organ_ct")["plugin"]["name"] == "organ_ct"
    assert "zoo plugin check organ_ct_plugin --static\n" in done.stdout
    assert given.returncode == 1
    assert "it is the folder that is imported" in given.stderr
    assert given.stderr.endswith("HINT: give another --out.\n")
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before


@pytest.mark.slow
def test_project_with_a_package_called_as_openmmlabs_becomes_a_plugin(
    zoo: Run, tmp_path: Path
) -> None:
    """Folders without ``__init__``, one of them ``mmseg``, beside an ``__init__`` that is misspelt.

    Imports of the real mmseg stay as they are, and those of the project's become the plugin's.
    """
    own = "projects.bdd9k_dataset.mmseg.datasets.shores"
    shared = "../../../configs/_base_/default_runtime.py"
    folder = write(
        tmp_path / "bdd9k_dataset",
        {
            "README.md": "# Shores\n",
            "losses/__init__ .py": "from .tree import TreeLoss\n",
            "losses/tree.py": LOSS.replace("ReedLoss", "TreeLoss"),
            "mmseg/datasets/shores.py": DATASET.replace("Reed", "Shores"),
            "tools/dataset_converters/shores.py": TRAP,
            "configs/_base_/datasets/shores.py": "dataset_type = 'ShoresDataset'\n"
            "sizes = [1, 2]\n"
            "tta_pipeline = [[dict(type='Resize', scale_factor=r) for r in sizes]]\n"
            "train_dataloader = dict(dataset=dict(type=dataset_type))\n",
            "configs/pspnet_4xb2-80k_shores-512x1024.py": "_base_ = [\n"
            f"    './_base_/datasets/shores.py', '{shared}']\n"
            f"custom_imports = dict(\n    imports=['{own}'])\n",
        },
    )

    done = zoo("import", str(folder), "--out", str(tmp_path / "made"))

    assert done.returncode == 0, done.stderr
    package = tmp_path / "made" / "zoo_bdd9k_dataset"
    assert "from mmseg.datasets import" in (package / "mmseg/datasets/shores.py").read_text()
    assert "losses/__init__ .py: its name is no name of a module" in done.stderr + done.stdout
    config = (package / "configs/pspnet_4xb2-80k_shores-512x1024.py").read_text()
    assert "custom_imports" not in config
    checked = zoo("check", str(tmp_path / "made"), "--static")
    assert checked.returncode == 0, checked.stdout
