# SPDX-License-Identifier: Apache-2.0
"""Keep mmengine's log off the terminal; all of it still goes to the file in the work dir.

The terminal shows warnings, what a user's or a plugin's code prints or logs on one line, and zoo's
own messages. It does not show upstream's environment, config, hooks, tables and deprecation notes.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO, cast

from zoo.engine.patching import exchanged
from zoo.engine.processes.meeting import is_first

__all__ = ["quiet_console", "write_line"]

_UPSTREAM = frozenset({"mmengine", "mmcv", "mmseg", "mmdet", "torch", "torchvision", "pycocotools"})
_OF_TOMORROW = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
# Upstream's warnings that a user cannot act on.
_NOISE = ("deprecat", "is the alias of", "prefix is not set in metric class")
_ZOO = logging.getLogger("zoo")


def write_line(text: str) -> None:
    """Write a line to stderr, above a progress bar if there is one.

    Of several processes, only the first one writes: what happens in all is told once.

    Args:
        text: The line, without its line break.
    """
    from tqdm import tqdm

    if not is_first():
        return
    with suppress(OSError):  # a failure to show progress must not end the work
        tqdm.write(text, file=sys.stderr)


@contextmanager
def quiet_console() -> Iterator[None]:
    """Keep mmengine's log off the terminal while the block runs; its file has all of it.

    The Runner must be built inside the block. Inside it, stdout is redirected to stderr.
    """
    from mmengine.runner import Runner

    log = _FileLog()
    try:
        with (
            exchanged(Runner, build_logger=_quieted(Runner.build_logger, log)),
            redirect_stdout(cast("TextIO", _Routed(sys.stderr, log))),
            warnings.catch_warnings(),
        ):
            warnings.showwarning = _showing(log)
            yield
    finally:
        log.close()


class _FileLog:
    """The run's log without its console; text that comes before it is open is buffered."""

    def __init__(self) -> None:
        self._logger: logging.Logger | None = None
        self._waiting: list[str] = []
        self._added: list[logging.Handler] = []

    def write(self, text: str) -> None:
        """Write a text to the log's file only."""
        if self._logger is None:
            self._waiting.append(text)
        else:
            self._logger.info(text, extra={"is_for_file": True})

    def open(self, logger: logging.Logger) -> None:
        """Use a run's log; from now on, zoo's own warnings also go into its file."""
        self._logger = logger
        waiting, self._waiting = self._waiting, []
        for text in waiting:
            self.write(text)
        self.close()
        files = [one for one in logger.handlers if isinstance(one, logging.FileHandler)]
        self._added = [_Console(logging.WARNING, is_zoo=True), *files]
        for handler in self._added:
            _ZOO.addHandler(handler)

    def close(self) -> None:
        """Restore the destination of zoo's warnings."""
        for handler in self._added:
            _ZOO.removeHandler(handler)
        self._added = []


class _Console(logging.Handler):
    """Shows the part of a log that a user must see on the main process's stderr."""

    def __init__(self, level: int, *, is_zoo: bool = False) -> None:
        super().__init__(level)
        self._is_zoo = is_zoo

    @property
    def stream(self) -> TextIO:
        """Where it writes: mmengine's backend of MLflow asks every handler of the log."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or leave it to the file."""
        text = record.getMessage()
        if self._is_zoo:
            write_line(text)
        elif self._is_shown(record, text):
            is_warning = record.levelno >= logging.WARNING
            write_line(f"{record.levelname.lower()}: {text}" if is_warning else text)

    @staticmethod
    def _is_shown(record: logging.LogRecord, text: str) -> bool:
        if record.levelno >= logging.ERROR:
            return True
        if record.levelno >= logging.WARNING:
            return not any(words in text for words in _NOISE)
        is_known = hasattr(record, "is_for_file") or _package_of(record.pathname) in _UPSTREAM
        return not is_known and "\n" not in text


def _quieted(original: Callable[..., Any], log: _FileLog) -> Callable[..., Any]:
    def build_logger(self: Any, *args: Any, **kwargs: Any) -> Any:
        logger = original(self, *args, **kwargs)
        consoles = [one for one in logger.handlers if type(one) is logging.StreamHandler]
        for handler in consoles:
            logger.removeHandler(handler)
            shown = _Console(handler.level)
            for kept in handler.filters:
                shown.addFilter(kept)
            logger.addHandler(shown)
        log.open(logger)
        return logger

    return build_logger


class _Routed:
    """A stdout that sends lines printed by upstream to the log's file, and others to stderr."""

    def __init__(self, stream: TextIO, log: _FileLog) -> None:
        self._stream, self._log = stream, log
        self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text to the destination for its caller."""
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if caller.partition(".")[0] not in _UPSTREAM:
            return self._stream.write(text) if is_first() else len(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.strip():
                self._log.write(line)
        return len(text)


def _showing(log: _FileLog) -> Callable[..., None]:
    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
    ) -> None:
        text = f"{category.__name__}: {message}"
        is_upstream = _package_of(filename) in _UPSTREAM and not _is_of_loading(filename)
        if is_upstream or issubclass(category, _OF_TOMORROW):
            log.write(f"{filename}:{lineno}: {text}")
        else:
            write_line(f"warning: {message} ({Path(filename).name}:{lineno})")

    return show


def _is_of_loading(filename: str) -> bool:
    """Return whether the warning is of torch's data loader, such as on more workers than cores."""
    return os.path.join("torch", "utils", "data") in filename


@lru_cache(maxsize=1024)
def _package_of(filename: str) -> str:
    """Return the top-level package of a file, installed or in a checkout, or its own name."""
    path = Path(filename)
    folder, name = path.parent, path.name
    while (folder / "__init__.py").is_file():
        folder, name = folder.parent, folder.name
    return name
