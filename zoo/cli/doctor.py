# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor``: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
_FACTS, _OPS = "torch facts", "mmcv ops"  # names of probes that import no module of that name


@click.command("doctor", cls=ZooCommand)
@click.option("--fix", is_flag=True, help="Ask for each command that mends something, and run it.")
@click.option("--yes", is_flag=True, help="With --fix: run them without asking.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=3600),
    default=60,
    metavar="S",
    show_default=True,
    help="Seconds that importing one package may compute, or wait.",
)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context, fix: bool, yes: bool, timeout: float, wide: bool, as_json: bool
) -> None:
    """Report what works on this machine, what does not, and the one command that mends it.

    Checks Python, the packages and their versions, the folders, the device, the threads, the
    sources of weights, and each plugin: its manifest, its requirements, the files it ships and the
    modules it names. Packages are imported in another process, so one that crashes is a finding,
    and one that does not finish is not checked. Exits 0 if all is well, even if a feature or a
    plugin lacks a package; exits 1 if anything is broken, or a package that zoo needs for training
    is missing.

    --fix runs what is safe: pip of this Python, and zoo itself. The rest is only shown. The exit
    code is then that of the checks that run again afterwards.
    """
    if yes and not fix:
        message = "--yes goes with --fix."
        raise click.UsageError(message)
    if fix and not yes and not (sys.stdin and sys.stdin.isatty()):
        message = "--fix asks before each command, and there is no terminal to ask: add --yes."
        raise click.UsageError(message)
    findings = list(_findings(timeout))
    if fix and _mend(findings, asks=not yes):
        options = ["--json"] * as_json + ["--wide"] * wide + ["--timeout", str(timeout)]
        _end_after_mending(ctx, options)
        return
    rows = [finding.to_json() for finding in findings]
    is_cut = print_rows(rows, ["name", "state", "found"], as_json=as_json, wide=wide)
    if not as_json:
        _print_mends(findings, with_reasons=is_cut)
    if any(finding.fails for finding in findings):
        ctx.exit(1)


def _findings(timeout_s: float) -> Iterator[Finding]:
    from zoo.cli.diagnosis.environment import environment_findings
    from zoo.cli.diagnosis.machine import folder_findings
    from zoo.cli.diagnosis.plugins import plugin_findings, plugin_jobs
    from zoo.cli.diagnosis.probing import Probes
    from zoo.cli.diagnosis.settings import setting_findings

    probes = Probes({**_stack_jobs(), **plugin_jobs()}, timeout_s)
    yield from environment_findings()
    # While the packages are imported in another process, the files are read in this one.
    needs = yield from _own_findings()
    folders = [*folder_findings(), *setting_findings()]
    results = probes.results()
    yield from _stack_findings(needs, results)
    yield from folders
    yield from plugin_findings(results)


def _own_findings() -> Generator[Finding, None, Sequence[Finding]]:
    """Yield what is found of zoo itself; return what contradicts its requirements."""
    from zoo.cli.diagnosis.distributions import (
        file_findings,
        own_distribution,
        requirement_findings,
    )
    from zoo.cli.diagnosis.finding import Finding
    from zoo.cli.diagnosis.packages import build_findings

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
    return needs


def _stack_findings(
    needs: Sequence[Finding], results: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    from zoo.cli.diagnosis.devices import device_findings, ops_findings
    from zoo.cli.diagnosis.packages import fit_findings, stack_findings
    from zoo.cli.diagnosis.threads import thread_findings

    yield from stack_findings(_STACK, {need.name: need for need in needs}, results)
    yield from fit_findings()
    has_torch = not results.get("torch", {"left_out": True})
    if has_torch:
        yield from device_findings(results[_FACTS])
    yield from thread_findings()
    if has_torch:
        yield from ops_findings(results[_OPS])


def _stack_jobs() -> dict[str, dict[str, str]]:
    """Return the probes of the packages; one that is not installed stops those of plugins too."""
    jobs = {module: {"kind": "import", "module": module} for module in _STACK}
    return {**jobs, _FACTS: {"kind": "torch"}, _OPS: {"kind": "ops"}}


def _print_mends(findings: Sequence[Finding], *, with_reasons: bool) -> None:
    """Print the lines that mend what is wrong, each once, after reasons that the table has cut."""
    texts = [each.mend.text for each in findings if each.mend is not None]
    for text in dict.fromkeys(texts):
        mended = [each for each in findings if each.mend is not None and each.mend.text == text]
        say()
        if with_reasons:
            say(*(f"{each.name}: {each.found}" for each in mended))
        say(f"to fix {', '.join(dict.fromkeys(each.name for each in mended))}:", f"  {text}")


def _mend(findings: Sequence[Finding], *, asks: bool) -> bool:
    """Run the commands that mend findings; return whether any ran.

    What only the user can do is shown by the checks that run again.
    """
    from zoo.cli.diagnosis.mending import mends_to_run, run_mend

    outcomes = []
    for mend, names in mends_to_run(findings).items():
        for name in names:
            reason = next(
                each.found for each in findings if each.name == name and each.mend == mend
            )
            say(f"{name}: {reason}", err=True)
        say(f"  {mend.text}", err=True)
        if not asks or click.confirm("run it?", err=True):
            outcomes.append(run_mend(mend, lambda text: say(text, err=True)))
    failed = [outcome for outcome in outcomes if outcome.reason is not None]
    click.get_current_context().meta["zoo.failed_mends"] = len(failed)
    return bool(outcomes)


def _end_after_mending(ctx: click.Context, options: Sequence[str]) -> None:
    """Check again in a new process, which sees what was installed, and end as it does."""
    from zoo.cli.diagnosis.mending import check_again

    say("checked again:", err=True)
    code = check_again(options)
    ctx.exit(code or (1 if ctx.meta["zoo.failed_mends"] else 0))
