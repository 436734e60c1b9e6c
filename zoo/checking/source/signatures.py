# SPDX-License-Identifier: Apache-2.0
"""Whether a function can be called in one way, told from its ``def`` line."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable

__all__ = ["why_not_callable"]

_KINDS = inspect.Parameter


def why_not_callable(
    node: ast.FunctionDef | ast.AsyncFunctionDef, positional: int, keywords: Iterable[str]
) -> str | None:
    """Return why a function cannot be called with these arguments, or None if it can.

    Args:
        node: The function. One with decorators may have any signature, so it passes.
        positional: Number of positional arguments.
        keywords: Names of the keyword arguments.
    """
    if node.decorator_list:
        return None
    try:
        signature = inspect.Signature(_parameters(node.args))
        signature.bind(*range(positional), **dict.fromkeys(keywords))
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _parameters(args: ast.arguments) -> list[inspect.Parameter]:
    plain = [*args.posonlyargs, *args.args]
    given = len(plain) - len(args.defaults)
    found = []
    for at, each in enumerate(plain):
        is_first = at < len(args.posonlyargs)
        kind = _KINDS.POSITIONAL_ONLY if is_first else _KINDS.POSITIONAL_OR_KEYWORD
        found.append(_parameter(each, kind, has_default=at >= given))
    if args.vararg is not None:
        found.append(_parameter(args.vararg, _KINDS.VAR_POSITIONAL))
    for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append(_parameter(each, _KINDS.KEYWORD_ONLY, has_default=default is not None))
    if args.kwarg is not None:
        found.append(_parameter(args.kwarg, _KINDS.VAR_KEYWORD))
    return found


def _parameter(
    each: ast.arg, kind: inspect._ParameterKind, *, has_default: bool = False
) -> inspect.Parameter:
    return inspect.Parameter(each.arg, kind, default=None if has_default else _KINDS.empty)
