# SPDX-License-Identifier: Apache-2.0
"""The tree of exceptions: its drawing, its texts, and its way through pickle."""

from __future__ import annotations

import inspect
import pickle
from copy import copy
from typing import Any

import pytest

from zoo import errors
from zoo.errors import ConflictError, HashMismatchError, LoadError, UnknownNameError, ZooError

CLASSES = [getattr(errors, name) for name in errors.__all__]


def make(cls: type[ZooError]) -> ZooError:
    """Build an error with a text for every argument that its class takes, or sizes by name."""
    signature = inspect.signature(cls.__init__)
    wanted = [name for name in signature.parameters if name not in ("self", "message", "near")]
    given: dict[str, Any] = {name: f"a {name}" for name in wanted}
    given |= {"shapes": {"stem.weight": (8, None)}} if "shapes" in wanted else {}
    return cls("cannot do it.", **given)


def test_docstring_draws_every_class_below_its_base() -> None:
    drawing = errors.__doc__ or ""

    assert [cls.__name__ for cls in CLASSES if cls.__name__ not in drawing] == []
    assert all(issubclass(cls, ZooError) for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error_when_copied_or_pickled_keeps_text_and_data(cls: type[ZooError]) -> None:
    """Errors come back from workers, and the catalog raises copies of what it stored."""
    error = make(cls)

    for twin in (copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is cls
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_text_has_three_parts() -> None:
    error = ZooError("cannot do it: found 1, expected 2.", where="a.toml", hint="write 2.")

    assert str(error) == "cannot do it: found 1, expected 2.\nwhere: a.toml\nHINT: write 2."


def test_text_without_place_and_hint_is_the_message() -> None:
    assert str(ZooError("cannot do it.")) == "cannot do it."


def test_errors_carry_what_they_are_about() -> None:
    conflict = ConflictError("cannot.", first="a", second="b", plugin="cells")
    load = LoadError("cannot.", target="zoo_cells.loss:EdgeLoss", plugin="cells")
    mismatch = HashMismatchError("cannot.", expected="aa", actual="bb")

    assert (conflict.first, conflict.second, conflict.where) == ("a", "b", "a and b")
    assert (load.target, load.plugin) == ("zoo_cells.loss:EdgeLoss", "cells")
    assert (mismatch.expected, mismatch.actual) == ("aa", "bb")


def test_unknown_name_is_a_lookup_error_whose_text_has_no_quotes_added() -> None:
    """A KeyError would print its message as a repr."""
    error = UnknownNameError("no loss named 'x'.", kind="loss", name="x", near=["y"])

    assert isinstance(error, LookupError)
    assert str(error) == "no loss named 'x'."
    assert error.near == ("y",)
