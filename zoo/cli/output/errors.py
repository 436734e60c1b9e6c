# SPDX-License-Identifier: Apache-2.0
"""How commands fail: one message and exit 1, with a traceback only on --debug."""

from __future__ import annotations

import errno
import signal
from typing import Any

import click

from zoo.cli.output.endings import end_stopped, raising_on_signals
from zoo.cli.output.groups import EndsWithItsOutput
from zoo.cli.output.printing import check_output, say_text
from zoo.engine.processes.telling import is_first_to_tell, is_lost_process, wait_for_teller
from zoo.engine.threads.defaults import set_thread_defaults
from zoo.errors import ZooError
from zoo.texts import log_printably, printable

__all__ = ["ZooCommand"]

# Packages of the extra [mm]; listings work without them.
_EXTRA = frozenset(
    {
        *("torch", "numpy", "cv2", "safetensors", "matplotlib", "tqdm"),
        *("mmengine", "mmcv", "mmseg", "mmdet", "pkg_resources"),
    }
)


_OS_HINTS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check the permissions of that file."),
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "free some space on that disk and try again; a training run continues with --resume.",
    ),
}
_DEBUG = "zoo_debug"  # the parameter of --debug: a plugin's command may have its own `debug`
_OS_HINT = "run it again with --debug to see where it happened."


class ZooCommand(EndsWithItsOutput):
    """A command that reports ``ZooError`` and ``OSError`` as one message, exit 1.

    A missing package of the extra ``[mm]`` is reported in the same way. Ctrl-C ends it with 130,
    SIGTERM with 143 and SIGHUP with 129, whatever other exception results. An exception of a
    plugin's code is one message with its line. Any other exception is a bug of zoo, and keeps its
    traceback. With ``--debug``, every exception does.

    Attributes:
        may_exit: Whether ``SystemExit`` is the command's own end, and not that of other code.
    """

    may_exit = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(self.debug_option())

    @staticmethod
    def debug_option() -> click.Option:
        """Return the option ``--debug``."""
        help_ = "Show the traceback of an error."
        return click.Option(["--debug", _DEBUG], is_flag=True, help=help_)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and keep them to report how to resume.

        Args:
            ctx: Context of the command.
            args: Words of the command line after the command's name.
        """
        ctx.meta["zoo.args"] = list(args)
        try:
            return super().parse_args(ctx, args)
        except ZooError as error:  # such as from an option's callback
            if "--debug" in args or ctx.resilient_parsing:
                raise
            _fail(ctx, str(error))
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and turn what it raises into a message and an exit code.

        Args:
            ctx: Context of the command.
        """
        self._take_debug(ctx)
        log_printably()
        set_thread_defaults()  # before anything loads torch
        with raising_on_signals() as stopping:
            try:
                result = super().invoke(ctx)
                check_output()
                return result
            except SystemExit as error:  # from a plugin or a config: zoo itself uses ctx.exit
                if ctx.meta["zoo.debug"] or self.may_exit:
                    check_output()
                    raise
                _fail(ctx, _text_of_exit(error))
            except KeyboardInterrupt as error:
                end_stopped(ctx, error, getattr(error, "signal_number", signal.SIGINT))
            except Exception as error:
                if isinstance(error, OSError) and not error.filename:
                    check_output()
                # Libraries, imports above all, turn an interrupt into errors of their own.
                is_exit = isinstance(error, click.exceptions.Exit)
                debug = ctx.meta["zoo.debug"]  # given to a command of this group, perhaps
                if stopping.signal_number is not None and not (debug or is_exit):
                    end_stopped(ctx, error, stopping.signal_number)
                if not debug:
                    _tell(ctx, error)
                    _leave_to_others(ctx, error)
                raise

    def _take_debug(self, ctx: click.Context) -> None:
        """Remember whether ``--debug`` was given: here, to a group before, or as an own flag."""
        given = ctx.params.pop(_DEBUG, False) or ctx.params.get("debug") is True
        ctx.meta["zoo.debug"] = given or ctx.meta.get("zoo.debug", False)


def _tell(ctx: click.Context, error: Exception) -> None:
    """End a command with the message of an error that is meant for users."""
    if is_lost_process(error):
        text = wait_for_teller()
        if text is not None:
            say_text(f"error: {text}", err=True)
        ctx.exit(1)
    if isinstance(error, ZooError):
        _fail(ctx, str(error))
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package in _EXTRA:
            hint = "`zoo doctor` says what is missing, and the command that installs it."
            _fail(ctx, f"cannot continue: {package!r} is not installed.\nHINT: {hint}")
    if not isinstance(error, (click.ClickException, click.exceptions.Exit, click.Abort)):
        from zoo.engine.plugin_code import plugin_code_error

        named = plugin_code_error(error)
        if named is not None:
            _fail(ctx, str(named))
    if isinstance(error, OSError):
        where = f"\nwhere: {printable(str(error.filename))}" if error.filename else ""
        hint = _OS_HINTS.get(error.errno or 0, _OS_HINT)
        _fail(ctx, f"cannot continue: {error.strerror or error}.{where}\nHINT: {hint}")


def _text_of_exit(error: SystemExit) -> str:
    if isinstance(error.code, str):
        return error.code  # the author's own message
    text = f"cannot continue: code outside zoo ended the process with {error.code or 0}."
    return (
        f"{text}\nHINT: run it again with --debug to see which code, and report it to its author."
    )


def _leave_to_others(ctx: click.Context, error: Exception) -> None:
    """End without the traceback that another process of the run shows."""
    is_own = isinstance(error, (click.ClickException, click.exceptions.Exit, click.Abort))
    if not is_own and not is_first_to_tell():
        ctx.exit(1)


def _fail(ctx: click.Context, text: str) -> None:
    if is_first_to_tell():
        say_text(f"error: {text}", err=True)
    ctx.exit(1)
