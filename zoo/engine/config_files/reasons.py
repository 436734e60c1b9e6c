# SPDX-License-Identifier: Apache-2.0
"""Why a config cannot be read, in one error that names the file, for whatever reading it raises."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from zoo.errors import ConfigError

__all__ = ["unreadable"]

_NO_VARIABLE = re.compile(r"'ConfigDict' object has no attribute (?P<name>'[^']*')")
_NO_MODULE = re.compile(r"(?P<path>\S+) not found! It means that incorrect module is defined")
_OF_ONE_STYLE = "The configuration file type in the inheritance chain"
_STYLES = "it and its bases inherit in two ways, `_base_` and `with read_base():`, expected one"
_NO_NAMES = "expected names with values at its top level, and in each base"


def unreadable(error: BaseException, path: Path) -> ConfigError:
    """Return the error for a config that cannot be read.

    Args:
        error: What reading it raised.
        path: The config, or the base of one, whose reading failed.
    """
    if isinstance(error, SyntaxError) and error.lineno:
        message = f"cannot read config {path.name!r}: line {error.lineno}: {error.msg}."
        return ConfigError(message, where=f"{path}:{error.lineno}", hint="fix that line.")
    message = f"cannot read config {path.name!r}: {_text_of(path, error)}."
    return ConfigError(message, where=path, hint=_hint_for(error))


def _text_of(path: Path, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"its code ends the process with exit code {error.code or 0}"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    lacking = _lacking(error)
    if lacking is not None:
        return f"its bases have no {lacking}"
    if path.suffix != ".py" and isinstance(error, AttributeError):
        # mmengine takes for granted that a file of data is a mapping, with names for its keys.
        return _NO_NAMES
    if _OF_ONE_STYLE in str(error):
        return _STYLES
    missing = _NO_MODULE.search(str(error))
    if missing:
        return f"the config {missing['path']!r} that it imports does not exist"
    # mmengine wraps a failed custom import into a page about sys.path.
    shown = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    return f"{type(shown).__name__}: {shown}".rstrip(".: ")


def _hint_for(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "install what it imports, or remove that import."
    if isinstance(error, RecursionError):
        return "nest less."
    if _lacking(error) is not None:
        return "`zoo config show` of a base prints all that it has."
    if _OF_ONE_STYLE in str(error):
        return "name bases of its own style, or the text that `zoo config show` prints of one."
    return "fix the file, or a file that it names in _base_; --debug shows where it fails."


def _lacking(error: BaseException) -> str | None:
    """Return the variable of the bases that a config uses and they lack, quoted; else None."""
    found = _NO_VARIABLE.search(str(error)) if isinstance(error, AttributeError) else None
    if found:
        return found["name"]
    if not isinstance(error, KeyError):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    is_variable = any(frame.name == "_substitute_base_vars" for frame in frames)
    return repr(str(error.args[0])) if is_variable else None
