# SPDX-License-Identifier: Apache-2.0
"""Names that a plugin may have, and what is offered for those that it may not."""

from __future__ import annotations

import re
import string

import pytest
from zoo_plugin_templates.names import MOST_CHARACTERS, name_plugin

from zoo.errors import PluginError

PLUGIN_NAME = r"[a-z][a-z0-9_]*"  # as docs/manifest.md states them
COMMAND_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"


@pytest.mark.parametrize(
    ("name", "package", "dashed", "prefix"),
    [
        ("ponds", "zoo_ponds", "ponds", "Ponds"),
        ("pond_tiles", "zoo_pond_tiles", "pond-tiles", "PondTiles"),
        ("a", "zoo_a", "a", "A"),
        ("s2_l1c", "zoo_s2_l1c", "s2-l1c", "S2L1c"),
        ("x" * MOST_CHARACTERS, "zoo_" + "x" * MOST_CHARACTERS, "x" * 30, "X" + "x" * 29),
    ],
)
def test_names_follow_from_the_plugins(name: str, package: str, dashed: str, prefix: str) -> None:
    names = name_plugin(name)

    assert (names.package, names.dashed, names.prefix) == (package, dashed, prefix)


@pytest.mark.parametrize(
    ("name", "found", "offered"),
    [
        ("pond-tiles", "expected lower case letters", "pond_tiles"),
        ("PondTiles", "expected lower case letters", "pond_tiles"),
        ("ponds/tiles", "expected lower case letters", "ponds_tiles"),
        ("../ponds", "expected lower case letters", "ponds"),
        ("pond tiles", "expected lower case letters", "pond_tiles"),
        ("pond__tiles", "expected lower case letters", "pond_tiles"),
        ("_ponds_", "expected lower case letters", "ponds"),
        ("2d_cells", "expected lower case letters", "my_2d_cells"),
        ("Vista3d", "expected lower case letters", "vista3d"),
        ("bdd100k-dataset", "expected lower case letters", "bdd100k_dataset"),
        ("wholeBody_CTScans", "expected lower case letters", "whole_body_ct_scans"),
        ("étang", "expected lower case letters", "tang"),
        ("池", "expected lower case letters", "my_thing"),
        ("", "expected lower case letters", "my_thing"),
        ("ponds\n", "expected lower case letters", "ponds"),
        ("zoo_ponds", "expected a name without 'zoo_'", "ponds"),
        ("class", "found a reserved word", "my_class"),
        ("import", "found a reserved word", "my_import"),
        ("zoo", "found a reserved word", "my_zoo"),
        ("configs", "found a reserved word", "my_configs"),
        ("mmseg", "found a reserved word", "my_mmseg"),
        ("con", "found a reserved word", "my_con"),
        ("a" * 31, "found 31 characters, expected at most 30", "a" * 30),
        ("pond_" * 400, "found 2000 characters, expected at most 30", "pond_" * 5 + "pond"),
    ],
)
def test_name_that_fits_not_is_refused_and_a_near_one_offered(
    name: str, found: str, offered: str
) -> None:
    """In one line, and what is offered would be taken."""
    with pytest.raises(PluginError) as caught:
        name_plugin(name)

    assert found in caught.value.message
    assert caught.value.hint == f"zoo plugin new {offered}"
    assert name_plugin(offered).plugin == offered


def test_every_short_name_is_either_taken_or_refused_with_a_way_out() -> None:
    """All texts of two characters: what is taken is a name of a plugin, and of a command."""
    taken = 0
    for name in (a + b for a in string.printable for b in string.printable):
        try:
            names = name_plugin(name)
        except PluginError as error:
            name_plugin(str(error.hint).removeprefix("zoo plugin new "))
            continue
        taken += 1
        assert re.fullmatch(PLUGIN_NAME, names.plugin)
        assert re.fullmatch(COMMAND_NAME, names.dashed)
        assert names.prefix.isidentifier()
    assert taken == 26 * 36 - 5  # as, if, in, is and or are reserved
