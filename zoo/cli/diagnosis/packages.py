# SPDX-License-Identifier: Apache-2.0
"""The packages that zoo depends on: installed, importable, and one build of each."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import Distribution

from zoo.cli.diagnosis.finding import Finding, install_line, reinstall_line

__all__ = ["build_findings", "stack_findings"]

_LITE = '"mmcv-lite>=2.1,<2.2"'
# System libraries that OpenCV with windows needs, and slim images lack.
_SYSTEM_LIBRARIES = ("libGL", "libgthread", "libglib", "libSM", "libXext")
# mmseg and mmdet assert that mmcv's version suits them; NumPy's other ABI is one of the others.
_IMPORT_FAILURES = (
    AssertionError,
    AttributeError,
    ImportError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def stack_findings(
    stack: Mapping[str, tuple[str, ...]], contradictions: Mapping[str, Finding]
) -> Iterator[Finding]:
    """Yield whether each module is installed in a suitable version, and can be imported.

    Args:
        stack: Module -> the distributions that may bring it, the first one first.
        contradictions: Distribution -> what says that its version will not do.
    """
    from zoo.manifest.requirements import find_builds

    for module, distributions in stack.items():
        builds = [each for name in distributions for each in find_builds(name, alone=True)]
        if not builds:
            yield Finding(module, "missing", "not installed", install_line())
            continue
        name, version = builds[0]
        finding = Finding(module, "ok", f"{name} {version}")
        if name in contradictions:
            finding = replace(contradictions[name], name=module)
        try:
            with warnings.catch_warnings(action="ignore"):  # what upstream warns of is no finding
                importlib.import_module(module)
        except _IMPORT_FAILURES as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            reason = f"{finding.found}; import fails: {text}"
            fix = finding.fix or _fix(module, name, error)
            finding = Finding(module, "broken", reason, fix)
        yield finding


def _fix(module: str, name: str, error: Exception) -> str:
    """Return the command to type if an installed module cannot be imported."""
    text = str(error)
    if module == "pkg_resources":  # setuptools 82 dropped it
        return 'pip install "setuptools<82"'
    if module == "cv2" and any(library in text for library in _SYSTEM_LIBRARIES):
        return "apt-get install libgl1 libglib2.0-0"
    if isinstance(error, AssertionError) and "mmcv" in text.lower():
        return f"pip uninstall -y mmcv mmcv-lite && pip install {_LITE}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] != module:
        return install_line()
    return reinstall_line(Distribution.from_name(name))


def build_findings() -> Iterator[Finding]:
    """Yield the packages with several installed builds that overwrite each other's files."""
    from zoo.manifest.requirements import BUILDS, find_builds

    for group in BUILDS:
        builds = find_builds(group[0])
        if len(builds) < 2:
            continue
        listed = " and ".join(f"{name} {version}" for name, version in builds)
        found = f"{listed} write to the same folder; the one installed last is used"
        # Files of one version are alike: it works until one of them is uninstalled.
        state = "warning" if len({version for _, version in builds}) == 1 else "broken"
        names = [name for name, _ in builds]
        kept = _LITE if group[0] == "mmcv" else f'"{builds[0][0]}=={builds[0][1]}"'
        fix = f"pip uninstall -y {' '.join(names)} && pip install {kept}"
        yield Finding(f"{group[0]} twice", state, found, fix)
