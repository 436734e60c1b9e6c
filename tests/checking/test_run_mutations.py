# SPDX-License-Identifier: Apache-2.0
"""Rules that run configs and build wheels: a clean plugin breaks none, each mutation its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_project import FILES, write_project

from zoo.checking.finding import Finding
from zoo.checking.isolation.bench import Bench
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules

pytestmark = [pytest.mark.mm, pytest.mark.slow]
CONFIG = "zoo_ponds/configs/pond-64.py"
HOOKS = "custom_hooks = [dict(type='zoo.ponds.Stop', at='{at}')]\n"
CLEAN = {
    **FILES,
    CONFIG: '"""Ponds."""\n\n_base_ = ["zoo::unet_small_folder-512"]\n',
    "zoo_ponds/zoo_plugin.toml": FILES["zoo_ponds/zoo_plugin.toml"].partition("[requires]")[0]
    + '[[hook]]\nname = "Stop"\ntarget = "zoo_ponds.hook:Stop"\n\n'
    + '[[config]]\nname = "pond-64"\nfile = "configs/pond-64.py"\n',
    "zoo_ponds/hook.py": """from mmengine.hooks import Hook


class Stop(Hook):
    def __init__(self, at=''):
        if at:
            setattr(self, at, self.stop)

    def stop(self, runner, *args, **kwargs):
        raise RuntimeError('a hook of ponds stops')
""",
}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def shipped_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The config stands on a base of this checkout, and reads the sample of one of its plugins."""
    from zoo.catalog import forget_catalog

    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{ROOT / 'plugins'}:{ROOT / 'configs'}")
    forget_catalog()
    yield
    forget_catalog()


def _check(project: Path, group: str) -> list[Finding]:
    subject = subject_of_folder(project)
    wanted = [
        (rule, case[0])
        for rule in all_rules()
        if rule.together == group
        for case in rule.cases(subject)
    ]
    assert len(wanted) == 5
    with Bench(subject) as bench:
        return [each for found in bench.check_all(wanted, lambda *_: None) for each in found]


def _project(folder: Path, **changes: str | None) -> Path:
    return write_project(folder, **{**CLEAN, "zoo_ponds/loss.py": None, **changes})


def test_clean_plugin_runs_and_builds(tmp_path: Path) -> None:
    """What the mutations start from has no finding, and every phase ran."""
    project = _project(tmp_path / "ponds")

    assert _check(project, "config") == []
    assert _check(project, "build") == []


@pytest.mark.parametrize(
    ("rule", "text", "told"),
    [
        ("ZP610", "model = 3\n", "model"),
        ("ZP611", "model = dict(decode_head=dict(widht=3))\n", "widht"),
        ("ZP612", HOOKS.format(at="before_train_iter"), "a hook of ponds stops"),
        ("ZP613", HOOKS.format(at="before_val_iter"), "a hook of ponds stops"),
        ("ZP614", HOOKS.format(at="before_test_iter"), "a hook of ponds stops"),
    ],
)
def test_config_that_stops_in_a_phase_breaks_the_rule_of_that_phase(
    rule: str, text: str, told: str, tmp_path: Path
) -> None:
    """The finding has the rule of the phase, the row, and what was raised."""
    project = _project(tmp_path / "ponds", **{CONFIG: CLEAN[CONFIG] + text})

    found = _check(project, "config")

    assert [(each.rule, each.level, each.row) for each in found] == [
        (rule, "error", "config pond-64")
    ], found
    assert told in found[0].message
    assert found[0].mend
    assert found[0].detail


@pytest.mark.parametrize(
    ("rule", "changes", "told"),
    [
        (
            "ZP801",
            {"setup.py": FILES["setup.py"] + "\nraise SystemExit('no build today')\n"},
            "no build today",
        ),
        (
            "ZP803",
            {
                "pyproject.toml": FILES["pyproject.toml"].replace(
                    'packages = ["zoo_ponds"]', 'packages = ["zoo_ponds", "tests"]'
                ),
                "tests/__init__.py": "",
            },
            "the wheel puts tests/__init__.py beside the package",
        ),
        (
            "ZP805",
            {
                "zoo_ponds/hook.py": "from pathlib import Path\n\n"
                "Path(__file__).parents[1].joinpath('README.md').read_text()\n\n"
                + CLEAN["zoo_ponds/hook.py"]
            },
            "README.md",
        ),
    ],
)
def test_project_whose_wheel_does_not_hold_breaks_one_rule(
    rule: str, changes: dict[str, str | None], told: str, tmp_path: Path
) -> None:
    """What others would install is tried, not what lies in the project."""
    found = _check(_project(tmp_path / "ponds", **changes), "build")

    assert {(each.rule, each.level) for each in found} == {(rule, "error")}, found
    assert told in found[0].message


@pytest.mark.parametrize(
    ("rule", "manifest_in"), [("ZP802", "include zoo_ponds/configs/*.py\n"), ("ZP804", None)]
)
def test_wheel_and_sdist_that_lack_a_named_file_are_told(
    rule: str, manifest_in: str | None, tmp_path: Path
) -> None:
    """A file that only the checkout has: the wheel's fault, or the sdist's that it is made from."""
    project = FILES["pyproject.toml"].replace(', "configs/*.py"', "")
    project = project.replace(
        "[tool.setuptools]", "[tool.setuptools]\ninclude-package-data = false"
    )
    changes = {"pyproject.toml": project, "MANIFEST.in": manifest_in}

    found = _check(_project(tmp_path / "ponds", **changes), "build")

    assert [(each.rule, each.level) for each in found] == [(rule, "error")]
    assert "lacks configs/pond-64.py" in found[0].message


def test_path_of_this_machine_in_a_wheel_is_told(tmp_path: Path) -> None:
    """A path that an editor or a dump left in a file of the package."""
    folder = tmp_path / "ponds"
    text = CLEAN[CONFIG] + f"data_root = '{folder.absolute()}/data'\n"

    found = _check(_project(folder, **{CONFIG: text}), "build")

    assert [each.rule for each in found] == ["ZP803"]
    assert "names the folder" in found[0].message
