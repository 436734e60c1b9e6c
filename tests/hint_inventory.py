# SPDX-License-Identifier: Apache-2.0
"""Every hint in the code, read from its syntax tree: where it stands, and what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOLE = "\N{HORIZONTAL ELLIPSIS}"
"""What stands for a value that is filled in when the error is raised."""


_COMMAND = re.compile(r"(?<![\w.-])zoo (?:(?:data|cache|config|plugin) [a-z]+|[a-z]+)(?= )")
# An option, a word in capitals, a file of such a name, or a value that is filled in.
_WORD = re.compile(
    rf"--[a-z][a-z-]*|[A-Z][A-Z_,]*(?:/[a-z]+)?(?:\.[a-z]+)?|{HOLE}|[a-z]+_[a-z_]+|semantic|instance"
)


@dataclass(frozen=True)
class Hint:
    """One text, with a hole for each value.

    Attributes:
        place: ``zoo/engine/runs/train.py:12``.
        text: What the user reads.
    """

    place: str
    text: str


@cache
def read_hints() -> list[Hint]:
    """Return the hints of the core and of every plugin in the checkout."""
    files = [*ROOT.glob("zoo/**/*.py"), *ROOT.glob("plugins/*/zoo_*/**/*.py")]
    found = {hint for file in sorted(files) for hint in _read(file)}
    return sorted(found, key=lambda hint: hint.place)


def command_lines(text: str) -> list[str]:
    """Return the command lines of zoo in a hint that can be typed once its words in capitals are.

    A command that is only mentioned, as in ``run `zoo data prepare` again``, is none.

    Example:
        >>> command_lines("measure this one: zoo test CONFIG CHECKPOINT --out FILE.json.")
        ['zoo test CONFIG CHECKPOINT --out FILE.json']
    """
    found = []
    for match in _COMMAND.finditer(text):
        words = match[0].split()
        for word in text[match.end() :].split():
            bare = word.strip("`'\"").rstrip(".,;:`'")
            if not _WORD.fullmatch(bare):
                break
            words.append(bare)
            if bare != word.lstrip("`'\""):  # a stop, or the end of a quotation
                break
        if len(words) > len(match[0].split()):
            found.append(" ".join(words))
    return found


def _read(file: Path) -> Iterator[Hint]:
    tree = ast.parse(file.read_text("utf-8"))
    constants = {
        _name(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)
    }
    for node in ast.walk(tree):
        for value in _hints_of(node):
            # A text that several errors share stands at the top of its file.
            shared = constants.get(value.id) if isinstance(value, ast.Name) else None
            for text in _texts(shared or value):
                yield Hint(f"{file.relative_to(ROOT).as_posix()}:{value.lineno}", text)


def _hints_of(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what is given as ``hint=``, set to a name with hint in it, or returned as one."""
    if isinstance(node, ast.keyword) and node.arg == "hint":
        yield node.value
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    if any("hint" in _name(target).lower() for target in targets):
        value = getattr(node, "value", None)
        yield from () if value is None else (value,)
    if isinstance(node, ast.FunctionDef) and "hint" in node.name.lower():
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield inner.value


def _name(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else ""


def _texts(value: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may become; what is computed elsewhere is passed over."""
    parts: list[ast.expr] = []
    if isinstance(value, ast.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, (ast.BoolOp, ast.Dict)):
        parts = [part for part in value.values if part is not None]
    elif isinstance(value, ast.Call):
        parts = [*value.args, *(keyword.value for keyword in value.keywords)]
    for part in parts:
        yield from _texts(part)
    text = "" if parts else _text(value)
    if " " in text.strip() or text.startswith("--"):
        yield text


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else ""
    if isinstance(value, ast.JoinedStr):
        return "".join(
            _text(part) if isinstance(part, ast.Constant) else HOLE for part in value.values
        )
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return _text(value.left) + (_text(value.right) or HOLE)
    return ""
