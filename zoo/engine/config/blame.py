# SPDX-License-Identifier: Apache-2.0
"""Find the part of a config that caused an exception, from where it was raised.

mmengine builds part by part and names neither key nor file when one is refused. A traceback holds
the objects at work: the part being built, or the module in its forward pass.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.names import near_names

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["Blame", "find_blame", "package_hint"]

_UNKNOWN_ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")
# Upstream's messages on missing packages, the most specific first.
_PACKAGES = (
    r"pip install (?:-U )?['\"]?([\w+:/.\[\]=><~-]*\w)",
    r"mim install ['\"]?([\w.=><~-]*\w)",
    r"[Nn]o module named ['\"]([\w-]+)",
    r"[Pp]lease install ['\"`]?([\w-]+)",
    r"([\w-]+) is not installed",
)
_MOST_KEYS = 3
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Blame:
    """A part of a config, and what was refused in it.

    Attributes:
        key: Its dotted key, or the possible ones.
        is_build: Whether it was being built, rather than in use.
        known: Arguments that it takes, if it was given an unknown one.
        argument: The unknown argument.
    """

    key: str
    is_build: bool
    argument: str | None = None
    known: tuple[str, ...] = ()

    @property
    def hint(self) -> str | None:
        """What to write instead of an unknown argument."""
        if self.argument is None:
            return None
        near = near_names(self.argument, self.known)
        if near:
            return f"did you mean {' or '.join(near)}?"
        taken = f"; it takes {', '.join(self.known[:12])}" if self.known else ""
        return f"remove {self.argument}{taken}."


def find_blame(error: BaseException, tree: Mapping[str, Any]) -> Blame | None:
    """Return the part that caused an exception, or None if that is unknown.

    Args:
        error: The exception, with its traceback.
        tree: The whole config, as it was before anything was built from it.
    """
    frames = list(_frames(error))
    root = next((frame.f_locals["self"] for frame in frames if _is_module(frame)), None)
    for frame in reversed(frames):
        if frame.f_code.co_name == "build_from_cfg" and isinstance(frame.f_locals.get("cfg"), dict):
            key = _key_of(tree, frame.f_locals["cfg"])
            if key:
                return _blame_build(error, key, frame.f_locals.get("obj_cls"))
        elif frame.f_code.co_name != "__init__" and "self" in frame.f_locals:
            key = _key_of_object(tree, frame.f_locals["self"], root)
            if key:
                return Blame(key, is_build=False)
    return None


def package_hint(error: BaseException) -> str | None:
    """Return how to install the package that an exception asks for, or None if it asks for none.

    Args:
        error: The exception; its causes are checked too.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (ImportError, RuntimeError, AssertionError, NotImplementedError)):
            for pattern in _PACKAGES:
                found = re.search(pattern, str(seen))
                if found:
                    return f"pip install {found[1]}, or remove what needs it from the config."
        seen = seen.__cause__
    return None


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_module(frame: FrameType) -> bool:
    from torch.nn import Module

    return isinstance(frame.f_locals.get("self"), Module)


def _blame_build(error: BaseException, key: str, cls: Any) -> Blame:
    found = _UNKNOWN_ARGUMENT.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return Blame(key, is_build=True)
    return Blame(join_key(key, found[1]), True, found[1], tuple(_arguments(cls)))


def _arguments(cls: Any) -> list[str]:
    """Return the named arguments of a class and of the classes to which it passes the rest."""
    classes = cls.__mro__ if inspect.isclass(cls) else (cls,)
    names: dict[str, None] = {}
    for one in classes:
        try:
            parameters = inspect.signature(one).parameters.values()
        except (TypeError, ValueError):  # of a builtin
            continue
        plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        names.update(dict.fromkeys(plain))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(names)


def _key_of(tree: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """Return the key of the dict that a part, perhaps changed meanwhile, was copied from."""
    scores: dict[str, int] = {}
    for key, node in iterate_dicts(tree):
        if key and _is_same(node.get("type"), part.get("type")):
            scores[key] = sum(
                _is_same(value, part.get(name, _ABSENT)) for name, value in node.items()
            )
    best = max(scores.values(), default=0)
    return _join([key for key, score in scores.items() if score == best]) if best else ""


def _is_same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (RuntimeError, ValueError, TypeError):  # arrays, which are not one truth
        return False


def _key_of_object(tree: Mapping[str, Any], at_work: Any, root: Module | None) -> str:
    """Return the key of the part that a module of the model, or another object, was built from."""
    for name, module in root.named_modules() if root is not None else ():
        if module is at_work:
            return _key_of_module(tree, name)
    kind = type(at_work).__name__
    keys = [
        key
        for key, node in iterate_dicts(tree)
        if key and str(node.get("type")).rpartition(".")[2] == kind
    ]
    return _join(keys)


def _key_of_module(tree: Mapping[str, Any], name: str) -> str:
    """Return how far the config follows a module's name: ``model.neck`` for ``neck.convs.0``."""
    key, node = "model", tree.get("model")
    for part in name.removeprefix("module.").split("."):
        if isinstance(node, (list, tuple)) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, Mapping) and isinstance(node.get(part), (Mapping, list, tuple)):
            node = node[part]
        else:
            break
        key = join_key(key, part)
    return key


def _join(keys: list[str]) -> str:
    return ", ".join(keys[:_MOST_KEYS]) + (", ..." if len(keys) > _MOST_KEYS else "")
