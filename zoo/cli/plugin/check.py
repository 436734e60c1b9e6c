# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin check``: what is wrong in a plugin, where, and what mends it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options.completion import complete_plugin_or_path
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.progress import ProgressBar, State
from zoo.texts import counted, printable

if TYPE_CHECKING:
    from zoo.checking.finding import Finding
    from zoo.checking.rule import Rule
    from zoo.checking.running import Report

__all__ = ["command"]

_QUIET_S = 0.5  # a check that only reads shows nothing
_SHORT, _WHOLE = ("static", "import"), ("static", "import", "deep", "build")


@click.command("check", cls=ZooCommand)
@click.argument("plugin", metavar="PATH|NAME", shell_complete=complete_plugin_or_path)
@click.option(
    "--static", "is_static", is_flag=True, help="Only read its files: nothing of it is imported."
)
@click.option(
    "--deep",
    is_flag=True,
    help="Also run its data sets, configs, losses, ... for a step, and build its wheel.",
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(exists=True, path_type=Path),
    help="With --deep: data on which the numbers of the plugin's weights are measured again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    plugin: str,
    is_static: bool,
    deep: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Check a plugin: a project's or package's folder, a zoo_plugin.toml, a wheel, or a name.

    First its files are read; then, if they hold, its code is imported. Each finding has the id of
    a rule, a place and what mends it. Exits with 1 if there is an error; warnings do not count,
    nor notes on what cannot be checked here. With --debug, an error in the plugin's code has its
    traceback.
    """
    from zoo.checking.lookup import check_may_run, found_subject
    from zoo.checking.rules import all_rules
    from zoo.checking.running import check_plugin
    from zoo.cli.plugged.core_commands import core_names
    from zoo.manifest.kinds import COMMAND_GROUPS

    if is_static and deep:
        message = "--static imports nothing, and --deep runs the plugin: give one of them."
        raise click.UsageError(message, ctx)
    if data is not None and not deep:
        message = "--data is for numbers of weights, which only --deep measures: add --deep."
        raise click.UsageError(message, ctx)
    stages = _SHORT[:1] if is_static else _WHOLE if deep else _SHORT
    core_commands = {group: core_names(group) for group in (None, *COMMAND_GROUPS)}
    with found_subject(plugin) as found:
        if not is_static:
            check_may_run(found, "add --static, which only reads its files")
        subject = replace(found, core_commands=core_commands, data=data)
        with _progress(is_shown=not as_json) as started:
            report = check_plugin(subject, all_rules(), stages=stages, started=started)
        if plugin.endswith(".whl"):  # name it, and not where it was unpacked
            report = report.shown_in(subject.package.parent, plugin)
    if as_json:
        say_json(_document(subject.name, report))
    else:
        _print(subject.name, report, has_details=ctx.meta["zoo.debug"])
    ctx.exit(1 if report.errors else 0)


@contextmanager
def _progress(*, is_shown: bool) -> Iterator[Callable[[Rule, str, int, int], None] | None]:
    """Yield what shows the rule that runs, on a terminal alone."""
    if not is_shown or not sys.stderr.isatty():
        yield None
        return
    bar = ProgressBar(quiet_s=_QUIET_S)
    try:
        yield lambda rule, case, done, total: bar.show(
            State(
                f"check, {rule.stage}",
                done,
                total,
                printable(f"{rule.id} {rule.name} {case}".strip()),
            )
        )
    finally:
        bar.close()


def _document(name: str, report: Report) -> dict[str, object]:
    findings = [
        {
            "rule": each.rule,
            "level": each.level,
            "row": each.row,
            "where": each.where,
            "message": each.message,
            "mend": each.mend,
        }
        for each in report.findings
    ]
    return {
        "plugin": name,
        "findings": findings,
        "rules": report.rules,
        "cases": report.cases,
        "left_out": list(report.left_out),
    }


def _print(name: str, report: Report, *, has_details: bool) -> None:
    for finding in report.findings:
        detail = finding.detail.splitlines() if has_details else ()
        say(*_lines(finding), *(f"  {line}" for line in detail), "")
    levels = [finding.level for finding in report.findings]
    words = ("error", "warning", *(["note"] if "note" in levels else []))
    found = ", ".join(counted(levels.count(word), word) for word in words)
    say(f"{name}: {found}; {counted(report.rules, 'rule')}, {counted(report.cases, 'case')}")
    if report.left_out:
        say(f"(not checked before the errors are mended: {', '.join(report.left_out)})", err=True)


def _lines(finding: Finding) -> tuple[str, ...]:
    row = f" [{finding.row}]" if finding.row else ""
    head = f"{finding.where}: {finding.level} {finding.rule}{row}"
    return (head, f"  {finding.message}", f"  HINT: {finding.mend}")
