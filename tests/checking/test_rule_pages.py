# SPDX-License-Identifier: Apache-2.0
"""The pages in ``docs/rules`` are those of the rules that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.checking.rule import Rule
from zoo.checking.rules import all_rules

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "rules"
RULES = {rule.id: rule for rule in all_rules()}
SECTIONS = ["Why", "What breaks it", "What mends it"]


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_rule_has_a_page_with_its_name_an_example_and_a_mend(rule: Rule) -> None:
    """A finding's id leads to a page that says the same as the rule."""
    text = (PAGES / f"{rule.id}.md").read_text(encoding="utf-8")

    head, *sections = re.split(r"^## (.+)$", text, flags=re.M)
    assert head == f"# {rule.id} {rule.name}\n\n{rule.summary}\n\n"
    assert sections[::2] == SECTIONS
    assert re.fullmatch(r"\s*```\w+\n.+\n```\s*", sections[3], re.S)
    assert min(map(len, sections[1::2])) > 10


def test_each_page_is_of_a_rule_by_its_name() -> None:
    """A page of a rule that is gone would tell what nothing checks."""
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in PAGES.glob("ZP*.md")]

    assert sorted(titles) == sorted(
        f"# {each.id} {each.name}" for each in RULES.values() if (PAGES / f"{each.id}.md").is_file()
    )


def test_rules_have_ids_of_their_form_and_names_of_their_own() -> None:
    """Ids and names are unique: both are quoted in findings and pages."""
    rules = all_rules()

    assert [each.id for each in rules if re.fullmatch(r"ZP[1-8]\d\d", each.id) is None] == []
    assert [each.name for each in rules if re.fullmatch(r"[a-z0-9-]+", each.name) is None] == []
    assert len({each.id for each in rules}) == len({each.name for each in rules}) == len(rules)


def test_list_of_rules_is_what_its_tool_writes_today() -> None:
    command = [sys.executable, ROOT / "tools" / "rules_page.py", "--check"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
