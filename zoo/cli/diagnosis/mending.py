# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor --fix``: the commands that mend findings, shown, asked for and run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.metadata import distributions

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import Mend, python_flags

__all__ = ["Outcome", "check_again", "mends_to_run", "run_mend"]

_FD = 2  # a command's output is no result of ours
_PUTTING_BACK_S = 5.0


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

    If something is to be uninstalled first, pip must have found what replaces it. If a package is
    gone after a failure or a stop all the same, the rest of the mend is told: it brings it back.

    Args:
        mend: What to run, without a shell.
        tell: Called with each line to show.

    Raises:
        KeyboardInterrupt: A signal stopped it.
    """
    for words in _rehearsals(mend):
        if _run(words):
            return _failed(mend, "pip found no replacement, so nothing was uninstalled", tell)
    before = _installed()
    for index, words in enumerate(mend.commands):
        try:
            reason = _run(words)
        except KeyboardInterrupt:
            _tell_of_gone(before, mend, index, tell)
            raise
        if reason:
            outcome = _failed(mend, reason, tell)
            _tell_of_gone(before, mend, index, tell)
            return outcome
    return Outcome(mend)


def _run(words: Sequence[str]) -> str | None:
    """Run one command; return why it failed, or None."""
    try:
        # The commands are those of `Mend`, as arguments, without a shell.
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=_FD)  # noqa: S603
    except OSError as error:
        return f"{words[0]} cannot be started: {error.strerror}"
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _let_end(process)
        raise
    return f"it ended with code {code}" if code else None


def _let_end(process: subprocess.Popen[bytes]) -> None:
    """Let pip, which has got the same Ctrl-C, put back what it moved aside; then stop it."""
    try:
        process.wait(_PUTTING_BACK_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def _installed() -> set[str]:
    """Return the names of what is installed, as the files beside the packages say."""
    invalidate_caches()
    names = (each.name for each in distributions())
    return {name for name in names if name}  # torn metadata have none


def _tell_of_gone(before: set[str], mend: Mend, index: int, tell: Callable[[str], None]) -> None:
    """Tell which packages are no longer there, and the line that brings them back."""
    gone = sorted(before - _installed())
    if not gone:
        return
    # What was being uninstalled is uninstalled again, so that no second build stays.
    line = " && ".join(mend.text.split(" && ")[index:])
    are = "are" if len(gone) > 1 else "is"
    tell(f"{', '.join(gone)} {are} no longer installed; to bring back what zoo needs, run:")
    tell(f"  {line}")


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
