# SPDX-License-Identifier: Apache-2.0
"""The rule that a package brings zoo: what an import does that never ends, or ends all."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.checking.expecting import Broken
from zoo.checking.kinds import packages
from zoo.testing import PluginConformance

MANIFEST = """[plugin]
name = "pond"
version = "0.1.0"
api = 1
summary = "ponds"
license = "Apache-2.0"

[[hook]]
name = "PondHook"
target = "zoo_pond.hook:PondHook"
summary = "a hook"
"""


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import time; time.sleep(60)", "import zoo_pond does not end within 3 s"),
        ("import atexit, time; atexit.register(time.sleep, 60)", "does not end within 3 s"),
        ("import os; os._exit(0)", "import zoo_pond ends Python, or closes"),
        ("import os; os.write(1, b'\\xff')", ""),
        ("import atexit; atexit.register(print, 'good bye')", ""),
    ],
)
def test_import_that_does_not_end_as_others_do_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    """A package that waits or ends Python is told as such; what it prints at its end is not."""
    package = tmp_path / "zoo_pond"
    package.mkdir()
    (package / "zoo_plugin.toml").write_text(MANIFEST)
    (package / "__init__.py").write_text(f"import zoo\n{code}\n")
    if "within" in told:
        monkeypatch.setattr(packages, "IMPORT_S", 3.0)
    pond = {"plugin": "pond", "manifest_path": package / "zoo_plugin.toml"}
    checks = type("Checks", (PluginConformance,), pond)()

    message = ""
    try:
        checks.test_package_when_imported_brings_zoo_and_nothing_heavy()
    except Broken as error:
        message = str(error)

    assert told in message
    assert bool(told) == bool(message), message
