# SPDX-License-Identifier: Apache-2.0
"""OpenMMLab's ``--cfg-options``: ``key=value`` pairs that override a config."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["merge_cfg_options", "parse_cfg_options"]


def parse_cfg_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Return dotted key -> value, parsed by mmengine's own rules.

    ``a.b=1`` is an int, ``a=1,2`` and ``a=[1,2]`` are lists, ``a="[(1,2),(3,4)]"`` a list of
    tuples, ``None`` and ``true`` are those values, anything else is a string.

    Args:
        pairs: One ``key=value`` each.

    Raises:
        ConfigError: A pair has no ``=``, an empty key, brackets that do not close, or a value
            beyond that syntax, such as a dict.
    """
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("options", nargs="*", action=DictAction)
    options: dict[str, Any] = {}
    for pair in pairs:
        key, sign, _ = pair.partition("=")
        if not sign or not key.strip():
            message = f"cannot read --cfg-options {pair!r}: expected key=value."
            raise ConfigError(message, hint="use e.g. train_cfg.max_iters=100, without spaces.")
        try:
            # The separator prevents reading a key that begins with a dash as an option.
            options |= parser.parse_args(["--", pair]).options
        except AssertionError as error:
            message = f"cannot read --cfg-options {pair!r}: unbalanced brackets."
            raise ConfigError(message, hint="quote the whole pair for the shell.") from error
        except RecursionError as error:  # mmengine's, on commas within a call
            message = f"cannot read --cfg-options {pair!r}: expected numbers, words, and lists or "
            message += "tuples of them."
            hint = "set each key separately (a.0.type=X), or write a config with _base_."
            raise ConfigError(message, hint=hint) from error
    return options


def merge_cfg_options(config: Config, options: Mapping[str, Any]) -> None:
    """Apply options to a config in place; keys that it lacks are added, as in OpenMMLab.

    Args:
        config: The whole config.
        options: Dotted key -> value, as `parse_cfg_options` returns them.

    Raises:
        ConfigError: A key goes through something that is not a dict or list, or past a list's end.
    """
    for key, value in options.items():
        try:
            config.merge_from_dict({key: value})
        except (KeyError, TypeError) as error:
            message = f"cannot set --cfg-options {key}={value!r}: {str(error.args[0]).rstrip('.')}."
            raise ConfigError(message, where=config.filename, hint=_hint(config, key)) from error


def _hint(config: Config, key: str) -> str:
    node: Any = config
    known: list[str] = []
    for part in key.split("."):
        if isinstance(node, Mapping) or hasattr(node, "keys"):
            known = [str(name) for name in node]
        elif isinstance(node, list):
            known = [str(index) for index in range(len(node))]
        else:
            break
        if part not in known:
            break
        node = node[int(part)] if isinstance(node, list) else node[part]
    return f"`zoo config show` prints the whole config; there are {', '.join(known[:8])}."
