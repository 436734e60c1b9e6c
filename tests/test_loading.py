# SPDX-License-Identifier: Apache-2.0
"""Importing plugins' code: what comes back, and what is said when it does not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.catalog import read_catalog
from zoo.errors import ConflictError, IncompatibleError, LoadError, ManifestError
from zoo.loading import load_contribution, load_target

Write = Callable[..., Path]

LOSS = '[[loss]]\nname = "EdgeLoss"\ntarget = "zoo_cells.loss:EdgeLoss"\n'


def test_load_contribution_of_a_dropped_folder_gives_the_class(write_plugin: Write) -> None:
    write_plugin("cells", LOSS, loss="class EdgeLoss: pass\n")

    found = load_contribution("loss", "cells.EdgeLoss")

    assert found is sys.modules["zoo_cells.loss"].EdgeLoss


def test_load_target_appends_to_the_path_and_inserts_nothing(write_plugin: Write) -> None:
    """A dropped plugin must not shadow what is installed."""
    package = write_plugin("cells", LOSS, loss="class EdgeLoss: pass\n")
    before = list(sys.path)

    for _ in range(2):
        load_contribution("loss", "EdgeLoss")

    assert sys.path == [*before, str(package.parent)]


def test_load_target_takes_another_target_of_the_plugin(write_plugin: Write) -> None:
    write_plugin("cells", LOSS, loss="def prepare(): return 3\n")

    prepare = load_target(read_catalog().plugin("cells"), "zoo_cells.loss:prepare")

    assert prepare() == 3  # type: ignore[operator]


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [
        (
            "import no_such_thing\n",
            "ModuleNotFoundError: No module named 'no_such_thing'.",
            ModuleNotFoundError,
        ),
        ("raise RuntimeError('no luck\\nat all')\n", "RuntimeError: no luck.", RuntimeError),
        ("def broken(:\n", "SyntaxError: invalid syntax (loss.py, line 1).", SyntaxError),
        ("raise ValueError\n", "ValueError: no message.", ValueError),
    ],
)
def test_load_contribution_when_importing_fails_chains_the_cause(
    write_plugin: Write, code: str, reason: str, cause: type[Exception]
) -> None:
    write_plugin("cells", LOSS, loss=code)

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.message == f"cannot load loss 'EdgeLoss': {reason}"
    assert caught.value.where == "plugin cells, target zoo_cells.loss:EdgeLoss"
    assert isinstance(caught.value.__cause__, cause)
    assert (caught.value.plugin, caught.value.target) == ("cells", "zoo_cells.loss:EdgeLoss")


def test_load_contribution_when_a_module_is_missing_hints_at_it(write_plugin: Write) -> None:
    write_plugin("cells", LOSS, loss="import no_such_thing\n")

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.hint == (
        "install what provides 'no_such_thing'; the plugin's manifest does not list it."
    )


def test_load_contribution_when_a_listed_distribution_lacks_a_module_gives_its_pip_line(
    write_plugin: Write,
) -> None:
    rows = f'[requires]\ndistributions = ["pytest>=8"]\n{LOSS}'
    write_plugin("cells", rows, loss="import pytest.no_such_part\n")

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.hint == 'pip install "pytest>=8" (listed in its manifest).'


def test_load_contribution_when_the_module_lacks_the_name_offers_near_ones(
    write_plugin: Write,
) -> None:
    write_plugin("cells", LOSS, loss="class EdgeLos: pass\n")

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert str(caught.value) == (
        "cannot load loss 'EdgeLoss': module zoo_cells.loss has no 'EdgeLoss'.\n"
        "where: plugin cells, target zoo_cells.loss:EdgeLoss\n"
        "HINT: did you mean EdgeLos?"
    )
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize(
    ("module", "loss", "hint"),
    [
        ("zoo_edges.los:EdgeLoss", "EdgeLoss = 1", "did you mean zoo_edges.loss?"),
        (
            "zoo_edges.loss:EdgeLoss",
            "from zoo_edges.parts import x",
            "did you mean zoo_edges.part?",
        ),
        (
            "zoo_edges.elsewhere:EdgeLoss",
            "EdgeLoss = 1",
            "its package has loss, part.",
        ),
    ],
)
def test_load_contribution_when_an_own_module_is_mistyped_offers_near_ones(
    write_plugin: Write, module: str, loss: str, hint: str
) -> None:
    """In the manifest, and in an import of the plugin itself."""
    rows = f'[[loss]]\nname = "EdgeLoss"\ntarget = "{module}"\n'
    write_plugin("edges", rows, loss=loss, part="y = 1")

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.hint == hint


def test_load_contribution_when_requirements_are_unmet_imports_nothing(
    write_plugin: Write,
) -> None:
    rows = f'[requires]\ndistributions = ["no-such-thing>=3"]\n{LOSS}'
    write_plugin("cells", rows, loss="raise RuntimeError('imported')\n")

    with pytest.raises(IncompatibleError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.message == (
        "cannot use plugin 'cells': it requires no-such-thing>=3 (not installed)."
    )
    assert caught.value.hint == 'pip install "no-such-thing>=3"'
    assert "zoo_cells" not in sys.modules


def test_load_contribution_when_a_namesake_is_installed_refuses_it(
    write_plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest describes one folder; Python imported another package of that name."""
    package = write_plugin("cells", LOSS, loss="class EdgeLoss: pass\n")
    namesake = tmp_path / "elsewhere" / "deep" / "zoo_cells"
    namesake.mkdir(parents=True)
    (namesake / "__init__.py").write_text("")
    (namesake / "loss.py").write_text("class EdgeLoss: pass\n")
    monkeypatch.syspath_prepend(namesake.parent)

    with pytest.raises(ConflictError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.message == (
        f"cannot use plugin 'cells': zoo_cells was imported from {namesake / '__init__.py'}, "
        f"expected a file in {package}."
    )
    assert caught.value.hint == "uninstall or remove the other package zoo_cells."


def test_load_target_of_a_broken_plugin_raises_its_error(write_plugin: Write) -> None:
    write_plugin("cells", "[[los]]\n")

    with pytest.raises(ManifestError, match="unknown key 'los'"):
        load_target(read_catalog().plugins[0], "zoo_cells.loss:EdgeLoss")


def test_load_target_of_a_row_without_one_says_so(write_plugin: Write) -> None:
    write_plugin("cells")

    with pytest.raises(LoadError, match="cannot load a target of plugin 'cells'"):
        load_target(read_catalog().plugin("cells"))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys\nsys.exit(3)\n", "SystemExit: 3."),
        ("raise SystemExit\n", "SystemExit: no message."),
        ("class Stop(BaseException): ...\nraise Stop('no\\nmore')\n", "Stop: no."),
        ("import asyncio\nraise asyncio.CancelledError\n", "CancelledError: no message."),
        ("raise GeneratorExit\n", "GeneratorExit: no message."),
        ("def f():\n    f()\nf()\n", "RecursionError: maximum recursion depth exceeded."),
        ("def __getattr__(name):\n    raise SystemExit(4)\n", "SystemExit: 4."),
        ("def __getattr__(name):\n    raise ValueError(name)\n", "ValueError: EdgeLoss."),
    ],
)
def test_load_contribution_when_the_import_would_end_the_program_says_so(
    write_plugin: Write, code: str, reason: str
) -> None:
    """No plugin ends a command without a word, whatever its import raises."""
    write_plugin("cells", LOSS, loss=code)

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.message == f"cannot load loss 'EdgeLoss': {reason}"
    assert caught.value.__cause__ is not None
    assert caught.value.hint


def test_load_contribution_when_the_user_interrupts_an_import_goes_on(write_plugin: Write) -> None:
    """Ctrl-C is the user's, and no fault of the plugin."""
    write_plugin("cells", LOSS, loss="raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        load_contribution("loss", "EdgeLoss")


def test_load_contribution_of_a_package_without_init_says_which_file_to_add(
    write_plugin: Write,
) -> None:
    """The hint leads out: with that file the plugin works."""
    package = write_plugin("cells", LOSS, loss="class EdgeLoss: pass\n")
    (package / "__init__.py").unlink()

    with pytest.raises(LoadError) as caught:
        load_contribution("loss", "EdgeLoss")

    assert caught.value.message == "cannot use plugin 'cells': its package has no __init__.py."
    hint = f"add {package / '__init__.py'} with the line: import zoo"
    assert caught.value.hint == hint
    (package / "__init__.py").write_text("import zoo\n")
    for name in ("zoo_cells", "zoo_cells.loss"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    assert load_contribution("loss", "EdgeLoss").__name__ == "EdgeLoss"  # type: ignore[attr-defined]


def test_load_contribution_when_the_path_names_the_package_itself_works(
    write_plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ZOO_PLUGIN_PATH`` at the folder that holds the manifest."""
    package = write_plugin("cells", LOSS, folder="far/cells", loss="class EdgeLoss: pass\n")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(package))

    assert load_contribution("loss", "zoo.cells.EdgeLoss") is sys.modules["zoo_cells.loss"].EdgeLoss
