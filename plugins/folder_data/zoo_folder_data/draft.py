# SPDX-License-Identifier: Apache-2.0
"""Draft a ``classes.toml`` that fits the masks, with notes on what to check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoo_folder_data.class_names import ClassNames
from zoo_folder_data.guess import Group, Guess, guess_classes
from zoo_folder_data.naming import BACKGROUND, name_classes
from zoo_folder_data.survey import Survey
from zoo_folder_data.value_ranges import spell_span

__all__ = ["ClassesDraft", "draft_classes"]

_MANY = 12  # values that may number objects rather than classes


@dataclass(frozen=True, slots=True)
class ClassesDraft:
    """A draft of ``classes.toml``.

    Args:
        text: TOML with the findings in comments.
        rows: TOML without the comments.
        names: Names of the classes.
        found: Content of the masks, in a sentence.
        edit: What to check.
    """

    text: str
    rows: str
    names: tuple[str, ...]
    found: str
    edit: tuple[str, ...]


def draft_classes(
    survey: Survey, places: Iterable[str], lists: Sequence[tuple[str, ClassNames]] = ()
) -> ClassesDraft | None:
    """Draft a ``classes.toml`` for masks, or return None if the files do not look like masks.

    Args:
        survey: Survey of the masks.
        places: See :func:`zoo_folder_data.naming.name_classes`.
        lists: Paths and contents of lists with class names.
    """
    guess = guess_classes(survey)
    if guess is None:
        return None
    path, names = _name(survey, guess, places, lists)
    found = _describe(survey, guess)
    edit = tuple(_advise(survey, guess, names, path))
    head = [f"# {line}" for line in (found, *edit)]
    tops = _tops(survey, guess)
    rows = [
        _spell_row(survey, guess, group, name)
        for group, name in zip(guess.groups, names, strict=True)
    ]
    text = "\n\n".join(["\n".join(head), *tops, *rows]) + "\n"
    lines = [line for part in (*tops, *rows) for line in part.splitlines()]
    bare = "\n".join(line.partition("  #")[0] for line in lines)
    return ClassesDraft(text, bare, names, found, edit)


def _name(
    survey: Survey, guess: Guess, places: Iterable[str], lists: Sequence[tuple[str, ClassNames]]
) -> tuple[str, tuple[str, ...]]:
    """Return the names of the classes, and the list that contains them all, if any."""
    for path, listed in lists:
        found = listed.find(guess.groups, by_color=survey.by_color)
        if found is not None:
            return path, tuple(found)
    keys = [group.key for group in guess.groups]
    return "", tuple(name_classes(keys, places, by_color=survey.by_color))


def _tops(survey: Survey, guess: Guess) -> list[str]:
    """Return the top-level keys, which precede the classes."""
    if guess.is_blurred and survey.by_color:
        return ['unlisted = "nearest"  # a colour that no class lists is of the nearest class']
    if guess.ignored:
        spans = ", ".join(_spell_values(span) for span in guess.ignored)
        return [f"ignore = [{spans}]  # values that count nowhere"]
    return []


def _spell_row(survey: Survey, guess: Guess, group: Group, name: str) -> str:
    if survey.by_color:
        key = f'color = "{survey.spell(group.key)}"'
    elif group.span[0] == group.span[1]:
        key = f"value = {group.key}"
    else:
        key = f"values = {_spell_values(group.span)}"
    part = f"{group.share:.1%} of the pixels, in {group.masks} of {survey.seen} masks"
    spelt = json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")  # as TOML requires
    return f"[[class]]\nname = {spelt}\n{key}  # {part}"


def _spell_values(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f'"{spell_span(span)}"'


def _invented(survey: Survey, guess: Guess) -> str:
    """Return the value or colour that no mask holds, of masks that hold a single one."""
    keys = [group.key for group in guess.groups if not survey.pixels[group.key]]
    return ", ".join(survey.spell(key) for key in keys)


def _describe(survey: Survey, guess: Guess) -> str:
    """Describe the content of masks: values or colours, and the share between them."""
    what = "colours" if survey.by_color else "values"
    keys = [survey.spell(group.key) for group in guess.groups if survey.pixels[group.key]]
    what = what if len(keys) != 1 else what.removesuffix("s")
    shown = ", ".join(keys[:8]) + (", ..." if len(keys) > 8 else "")
    looked = (
        f"{survey.seen} mask{'s' * (survey.seen != 1)}"
        if survey.seen == survey.total
        else (f"{survey.seen} of {survey.total} masks, spread evenly")
    )
    text = f"Found in {looked}: {len(keys)} {what}, {shown}"
    if guess.is_blurred:
        share = f"{guess.blurred_share:.1%} of the pixels"
        text += f", and blends of them ({share}), as anti-aliasing and JPEG leave them"
    return f"{text}."


def _advise(survey: Survey, guess: Guess, names: Sequence[str], path: str) -> Iterable[str]:
    """Yield what to check before the next command."""
    if len(survey.pixels) == 1:
        yield f"No mask shows two classes: the row of {_invented(survey, guess)} is made up."
    if path:
        yield f"The names are from {path!r}; put the background first, if there is one."
        if not survey.by_color and BACKGROUND not in names:
            first = survey.spell(guess.groups[0].key)
            yield f"If {first} is the background, not {names[0]!r}, the names belong one row lower."
    elif len(names) == 2:
        yield f"Check the name {names[1]!r}: the model and all results use it."
        yield "If the first class is not the background, swap the two names."
    elif names[0] == BACKGROUND:
        yield "Edit the names of the classes; the background comes first and keeps its name."
    else:
        yield "Edit the names of the classes; put the background first, if there is one."
    if len(names) > _MANY and not survey.by_color and not path:
        yield (
            "If the values number the objects of an image, write two classes instead, the second "
            'with values = ">=1".'
        )
    if guess.is_blurred and not survey.by_color:
        if len(names) == 2:
            yield "Each blend goes to the nearer class: the ranges in the file state the limit."
        else:
            yield "Blends are ignored, because a blend of two classes can look like a third."
        yield "If the greys are a class of their own, give it a [[class]] with its range."
    elif guess.ignored:
        yield "255 is ignored, as in most label maps; if it is a class, give it a [[class]]."
