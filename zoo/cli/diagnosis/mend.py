# SPDX-License-Identifier: Apache-2.0
"""What mends a finding: the line to type, and the commands that ``--fix`` may run for it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution

__all__ = ["Mend", "install_mend", "line_of", "pip_mend", "python_flags", "reinstall_mend", "shown"]

_NEEDS_NO_QUOTES = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+@,"
)
_SPECIAL = frozenset('"$`\\!')  # within double quotes


@dataclass(frozen=True, slots=True)
class Mend:
    """How to mend a finding.

    Attributes:
        text: The line to type, or the one thing to do.
        commands: The same as arguments of processes, in order; empty if only the user may do it,
            such as what needs root, changes settings, or downloads another build of torch.
    """

    text: str
    commands: tuple[tuple[str, ...], ...] = ()


def shown(text: str) -> Mend:
    """Return a mend that ``--fix`` shows and does not run.

    Args:
        text: The line to type, or the one thing to do.
    """
    return Mend(text)


def pip_mend(*calls: Sequence[str], may_run: bool = True) -> Mend:
    """Return a mend by the pip of this interpreter.

    Args:
        calls: Arguments of pip, one sequence for each call.
        may_run: Whether ``--fix`` may run it.
    """
    word = _python_word()
    text = " && ".join(line_of([word, "-m", "pip", *call]) for call in calls)
    commands = tuple((sys.executable, "-m", "pip", *call) for call in calls)
    return Mend(text, commands if may_run else ())


def _python_word() -> str:
    """Return ``python`` if that starts this interpreter, else its path."""
    for name in ("python", "python3"):
        found = shutil.which(name)
        # Not resolved: the link in a virtual environment is what chooses the environment.
        if found and os.path.abspath(found) == os.path.abspath(sys.executable):
            return name
    return sys.executable


def line_of(words: Sequence[str]) -> str:
    """Return a line for the shell, with double quotes where they do, as `cmd` needs them.

    Args:
        words: A program and its arguments.

    Example:
        >>> print(line_of(["pip", "install", "a>=1,<2", "/my folder/$x"]))
        pip install "a>=1,<2" '/my folder/$x'
    """
    if os.name == "nt":
        import subprocess  # costs a listing 6 ms, and is needed nowhere else here

        return subprocess.list2cmdline(words)
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word and _NEEDS_NO_QUOTES.issuperset(word):
        return word
    return shlex.quote(word) if _SPECIAL & set(word) else f'"{word}"'


def install_mend() -> Mend:
    """Return the pip command that installs what training and prediction need.

    It keeps a compiled mmcv, which mmcv-lite would overwrite, and uses the maintained forks if one
    of them is installed. In a checkout it uses the pinned versions.
    """
    from zoo.manifest.discovery import find_checkouts
    from zoo.manifest.requirements import find_builds

    builds = [name for module in ("mmengine", "mmcv") for name, _ in find_builds(module)]
    extra = "mm-core" if "mmcv" in builds else "mm"
    if any(name.startswith("onedl-") for name in builds):
        extra = "onedl"
    for root in find_checkouts():
        return pip_mend(["install", "-c", str(root / "constraints.txt"), f"{root}[{extra}]"])
    return pip_mend(["install", f"mmzoo[{extra}]"])


def reinstall_mend(distribution: Distribution) -> Mend:
    """Return the pip command that reinstalls a distribution without its dependencies.

    Args:
        distribution: An installed distribution.
    """
    exact = f"{distribution.name}=={distribution.version}"
    return pip_mend(["install", "--force-reinstall", "--no-deps", exact])


def python_flags() -> list[str]:
    """Return the options that this interpreter was started with, for one that does the same."""
    flags = {"-I": sys.flags.isolated, "-E": sys.flags.ignore_environment, "-S": sys.flags.no_site}
    flags |= {"-s": sys.flags.no_user_site, "-P": int(getattr(sys.flags, "safe_path", 0))}
    return [flag for flag, is_set in flags.items() if is_set]
