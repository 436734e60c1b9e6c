# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin check``: what is wrong in a plugin, where, and what mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from zoo.cli.options.completion import complete_plugin_or_path
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.texts import counted

if TYPE_CHECKING:
    from zoo.checking.finding import Finding
    from zoo.checking.running import Report

__all__ = ["command"]

_SHORT, _WHOLE = ("static", "import"), ("static", "import", "deep", "build")


@click.command("check", cls=ZooCommand)
@click.argument("plugin", metavar="PATH|NAME", shell_complete=complete_plugin_or_path)
@click.option(
    "--static", "is_static", is_flag=True, help="Only read its files: nothing of it is imported."
)
@click.option(
    "--deep",
    is_flag=True,
    help="Also run its data sets, configs, losses, hooks, ... for a step, and build its wheel.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, plugin: str, is_static: bool, deep: bool, as_json: bool) -> None:
    """Check a plugin: a project's or package's folder, a zoo_plugin.toml, a wheel, or a name.

    First its files are read; then, if they hold, its code is imported. Each finding has the id of
    a rule, a place and what mends it. Exits with 1 if there is an error; warnings do not count,
    nor notes on what cannot be checked here. With --debug, an error in the plugin's code has its
    traceback.
    """
    from zoo.checking.lookup import found_subject
    from zoo.checking.rules import all_rules
    from zoo.checking.running import check_plugin
    from zoo.cli.plugged.core_commands import core_names
    from zoo.manifest.kinds import COMMAND_GROUPS

    if is_static and deep:
        message = "--static imports nothing, and --deep runs the plugin: give one of them."
        raise click.UsageError(message, ctx)
    stages = _SHORT[:1] if is_static else _WHOLE if deep else _SHORT
    core_commands = {group: core_names(group) for group in (None, *COMMAND_GROUPS)}
    with found_subject(plugin) as found:
        subject = replace(found, core_commands=core_commands)
        report = check_plugin(subject, all_rules(), stages=stages)
        if plugin.endswith(".whl"):  # name it, and not where it was unpacked
            report = report.shown_in(subject.package.parent, plugin)
    if as_json:
        say_json(_document(subject.name, report))
    else:
        _print(subject.name, report, has_details=ctx.meta["zoo.debug"])
    ctx.exit(1 if report.errors else 0)


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
