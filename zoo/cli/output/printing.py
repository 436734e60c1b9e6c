# SPDX-License-Identifier: Apache-2.0
"""The only place where commands print: results on stdout, the rest on stderr.

Much of the output comes from outside: names, summaries, paths. None of it can move the cursor,
forge a line or reverse the order of letters; see `zoo.texts`.
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

__all__ = ["OutputLostError", "check_output", "discard", "end_lost", "say", "say_json", "say_text"]

_BEYOND_ASCII = re.compile(r"[^\n\x20-\x7e]")
_LOST = frozenset(
    {errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF, errno.EFBIG, errno.ECONNRESET}
)


class OutputLostError(Exception):
    """The output of a command could not be written; the cause is the ``OSError``."""


def say(*lines: object, err: bool = False) -> None:
    """Print lines; unprintable characters in a line, including line breaks, are escaped.

    Args:
        lines: One or more lines.
        err: Whether to print on stderr.

    Raises:
        OutputLostError: stdout cannot be written. Errors of stderr are ignored.
    """
    _write("\n".join(printable(str(line)) for line in lines or ("",)), err=err)


def say_text(text: str, *, err: bool = False) -> None:
    """Print a text with zoo's own line breaks; raises the same as `say`.

    Args:
        text: May contain line breaks; other unprintable characters are escaped.
        err: Whether to print on stderr.
    """
    _write(printable(text, keep="\n"), err=err)


def say_json(value: Any, **how: Any) -> None:
    """Print readable JSON with printable characters only; raises the same as `say`.

    Args:
        value: Any value that ``json.dumps`` takes.
        how: Keywords of ``json.dumps``.
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


def check_output() -> None:
    """Flush stdout, to which other code than `say` may have printed.

    Raises:
        OutputLostError: It cannot be written, or its reader is gone.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
        if _has_no_reader(sys.stdout):  # what was too long for the buffer is lost without a trace
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    except OSError as error:
        raise OutputLostError from error


def _has_no_reader(stream: Any) -> bool:
    """Return whether a stream is a pipe whose other end is closed."""
    import select

    if not hasattr(select, "poll"):
        return False
    asked = select.poll()
    try:
        asked.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # a stream in memory, or one that is closed
        return False
    return any(event & select.POLLERR for _, event in asked.poll(0))


def end_lost(error: Exception, words: Sequence[str]) -> None:
    """End a command whose output is lost with at most one line, and exit 1; else return.

    A closed pipe, as with ``| head``, ends it without a message.

    Args:
        error: The exception that ended the command.
        words: The command line; with ``--debug``, errors keep their tracebacks.
    """
    cause = error.__cause__ if isinstance(error, OutputLostError) else error
    if not isinstance(cause, OSError) or cause.errno not in _LOST:
        return
    if cause is not error:
        _end(cause)
    elif "--debug" not in words and cause.filename is None:  # click's own output, such as --help
        _end(cause, exit_code=2 if _is_usage(cause) else 1)


def _is_usage(error: OSError) -> bool:
    """Return whether the output that was lost is click's message on wrong usage."""
    import traceback

    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__") == "click.exceptions" for frame in frames)


def _end(error: OSError, *, exit_code: int = 1) -> None:
    discard(sys.stdout)  # else Python writes the rest again on exit, and reports the failure
    if error.errno != errno.EPIPE:
        say(f"error: cannot write the output: {error.strerror}.", err=True)
    discard(sys.stderr)
    sys.exit(exit_code)


def discard(stream: Any) -> None:
    """Flush a stream; if that fails, drop its buffer and redirect it to the null device.

    Args:
        stream: ``sys.stdout``, ``sys.stderr`` or another stream with a file descriptor.
    """
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
