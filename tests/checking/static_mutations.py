# SPDX-License-Identifier: Apache-2.0
"""What breaks one rule of the clean plugin in ``conftest.py``, and no other."""

from __future__ import annotations

from typing import NamedTuple

TOML, PROJECT = "zoo_pond/zoo_plugin.toml", "pyproject.toml"


class Edit(NamedTuple):
    """A text that takes the place of another in a file, wherever it stands."""

    file: str
    old: str
    new: str


class Write(NamedTuple):
    """A file that is written, or removed if it has no text."""

    file: str
    text: str | None


class Lake(NamedTuple):
    """Another plugin in the catalog, with some rows."""

    rows: str
    name: str = "lake"


class Move(NamedTuple):
    """A folder that gets another name."""

    old: str
    new: str


class Mutation(NamedTuple):
    """What breaks one rule.

    Attributes:
        rule: The rule.
        steps: What is changed.
        where: The file at fault, and a text of the line at fault; an empty text for no line.
        level: ``error`` or ``warning``.
        needs: Module without which the finding is another one, or an empty text.
    """

    rule: str
    steps: tuple[Edit | Write | Lake | Move, ...]
    where: tuple[str, str]
    level: str = "error"
    needs: str = ""


def _toml(rule: str, old: str, new: str, line: str, level: str = "error") -> Mutation:
    return Mutation(rule, (Edit(TOML, old, new),), (TOML, line), level)


def _project(rule: str, old: str, new: str, line: str, level: str = "error") -> Mutation:
    return Mutation(rule, (Edit(PROJECT, old, new),), (PROJECT, line), level)


def _code(rule: str, file: str, old: str, new: str, line: str, level: str = "error") -> Mutation:
    return Mutation(rule, (Edit(f"zoo_pond/{file}", old, new),), (f"zoo_pond/{file}", line), level)


WEIGHTS = """
[[weights]]
name = "unet_pond"
task = "semantic"
config = "unet"
urls = ["https://example.org/other.safetensors"]
sha256 = "2222222222222222222222222222222222222222222222222222222222222222"
size_bytes = 1
format = "safetensors"
licence = "MIT"
data_licence = "MIT"
parameters = 1
metrics = [{ name = "a", value = 0.1, dataset = "d", split = "s", labels = "true", protocol = "p" }]
"""
UNET = "configs/unet_pond-64.py"
MODEL = "type='mmseg.EncoderDecoder'"
LOSS = 'target = "zoo_pond.parts:EdgeLoss"'
PREPARE = 'def prepare(source, out, *, shares, progress=None, mask_suffix="_mask"):'
SHIPPED = '"weights/*.safetensors"'

MUTATIONS = {
    "manifest missing": Mutation("ZP101", (Write(TOML, None),), (TOML, "")),
    "manifest no TOML": _toml("ZP101", 'name = "pond"', "name = pond", "name = pond"),
    "manifest a UTF-16": Mutation("ZP101", (Write(TOML, "\ufeff\0"),), (TOML, "")),
    "key unknown": _toml("ZP102", 'summary = "ponds', 'sumary = 1\nsummary = "ponds', "sumary"),
    "key missing": _toml("ZP102", 'summary = "ponds in drone images"\n', "", "[plugin]"),
    "value of another type": _toml(
        "ZP102", 'task = "semantic"\ntarget', "task = 3\ntarget", "task = 3"
    ),
    "table unknown": _toml("ZP102", "[[shelf]]", "[[shelves]]\n[[shelf]]", "[[shelves]]"),
    "metric infinite": _toml("ZP102", "value = 0.5", "value = inf", "value = inf"),
    "path outside": _toml("ZP102", 'file = "old.json"', 'file = "../old.json"', "../old.json"),
    "option reserved": _toml("ZP102", '"mask-suffix"', '"shares"', 'name = "shares"'),
    "target of another": _toml("ZP102", LOSS, 'target = "zoo_lake.parts:EdgeLoss"', "zoo_lake"),
    "api newer": _toml("ZP103", "api = 1", "api = 1000", "api = 1000"),
    "name twice": _toml(
        "ZP104",
        "[[converter]]",
        f'[[model]]\nname = "EdgeLoss"\n{LOSS}\n\n[[converter]]',
        'name = "EdgeLoss"',
    ),
    "config named twice": _toml(
        "ZP104",
        "[[shelf]]",
        '[[config]]\nname = "unet_pond-64"\nfile = "bases/data.py"\n\n[[shelf]]',
        'name = "unet_pond-64"',
    ),
    "package misnamed": Mutation(
        "ZP105",
        (
            Move("zoo_pond", "zoo_ponds"),
            Edit(PROJECT, '"zoo_pond"', '"zoo_ponds"'),
            Edit(PROJECT, "zoo_pond = [", "zoo_ponds = ["),
            Edit(PROJECT, "zoo_pond.parts", "zoo_ponds.parts"),
            Edit(PROJECT, 'pond = "zoo_ponds"', 'pond = "zoo_pond"'),
        ),
        ("zoo_ponds/zoo_plugin.toml", 'name = "pond"'),
    ),
    "requires misspelt": _toml("ZP102", "distributions =", "distribution =", "distribution ="),
    "file missing": _toml("ZP106", 'file = "old.json"', 'file = "older.json"', "older.json"),
    "shelf no JSON": Mutation(
        "ZP107", (Write("zoo_pond/shelf.json", "{"),), ("zoo_pond/shelf.json", "")
    ),
    "shelf lacks a key": _code("ZP107", "shelf.json", '"size_bytes": 7,', "", ""),
    "code no Python": _code(
        "ZP110", "parts/losses.py", "import torch", "import torch as", "import torch as"
    ),
    "config no Python": _code("ZP110", UNET, "model = dict(", "model = dict((", "model = dict(("),
    "module missing": _toml(
        "ZP111", "zoo_pond.commands:", "zoo_pond.command:", "zoo_pond.command:"
    ),
    "name missing": _toml("ZP112", "parts:EdgeLoss", "parts:EgdeLoss", "parts:EgdeLoss"),
    "name for types": _toml("ZP112", ":write_sample", ":pandas", ":pandas"),
    "re-export of nothing": Mutation(
        "ZP112",
        (
            Edit(
                "zoo_pond/parts/__init__.py", "from .losses import *", "from .losses import EdgeLos"
            ),
        ),
        (TOML, LOSS),
    ),
    "name of a getattr": Mutation(
        "ZP112",
        (Write("zoo_pond/parts/__init__.py", "def __getattr__(name): ...\n"),),
        (TOML, LOSS),
        "warning",
    ),
    "target a function": _toml(
        "ZP113", "parts:EdgeLoss", "parts.convert:_convert", "parts.convert:_convert"
    ),
    "target a constant": _toml("ZP113", "prepare:prepare", "prepare:VERSION", "prepare:VERSION"),
    "target a module": _toml("ZP113", "parts:EdgeLoss", "parts:losses", "parts:losses"),
    "option not taken": _code(
        "ZP114", "prepare.py", 'mask_suffix="_mask"', 'suffix="_mask"', "def prepare"
    ),
    "sample without count": _code(
        "ZP114", "prepare.py", "count=3, **more", "number=3", "def write_sample"
    ),
    "argument too many": _code(
        "ZP114", "prepare.py", PREPARE, PREPARE.replace("*", "more, *"), "def prepare"
    ),
    "plugin named twice": Mutation(
        "ZP120", (Lake("", "pond"),), (TOML, 'name = "pond"'), "warning"
    ),
    "loss of another": Mutation(
        "ZP121",
        (Lake('[[model]]\nname = "EdgeLoss"\ntarget = "zoo_lake.lake:Model"\n'),),
        (TOML, 'name = "EdgeLoss"'),
        "warning",
    ),
    "converter of another": Mutation(
        "ZP121",
        (Lake('[[converter]]\nname = "pond_net"\nversion = 1\ntarget = "zoo_lake.lake:model"\n'),),
        (TOML, 'name = "pond_net"\ntarget'),
        "warning",
    ),
    "command of another": Mutation(
        "ZP122",
        (Lake('[[command]]\nname = "count-ponds"\ntarget = "zoo_lake.lake:model"\n'),),
        (TOML, 'name = "count-ponds"'),
        "warning",
    ),
    "config of another": Mutation(
        "ZP123",
        (Lake('[[config]]\nname = "unet_pond-64"\nfile = "lake.py"\n'),),
        (TOML, 'name = "unet_pond-64"'),
        "warning",
    ),
    "weights of another": Mutation(
        "ZP124", (Lake(WEIGHTS),), (TOML, 'name = "unet_pond"'), "warning"
    ),
    "project no TOML": Mutation("ZP201", (Write(PROJECT, "[project\n"),), (PROJECT, "")),
    "project unnamed": _project("ZP201", 'name = "mmzoo-pond"\n', "", ""),
    "distribution misnamed": _project("ZP202", "mmzoo-pond", "ponds", 'name = "ponds"', "warning"),
    "entry point missing": _project(
        "ZP203", '[project.entry-points."zoo.plugins"]\npond = "zoo_pond"', "", ""
    ),
    "entry point of a module": _project(
        "ZP203", 'pond = "zoo_pond"', 'pond = "zoo_pond.parts"', "zoo.plugins"
    ),
    "entry point misnamed": _project(
        "ZP203", 'pond = "zoo_pond"', 'ponds = "zoo_pond"', "zoo.plugins"
    ),
    "version older": _project("ZP204", 'version = "0.1.0"', 'version = "0.0.9"', "0.0.9"),
    "version dynamic": _project(
        "ZP204", 'version = "0.1.0"', 'dynamic = ["version"]', "", "warning"
    ),
    "identity older": _code(
        "ZP205", "prepare.py", 'VERSION = "0.1.0"', 'VERSION = "0.0.9"', "IDENTITY ="
    ),
    "identity of another": _code(
        "ZP205",
        "prepare.py",
        '("pond", "PondDataset", version=VERSION)',
        '.of("lake", "PondDataset")',
        "IDENTITY =",
    ),
    "identity of no row": _code(
        "ZP205", "prepare.py", '"PondDataset", version', '"Ponds", version', "IDENTITY ="
    ),
    "requirement misspelt": _toml(
        "ZP206", '"shapely>=2.0,<3"', '"shapely>=2.0,<3", "torch=>2"', "distributions"
    ),
    "dependency misspelt": _project(
        "ZP206", '"click>=8.1"', '"click>=8.1", "torch >= two words"', "dependencies"
    ),
    "import undeclared": _code(
        "ZP207", "commands.py", "import click", "import click\nimport skimage", "import skimage"
    ),
    "import in a function": _code(
        "ZP207", "commands.py", '"Count ponds."', "import pandas", "import pandas"
    ),
    "extra gone": Mutation(
        "ZP207",
        (Edit(PROJECT, 'dicom = ["pydicom>=3,<4"]', ""),),
        ("zoo_pond/prepare.py", "import pydicom"),
    ),
    "requirement gone": Mutation(
        "ZP207", (Edit(TOML, ', "shapely>=2.0,<3"', ""),), ("zoo_pond/dataset.py", "from shapely")
    ),
    "requirement unused": _project(
        "ZP208", '"click>=8.1"', '"click>=8.1", "rasterio>=1.4"', "dependencies", "warning"
    ),
    "plugin of a type not required": Mutation(
        "ZP218",
        (
            Lake('[[loss]]\nname = "LakeLoss"\ntarget = "zoo_lake.lake:model"\n'),
            Edit(f"zoo_pond/{UNET}", "'zoo.EdgeLoss'", "'zoo.lake.LakeLoss'"),
        ),
        (f"zoo_pond/{UNET}", "zoo.lake.LakeLoss"),
    ),
    "plugin of a base not required": Mutation(
        "ZP218",
        (
            Lake('[[config]]\nname = "lake-64"\nfile = "lake.py"\n'),
            Edit(f"zoo_pond/{UNET}", "['../", "['zoo::lake/lake-64', '../"),
        ),
        (f"zoo_pond/{UNET}", "_base_"),
    ),
    "plugin of a short base not required": Mutation(
        "ZP218",
        (
            Lake('[[config]]\nname = "lake-64"\nfile = "lake.py"\n'),
            Edit(f"zoo_pond/{UNET}", "['../", "['zoo::lake-64', '../"),
        ),
        (f"zoo_pond/{UNET}", "_base_"),
    ),
    "plugin imported": _code(
        "ZP209", "commands.py", "import click", "import click\nfrom zoo_lake import x", "zoo_lake"
    ),
    "private imported": _code(
        "ZP210",
        "prepare.py",
        "from zoo.errors import",
        "from zoo.catalog import Catalog\nfrom zoo.errors import",
        "zoo.catalog",
    ),
    "underscore imported": _code(
        "ZP210", "prepare.py", "import DataError", "import _PathError, DataError", "_PathError"
    ),
    "package without zoo": Mutation(
        "ZP211", (Write("zoo_pond/__init__.py", '"""Ponds."""\n'),), ("zoo_pond/__init__.py", "")
    ),
    "package without init": Mutation(
        "ZP211", (Write("zoo_pond/__init__.py", None),), ("zoo_pond/__init__.py", "")
    ),
    "package left out": _project("ZP212", ', "zoo_pond.parts"', "", "[tool.setuptools]"),
    "another backend": _project(
        "ZP212", "setuptools.build_meta", "hatchling.build", "[tool.setuptools]", "warning"
    ),
    "weights left out": _project("ZP213", f", {SHIPPED}", "", "package-data"),
    "manifest left out": _project("ZP213", '"*.toml", ', "", "package-data"),
    "base left out": _project("ZP213", '"bases/*.py", ', "", "package-data"),
    "shelf excluded": _project(
        "ZP213",
        "[tool.setuptools.package-data]",
        '[tool.setuptools.exclude-package-data]\nzoo_pond = ["shelf.json"]\n\n'
        "[tool.setuptools.package-data]",
        "package-data",
    ),
    "README missing": Mutation("ZP214", (Write("README.md", None),), ("README.md", "")),
    "licence missing": Mutation("ZP214", (Write("LICENSE", None),), ("LICENSE", "")),
    "Python too old": _project("ZP215", ">=3.11,<3.14", "<3.11", "requires-python"),
    "Python no range": _project("ZP215", ">=3.11,<3.14", "3.11 or so", "requires-python"),
    "licence a text": _toml(
        "ZP216", 'license = "Apache-2.0"', 'license = "free for all"', "free for all"
    ),
    "licences differ": Mutation(
        "ZP216", (Edit(PROJECT, 'license = "Apache-2.0"', 'license = "MIT"'),), (TOML, "license =")
    ),
    "zoo not needed": _project("ZP217", '"mmzoo>=0.1,<0.2", ', "", "dependencies"),
    "zoo too new": _project("ZP217", "mmzoo>=0.1,<0.2", "mmzoo>=77", "dependencies"),
    "config no JSON": Mutation(
        "ZP301",
        (Write("zoo_pond/configs/fcn_pond-64.json", "{"),),
        ("zoo_pond/configs/fcn_pond-64.json", ""),
    ),
    "base missing": _code("ZP302", UNET, "../bases/data.py", "../bases/date.py", "_base_"),
    "base of a row no YAML": Mutation(
        "ZP301",
        (
            Edit(TOML, "bases/data.py", "bases/more.yml"),
            Write("zoo_pond/bases/more.yml", "a: [1\n"),
            Edit(PROJECT, '"bases/*.py"', '"bases/*"'),
        ),
        ("zoo_pond/bases/more.yml", ""),
        needs="yaml",
    ),
    "base of zoo missing": _code(
        "ZP302",
        "configs/fcn_pond-64.json",
        "zoo::pond/unet_pond-64",
        "zoo::pond/unet_pnod-64",
        "zoo::pond",
    ),
    "base of mmseg missing": _code(
        "ZP302",
        UNET,
        "'../bases/data.py'",
        "'../bases/data.py', 'mmseg::unet/no_such.py'",
        "mmseg::",
    )._replace(needs="mmseg"),
    "base of another plugin": _code(
        "ZP302",
        UNET,
        "'../bases/data.py'",
        "'../bases/data.py', 'zoo::sea/unet'",
        "zoo::sea",
        "warning",
    ),
    "base computed": _code(
        "ZP302", UNET, "['../bases/data.py']", "['../bases/%s.py' % 'data']", "_base_", "warning"
    ),
    "base itself": _code(
        "ZP303",
        "bases/data.py",
        "train_dataloader",
        "_base_ = ['data.py']\ntrain_dataloader",
        "_base_",
    ),
    "type of zoo misspelt": _code("ZP304", UNET, "zoo.EdgeLoss", "zoo.EdgeLos", "zoo.EdgeLos"),
    "type in a base misspelt": _code(
        "ZP304", "bases/data.py", "zoo.pond.PondDataset", "zoo.pond.PondsDataset", "PondsDataset"
    ),
    "data set misspelt": _code("ZP304", UNET, "pond.PondDataset", "pond.PondDatset", "_data_"),
    "base of a row left out": Mutation(
        "ZP213",
        (Edit(TOML, "bases/data.py", "bases/more.yml"), Write("zoo_pond/bases/more.yml", "a: 1\n")),
        (PROJECT, "package-data"),
        needs="yaml",
    ),
    "type of a plugin elsewhere": _code(
        "ZP304", UNET, "zoo.EdgeLoss", "zoo.sea.EdgeLoss", "zoo.sea", "warning"
    ),
    "type by its module": _code(
        "ZP304", UNET, "zoo.EdgeLoss", "zoo_pond.parts.Edge", "zoo_pond.parts"
    ),
    "type of mmseg misspelt": _code(
        "ZP305", UNET, MODEL, "type='mmseg.EncoderDecodr'", "EncoderDecodr"
    ),
    "type in JSON misspelt": _code(
        "ZP305", "configs/fcn_pond-64.json", "EncoderDecoder", "EncoderDecodr", "EncoderDecodr"
    ),
    "type without its plugin": _code("ZP305", UNET, "zoo.EdgeLoss", "EdgeLoss", "EdgeLoss"),
    "type of a custom import": _code(
        "ZP305",
        UNET,
        "model = dict(\n    type='mmseg.EncoderDecoder'",
        "custom_imports = dict(imports=['x'])\nmodel = dict(\n    type='EncoderOfMine'",
        "EncoderOfMine",
        "warning",
    ),
    "weights without config": _toml(
        "ZP401", 'config = "unet_pond-64"', 'config = "unet_pnod-64"', "unet_pnod-64"
    ),
    "weights missing": _toml(
        "ZP402",
        "weights/unet_pond.safetensors",
        "weights/unet.safetensors",
        "weights/unet.safetensors",
    ),
    "weights of another size": _toml(
        "ZP402", "size_bytes = 1024", "size_bytes = 1023", "size_bytes = 1023"
    ),
    "weights of other bytes": Mutation(
        "ZP402", (Write("zoo_pond/weights/unet_pond.safetensors", "x" * 1024),), (TOML, "sha256 =")
    ),
    "metric of COCO": _toml("ZP403", "value = 0.5", "value = -1", "value = -1"),
    "metric in percent": _toml("ZP403", "value = 0.5", "value = 51.2", "value = 51.2"),
    "metric in a shelf": _code(
        "ZP403", "shelf.json", '"value": 40.0', '"value": 140.0', '"pond_old"'
    ),
    "weights unlicensed": _toml(
        "ZP404",
        'licence = "Apache-2.0"\ndata_licence = "CC0-1.0"\nparameters = 100\nmetrics',
        'licence = "see README"\ndata_licence = "CC0-1.0"\nparameters = 100\nmetrics',
        "see README",
    ),
    "converter missing": _toml(
        "ZP405", 'converter = "pond_net"', 'converter = "pondnet"', "pondnet"
    ),
    "successor missing": _toml(
        "ZP406", 'successor = "unet_pond"', 'successor = "unet_sea"', "unet_sea"
    ),
    "index no JSON": Mutation(
        "ZP407", (Write("zoo_pond/old.json", "{}"),), ("zoo_pond/old.json", "")
    ),
}
