# SPDX-License-Identifier: Apache-2.0
"""The files of a plugin, broken on purpose and read by ``zoo plugin check --static``.

Besides a traceback, it counts as a failure if a rule cannot be checked, or if anything of the
plugin is imported or run.
"""

from __future__ import annotations

import copy
import hashlib
import random
import sys
from pathlib import Path
from typing import Any

from document_mutator import mutate_bytes, replace_file, write_json, write_toml
from document_reading import Kind, check, zoo
from document_seeds import HEADER, INDEX, MANIFEST

__all__ = ["KINDS", "CheckedCode", "CheckedConfig", "CheckedManifest", "CheckedProject"]

_PACKAGE = "zoo_checked"
_WEIGHTS = b"0123456789"
_CODE = """
from __future__ import annotations

import torch
from zoo.data import DatasetIdentity

from .more import *

IDENTITY = DatasetIdentity.of("checked", "D")


class D:
    pass


class L(torch.nn.Module):
    pass


I = L


def prepare(source, out, *, shares, progress=None, o="a", p=3):
    return None
"""
_CONFIG = """
_base_ = ['base.json', 'zoo::checked/d']
model = dict(type='mmseg.EncoderDecoder', decode_head=dict(type='FCNHead'))
loss = {'type': 'zoo.checked.L'}
"""
_PROJECT = {
    "build-system": {"requires": ["setuptools>=77"], "build-backend": "setuptools.build_meta"},
    "project": {
        "name": "mmzoo-checked",
        "version": "0.1.0",
        "license": "MIT",
        "readme": "README.md",
        "requires-python": ">=3.11",
        "dependencies": ["mmzoo>=0.1,<0.2"],
        "optional-dependencies": {"extra": ["pillow>=10"]},
        "entry-points": {"zoo.plugins": {"checked": _PACKAGE}},
    },
    "tool": {
        "setuptools": {
            "packages": [_PACKAGE],
            "package-data": {_PACKAGE: ["*.toml", "*.json", "*.safetensors"]},
        }
    },
}


def _manifest() -> dict[str, Any]:
    """Return the seed of manifests as one that breaks no rule."""
    seed = copy.deepcopy(MANIFEST)
    text = repr({**seed, "plugin": {**HEADER, "name": "checked"}}).replace("zoo_hostile", _PACKAGE)
    values: dict[str, Any] = eval(text, {"__builtins__": {}})  # noqa: S307 - of the seed above
    values["config"].append({"name": "d", "file": "d_config.py"})
    values["weights"][0] |= {
        "sha256": hashlib.sha256(_WEIGHTS).hexdigest(),
        "size_bytes": len(_WEIGHTS),
    }
    return values


_RUN: list[str] = []
_HOOKED: list[bool] = []


def _note(event: str, args: tuple[Any, ...]) -> None:
    """Note each import and each run of the plugin's code; an audit hook sees them all."""
    if event == "import" and str(args[0]).partition(".")[0] == _PACKAGE:
        _RUN.append(f"import {args[0]}")
    elif event == "exec" and f"/{_PACKAGE}/" in str(getattr(args[0], "co_filename", "")):
        _RUN.append(f"run {args[0].co_filename}")


class CheckedManifest(Kind):
    """``zoo_plugin.toml`` of a whole project."""

    share, is_toml = 2_000, True
    seed: Any = _manifest()
    file = f"checked/{_PACKAGE}/zoo_plugin.toml"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.project = root / "checked"
        package = self.project / _PACKAGE
        package.mkdir(parents=True, exist_ok=True)
        plain = {
            "__init__.py": b"import zoo\n",
            "more.py": b"",
            "d.py": _CODE.encode(),
            "c.py": _CONFIG.encode(),
            "d_config.py": b"data = dict(type='zoo.D')\n",
            "base.json": b'{"model": {"type": "EncoderDecoder"}}',
            "old.json": write_json(INDEX, random.Random(0)),
            "w.safetensors": _WEIGHTS,
            "zoo_plugin.toml": write_toml(_manifest()),
            "../README.md": b"# checked\n",
            "../LICENSE": b"MIT\n",
            "../pyproject.toml": write_toml(_PROJECT),
        }
        for name, data in plain.items():
            (package / name).write_bytes(data)
        if not _HOOKED:
            _HOOKED.append(True)
            sys.addaudithook(_note)

    def read(self, chance: random.Random) -> bool:
        """Check the plugin, sometimes by the command.

        Args:
            chance: Random generator.
        """
        from zoo.checking.lookup import subject_of_folder
        from zoo.checking.rules import all_rules
        from zoo.checking.running import check_plugin
        from zoo.errors import PluginError

        _RUN.clear()
        try:
            subject = subject_of_folder(self.project)
        except PluginError:  # a folder in place of the manifest's package
            return False
        report = check_plugin(subject, all_rules(), stages=["static"])
        for finding in report.findings:
            check("cannot be checked: " not in finding.message, f"{finding}")
            check(len(finding.message) < 20_000, f"a message of {len(finding.message)}")
        if chance.random() < 0.1:
            words = chance.choice(([], ["--json"]))
            done = zoo("plugin", "check", self.project, "--static", *words)
            check(done is not bool(report.errors), "the command and the rules differ")
        check(not _RUN, f"of the plugin ran: {_RUN[:5]}")
        return not report.errors


class CheckedProject(CheckedManifest):
    """``pyproject.toml``."""

    share, file = 1_000, "checked/pyproject.toml"
    seed: Any = _PROJECT


class _Text(CheckedManifest):
    """A file of text, whose bytes are mutated."""

    is_toml = False

    def write(self, chance: random.Random) -> None:
        """Mutate its bytes, or put something else in its place.

        Args:
            chance: Random generator.
        """
        if chance.random() < 0.05:
            replace_file(self.path, chance)
        else:
            self.path.write_bytes(mutate_bytes(str(self.seed).encode(), chance))

    def encode(self, value: Any, chance: random.Random) -> bytes:
        """Return the text as bytes.

        Args:
            value: The text.
            chance: Random generator.
        """
        return str(value).encode("utf-8", "surrogatepass")


class CheckedConfig(_Text):
    """A config in Python."""

    share, file = 1_000, f"checked/{_PACKAGE}/c.py"
    seed: Any = _CONFIG


class CheckedCode(_Text):
    """A module that targets name."""

    share, file = 1_000, f"checked/{_PACKAGE}/d.py"
    seed: Any = _CODE


KINDS: tuple[type[Kind], ...] = (CheckedManifest, CheckedProject, CheckedConfig, CheckedCode)
