# SPDX-License-Identifier: Apache-2.0
"""Build a plugin's sdist, and its wheel from that sdist, by pypa's ``build``."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from zoo.errors import PluginError

__all__ = ["Built", "build_project"]

_TIMEOUT_S = 1800
_MOST_LINES = 12
_OFFLINE = "--no-isolation builds with the packages of this environment."


@dataclass(frozen=True, slots=True)
class Built:
    """The files of one build.

    Attributes:
        wheel: The ``.whl``.
        sdist: The ``.tar.gz``.
    """

    wheel: Path
    sdist: Path


def build_project(project: Path, out: Path, *, is_isolated: bool = True) -> Built:
    """Build the sdist and the wheel of a project into a folder.

    The wheel is built from the sdist, so it holds nothing that the sdist lacks, and no file that an
    earlier build left in the project. What the build adds to the project is removed.

    Args:
        project: Folder of ``pyproject.toml``.
        out: Empty folder.
        is_isolated: Whether to build in an environment of its own, for which the requirements of
            the build are downloaded; else with what is installed here.

    Raises:
        PluginError: ``build`` is not installed, or the build fails; the message ends with what it
            printed last.
    """
    if find_spec("build") is None or find_spec("build.__main__") is None:
        message = "cannot build: the package 'build' is not installed."
        raise PluginError(message, hint='pip install "build>=1.2,<2"')
    before = set(_leftovers(project))
    command = [sys.executable, "-m", "build", "--outdir", str(out)]
    command += [] if is_isolated else ["--no-isolation"]
    # Neither zoo's checkout nor the project itself may be what a build imports.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        done = subprocess.run(  # noqa: S603
            [*command, str(project.absolute())],
            capture_output=True,
            text=True,
            errors="replace",
            cwd=out,
            env=env,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        message = f"cannot build {project.name!r}: it took more than {_TIMEOUT_S // 60} minutes."
        raise PluginError(message, where=project, hint=_OFFLINE) from error
    finally:
        _remove(set(_leftovers(project)) - before)
    wheels, sdists = sorted(out.glob("*.whl")), sorted(out.glob("*.tar.gz"))
    if done.returncode or len(wheels) != 1 or len(sdists) != 1:
        printed = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        told = "\n".join(f"  {line}" for line in printed[-_MOST_LINES:])
        message = f"cannot build {project.name!r}: the build failed.\n{told}"
        hint = _OFFLINE if is_isolated else "correct pyproject.toml, as the last lines say."
        raise PluginError(message, where=project / "pyproject.toml", hint=hint)
    return Built(wheels[0], sdists[0])


def _leftovers(project: Path) -> list[Path]:
    """Return what setuptools leaves in a project."""
    found = [*project.glob("*.egg-info"), *project.glob("src/*.egg-info")]
    return found + [path for path in [project / "build"] if path.is_dir()]


def _remove(paths: set[Path]) -> None:
    from shutil import rmtree

    for path in paths:
        rmtree(path, ignore_errors=True)
