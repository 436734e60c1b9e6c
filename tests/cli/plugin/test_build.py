# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin build`` writes a wheel and an sdist with what the manifest names, or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_project import FILES, write_project

from zoo.checking.distributions import building
from zoo.checking.distributions.comparing import compare_sdist, compare_wheel
from zoo.manifest.reading import read_manifest

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
MANIFEST = FILES["zoo_ponds/zoo_plugin.toml"]
HIDDEN = ".hidden"


@pytest.fixture(scope="module", autouse=True)
def _has_build() -> None:
    pytest.importorskip("build.__main__")


def build(run_zoo: RunZoo, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command offline, with the setuptools of this environment."""
    return run_zoo("plugin", "build", *words, "--no-isolation", plugins="")


@pytest.mark.slow
def test_build_when_the_plugin_holds_then_both_files_hold_what_is_named(
    run_zoo: RunZoo, tmp_path: Path
) -> None:
    """The version is the manifest's, a second build replaces the first, nothing else is left."""
    project = write_project(tmp_path / "ponds")
    stale = project / "build" / "lib" / "zoo_ponds" / "deleted_yesterday.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    before = {path for path in project.rglob("*") if "dist" not in path.parts}

    for _ in range(2):
        done = build(run_zoo, project, "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    wheel, sdist = (Path(row["path"]) for row in document["files"])
    assert {path.name for path in (project / "dist").iterdir()} == {wheel.name, sdist.name}
    assert wheel.name == "mmzoo_ponds-1.2.3-py3-none-any.whl"
    assert {path for path in project.rglob("*") if "dist" not in path.parts} == before
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read("zoo_ponds/zoo_plugin.toml").decode() == MANIFEST
    assert {
        f"zoo_ponds/{name}" for name in ("__init__.py", "loss.py", "configs/pond-64.py")
    } < names
    assert not any("deleted_yesterday" in name for name in names)
    with tarfile.open(sdist) as archive:
        assert "mmzoo_ponds-1.2.3/setup.py" in archive.getnames()
    target = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target"]
    subprocess.run([*command, target, wheel], check=True, capture_output=True)
    listed = run_zoo("plugin", "info", "ponds", "--json", folder=target, plugins="ponds")
    assert json.loads(listed.stdout)["version"] == "1.2.3"


@pytest.mark.slow
def test_build_when_only_a_built_wheel_shows_a_fault_then_nothing_is_written(
    run_zoo: RunZoo, tmp_path: Path
) -> None:
    """A setup.py that drops the package data, which no reading of files tells."""
    setup = FILES["setup.py"].replace("setup(", "setup(exclude_package_data={'': ['*64.py']}, ")
    project = write_project(tmp_path / "ponds", **{"setup.py": setup})

    done = build(run_zoo, project)

    assert done.returncode == 1
    assert "the wheel lacks configs/pond-64.py, which [[config]] pond-64 names" in done.stderr
    assert 'HINT: add "configs/*.py" to [tool.setuptools.package-data] zoo_ponds.' in done.stderr
    assert not (project / "dist").exists()


@pytest.mark.slow
def test_build_when_no_setup_reads_the_version_then_nothing_is_written(
    run_zoo: RunZoo, tmp_path: Path
) -> None:
    """setuptools takes 0.0.0 for a dynamic version that nobody states, without a word."""
    project = write_project(tmp_path / "ponds", **{"setup.py": None})

    done = build(run_zoo, project)

    assert done.returncode == 1
    assert "version" in done.stderr
    assert not (project / "dist").exists()


@pytest.mark.slow
def test_build_when_the_build_fails_then_its_last_lines_are_told(
    run_zoo: RunZoo, tmp_path: Path
) -> None:
    setup = "raise SystemExit('the dog ate it')\n# zoo_plugin.toml\n"
    project = write_project(tmp_path / "ponds", **{"setup.py": setup})

    done = build(run_zoo, project)

    assert done.returncode == 1
    assert "the dog ate it" in done.stderr
    assert "Traceback" not in done.stderr.partition("error: ")[0]
    assert not (project / "dist").exists()
    assert not list(project.glob("*.egg-info"))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"zoo_ponds/loss.py": None}, "zoo_ponds.loss"),
        ({"zoo_ponds/configs/pond-64.py": None}, "pond-64.py"),
        ({"zoo_ponds/zoo_plugin.toml": MANIFEST.replace("api = 1", "api = 1.5")}, "api"),
        (
            {"pyproject.toml": FILES["pyproject.toml"].replace('ponds = "zoo', 'ponds = "zo')},
            "ponds",
        ),
    ],
)
def test_build_when_the_files_have_errors_then_they_are_told_and_nothing_is_built(
    run_zoo: RunZoo, tmp_path: Path, changes: dict[str, str | None], part: str
) -> None:
    project = write_project(tmp_path / "ponds", **changes)

    done = build(run_zoo, project)

    assert done.returncode == 1
    assert "cannot build plugin 'ponds': found " in done.stderr
    assert part in done.stderr
    assert f"HINT: zoo plugin check {project} says how to mend each." in done.stderr
    assert not (project / "dist").exists()


@pytest.mark.parametrize("words", [["nowhere"], []])
def test_build_when_there_is_no_project_then_said(run_zoo: RunZoo, words: list[str]) -> None:
    """Without a path, the empty folder that it runs in."""
    done = run_zoo("plugin", "build", *words, plugins="")

    assert done.returncode == 1
    assert "HINT: " in done.stderr


def test_build_when_the_package_has_no_pyproject_then_said(run_zoo: RunZoo, tmp_path: Path) -> None:
    project = write_project(tmp_path / "ponds", **{"pyproject.toml": None})

    done = build(run_zoo, project)

    assert done.returncode == 1
    assert "there is no pyproject.toml beside its package" in done.stderr


def _wheel(path: Path, names: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return path


WHOLE = {
    **{path: text for path, text in FILES.items() if path.startswith("zoo_ponds/")},
    "mmzoo_ponds-1.2.3.dist-info/METADATA": "Metadata-Version: 2.4\nName: x\nVersion: 1.2.3\n",
    "mmzoo_ponds-1.2.3.dist-info/entry_points.txt": "[zoo.plugins]\nponds = zoo_ponds\n",
    "mmzoo_ponds-1.2.3.dist-info/licenses/LICENSE": "MIT",
}


@pytest.mark.parametrize(
    ("changes", "part", "is_error"),
    [
        ({}, None, False),
        ({"zoo_ponds/zoo_plugin.toml": None}, "lacks zoo_plugin.toml, which the manifest", True),
        ({"zoo_ponds/__init__.py": None}, "lacks __init__.py", True),
        ({"zoo_ponds/loss.py": None}, "lacks loss.py, which [[loss]] PondLoss names", True),
        ({"zoo_ponds/configs/pond-64.py": None}, "lacks configs/pond-64.py", True),
        (
            {"mmzoo_ponds-1.2.3.dist-info/METADATA": "Version: 1.2.4\n"},
            "the version '1.2.4', the manifest '1.2.3'",
            True,
        ),
        ({"mmzoo_ponds-1.2.3.dist-info/METADATA": "Version: 1.2.3.0\n"}, None, False),
        (
            {"mmzoo_ponds-1.2.3.dist-info/entry_points.txt": "[zoo.plugins]\npond = zoo_ponds\n"},
            "no entry point ponds=zoo_ponds",
            True,
        ),
        ({"mmzoo_ponds-1.2.3.dist-info/entry_points.txt": None}, "no entry point", True),
        ({"mmzoo_ponds-1.2.3.dist-info/licenses/LICENSE": None}, "no licence file", False),
    ],
)
def test_compare_wheel_when_one_thing_is_wrong_then_it_alone_is_told(
    tmp_path: Path, changes: dict[str, str | None], part: str | None, is_error: bool
) -> None:
    """The table of what a wheel may lack or say otherwise."""
    project = write_project(tmp_path / "ponds")
    manifest = read_manifest(project / "zoo_ponds" / "zoo_plugin.toml")
    names = {name: text for name, text in {**WHOLE, **changes}.items() if text is not None}

    found = compare_wheel(_wheel(tmp_path / "x.whl", names), manifest, {})

    assert [(part in each.message, each.is_error) for each in found if part] == (
        [(True, is_error)] if part else []
    )
    assert bool(found) is bool(part)
    assert all(each.mend for each in found)


def test_compare_when_a_weights_file_and_a_shelf_are_named_then_both_are_missed(
    tmp_path: Path,
) -> None:
    """And files of the package that nobody names are a warning, hidden ones nothing."""
    project = write_project(tmp_path / "ponds")
    package = project / "zoo_ponds"
    row = (
        '[[weights]]\nname = "unet_pond"\ntask = "semantic"\nconfig = "pond-64"\n'
        'urls = ["package:weights/unet_pond.safetensors"]\nsha256 = "' + "ab" * 32 + '"\n'
        'size_bytes = 5\nformat = "safetensors"\nlicence = "MIT"\ndata_licence = "MIT"\n'
        'parameters = 1\n[[weights.metrics]]\nname = "mIoU"\nvalue = 0.5\ndataset = "p"\n'
        'split = "test"\nlabels = "true"\nprotocol = "x"\n'
    )
    shelf = '[[shelf]]\nfile = "shelf.json"\n'
    (package / "zoo_plugin.toml").write_text(f"{MANIFEST}{row}{shelf}")
    (package / "shelf.json").write_text('{"format": 1, "class_lists": {}, "weights": []}')
    (package / "weights").mkdir()
    for name in ("unet_pond.safetensors", "notes.txt", HIDDEN):
        (package / "weights" / name).write_bytes(b"12345")
    manifest = read_manifest(package / "zoo_plugin.toml")
    document = {"shelf": [{"file": "shelf.json"}]}

    found = compare_wheel(_wheel(tmp_path / "x.whl", WHOLE), manifest, document)

    assert sorted((each.message, each.is_error) for each in found) == [
        ("the wheel lacks shelf.json, which [[shelf]] names", True),
        ("the wheel lacks weights/notes.txt, which is in the package", False),
        (
            "the wheel lacks weights/unet_pond.safetensors, which [[weights]] unet_pond names",
            True,
        ),
    ]
    mends = {each.mend for each in found if each.is_error}
    assert 'add "weights/*.safetensors" to [tool.setuptools.package-data] zoo_ponds.' in mends
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(package / "__init__.py", "mmzoo_ponds-1.2.3/src/zoo_ponds/__init__.py")
    absent = compare_sdist(tmp_path / "x.tar.gz", manifest, document)
    assert len(absent) == 5
    assert all("the sdist lacks " in each.message for each in absent)


def run_bound(bound: list[str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user whom modes of folders bind."""
    command = [*bound, sys.executable, "-m", "zoo", "plugin", "build", *words, "--no-isolation"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make_read_only(folder: Path) -> list[tuple[Path, int]]:
    """Take the permission to write from a folder and all in it; return what is there."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o555)
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.slow
def test_build_of_a_read_only_project_is_that_of_a_copy(
    tmp_path: Path, bound_by_permissions: list[str]
) -> None:
    """setuptools writes beside what it reads; the project stays as it is."""
    project = write_project(tmp_path / "ponds")
    before = make_read_only(project)

    done = run_bound(bound_by_permissions, project, "--out", tmp_path / "out")

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(project / "zoo_ponds" / "zoo_plugin.toml")
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert [each for each in compare_wheel(wheel, manifest, {}) if each.is_error] == []
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert before == sorted((path, path.stat().st_mtime_ns) for path in project.rglob("*"))


def _fill(project: Path) -> None:
    """Add folders that builds leave, folders of the same names in the package, and links."""
    for name in ("build", "dist", "venv", "node_modules", "zoo_ponds/env", "src/x.egg-info"):
        (project / name).mkdir(parents=True)
        (project / name / "left.py").write_text("")
    (project / "zoo_ponds/env/pyvenv.cfg").write_text("")
    for name in ("build", "dist", "venv", "node_modules"):
        (project / "zoo_ponds" / name).mkdir()
        (project / "zoo_ponds" / name / "__init__.py").write_text("")
    (project.parent / "NOTICE").write_text("all may use it")
    (project.parent / "shared/deep").mkdir(parents=True)
    links = {
        "NOTICE": "../NOTICE",
        "loop": ".",
        "zoo_ponds/again": "..",
        "zoo_ponds/shared": "../../shared",
        "alias": "zoo_ponds/venv",
        "absolute": str(project / "zoo_ponds"),
        "of_left": "dist/left.py",
        "nothing": "nowhere",
    }
    for name, target in links.items():
        (project / name).symlink_to(target)


def test_copy_of_a_project_has_each_file_once_and_the_packages_own_folders(tmp_path: Path) -> None:
    """Links stay links, into the copy where they stay inside; what builds leave is not there."""
    project = write_project(tmp_path / "ponds")
    own = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    _fill(project)
    copy = tmp_path / "elsewhere" / "ponds"
    copy.parent.mkdir()

    building._copy(project, copy)

    paths = [path for path in copy.rglob("*") if not path.is_dir() or path.is_symlink()]
    folders = ("build", "dist", "venv", "node_modules")
    assert {path.relative_to(copy).as_posix() for path in paths if not path.is_symlink()} == {
        *own,
        *(f"zoo_ponds/{name}/__init__.py" for name in folders),
    }
    assert {
        path.relative_to(copy).as_posix(): path.resolve() for path in paths if path.is_symlink()
    } == {
        "NOTICE": tmp_path / "NOTICE",
        "loop": copy,
        "zoo_ponds/again": copy,
        "zoo_ponds/shared": tmp_path / "shared",
        "alias": copy / "zoo_ponds/venv",
        "absolute": copy / "zoo_ponds",
        "of_left": project / "dist/left.py",
    }


@pytest.mark.slow
def test_wheel_of_a_read_only_project_holds_the_packages_folder_called_build(
    tmp_path: Path, bound_by_permissions: list[str]
) -> None:
    """The project has a link to itself, too, which the build does not follow without end."""
    project = write_project(tmp_path / "ponds")
    (project / "zoo_ponds/build").mkdir()
    (project / "zoo_ponds/build/__init__.py").write_text("")
    (project / "pyproject.toml").write_text(
        (project / "pyproject.toml")
        .read_text()
        .replace('["zoo_ponds"]', '["zoo_ponds", "zoo_ponds.build"]')
    )
    for name in ("loop", "again"):
        (project / name).symlink_to(".")
    make_read_only(project)

    done = run_bound(bound_by_permissions, project, "--out", tmp_path / "out")

    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "zoo_ponds/build/__init__.py" in archive.namelist()


@pytest.mark.parametrize("out", ["ponds/dist", "locked", "locked/below/deeper"])
def test_build_into_a_folder_that_cannot_be_written_ends_before_the_build(
    tmp_path: Path, bound_by_permissions: list[str], out: str
) -> None:
    """One message with what to do; a project's own ``dist`` is where files go by default."""
    project = write_project(tmp_path / "ponds")
    (tmp_path / "locked").mkdir()
    make_read_only(project)
    make_read_only(tmp_path / "locked")
    words = () if out.startswith("ponds") else ("--out", tmp_path / out)

    done = run_bound(bound_by_permissions, project, *words)

    assert done.returncode == 1
    assert f"cannot write {tmp_path / out}: Permission denied." in done.stderr
    assert "or name another folder with --out" in done.stderr
    assert not list((tmp_path / "locked").iterdir())
