# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor --fix``: the commands that mend findings, shown, asked for and run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import Mend, python_flags

__all__ = ["Outcome", "check_again", "mends_to_run", "run_mend"]

_FD = 2  # a command's output is no result of ours


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a mend.

    Attributes:
        mend: The mend.
        reason: Why it failed, or None.
    """

    mend: Mend
    reason: str | None = None


def mends_to_run(findings: Iterable[Finding]) -> dict[Mend, list[str]]:
    """Return the mends that may be run, in order, and the names of what each of them mends.

    Args:
        findings: Findings of the checks.
    """
    mends: dict[Mend, list[str]] = {}
    for finding in findings:
        if finding.state != "ok" and finding.mend is not None and finding.mend.commands:
            mends.setdefault(finding.mend, []).append(finding.name)
    return mends


def run_mend(mend: Mend, tell: Callable[[str], None]) -> Outcome:
    """Run the commands of a mend, one after the other, until one fails.

    If something is to be uninstalled first, pip must have found what replaces it.

    Args:
        mend: What to run, without a shell.
        tell: Called with each line to show.
    """
    calls = [*_rehearsals(mend), *mend.commands]
    for words in calls:
        try:
            # The commands are those of `Mend`, as arguments, without a shell.
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=_FD, check=False)  # noqa: S603
        except OSError as error:
            return _failed(mend, f"{words[0]} cannot be started: {error.strerror}", tell)
        if done.returncode:
            what = "pip found no replacement, so nothing was uninstalled"
            reason = what if "--dry-run" in words else f"it ended with code {done.returncode}"
            return _failed(mend, reason, tell)
    return Outcome(mend)


def _failed(mend: Mend, reason: str, tell: Callable[[str], None]) -> Outcome:
    tell(f"failed: {reason}.")
    return Outcome(mend, reason)


def _rehearsals(mend: Mend) -> list[tuple[str, ...]]:
    """Return pip's installs that follow an uninstall, as trials that change nothing."""
    pip = (sys.executable, "-m", "pip")
    if not any(words[3:4] == ("uninstall",) for words in mend.commands):
        return []
    installs = [words[4:] for words in mend.commands if words[:4] == (*pip, "install")]
    options = ("install", "--dry-run", "--quiet", "--force-reinstall", "--no-deps")
    return [(*pip, *options, *rest) for rest in installs]


def check_again(options: Iterable[str]) -> int:
    """Run ``zoo doctor`` anew and return its exit code: what was installed is not seen here.

    Args:
        options: Options of the command.
    """
    sys.stdout.flush()
    words = [sys.executable, *python_flags(), "-m", "zoo", "doctor", *options]
    return subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
