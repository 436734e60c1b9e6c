# SPDX-License-Identifier: Apache-2.0
"""ZP801-ZP805: the wheel and the sdist of a plugin, built without a network and tried."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from zoo.checking.distributions.building import Built, build_project
from zoo.checking.distributions.comparing import BuildFault, compare_sdist, compare_wheel
from zoo.checking.finding import Finding
from zoo.checking.folders import scratch_of_process
from zoo.checking.process_groups import run_group
from zoo.checking.rule import Case, Rule
from zoo.checking.subject import Subject
from zoo.errors import PluginError

__all__ = ["RULES"]

_LARGE_BYTES = 100 * 2**20
"""What the Python Package Index takes without being asked."""
_FOREIGN = ("tests", "test", "docs", "data", "build", "dist", "work_dirs", ".git", ".venv")
_TRIED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from zoo.catalog import PluginRecord
from zoo.checking.kinds.targets import targets_of
from zoo.loading import load_target
from zoo.manifest.reading import read_manifest
path = Path(sys.argv[1], sys.argv[2], "zoo_plugin.toml")
manifest = read_manifest(path)
record = PluginRecord(manifest.plugin, manifest, path, "ZOO_PLUGIN_PATH")
for target in targets_of(manifest):
    load_target(record, target.target)
"""


def _projects(subject: Subject) -> Iterator[Case]:
    if subject.project is not None and subject.manifest is not None:
        yield "", subject.project


@cache
def _built(project: Path) -> Built | PluginError:
    """Return the files of one build, with the packages of this environment."""
    try:
        return build_project(project, scratch_of_process().mktemp("built"), is_isolated=False)
    except PluginError as error:
        return error


def _rule(id_: str, name: str, summary: str, check: _Check) -> Rule:
    def run(subject: Subject, project: Path) -> Iterator[Finding]:
        found = _built(project)
        if isinstance(found, Built):
            for fault in check(subject, found):
                level = "error" if fault.is_error else "warning"
                where = str(project / "pyproject.toml")
                yield Finding(id_, where, f"{fault.message}.", fault.mend, level=level)

    return Rule(id_, name, "build", summary, _projects, run, together="build")


_Check = Callable[[Subject, Built], Iterator[BuildFault]]


def _check_builds(subject: Subject, project: Path) -> Iterator[Finding]:
    found = _built(project)
    if isinstance(found, PluginError):
        message = " ".join(found.message.split())
        level = "note" if "not installed" in message else "error"
        where = str(project / "pyproject.toml")
        hint = found.hint or "correct pyproject.toml."
        yield Finding("ZP801", where, message, hint, level=level, detail=found.message)


def _compare_wheel(subject: Subject, built: Built) -> Iterator[BuildFault]:
    """Yield what the wheel lacks although the sdist, of which it is made, has it."""
    if subject.manifest is None:
        return
    earlier = {_thing(fault) for fault in _compare_sdist(subject, built)}
    for fault in compare_wheel(built.wheel, subject.manifest, subject.survey.document):
        if _thing(fault) not in earlier:
            yield fault


def _compare_sdist(subject: Subject, built: Built) -> Iterator[BuildFault]:
    if subject.manifest is not None:
        yield from compare_sdist(built.sdist, subject.manifest, subject.survey.document)


def _thing(fault: BuildFault) -> str:
    """Return what is lacking, whichever file lacks it."""
    return fault.message.partition(" lacks ")[2] or fault.message


def _look_for_leaks(subject: Subject, built: Built) -> Iterator[BuildFault]:
    """Yield what should be in no wheel: tests, data, large files, paths of this machine."""
    with zipfile.ZipFile(built.wheel) as archive:
        for entry in archive.infolist():
            top = PurePosixPath(entry.filename).parts[0]
            if top != subject.package_name and not top.endswith((".dist-info", ".data")):
                message = f"the wheel puts {entry.filename} beside the package"
                mend = f'list the packages: [tool.setuptools] packages = ["{subject.package_name}"]'
                yield BuildFault(message, mend, is_error=top in _FOREIGN)
            inside = set(PurePosixPath(entry.filename).parts[1:-1]) & set(_FOREIGN[:2])
            if inside:
                message = f"the wheel holds {entry.filename}, which is a test"
                yield BuildFault(message, "move the tests out of the package.", is_error=False)
            if entry.file_size > _LARGE_BYTES:
                message = f"{entry.filename} has {entry.file_size / 2**20:.0f} MiB in the wheel, "
                message += f"expected at most {_LARGE_BYTES // 2**20}"
                yield BuildFault(message, "give the row an https: address instead of package:.")
            # Compiled or zipped files hold any bytes.
            text = archive.read(entry) if entry.file_size < 2**20 else b""
            if str(subject.package.parent.absolute()).encode() in text:
                message = f"{entry.filename} names the folder {subject.package.parent.absolute()}"
                yield BuildFault(message, "drop paths of this machine from the package.")
    with tarfile.open(built.sdist) as archive:
        for member in archive.getmembers():
            if member.size > _LARGE_BYTES:
                message = f"{member.name} has {member.size / 2**20:.0f} MiB in the sdist"
                yield BuildFault(message, "leave it out: exclude it in MANIFEST.in.")


def _try_wheel(subject: Subject, built: Built) -> Iterator[BuildFault]:
    """Import each target from the unpacked wheel, in a process that knows no other copy."""
    if any(
        fault.is_error
        for fault in (*_compare_sdist(subject, built), *_compare_wheel(subject, built))
    ):
        return  # what it lacks is told
    target = scratch_of_process().mktemp("installed")
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(target)  # noqa: S202 - it was built here; zipfile drops `..`
    done = run_group([sys.executable, "-c", _TRIED, str(target), subject.package_name], cwd=target)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
        message = f"the plugin of the wheel cannot be used: {' '.join(last)}"
        yield BuildFault(message.rstrip("."), "list every package and file that it needs.")


RULES = (
    Rule(
        "ZP801",
        "project-builds",
        "build",
        "The sdist can be built, and the wheel from it.",
        _projects,
        _check_builds,
        together="build",
    ),
    _rule(
        "ZP802",
        "wheel-whole",
        "The wheel holds every file that the manifest names, with its version and entry point.",
        _compare_wheel,
    ),
    _rule(
        "ZP803",
        "wheel-clean",
        "The wheel holds no tests, no large files and no paths of this machine.",
        _look_for_leaks,
    ),
    _rule(
        "ZP804",
        "sdist-whole",
        "The sdist holds every file that the manifest names.",
        _compare_sdist,
    ),
    _rule(
        "ZP805",
        "wheel-works",
        "The plugin can be used from its wheel: manifest and targets.",
        _try_wheel,
    ),
)
