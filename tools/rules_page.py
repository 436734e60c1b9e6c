#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the table of ``docs/rules/README.md``: every rule of ``zoo plugin check``.

    python tools/rules_page.py [--check]

``--check`` writes nothing and exits with 1 if the page differs. The page of a rule is written by
hand; its title and its first sentence are the rule's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from generated_files import write_or_check

from zoo.checking.rules import all_rules

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "rules" / "README.md"
MARK = "<!-- Everything below is written by tools/rules_page.py. -->\n"
GROUPS = {
    "ZP1": "Manifest, names, targets",
    "ZP2": "Package, versions, requirements",
    "ZP3": "Configs",
    "ZP4": "Weights, converters, shelves",
    "ZP5": "Importing",
    "ZP6": "Data sets and configs, run for a step",
    "ZP7": "Losses, models, hooks, metrics, transforms, commands, converters, run",
    "ZP8": "Wheel and sdist",
}


def page_text() -> str:
    """Return the page."""
    written = PAGE.read_text(encoding="utf-8")
    return written.partition(MARK)[0] + MARK + "\n".join(_tables())


def _tables() -> Iterator[str]:
    rules = sorted(all_rules(), key=lambda rule: rule.id)
    for group, title in GROUPS.items():
        own = [rule for rule in rules if rule.id.startswith(group)]
        if not own:
            continue
        yield from ("", f"## {title}", "", "| rule | name | stage | what it demands |")
        yield "|---|---|---|---|"
        for rule in own:
            has_page = (PAGE.parent / f"{rule.id}.md").is_file()
            link = f"[{rule.id}]({rule.id}.md)" if has_page else rule.id
            yield f"| {link} | `{rule.name}` | {rule.stage} | {rule.summary} |"
    yield ""


if __name__ == "__main__":
    sys.exit(write_or_check(lambda: {PAGE: page_text()}, __doc__))
