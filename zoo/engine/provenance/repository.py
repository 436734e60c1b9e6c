# SPDX-License-Identifier: Apache-2.0
"""The commit of the user's repository, asked of git; nothing that the repository holds is run.

A repository's own settings name commands: hooks, a file system monitor, filters of contents. Each
is switched off for these questions.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.engine.provenance.public_texts import public_address

__all__ = ["Repository", "find_repository"]

_TIMEOUT_S = 10.0  # a status on a slow network drive
_OFF = (
    *(("core.fsmonitor", "false"), ("core.hooksPath", os.devnull)),
    ("core.untrackedCache", "false"),
)
_FENCE = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ALLOW_PROTOCOL": "",  # a partial clone would fetch what it lacks, by a command of its own
    "LC_ALL": "C",
}
# Of a repository that git was told to use instead of the folder's.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE")


@dataclass(frozen=True, slots=True)
class Repository:
    """The state of a git repository.

    Attributes:
        commit: The commit that is checked out, hex digits.
        is_dirty: Whether a tracked file differs from it, or the config is not tracked; None if git
            did not answer in time.
        remote: Address of the remote ``origin`` without user, password and query, or None.
    """

    commit: str
    is_dirty: bool | None
    remote: str | None = None


def find_repository(config: Path | None) -> Repository | None:
    """Return the repository of a config's folder, else of the current folder; None without one.

    Args:
        config: The config's file, or None if it is not the user's own.
    """
    git = shutil.which("git")
    if git is None:
        return None
    folder = Path.cwd() if config is None else config.resolve().parent
    commit = _ask(git, folder, "rev-parse", "--verify", "HEAD")
    if commit is None or not re.fullmatch("[0-9a-f]{40,64}", commit.strip()):
        return None
    remote = _ask(git, folder, "config", "--get", "remote.origin.url")
    return Repository(
        commit.strip(),
        _is_dirty(git, folder, config),
        public_address(remote.strip()) if remote else None,
    )


def _is_dirty(git: str, folder: Path, config: Path | None) -> bool | None:
    if config is not None:
        tracked = _ask(git, folder, "ls-files", "--", config.resolve().name)
        if tracked == "":
            return True
    listed = _ask(git, folder, "config", "-z", "--name-only", "--get-regexp", r"^filter\..*") or ""
    names = listed.split("\0")
    off = [(name, "") for name in names if name.endswith((".clean", ".process"))]
    off += [(name, "false") for name in names if name.endswith(".required")]
    words = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    status = _ask(git, folder, *words, off=off)
    return None if status is None else bool(status.strip())


def _settings(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return variables that set what ``-c`` cannot: a name with ``=`` in it."""
    rows = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (name, value) in enumerate(pairs):
        rows |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return rows


def _ask(git: str, folder: Path, *words: str, off: Sequence[tuple[str, str]] = ()) -> str | None:
    """Return git's answer, or None if it has none."""
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(  # noqa: S603
            [git, "-C", str(folder), *words],
            env={**kept, **_FENCE, **_settings((*_OFF, *off))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
