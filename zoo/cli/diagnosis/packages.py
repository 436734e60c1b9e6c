# SPDX-License-Identifier: Apache-2.0
"""The packages that zoo depends on: installed, importable, and one build of each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import Distribution
from typing import Any

from zoo.cli.diagnosis.finding import AGAIN, Finding
from zoo.cli.diagnosis.mend import Mend, install_mend, pip_mend, reinstall_mend, shown
from zoo.cli.diagnosis.opencv import build_to_keep

__all__ = ["LITE", "build_findings", "fit_findings", "stack_findings"]

LITE = "mmcv-lite>=2.1,<2.2"
# System libraries that OpenCV with windows needs, and slim images lack.
_SYSTEM_LIBRARIES = ("libGL", "libgthread", "libglib", "libSM", "libXext", "libxcb")
# What NumPy, Cython and pybind say of a module that was compiled for another NumPy.
_OTHER_ABI = re.compile(
    r"compiled using NumPy|_ARRAY_API not found|numpy\.core\.multiarray failed to import"
    r"|numpy\._core\.multiarray failed to import|numpy\.dtype size changed"
    r"|compiled against (?:ABI|API) version|numpy\.ufunc size changed|ndarray size changed"
)
_FAILED = {"error", "ended"}


def stack_findings(
    stack: Mapping[str, tuple[str, ...]],
    contradictions: Mapping[str, Finding],
    results: Mapping[str, Mapping[str, Any]],
) -> Iterator[Finding]:
    """Yield whether each module is installed in a suitable version, and can be imported.

    Args:
        stack: Module -> the distributions that may bring it, the first one first.
        contradictions: Distribution -> what says that its version will not do.
        results: Module -> what importing it gave; see `zoo.cli.diagnosis.probing`.
    """
    from zoo.manifest.requirements import find_builds

    failed: dict[str, Finding] = {}
    for module, distributions in stack.items():
        builds = [each for name in distributions for each in find_builds(name, alone=True)]
        result = results.get(module, {})
        if not builds:
            yield Finding(module, "missing", "not installed", install_mend())
            continue
        name, version = builds[0]
        finding = Finding(module, "ok", f"{name} {version}")
        if name in contradictions:
            finding = replace(contradictions[name], name=module)
        if "late" in result:
            finding = _late(finding, result["late"])
        if result.keys() & _FAILED:
            finding = _failure(finding, name, result, failed)
            failed[module] = finding
        yield finding


def _late(finding: Finding, reason: str) -> Finding:
    """Return the finding on a module whose import was given up."""
    found = f"{finding.found}; not checked: {reason}"
    state = "warning" if finding.state == "ok" else finding.state
    return replace(finding, state=state, found=found, mend=finding.mend or AGAIN)


def _failure(
    finding: Finding, name: str, result: Mapping[str, Any], failed: Mapping[str, Finding]
) -> Finding:
    """Return the finding on a module whose import failed; ``failed`` are those before it."""
    module, found = finding.name, finding.found
    if "ended" in result:
        reason = f"{found}; import fails: {result['ended']}"
        return Finding(module, "broken", reason, finding.mend or _reinstall(name))
    reason = f"{found}; import fails: {result['text']}"
    first = failed.get(result.get("culprit") or "")
    if first is not None:  # it fails because what it imports does
        return Finding(module, "broken", f"{reason} (in {first.name})", finding.mend or first.mend)
    if _OTHER_ABI.search(result["whole"]):
        numpy = _version_of("numpy")
        reason = f"{found}; import fails: built for another NumPy than {numpy} ({result['text']})"
    return Finding(module, "broken", reason, finding.mend or _mend(module, name, result))


def _mend(module: str, name: str, result: Mapping[str, Any]) -> Mend:
    """Return what to do if an installed module cannot be imported."""
    text = result["whole"]
    missing = (result["missing"] or "").partition(".")[0]
    if module == "pkg_resources":  # setuptools 82 dropped it
        return pip_mend(["install", "setuptools<82"])
    if module == "cv2" and any(library in text for library in _SYSTEM_LIBRARIES):
        return _system_libraries(name)
    if result["error"] == "AssertionError" and "mmcv" in text.lower():
        return _lite_alone()
    if result["is_not_found"] and missing not in ("", module):
        return install_mend()
    if _OTHER_ABI.search(text):
        # Not the same version again: its wheel was built for that NumPy.
        return pip_mend(["install", "--upgrade", "--force-reinstall", "--no-deps", _wanted(name)])
    return _reinstall(name)


def _system_libraries(name: str) -> Mend:
    if shutil.which("apt-get"):
        return shown("apt-get install libgl1 libglib2.0-0")
    headless = "opencv-python-headless"
    exact = f"{headless}=={_version_of(name).rpartition(' ')[2]}"
    return pip_mend(["uninstall", "-y", name], ["install", "--no-deps", exact])


def _lite_alone() -> Mend:
    from zoo.manifest.requirements import find_builds

    names = [name for name, _ in find_builds("mmcv") if name != "onedl-mmcv"]
    return pip_mend(["uninstall", "-y", *names], ["install", LITE])


def _reinstall(name: str) -> Mend:
    return reinstall_mend(Distribution.from_name(name))


def _version_of(name: str) -> str:
    from zoo.manifest.requirements import find_builds

    return next((" ".join(each) for each in find_builds(name)), name)


def _wanted(name: str) -> str:
    """Return a distribution with the versions that zoo takes, for pip."""
    from packaging.requirements import Requirement

    from zoo.cli.diagnosis.distributions import own_distribution

    own = own_distribution()
    for text in () if own is None else own.requires or ():
        requirement = Requirement(text)
        if requirement.name == name:
            return f"{name}{requirement.specifier}"
    return name


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
        kept = LITE if group[0] == "mmcv" else f"{builds[0][0]}=={builds[0][1]}"
        if group[0] == "opencv-python":
            kept, why = build_to_keep(builds)
            found = f"{found}; {why}"
        mend = pip_mend(["uninstall", "-y", *names], ["install", kept])
        yield Finding(f"{group[0]} twice", state, found, mend)


def fit_findings() -> Iterator[Finding]:
    """Yield a finding if the installed torchvision was built for another torch."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion, Version

    from zoo.manifest.requirements import find_builds, is_fitting

    vision, torch = find_builds("torchvision"), find_builds("torch")
    if not vision or not torch:
        return
    try:
        version = Version(torch[0][1])
        texts = Distribution.from_name("torchvision").requires or ()
        needs = [each for each in map(Requirement, texts) if each.name == "torch"]
    except (InvalidRequirement, InvalidVersion):
        return
    found = f"torchvision {vision[0][1]}"
    if all(is_fitting(each, version.public) for each in needs):
        yield Finding("torchvision", "ok", found, needed=False)
        return
    wanted = ", ".join(f"torch{each.specifier}" for each in needs)
    found += f" was built for {wanted}, and torch {version} is installed"
    # 0.15 came with torch 2.0, and both have counted up together since.
    fitting = f"torchvision==0.{version.minor + 15}.*" if version.major == 2 else "torchvision"
    mend = pip_mend(["install", fitting, f"torch=={version.public}"])
    yield Finding("torchvision", "broken", found, mend)
