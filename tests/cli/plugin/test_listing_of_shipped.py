# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin list`` of the plugins that zoo ships."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zoo.cli import main


@pytest.mark.mm
@pytest.mark.usefixtures("checkout_plugins")
def test_plugin_list_finds_no_fault_in_what_zoo_ships() -> None:
    """Each kind of contribution is used by one of them, so no rule is too strict for a kind."""
    result = CliRunner().invoke(main, ["plugin", "list", "--json"])

    rows = {row["name"]: row["error"] for row in json.loads(result.stdout)}
    assert len(rows) > 15
    assert {name: error for name, error in rows.items() if error} == {}
