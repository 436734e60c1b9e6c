# SPDX-License-Identifier: Apache-2.0
"""The space of a sweep: a TOML of config keys and what each may be, checked against the config."""

from __future__ import annotations

import difflib
import itertools
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_toml, reason_of
from zoo.errors import ConfigError
from zoo.texts import shown

__all__ = ["Axis", "Space", "check_space", "read_space"]

RULES = ("choices", "grid", "uniform", "loguniform", "integers")
_LISTS = ("choices", "grid")
_LIMITS = Limits(size_bytes=2**20, values=10_000)
_WORD = re.compile(r"[\w./:@+-]+")
_MOST_REDRAWS = 1_000
_EXAMPLE = '"optim_wrapper.optimizer.lr" = { loguniform = [1e-4, 1e-2] }'


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of the config and what it may be.

    Attributes:
        key: Dotted key of the config.
        rule: One of `RULES`.
        values: The values of ``choices`` and ``grid``; else the two ends, both included.
    """

    key: str
    rule: str
    values: tuple[Any, ...]

    def draw(self, rng: random.Random) -> Any:
        """Return a value; floats have six digits, so that they can be read and typed again.

        Args:
            rng: Draws it.
        """
        if self.rule in _LISTS:
            return rng.choice(self.values)
        low, high = self.values
        if self.rule == "integers":
            return rng.randint(low, high)
        if self.rule == "uniform":
            value = rng.uniform(low, high)
        else:
            value = math.exp(rng.uniform(math.log(low), math.log(high)))
        return min(max(float(f"{value:.6g}"), low), high)


@dataclass(frozen=True, slots=True)
class Space:
    """All keys of a sweep.

    Attributes:
        axes: One for each key, in the order of the file.
    """

    axes: tuple[Axis, ...]

    @property
    def grid_count(self) -> int:
        """The number of combinations of all grids; 1 without one."""
        return math.prod(len(axis.values) for axis in self.axes if axis.rule == "grid")

    @property
    def count(self) -> int | None:
        """The number of all different settings, or None if a fraction is drawn."""
        counts = []
        for axis in self.axes:
            if axis.rule in _LISTS:
                counts.append(len(axis.values))
            elif axis.rule == "integers":
                counts.append(axis.values[1] - axis.values[0] + 1)
            else:
                return None
        return math.prod(counts)

    def draw(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Return different settings, key -> value; a larger count begins with those of a smaller.

        Each combination of the grids is taken in turn; the other keys are drawn.

        Args:
            count: How many; at most `count`.
            seed: Equal seeds give equal settings.
        """
        grids = [axis for axis in self.axes if axis.rule == "grid"]
        products = list(itertools.product(*(axis.values for axis in grids)))
        settings: list[dict[str, Any]] = []
        for index in range(count):
            rng = random.Random(f"{seed}:{index}")  # noqa: S311 - no secret
            fixed = zip(grids, products[index % len(products)], strict=True)
            taken = {axis.key: value for axis, value in fixed}
            settings.append(self._draw_new(taken, settings, rng))
        return settings

    def _draw_new(
        self, taken: Mapping[str, Any], before: Sequence[Mapping[str, Any]], rng: random.Random
    ) -> dict[str, Any]:
        """Return a setting that is not among those before, if chance finds one."""
        drawn: dict[str, Any] = {}
        for _ in range(_MOST_REDRAWS):
            drawn = {
                axis.key: taken[axis.key] if axis.key in taken else axis.draw(rng)
                for axis in self.axes
            }
            if drawn not in before:
                break
        return drawn

    def to_json(self) -> dict[str, dict[str, list[Any]]]:
        """Return plain values, as the file has them."""
        return {axis.key: {axis.rule: list(axis.values)} for axis in self.axes}


def read_space(path: Path) -> Space:
    """Return the space that a file states.

    Args:
        path: A TOML file.

    Raises:
        ConfigError: It cannot be read, or a key does not state one rule with fitting values.
    """
    try:
        document = read_toml(path, _LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot read the space {path.name!r}: {reason_of(error)}."
        hint = f"write TOML, one key of the config a line: {_EXAMPLE}"
        raise ConfigError(message, where=path, hint=hint) from error
    return parse_space(document, path)


def parse_space(document: Mapping[str, Any], path: Path) -> Space:
    """Return the space that plain values state.

    Args:
        document: Dotted key -> rule -> values.
        path: Where they are from, for messages.

    Raises:
        ConfigError: A key does not state one rule with fitting values.
    """
    axes = tuple(_read_axis(key, value, path) for key, value in _flat(document))
    if not axes:
        message = "cannot sweep: the space names no key."
        raise ConfigError(message, where=path, hint=f"add a line such as {_EXAMPLE}")
    return Space(axes)


def _flat(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield key -> value; a key without quotes, a table in a table in TOML, means the same."""
    for key, value in document.items():
        inner = isinstance(value, Mapping) and value
        if inner and all(isinstance(v, Mapping) for v in value.values()):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _read_axis(key: str, value: Any, path: Path) -> Axis:
    rules = ", ".join(RULES)
    if not isinstance(value, Mapping) or len(value) != 1:
        found = "several rules" if isinstance(value, Mapping) and value else shown(value)
        message = f"cannot sweep {key!r}: found {found}, expected one of {rules}."
        raise ConfigError(message, where=path, hint=f"write it as {_EXAMPLE}")
    ((rule, values),) = value.items()
    if rule not in RULES:
        near = difflib.get_close_matches(rule, RULES, 1)
        message = f"cannot sweep {key!r}: {rule!r} is no rule, expected one of {rules}."
        hint = f"did you mean {near[0]}?" if near else f"write it as {_EXAMPLE}"
        raise ConfigError(message, where=path, hint=hint)
    wanted = _wanted(rule, values)
    if wanted:
        message = f"cannot sweep {key!r}: {rule} is {shown(values)}, expected {wanted}."
        raise ConfigError(message, where=path, hint="correct that line.")
    return Axis(key, rule, tuple(values))


def _wanted(rule: str, values: Any) -> str:
    """Return what was expected of a rule's values, or an empty text if they are that."""
    if rule in _LISTS:
        if not isinstance(values, list) or not values:
            return "a list with at least one value"
        if any(value in values[:index] for index, value in enumerate(values)):
            return "different values"
        bad = [value for value in values if not _can_be_typed(value)]
        return f"numbers, words, true, false, or lists of them (not {bad[0]!r})" if bad else ""
    kind = int if rule == "integers" else (int, float)
    is_pair = isinstance(values, list) and len(values) == 2
    if not is_pair or not all(_is_number(value) and isinstance(value, kind) for value in values):
        return "two whole numbers" if rule == "integers" else "two numbers"
    if values[0] >= values[1]:
        return "the lower end first"
    return "ends above 0" if rule == "loguniform" and values[0] <= 0 else ""


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _can_be_typed(value: Any) -> bool:
    """Return whether ``--cfg-options key=value`` gives this value back."""
    if isinstance(value, list):
        return bool(value) and all(_can_be_typed(each) for each in value)
    if isinstance(value, str):
        return bool(_WORD.fullmatch(value)) and not _reads_otherwise(value)
    return isinstance(value, bool) or _is_number(value)


def _reads_otherwise(word: str) -> bool:
    if word.lower() in ("true", "false", "none"):
        return True
    try:
        float(word)
    except ValueError:
        return False
    return True


def check_space(space: Space, config: Mapping[str, Any], path: Path) -> None:
    """Refuse keys that the config lacks, and values of another type than the config's.

    Args:
        space: The space.
        config: The resolved config.
        path: File of the space, for messages.

    Raises:
        ConfigError: The first fault, with near names.
    """
    for axis in space.axes:
        held = _find(config, axis, path)
        for value in axis.values:
            wanted = _wanted_type(held, value, axis.rule)
            if wanted:
                message = f"cannot sweep {axis.key!r}: {axis.rule} has {shown(value)}, expected "
                message += f"{wanted} as in the config, which has {shown(held)}."
                hint = "draw whole numbers with integers = [LOW, HIGH]; or write the value as a "
                hint += "fraction in your config, if it may be one."
                is_whole = wanted == "a whole number"
                hint = hint if is_whole else "correct that line."
                raise ConfigError(message, where=path, hint=hint)


def _find(config: Mapping[str, Any], axis: Axis, path: Path) -> Any:
    """Return the config's value of a key."""
    node: Any = config
    parts = axis.key.split(".")
    for depth, part in enumerate(parts):
        names = _names(node)
        if part not in names:
            where = ".".join(parts[:depth])
            message = f"cannot sweep {axis.key!r}: the config has no {part!r}"
            message += f" in {where!r}." if where else "."
            raise ConfigError(message, where=path, hint=_near(config, axis.key, names, where))
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _names(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        return [str(name) for name in node]
    return [str(index) for index in range(len(node))] if isinstance(node, list) else []


def _near(config: Mapping[str, Any], key: str, names: Sequence[str], where: str) -> str:
    every = list(_all_keys(config))
    last = key.rpartition(".")[2]
    same_end = [each for each in every if each.rpartition(".")[2] == last]
    near = difflib.get_close_matches(key, every, 3, 0.8) or same_end[:3]
    if near:
        return f"did you mean {' or '.join(near)}?"
    there = ", ".join(names[:8]) or "no keys"
    return f"`zoo config show` prints the whole config; {where or 'it'} has {there}."


def _all_keys(node: Any, before: str = "") -> Iterator[str]:
    for name in _names(node):
        yield before + name
        inner = node[int(name)] if isinstance(node, list) else node[name]
        yield from _all_keys(inner, f"{before}{name}.")


def _wanted_type(held: Any, value: Any, rule: str) -> str:
    """Return the type that the config's value has, or an empty text if the value is of it."""
    if held is None:
        return ""
    if isinstance(held, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(held, int):
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if is_whole and rule not in ("uniform", "loguniform") else "a whole number"
    if isinstance(held, float):
        return "" if _is_number(value) else "a number"
    if isinstance(held, str):
        return "" if isinstance(value, str) else "a word"
    if isinstance(held, list):
        return "" if isinstance(value, list) else "a list"
    return "a key inside it: it holds more than one value"
