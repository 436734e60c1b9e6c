# SPDX-License-Identifier: Apache-2.0
"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = re.compile(r"^ *>>> (?!.*doctest: \+SKIP)", re.MULTILINE)
FILES = [
    path
    for pattern in ("zoo/**/*.py", "plugins/*/zoo_*/**/*.py")
    for path in sorted(ROOT.glob(pattern))
    if EXAMPLE.search(path.read_text(encoding="utf-8"))
]


def name_of(path: Path) -> str:
    """Return the dotted name of a module of the core or of a plugin."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[2:] if parts[0] == "plugins" else parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_examples_of_a_module_hold(path: Path) -> None:
    """An example that does not run misleads."""
    module = importlib.import_module(name_of(path))

    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)

    assert result.attempted > 0
    assert result.failed == 0
