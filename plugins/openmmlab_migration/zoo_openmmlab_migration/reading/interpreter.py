# SPDX-License-Identifier: Apache-2.0
"""Interpret the Python of a config as data.

Assignments, arithmetic, comprehensions, conditions, loops and the calls of
`zoo_openmmlab_migration.reading.operations` are evaluated here, on values of plain types. Nothing
is imported, no file is opened, and nothing of the config is handed to Python's own ``exec``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zoo_openmmlab_migration.reading.nodes import as_load, copied, root_of, spoken
from zoo_openmmlab_migration.reading.operations import (
    BINARY,
    COMPARISONS,
    FUNCTIONS,
    IN_PLACE,
    UNARY,
    NotDataError,
    call_method,
    check_expanded,
    check_size,
)

__all__ = ["Interpreter", "NotData"]

_MOST_STEPS = 1_000_000
_BASE_IN_TEXT = re.compile(r"\{\{\s*_base_\.([\w.]+)\s*\}\}")
_WHOLE_BASE = re.compile(r"\{\{\s*_base_\.([\w.]+)\s*\}\}\Z")


class NotData(NotDataError):
    """A line of a config that is more than data.

    Args:
        line: Number of the line, from 1.
        what: What stands there.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class _Opaque:
    """A module, function or class: it may stand in a config, but has no value here."""

    def __init__(self, name: str) -> None:
        self.name = name


class Interpreter:
    """Evaluates statements one after another.

    Args:
        base: The merged bases, for ``_base_.name`` and ``{{_base_.name}}``.
        texts: Replacements for ``{{ fileDirname }}`` and the like.

    Attributes:
        names: The values of all names so far.
        used: Names that were read after they were set.
    """

    def __init__(self, base: Mapping[str, Any], texts: Mapping[str, str]) -> None:
        self.base = base
        self.texts = texts
        self.names: dict[str, Any] = {}
        self.used: set[str] = set()
        self._steps = 0

    def run(self, body: list[ast.stmt]) -> None:
        """Evaluate statements in order.

        Args:
            body: Statements of a module, or of a block.

        Raises:
            NotData: A statement is more than data.
        """
        for statement in body:
            self._step(statement)
            try:
                self._statement(statement)
            except NotData:
                raise
            except NotDataError as error:
                raise NotData(statement.lineno, str(error)) from error
            except RecursionError as error:
                raise NotData(statement.lineno, "an expression that is nested too deep") from error
            except Exception as error:  # the config's own fault, at this line
                text = f"{type(error).__name__}: {error}"
                raise NotData(statement.lineno, text) from error

    def values(self) -> dict[str, Any]:
        """Return what the config says: every name that holds data and no dunder.

        Raises:
            NotData: Written out, the values would be huge.
        """
        found = {
            name: value
            for name, value in self.names.items()
            if not name.startswith("__") and not isinstance(value, _Opaque)
        }
        try:
            check_expanded(found)
        except (NotDataError, RecursionError) as error:
            what = str(error) if isinstance(error, NotDataError) else "a value nested too deep"
            raise NotData(1, what) from error
        return found

    def _sized(self, value: Any) -> Any:
        """Return a new value, and count its items as steps, so that memory has an end, too."""
        check_size(value)
        self._steps += len(value) if hasattr(value, "__len__") else 0
        return value

    def _step(self, node: ast.AST) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise NotData(getattr(node, "lineno", 0), "more than a million steps")

    def _statement(self, node: ast.stmt) -> None:
        kind = type(node).__name__
        handler: Callable[[Any], None] | None = getattr(self, f"_do_{kind}", None)
        if handler is None:
            raise NotDataError(spoken(node))
        handler(node)

    def _do_Assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _do_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, self.value(node.value))

    def _do_AugAssign(self, node: ast.AugAssign) -> None:
        left, right = self.value(as_load(node.target)), self.value(node.value)
        shared = isinstance(left, (list, dict, set))  # other names of it see the change, too
        operation = (IN_PLACE if shared else BINARY).get(type(node.op))
        if operation is None:
            raise NotDataError(spoken(node))
        self._bind(node.target, self._sized(operation(left, right)))

    def _do_Expr(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _do_Pass(self, node: ast.Pass) -> None:
        pass

    def _do_If(self, node: ast.If) -> None:
        self.run(node.body if self.value(node.test) else node.orelse)

    def _do_For(self, node: ast.For) -> None:
        for item in self._items(node.iter):
            self._bind(node.target, item)
            self.run(node.body)
        self.run(node.orelse)

    def _do_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                del self.names[target.id]
            elif isinstance(target, ast.Subscript):
                del self.value(target.value)[self.value(target.slice)]
            else:
                raise NotDataError(spoken(node))

    def _do_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            known = alias.name if alias.asname else alias.name.partition(".")[0]
            self.names[alias.asname or known] = _Opaque(known)

    def _do_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            full = f"{node.module or ''}.{alias.name}"
            self.names[alias.asname or alias.name] = _Opaque(full)

    def _do_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names[node.name] = _Opaque(f"the function {node.name}")

    def _do_ClassDef(self, node: ast.ClassDef) -> None:
        self.names[node.name] = _Opaque(f"the class {node.name}")

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each, item in zip(target.elts, list(value), strict=True):
                self._bind(each, item)
        elif isinstance(target, ast.Subscript):
            self.value(target.value)[self.value(target.slice)] = value
        else:
            raise NotDataError(spoken(target))

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression.

        Args:
            node: The expression.

        Raises:
            NotDataError: It is more than data.
        """
        self._step(node)
        handler: Callable[[Any], Any] | None = getattr(self, f"_of_{type(node).__name__}", None)
        if handler is None:
            raise NotDataError(spoken(node))
        return handler(node)

    def _of_Constant(self, node: ast.Constant) -> Any:
        return self._filled(node.value) if isinstance(node.value, str) else node.value

    def _filled(self, text: str) -> Any:
        """Return a text with ``{{_base_.x}}`` and ``{{ fileDirname }}`` replaced."""
        whole = _WHOLE_BASE.match(text)
        if whole:
            return self._in_base(whole.group(1))
        filled = _BASE_IN_TEXT.sub(lambda match: str(self._in_base(match.group(1))), text)
        for name, value in self.texts.items():
            filled = value.join(re.split(r"\{\{\s*" + name + r"\s*\}\}", filled))
        return filled

    def _in_base(self, dotted: str) -> Any:
        value: Any = self.base
        for part in dotted.split("."):
            value = value[int(part) if isinstance(value, (list, tuple)) else part]
        return copied(value)

    def _of_Name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise NotDataError(f"the name {node.id!r}, which has no value here")  # noqa: EM102
        self.used.add(node.id)
        value = self.names[node.id]
        if isinstance(value, _Opaque):
            raise NotDataError(f"a use of {value.name}")  # noqa: EM102
        return value

    def _of_Attribute(self, node: ast.Attribute) -> Any:
        if root_of(node) == "_base_":
            return self._in_base(ast.unparse(node).removeprefix("_base_."))
        raise NotDataError(spoken(node))

    def _of_List(self, node: ast.List) -> Any:
        return check_size(list(self._elements(node.elts)))

    def _of_Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._elements(node.elts))

    def _of_Set(self, node: ast.Set) -> Any:
        inner = node.elts[0]
        if len(node.elts) == 1 and isinstance(inner, ast.Set) and len(inner.elts) == 1:
            dotted = ast.unparse(inner.elts[0])  # {{_base_.x}}, outside a text
            if dotted.startswith("_base_."):
                return self._in_base(dotted.removeprefix("_base_."))
            if dotted in self.texts:
                return self.texts[dotted]
        return set(self._elements(node.elts))

    def _elements(self, nodes: list[ast.expr]) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self._items(node.value)
            else:
                yield self.value(node)

    def _of_Dict(self, node: ast.Dict) -> Any:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self.value(value))
            else:
                found[self.value(key)] = self.value(value)
        return found

    def _of_BinOp(self, node: ast.BinOp) -> Any:
        operation = BINARY.get(type(node.op))
        if operation is None:
            raise NotDataError(spoken(node))
        return self._sized(operation(self.value(node.left), self.value(node.right)))

    def _of_UnaryOp(self, node: ast.UnaryOp) -> Any:
        operation = UNARY.get(type(node.op))
        if operation is None:
            raise NotDataError(spoken(node))
        return operation(self.value(node.operand))

    def _of_BoolOp(self, node: ast.BoolOp) -> Any:
        is_and = isinstance(node.op, ast.And)
        found: Any = is_and
        for each in node.values:
            found = self.value(each)
            if bool(found) is not is_and:
                break
        return found

    def _of_Compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        for operation, each in zip(node.ops, node.comparators, strict=True):
            right = self.value(each)
            if not COMPARISONS[type(operation)](left, right):
                return False
            left = right
        return True

    def _of_IfExp(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _of_Subscript(self, node: ast.Subscript) -> Any:
        if root_of(node) == "_base_":
            return copied(self._base_item(node))
        return self.value(node.value)[self.value(node.slice)]

    def _base_item(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self.base
        if isinstance(node, ast.Attribute):
            return self._base_item(node.value)[node.attr]
        if isinstance(node, ast.Subscript):
            return self._base_item(node.value)[self.value(node.slice)]
        raise NotDataError(spoken(node))

    def _of_Slice(self, node: ast.Slice) -> Any:
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else self.value(part) for part in parts))

    def _of_JoinedStr(self, node: ast.JoinedStr) -> Any:
        return check_size("".join(str(self.value(each)) for each in node.values))

    def _of_FormattedValue(self, node: ast.FormattedValue) -> Any:
        spec = "" if node.format_spec is None else str(self.value(node.format_spec))
        return call_method(f"{{:{spec}}}", "format", [self.value(node.value)], {})

    def _of_Call(self, node: ast.Call) -> Any:
        values = list(self._elements(node.args))
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            named.update(value if keyword.arg is None else {keyword.arg: value})
        function = self._function(node.func)
        if function is not None:
            return self._sized(function(*values, **named))
        if isinstance(node.func, ast.Attribute):
            return self._sized(
                call_method(self.value(node.func.value), node.func.attr, values, named)
            )
        raise NotDataError(spoken(node))

    def _function(self, node: ast.expr) -> Callable[..., Any] | None:
        """Return the function that a call names, by its full name after the imports."""
        name = ast.unparse(node)
        first, dot, rest = name.partition(".")
        value = self.names.get(first)
        if isinstance(value, _Opaque):
            full = f"{value.name}{dot}{rest}"
            if full in FUNCTIONS and "." in full:
                return FUNCTIONS[full]
            raise NotDataError(f"a call of {full}")  # noqa: EM102
        return None if first in self.names or dot else FUNCTIONS.get(name)

    def _of_ListComp(self, node: ast.ListComp) -> Any:
        return list(self._each(node.generators, node.elt))

    _of_GeneratorExp = _of_ListComp

    def _of_SetComp(self, node: ast.SetComp) -> Any:
        return set(self._each(node.generators, node.elt))

    def _of_DictComp(self, node: ast.DictComp) -> Any:
        pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node)
        return dict(self._each(node.generators, pair))

    def _each(self, generators: list[ast.comprehension], element: ast.expr) -> Iterator[Any]:
        kept = dict(self.names)
        try:
            yield from list(self._nested(generators, element))
        finally:
            self.names = kept

    def _nested(self, generators: list[ast.comprehension], element: ast.expr) -> Iterator[Any]:
        if not generators:
            yield self.value(element)
            return
        first, *rest = generators
        for item in self._items(first.iter):
            self._bind(first.target, item)
            if all(self.value(test) for test in first.ifs):
                yield from self._nested(rest, element)

    def _items(self, node: ast.expr) -> list[Any]:
        return list(check_size(self.value(node)))
