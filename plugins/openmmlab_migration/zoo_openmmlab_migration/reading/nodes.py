# SPDX-License-Identifier: Apache-2.0
"""Small questions about the syntax of a config."""

from __future__ import annotations

import ast
from typing import Any

__all__ = ["as_load", "copied", "root_of", "spoken"]


def as_load(node: ast.expr) -> ast.expr:
    """Return the target of an assignment as an expression that reads it.

    Args:
        node: A name or an item.
    """
    loaded: ast.expr = ast.parse(ast.unparse(node), mode="eval").body
    return loaded


def root_of(node: ast.expr) -> str:
    """Return the name at the start of ``a.b[0]``, or an empty text.

    Args:
        node: Any expression.
    """
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def copied(value: Any) -> Any:
    """Return a value of a base, which a config may change for itself.

    Args:
        value: Data.
    """
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def spoken(node: ast.AST) -> str:
    """Return the source of a node, short enough for a message.

    Args:
        node: Any part of a config.
    """
    text = ast.unparse(node).partition("\n")[0]
    return text if len(text) <= 60 else f"{text[:57]}..."
