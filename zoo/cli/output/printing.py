# SPDX-License-Identifier: Apache-2.0
"""The one place where commands print: results on stdout, the rest on stderr.

Much of what is printed was written by others: names, summaries, paths. Nothing of it moves the
cursor, forges a line or turns the order of letters round; see `zoo.texts`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import click

from zoo.texts import printable

__all__ = ["OutputLostError", "discard", "end_lost", "say", "say_json", "say_text"]

_BEYOND_ASCII = re.compile(r"[^\n\x20-\x7e]")
_LOST = frozenset(
    {errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF, errno.EFBIG, errno.ECONNRESET}
)


class OutputLostError(Exception):
    """What a command printed could not be written; the cause is the ``OSError``."""


def say(*lines: object, err: bool = False) -> None:
    """Print lines; what is not printable in one is escaped, a line break too.

    Args:
        lines: One or more.
        err: Whether to print on stderr.

    Raises:
        OutputLostError: stdout takes no more. What is lost of stderr is let go.
    """
    _write("\n".join(printable(str(line)) for line in lines or ("",)), err=err)


def say_text(text: str, *, err: bool = False) -> None:
    """Print a text whose line breaks zoo itself has set; raises as `say` does.

    Args:
        text: May contain line breaks; other unprintable characters are escaped.
        err: Whether to print on stderr.
    """
    _write(printable(text, keep="\n"), err=err)


def say_json(value: Any, **how: Any) -> None:
    """Print JSON, readable and of printable characters alone; raises as `say` does.

    Args:
        value: What ``json.dumps`` takes.
        how: Keywords for it.
    """
    import json

    text = json.dumps(value, ensure_ascii=False, **{"indent": 2, **how})
    _write(_BEYOND_ASCII.sub(lambda found: _spelled(found[0]), text), err=False)


def _spelled(character: str) -> str:
    import json

    return character if character.isprintable() else json.dumps(character)[1:-1]


def _write(text: str, *, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)
    except OSError as error:
        if not err:
            raise OutputLostError from error


def end_lost(error: Exception, words: Sequence[str]) -> None:
    """End a command whose output is lost by one line at most, and exit 1; else return.

    A pipe whose reader went away, as ``| head`` does, is no reason for a word.

    Args:
        error: What ended the command.
        words: The command line; with ``--debug`` in it errors keep their tracebacks.
    """
    cause = error.__cause__ if isinstance(error, OutputLostError) else error
    if not isinstance(cause, OSError) or cause.errno not in _LOST:
        return
    if cause is not error:
        _end(cause)
    elif "--debug" not in words and cause.filename is None:  # click's own printing, as of --help
        _end(cause, exit_code=2 if _is_usage(cause) else 1)


def _is_usage(error: OSError) -> bool:
    """Tell whether it was click's message on wrong usage that could not be written."""
    import traceback

    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__") == "click.exceptions" for frame in frames)


def _end(error: OSError, *, exit_code: int = 1) -> None:
    discard(sys.stdout)  # else Python tries to write the rest again at its end, and says so
    if error.errno != errno.EPIPE:
        say(f"error: cannot write the output: {error.strerror}.", err=True)
    discard(sys.stderr)
    sys.exit(exit_code)


def discard(stream: Any) -> None:
    """Write out a stream, or drop what it holds and send the rest nowhere if it takes no more.

    Args:
        stream: ``sys.stdout``, ``sys.stderr`` or another stream with a file descriptor.
    """
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
