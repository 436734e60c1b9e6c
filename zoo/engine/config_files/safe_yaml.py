# SPDX-License-Identifier: Apache-2.0
"""Read YAML as data: Python tags are refused, and a small file cannot become a huge tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoo.errors import ConfigError

__all__ = ["read_yaml"]

# libyaml's tree builder recurses for each level, and crashes the process at about 10,000.
_DEPTH = 100
_VALUES = 1_000_000
_TUPLE = "tag:yaml.org,2002:python/tuple"
_HINT = "write plain values; anything that needs Python belongs in a .py."


def read_yaml(text: str) -> Any:
    """Parse a YAML text into plain values; tuples, as mmengine writes them, are kept.

    Args:
        text: The whole document.

    Raises:
        ConfigError: It is not YAML, asks for Python objects, contains itself, is nested more than
            100 deep, or has more than a million values once its aliases are written out.
    """
    import yaml

    try:
        _check_size(text)
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a subclass of the safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        message = f"cannot read YAML: {line}{error.problem}."
        raise ConfigError(message, hint=_HINT) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        message = f"cannot read YAML: {' '.join(str(error).split()).rstrip('.')}."
        raise ConfigError(message, hint=_HINT) from error


def _loader() -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    Loader.add_constructor(_TUPLE, lambda loader, node: tuple(loader.construct_sequence(node)))
    return Loader


def _check_size(text: str) -> None:
    """Raise for a document that is small only as text."""
    # For each open collection: its values so far, and its anchor.
    open_: list[int] = []
    names: list[str | None] = []
    sizes: dict[str, int] = {}
    for event, anchor in _events(text):
        if event == "open":
            open_.append(1)
            names.append(anchor)
        size = 1
        if event == "alias":
            if anchor in names:
                message = f"cannot read YAML: the anchor {anchor!r} contains itself."
                raise ConfigError(message, hint=_HINT)
            size = sizes.get(str(anchor), 1)
        elif event == "close":
            size, name = open_.pop(), names.pop()
            if name is not None:
                sizes[name] = size
        if event != "open" and open_:
            open_[-1] += size
        if len(open_) > _DEPTH or size > _VALUES:
            what = f"nested more than {_DEPTH} deep" if len(open_) > _DEPTH else "too large"
            message = f"cannot read YAML: it is {what}, expected at most {_VALUES:,} values."
            raise ConfigError(message, hint=_HINT)


def _events(text: str) -> Iterator[tuple[str, str | None]]:
    import yaml
    from yaml import events

    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, events.CollectionStartEvent):
            yield "open", event.anchor
        elif isinstance(event, events.CollectionEndEvent):
            yield "close", None
        elif isinstance(event, events.AliasEvent):
            yield "alias", event.anchor
        elif isinstance(event, events.ScalarEvent):
            yield "scalar", event.anchor
