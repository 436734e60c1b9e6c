# SPDX-License-Identifier: Apache-2.0
"""Checks of commands, in processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys

from zoo.checking.expecting import expect
from zoo.checking.kinds.base import KindChecks
from zoo.checking.process_groups import run_group
from zoo.manifest.rows import CommandRow

__all__ = ["CommandChecks"]

_HEAVY = ("torch", "numpy", "cv2", "mmengine", "mmcv", "mmseg", "mmdet")
_RUN = """
import sys
from zoo.cli import main
code = 0
try:
    main(sys.argv[1:], prog_name="zoo")
except SystemExit as stop:
    code = stop.code
print(*sorted(set({heavy}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
_SUBCOMMANDS = """
import sys, click
from zoo.cli import main
command, context = main, None
for word in sys.argv[1:]:
    context = click.Context(command, parent=context)
    command = command.get_command(context, word)
if isinstance(command, click.Group):
    print(*command.list_commands(click.Context(command, parent=context)))
"""


class CommandChecks(KindChecks):
    """Checks of ``[[command]]`` rows."""

    def test_help_of_command_works_and_imports_nothing_heavy(
        self, each_command: CommandRow
    ) -> None:
        """``zoo NAME --help`` exits with 0 and leaves torch and OpenMMLab unimported.

        The help of each command of a group does too.
        """
        group = [each_command.group] if each_command.group else []
        called = [*group, f"{self.plugin}.{each_command.name}"]
        for words in (called, *([*called, name] for name in self._subcommands(called))):
            run = self._run(_RUN.format(heavy=_HEAVY), *words, "--help")
            said = " ".join(("zoo", *words, "--help"))
            ending = run.stderr.strip()[-400:]
            expect(run.returncode == 0, f"{said} ends with {run.returncode}: {ending}")
            expect("Usage: zoo" in run.stdout, f"{said} prints no usage of its own")
            heavy = run.stderr.split()
            expect(not heavy, f"{said} imports {', '.join(heavy)}: import it inside the function")

    def test_command_has_its_name_for_itself(self, each_command: CommandRow) -> None:
        """``zoo NAME`` is this command: neither zoo nor another plugin here has one of the name.

        Of a command with a group, ``zoo GROUP NAME``.
        """
        code, name = _RUN.format(heavy=_HEAVY), each_command.name
        group = [each_command.group] if each_command.group else []
        full = f"{self.plugin}.{name}"
        own, short = (self._run(code, *group, called, "--help") for called in (full, name))

        ending = (own.stderr + short.stderr).strip()[-400:]
        expect(own.returncode == short.returncode == 0, f"zoo {name} --help fails: {ending}")
        shown = own.stdout.replace(f"{self.plugin}.", "", 1)
        told = f"{each_command.parent} {name} is another command"
        expect(short.stdout.split() == shown.split(), told)

    def _subcommands(self, called: list[str]) -> list[str]:
        return self._run(_SUBCOMMANDS, *called).stdout.split()

    def _run(self, code: str, *words: str) -> subprocess.CompletedProcess[str]:
        folders = [str(self.manifest_path.parent.parent), os.environ.get("ZOO_PLUGIN_PATH")]
        environment = {**os.environ, "ZOO_PLUGIN_PATH": os.pathsep.join(filter(None, folders))}
        environment.pop("ZOO_PLUGINS", None)
        return run_group([sys.executable, "-c", code, *words], env=environment)
