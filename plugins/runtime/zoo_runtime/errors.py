# SPDX-License-Identifier: Apache-2.0
"""Every exception that the runtime raises on purpose: what failed, where, and one thing to do.

::

    ZooRuntimeError       .message .where .hint
    ├── ModelError        .path   a file that is no model of zoo, or that cannot be run here
    ├── DataError         .path   an image that cannot be read or predicted
    └── ConfigError       an option that the model does not know, or that is out of range
"""

from __future__ import annotations

from pathlib import Path

from zoo_runtime.copied.texts import printable

__all__ = ["ConfigError", "DataError", "ModelError", "ZooRuntimeError"]


class ZooRuntimeError(Exception):
    """Base class of all errors of the runtime.

    Args:
        message: What failed, what was found and what was expected.
        where: The file or the option that caused it.
        hint: One thing to do.
    """

    def __init__(
        self, message: str, *, where: str | Path | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        # Names in a message come from outside. They must not move the cursor or fake a line.
        lines = [printable(self.message, keep="\n")]
        if self.where:
            lines.append(f"where: {printable(self.where)}")
        if self.hint:
            lines.append("HINT: " + printable(self.hint, keep="\n"))
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(cls: type[ZooRuntimeError], state: dict[str, object]) -> ZooRuntimeError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class _PathError(ZooRuntimeError):
    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where if where is not None else path, hint=hint)
        self.path = path


class ModelError(_PathError):
    """A file that is no model of zoo, that was changed, or that cannot be run here."""


class DataError(_PathError):
    """An image that cannot be read, or on which the model fails."""


class ConfigError(ZooRuntimeError):
    """An option that is unknown or out of range, or that does not apply to the model."""
