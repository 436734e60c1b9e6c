# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor``: what works on this machine, what does not, and how to fix it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say
from zoo.cli.output.tables import print_rows, wide_option

if TYPE_CHECKING:
    from zoo.cli.diagnosis.finding import Finding

__all__ = ["command"]

# Module -> the distributions that may bring it: upstream's, and its maintained fork's.
_STACK = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "cv2": (
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
    "mmengine": ("mmengine", "mmengine-lite", "onedl-mmengine"),
    "mmcv": ("mmcv", "onedl-mmcv", "mmcv-lite"),
    "mmseg": ("mmsegmentation", "onedl-mmsegmentation"),
    "mmdet": ("mmdet", "onedl-mmdetection"),
    "pycocotools": ("pycocotools",),
    "pkg_resources": ("setuptools",),
    "safetensors": ("safetensors",),
    "matplotlib": ("matplotlib",),
    "PIL": ("pillow",),
    "simplejpeg": ("simplejpeg",),
    "tqdm": ("tqdm",),
}


@click.command("doctor", cls=ZooCommand)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, wide: bool, as_json: bool) -> None:
    """Report what works on this machine, what does not, and the one command that fixes it.

    Checks Python, the packages and their versions, the folders, the device, the sources of weights,
    and each plugin: its manifest, its requirements, the files it ships and the modules it names.
    Exits 0 if all is well, even if a feature or a plugin lacks a package; exits 1 if anything is
    broken, or a package that zoo needs for training is missing.
    """
    findings = list(_findings())
    rows = [asdict(finding) for finding in findings]
    is_cut = print_rows(rows, ["name", "state", "found"], as_json=as_json, wide=wide)
    if not as_json:
        _print_fixes(findings, with_reasons=is_cut)
    if any(finding.fails for finding in findings):
        ctx.exit(1)


def _findings() -> Iterator[Finding]:
    from zoo.cli.diagnosis.distributions import (
        file_findings,
        own_distribution,
        requirement_findings,
    )
    from zoo.cli.diagnosis.finding import Finding
    from zoo.cli.diagnosis.machine import (
        compute_findings,
        folder_findings,
        python_finding,
        source_findings,
    )
    from zoo.cli.diagnosis.packages import build_findings, stack_findings
    from zoo.cli.diagnosis.plugins import plugin_findings

    yield python_finding()
    own = own_distribution()
    found = "run from a folder, not installed" if own is None else f"mmzoo {own.version}"
    yield Finding("mmzoo", "ok", found)
    needs = [] if own is None else list(requirement_findings(own))
    if own is not None:
        yield from file_findings(own)
    # What contradicts a package that is looked at by its module is that module's finding.
    brought = {name for names in _STACK.values() for name in names}
    yield from (need for need in needs if need.name not in brought)
    yield from build_findings()
    stack = list(stack_findings(_STACK, {need.name: need for need in needs}))
    yield from stack
    if "torch" in sys.modules:  # it could be imported, whatever its version is
        yield from compute_findings()
    yield from folder_findings()
    yield from source_findings()
    yield from plugin_findings(can_import=all(module in sys.modules for module in _STACK))


def _print_fixes(findings: Sequence[Finding], *, with_reasons: bool) -> None:
    """Print the lines that fix what is wrong, each once, after reasons that the table has cut."""
    for fix in dict.fromkeys(each.fix for each in findings if each.fix):
        fixed = [each for each in findings if each.fix == fix]
        say()
        if with_reasons:
            say(*(f"{each.name}: {each.found}" for each in fixed))
        say(f"to fix {', '.join(dict.fromkeys(each.name for each in fixed))}:", f"  {fix}")
