# SPDX-License-Identifier: Apache-2.0
"""The name of a new plugin, and the names that follow from it."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

import zoo
from zoo.errors import ConflictError, PluginError

__all__ = ["Names", "check_free", "name_plugin", "near_name"]

MOST_CHARACTERS = 30
"""Of a name: the lines of the templates stay within 100 characters."""
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# A folder of Windows cannot be called like its devices, nor a plugin like zoo or a part of it.
_DEVICES = {"aux", "con", "nul", "prn"}
_MODELS = {"semantic": "unet", "instance": "mask_rcnn"}
_TAKEN = {"zoo", "configs", "mmzoo", "mmengine", "mmcv", "mmdet", "mmseg"}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a plugin.

    Attributes:
        plugin: Its name, such as ``pond_tiles``.
    """

    plugin: str

    @property
    def package(self) -> str:
        """Return the name of its package, such as ``zoo_pond_tiles``."""
        return f"zoo_{self.plugin}"

    @property
    def dashed(self) -> str:
        """Return the name for commands, configs and distributions, such as ``pond-tiles``."""
        return self.plugin.replace("_", "-")

    @property
    def prefix(self) -> str:
        """Return what names of classes begin with, such as ``PondTiles``."""
        return "".join(word.capitalize() for word in self.plugin.split("_"))

    @property
    def title(self) -> str:
        """Return the name for sentences, such as ``pond tiles``."""
        return self.plugin.replace("_", " ")

    def config(self, task: str) -> str:
        """Return the name of its config.

        Args:
            task: ``semantic`` or ``instance``.
        """
        return f"{_MODELS[task]}_{self.dashed}"


def name_plugin(name: str) -> Names:
    """Return the names of a plugin.

    Args:
        name: What a user typed.

    Raises:
        PluginError: It cannot be the name of a plugin.
    """
    found = None
    if len(name) > MOST_CHARACTERS:
        found = f"found {len(name)} characters, expected at most {MOST_CHARACTERS}"
    elif _NAME.fullmatch(name) is None:
        wanted = "lower case letters and digits, single '_' between words, a letter first"
        found = f"expected {wanted}"
    elif name.startswith("zoo_"):
        found = f"expected a name without 'zoo_', which its package gets: zoo_{name}"
    elif keyword.iskeyword(name) or name in _TAKEN or name in _DEVICES:
        found = "found a reserved word, expected another name"
    if found is None:
        return Names(name)
    message = f"cannot call a plugin {name[:60]!r}: {found}."
    raise PluginError(message, plugin=name, hint=f"zoo plugin new {near_name(name)}")


def near_name(name: str) -> str:
    """Return a name that can be used, as close as possible to one that cannot.

    Args:
        name: Any text.
    """
    # A digit belongs to the letters around it: vista3d and bdd100k are words.
    parts = _CAPITAL.sub("_", name.removeprefix("zoo_"))
    words = re.findall(r"[a-z0-9]+", parts.lower(), re.ASCII)
    near = "_".join(words)[:MOST_CHARACTERS].strip("_")
    is_word = keyword.iskeyword(near) or near in _TAKEN or near in _DEVICES
    near = f"my_{near}" if is_word or near[:1].isdigit() else near
    return near[:MOST_CHARACTERS].strip("_") or "my_thing"


def check_free(names: Names) -> None:
    """Check that no plugin has the name.

    Args:
        names: Of the new plugin.

    Raises:
        ConflictError: There is one, broken or not.
    """
    name = names.plugin
    for record in zoo.read_catalog().plugins:
        if record.name == name:
            place = record.path or record.source
            message = f"cannot make plugin {name!r}: found one at {place}, expected a new name."
            hint = "choose another name; zoo plugin list shows those that are taken."
            first, second = f"plugin {name}", "the new plugin"
            raise ConflictError(message, first=first, second=second, plugin=name, hint=hint)
