# SPDX-License-Identifier: Apache-2.0
"""The stranger knows nothing of zoo but its public names."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

CODE = sorted((Path(__file__).resolve().parent / "crops" / "zoo_crops").rglob("*.py"))
PUBLIC = {"zoo", "zoo.data", "zoo.errors", "zoo.interfaces"}


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_imports_of_stranger_are_public_names(path: Path) -> None:
    """Modules that the design opens to plugins, and of them what ``__all__`` lists."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {a.name for a in node.names if a.name.split(".")[0] == "zoo"} <= PUBLIC
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "zoo":
            assert node.module in PUBLIC
            public = importlib.import_module(node.module).__all__
            assert {alias.name for alias in node.names} <= set(public)
