# SPDX-License-Identifier: Apache-2.0
"""Key maps: tables of every key of an architecture, its shape, and its new name.

A line of a table is ``SOURCE -> TARGET : SIZES``::

    head.norms.{i}.{weight,bias} -> decode_head.convs.{i}.bn.{weight,bias} : C{i}
    head.{query,key,value}.weight -> attn.qkv.weight@{0,1,2}               : D D
    ? head.mask -> -                                                       : *

* ``{i}`` is a number. Every number of a line that any line has is expected in all lines with the
  same numbers, and numbers count from 0.
* ``{a,b}`` stands for two lines. The k-th braces of source, target and sizes belong together;
  equal braces on one side are the same choice.
* ``@0``, ``@1`` are parts that are joined along the first axis; ``-`` drops a tensor.
* A size is a number, ``*`` for any, or a letter that is one size in the whole file, with a factor:
  ``4*C{i}``. A scalar has no size.
* ``?`` marks what a file may lack: for each first number of a line either all such lines or none.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.conversion.mismatches import Misshaped, mismatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KeyMap", "Mapped"]

_NUMBER = re.compile(r"\{(\w+)\}")
_WORDS = re.compile(r"\{(\w+(?:,\w+)+)\}")
_SIZE = re.compile(r"(?:(\d+)\*)?([A-Za-z]\w*)")
_Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A state dict under new keys.

    Attributes:
        tensors: New key -> tensor.
        sizes: Letter of the table, with its number, -> size, such as ``{"C0": 32}``.
    """

    tensors: dict[str, Tensor]
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Line:
    """One line without alternatives."""

    source: str
    target: str
    sizes: tuple[str, ...]
    is_optional: bool
    variables: tuple[str, ...]
    pattern: re.Pattern[str]

    def name(self, numbers: _Numbers) -> str:
        """Return the key in the source."""
        return _filled(self.source, self.variables, numbers)

    def wanted(self, numbers: _Numbers) -> list[tuple[int, str | None] | None]:
        """Return each size as factor and letter; None for any, no letter for a number."""
        texts = [_filled(size, self.variables, numbers) for size in self.sizes]
        return [None if text == "*" else _parsed(text) for text in texts]


class KeyMap:
    """All keys of an architecture.

    Args:
        what: Name of the architecture, for messages.
        table: The lines; empty ones and those that begin with ``#`` are skipped.

    Example:
        >>> import torch
        >>> keymap = KeyMap("a net", "fc.{weight,bias} -> head.{weight,bias} : C")
        >>> mapped = keymap.apply({"fc.weight": torch.ones(3), "fc.bias": torch.zeros(3)})
        >>> sorted(mapped.tensors), mapped.sizes
        (['head.bias', 'head.weight'], {'C': 3})
    """

    def __init__(self, what: str, table: str) -> None:
        self._what = what
        self._lines = tuple(itertools.chain.from_iterable(map(_expanded, table.splitlines())))

    def apply(self, state_dict: Mapping[str, Tensor]) -> Mapped:
        """Return the tensors under their new keys; the tensors are those of the source.

        Args:
            state_dict: Name -> tensor.

        Raises:
            ConversionError: A key is missing, unknown, or has another shape.
        """
        found: dict[_Line, dict[_Numbers, str]] = {line: {} for line in self._lines}
        unexpected = []
        for key in state_dict:
            line, numbers = self._find(key)
            # A number that no file can count to would make a list of all below it.
            if line is None or any(number >= len(state_dict) for number in numbers):
                unexpected.append(key)
            else:
                found[line][numbers] = key
        missing = list(self._missing(found))
        votes = _votes(found, state_dict)
        sizes = {letter: counts.most_common(1)[0][0] for letter, counts in votes.items()}
        misshaped = list(_misshaped(found, state_dict, sizes))
        if missing or unexpected or misshaped:
            raise mismatch(self._what, missing, unexpected, misshaped)
        return Mapped(_renamed(found, state_dict), sizes)

    def _find(self, key: str) -> tuple[_Line | None, _Numbers]:
        for line in self._lines:
            match = line.pattern.fullmatch(key)
            if match is not None:
                return line, tuple(int(match[each]) for each in line.variables)
        return None, ()

    def _missing(self, found: Mapping[_Line, Mapping[_Numbers, str]]) -> Iterator[str]:
        """Yield the keys that must be there: those of every number that some line has."""
        seen: dict[tuple[str, ...], set[_Numbers]] = defaultdict(set)
        firsts: dict[tuple[str, ...], set[_Numbers]] = defaultdict(set)
        for line, keys in found.items():
            for numbers in keys:
                for depth in range(len(numbers) + 1):
                    seen[line.variables[:depth]].add(numbers[:depth])
            if line.is_optional:
                firsts[line.variables].update(numbers[:1] for numbers in keys)
        for line, keys in found.items():
            wanted = _counted(seen, line.variables)
            if line.is_optional:
                here = firsts[line.variables] if line.variables else ()
                wanted = [numbers for numbers in wanted if numbers[:1] in here]
            yield from (line.name(numbers) for numbers in wanted if numbers not in keys)


def _counted(
    seen: Mapping[tuple[str, ...], set[_Numbers]], variables: tuple[str, ...]
) -> list[_Numbers]:
    """Return the numbers of some variables from 0 to the largest seen, below each of the first."""
    if not variables:
        return [()]
    return [
        (*parent, number)
        for parent in _counted(seen, variables[:-1])
        for number in range(
            1 + max((one[-1] for one in seen[variables] if one[:-1] == parent), default=0)
        )
    ]


def _expanded(text: str) -> Iterator[_Line]:
    """Yield a line for each combination of its alternatives."""
    text = text.strip()
    if not text or text.startswith("#"):
        return
    is_optional, text = text.startswith("?"), text.removeprefix("?")
    source, _, rest = text.partition("->")
    target, _, sizes = rest.partition(":")
    parts = [source.strip(), target.strip(), sizes.strip()]
    groups = [words.split(",") for words in dict.fromkeys(_WORDS.findall(parts[0]))]
    for choice in itertools.product(*(range(len(group)) for group in groups)):
        chosen = [_chosen(part, choice) for part in parts]
        variables = tuple(dict.fromkeys(_NUMBER.findall(chosen[0])))
        yield _Line(
            source=chosen[0],
            target=chosen[1],
            sizes=tuple(chosen[2].split()),
            is_optional=is_optional,
            variables=variables,
            pattern=_pattern(chosen[0]),
        )


def _chosen(part: str, choice: tuple[int, ...]) -> str:
    groups = list(dict.fromkeys(_WORDS.findall(part)))
    return _WORDS.sub(lambda words: words[1].split(",")[choice[groups.index(words[1])]], part)


def _pattern(source: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def number(match: re.Match[str]) -> str:
        name = match[1]
        is_new = name not in seen
        seen.add(name)
        return rf"(?P<{name}>0|[1-9]\d{{0,5}})" if is_new else f"(?P={name})"

    escaped = re.escape(source).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(_NUMBER.sub(number, escaped))


def _filled(template: str, variables: tuple[str, ...], numbers: _Numbers) -> str:
    values = dict(zip(variables, numbers, strict=True))
    return _NUMBER.sub(lambda match: str(values[match[1]]), template)


def _parsed(size: str) -> tuple[int, str | None]:
    match = _SIZE.fullmatch(size)
    return (int(size), None) if match is None else (int(match[1] or 1), match[2])


def _votes(
    found: Mapping[_Line, Mapping[_Numbers, str]], state_dict: Mapping[str, Tensor]
) -> dict[str, Counter[int]]:
    """Return, for each letter, how many tensors give it which size: the majority is right."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for line, keys in found.items():
        for numbers, key in keys.items():
            shape = tuple(state_dict[key].shape)
            wanted = line.wanted(numbers)
            if len(wanted) != len(shape):
                continue
            for size, want in zip(shape, wanted, strict=True):
                if want is not None and want[1] is not None and size % want[0] == 0:
                    votes[want[1]][size // want[0]] += 1
    return votes


def _misshaped(
    found: Mapping[_Line, Mapping[_Numbers, str]],
    state_dict: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> Iterator[Misshaped]:
    for line, keys in found.items():
        for numbers, key in keys.items():
            wanted = [
                None
                if want is None
                else want[0] * (1 if want[1] is None else sizes.get(want[1], 0))
                for want in line.wanted(numbers)
            ]
            shape = tuple(state_dict[key].shape)
            fits = len(shape) == len(wanted) and all(
                want in (None, size) for size, want in zip(shape, wanted, strict=True)
            )
            if not fits:
                yield Misshaped(key, shape, tuple(wanted))


def _renamed(
    found: Mapping[_Line, Mapping[_Numbers, str]], state_dict: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    import torch

    tensors: dict[str, Tensor] = {}
    parts: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for line, keys in found.items():
        for numbers, key in keys.items():
            target, _, part = _filled(line.target, line.variables, numbers).partition("@")
            if part:
                parts[target][int(part)] = state_dict[key]
            elif target != "-":
                tensors[target] = state_dict[key]
    joined = {key: torch.cat([one[part] for part in sorted(one)]) for key, one in parts.items()}
    return tensors | joined
